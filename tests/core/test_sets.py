"""Prediction sets on disk: what they hold, that a run goes on after a kill, sharing, and every way they may be bad."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, make, predictions_of, run_info
from tests.core.versioned import write_checkpoint, write_family
from umt_core.analysis import run_set as running
from umt_core.analysis import sets
from umt_core.analysis.building import add_texts, adopt_set, build_set, share_set
from umt_core.analysis.run_set import run_set
from umt_core.analysis.sets import RUN, PredictionSet, find_set, prediction_sets
from umt_core.data.conll import write_conll
from umt_core.data.files import locked, write_json
from umt_core.data.jsonl import write_jsonl
from umt_core.errors import CheckpointError, DataError, UmtError
from umt_core.registry import checkpoints_folder
from umt_core.schema import Example, Span, Summary
from umt_core.versions import promote

TWEETS = [
    Example("a", ("Ann", "in", "New", "York"), "a", (Span(0, 1, "PER"), Span(2, 4, "LOC"))),
    Example("b", ("YORK", "wins"), "b", (Span(0, 1, "ORG"),)),
    Example("c", ("nothing", "here"), "c", ()),
    Example("d", ("Oslo",), "d", (Span(0, 1, "LOC"),)),
    *(Example(f"e{i}", ("so", "empty"), f"e{i}", ()) for i in range(5)),
]
TRAIN = [Example("t", ("ann", "of", "York"), spans=(Span(0, 1, "PER"), Span(2, 3, "PER")))]


@pytest.fixture
def data(tmp_path):
    """Nine tweets: a has a picture, b a broken one, c none, d one of one colour, e0 to e4 one and the same."""
    write_conll(tmp_path / "own" / "test.txt", TWEETS)
    write_conll(tmp_path / "own" / "train.txt", TRAIN)
    images = tmp_path / "images"
    images.mkdir()
    stripes = Image.effect_mandelbrot((40, 40), (-2, -1, 1, 1), 20)
    stripes.save(images / "a.png")
    (images / "b.jpg").write_text("not a picture")
    Image.new("RGB", (40, 40), "grey").save(images / "d.png")
    for i in range(5):
        stripes.rotate(90).save(images / f"e{i}.png")
    return tmp_path / "own" / "test.txt"


def build(data: Path, **options) -> PredictionSet:
    return build_set(data, data.parents[1] / "images", root=data.parents[1] / "sets", **options)


@pytest.fixture
def made(tmp_path):
    return make(tmp_path, count=60)


def test_a_set_holds_what_the_data_hold(data):
    made = build(data)
    assert (made.name, made.info.tweets, made.info.gold) == ("own/test", 9, 4)
    tweets = made.query(f"FROM {made.table('tweets')}")
    assert [(t["tweet"], t["id"], t["words"], t["entities"]) for t in tweets[:3]] == [
        (0, "a", 4, 2),
        (1, "b", 2, 1),
        (2, "c", 2, 0),
    ]
    assert [t["image"] for t in tweets] == ["present", "unreadable", "missing", "placeholder", *["placeholder"] * 5]
    assert made.info.images == {"missing": 1, "placeholder": 6, "present": 1, "unreadable": 1}
    gold = made.query(f"FROM {made.table('gold')}")
    # Ann is a PER in train, New York is not there, york is there with another type, without regard to capitals
    assert [row["seen"] for row in gold] == ["seen", "unseen", "seen with another type", "unseen"]
    texts = made.query(f"FROM {made.table('texts')}")
    assert (texts[0]["text"], texts[0]["tokens"]) == ("Ann in New York", ["Ann", "in", "New", "York"])


def test_the_same_data_give_the_same_set_and_others_another(data, monkeypatch):
    first = build(data)
    monkeypatch.setattr("umt_core.analysis.building._write_facts", None)  # not called again
    assert build(data).folder == first.folder
    monkeypatch.undo()
    assert build_set(data, root=first.folder.parents[1]).folder != first.folder  # without pictures
    write_conll(data.with_name("train.txt"), TRAIN + TWEETS[:1])
    assert build(data).folder != first.folder
    assert find_set("own/test", first.folder.parents[1]).info.train_sha256 != first.info.train_sha256


def test_orphans_are_told_from_spans_that_begin_rightly(data):
    data.write_text("IMGID:1\nBig\tI-PER\nAnn\tB-PER\nLee\tI-PER\nOslo\tI-LOC\n\n")
    made = build(data)
    assert [row["orphan"] for row in made.query(f"FROM {made.table('gold')} ORDER BY start")] == [True, False, True]


def test_matches_and_figures_of_a_run_are_kept(made):
    assert list(made.set.runs) == [TEXT_ONLY, WITH_IMAGES]
    rows = made.set.query(f"SELECT * FROM {made.set.table('tweets', WITH_IMAGES)}")
    assert [row["tweet"] for row in rows] == list(range(60))
    for row, summary, prediction in zip(rows, made.summaries[WITH_IMAGES], made.predictions[WITH_IMAGES], strict=True):
        assert {name: row[name] for name in asdict(summary)} == pytest.approx(asdict(summary))
        scores = [scored.score for scored in prediction.spans]
        assert (row["spans"], row["lowest_score"]) == pytest.approx((len(scores), min(scores, default=None)))
    by_gate = sorted(rows, key=lambda row: row["gate_mean"])
    assert [row["gate_quantile"] for row in by_gate] == pytest.approx([i / 59 for i in range(60)])
    text_only = made.set.query(
        f"SELECT count(gate_mean), count(gate_quantile) FROM {made.set.table('tweets', TEXT_ONLY)}"
    )
    assert list(text_only[0].values()) == [0, 0]


# --- runs ----------------------------------------------------------------------------------------


class Taggers:
    """Stands in for checkpoints: every tweet's first token is a PER; ``dies_after`` calls it is killed."""

    def __init__(self, monkeypatch):
        self.calls, self.dies_after, self.weights = [], 99, "1" * 64
        monkeypatch.setattr(running, "find_checkpoint", self.find)
        monkeypatch.setattr(sets, "find_checkpoint", self.find)
        monkeypatch.setattr(running.Predictor, "load", lambda *_: self)

    def find(self, name):
        manifest = SimpleNamespace(
            system="umt-bert-crf",
            weights_sha256=self.weights,
            channels=5,
            model=SimpleNamespace(text_encoder="tiny"),
            images="none",
        )
        return SimpleNamespace(name=name, exact=name, manifest=manifest)

    def predict_and_summarise(self, examples, images, progress):
        if len(self.calls) >= self.dies_after:
            raise KeyboardInterrupt
        self.calls.append([example.id for example in examples])
        progress(len(examples), len(examples))
        return predictions_of(examples, [[Span(0, 1, "PER")] for _ in examples]), [Summary(0.5) for _ in examples]


def test_a_run_that_was_killed_goes_on_after_its_last_whole_part(data, monkeypatch):
    made, taggers = build(data), Taggers(monkeypatch)
    taggers.dies_after = 3
    with pytest.raises(KeyboardInterrupt):
        run_set(made, ["own/umt"], part=2)
    assert PredictionSet.open(made.folder).runs == {}
    parts = sorted(made.folder.glob("*/parts/*.parquet"))
    assert len(parts) == 3
    parts[1].write_bytes(parts[1].read_bytes()[:100])  # as if the disk had been full
    taggers.calls, taggers.dies_after = [], 99
    said = []
    done = run_set(made, ["own/umt"], part=2, progress=lambda *state: said.append(state))
    assert taggers.calls == [["c", "d"], ["e2", "e3"], ["e4"]]
    assert said[-1] == ("own/umt", 9, 9)
    spans = done.query(f"SELECT tweet, start, label FROM {done.table('spans', 'own/umt')}")
    assert [(row["tweet"], row["start"], row["label"]) for row in spans] == [(i, 0, "PER") for i in range(9)]
    assert not list(made.folder.glob("*/parts"))
    run_set(done, ["own/umt"])
    assert len(taggers.calls) == 3  # what is there is not made again


def test_parts_of_another_size_are_not_mixed_in(data, monkeypatch):
    made, taggers = build(data), Taggers(monkeypatch)
    taggers.dies_after = 1
    with pytest.raises(KeyboardInterrupt):
        run_set(made, ["own/umt"], part=2)
    taggers.dies_after = 99
    assert run_set(made, ["own/umt"], part=4).run("own/umt").spans == 9


def test_a_checkpoint_that_has_changed_is_told_and_run_beside_the_old_one(data, monkeypatch):
    made, taggers = build(data), Taggers(monkeypatch)
    made = run_set(made, ["own/umt"])
    assert made.changed() == {}
    taggers.weights = "2" * 64
    assert "by other weights (111111111111) than" in made.changed()["own/umt"]
    with pytest.raises(DataError, match="as it is now, got none"):
        made.run_of("own/umt")
    older = SimpleNamespace(version="v1")
    with monkeypatch.context() as patch:  # where it is known which version it was
        patch.setattr(sets, "same_weights", lambda *_: older)
        patch.setattr(sets, "find_checkpoint", lambda name: SimpleNamespace(**vars(taggers.find(name)), version="v2"))
        line = "own/umt: these are predictions of version v1; own/umt is its version v2 now"
        assert made.changed() == {"own/umt": line}
        named = replace(made, runs={"own/umt@v1": replace(made.run("own/umt"), checkpoint="own/umt@v1")})
        assert named.changed() == {}
        older.version = "better"
        assert named.changed() == {"own/umt@v1": "own/umt@v1: this version is called better now"}
    old = made.run("own/umt")
    write_json(made.folder / old.folder_name / "manifest.json", replace(old, created="2020"))
    made = run_set(made, ["own/umt"])
    assert {name: run.weights_sha256[0] for name, run in made.runs.items()} == {
        "own/umt": "2",
        "own/umt@111111111111": "1",
    }
    assert made.run_of("own/umt") == "own/umt"

    def gone(name):
        raise CheckpointError(f"no checkpoint {name}")

    monkeypatch.setattr(sets, "find_checkpoint", gone)
    assert "its checkpoint is not here; these are" in made.changed()["own/umt"]


def test_the_tagger_of_a_run_is_found_whatever_is_served_now(made, tmp_path, monkeypatch):
    for name in ("home", "checkpoints"):
        monkeypatch.setenv(f"UMT_{name.upper()}", str(tmp_path / name))
    monkeypatch.setattr(running.Predictor, "load", lambda found, _: found.folder)
    with pytest.raises(CheckpointError, match="it has changed or is gone; run it again"):
        running.predictor_of(made.set, TEXT_ONLY)
    weights = made.set.run(TEXT_ONLY).weights_sha256
    original = write_checkpoint(checkpoints_folder() / TEXT_ONLY, "0", weights_sha256=weights)
    write_family("v1", family=TEXT_ONLY)
    promote(f"{TEXT_ONLY}@v1", "Ann")
    assert running.predictor_of(made.set, TEXT_ONLY) == original


def test_two_processes_do_not_write_one_set_at_once(data, monkeypatch):
    made = build(data)
    Taggers(monkeypatch)
    with locked(made.folder / f"umt-bert-crf-{'1' * 12}"), pytest.raises(DataError, match="another process is at work"):
        run_set(made, ["own/umt"])


# --- sharing -------------------------------------------------------------------------------------


def test_a_shared_set_holds_no_tweet_and_takes_them_back_by_id(made, tmp_path):
    shared = share_set(made.set, tmp_path / "shared")
    files = sorted(path.relative_to(shared).as_posix() for path in shared.rglob("*") if path.is_file())
    assert not {"texts.parquet", "surfaces.json", "source.json"} & set(files)
    for file in (path for path in shared.rglob("*.parquet")):
        assert not {"text", "folded", "tokens", "picture"} & set(pq.read_schema(file).names)
    theirs = adopt_set(shared, tmp_path / "elsewhere")
    assert list(theirs.runs) == list(made.set.runs)
    assert not theirs.has_texts
    # the same tweets in another form and order
    write_jsonl(tmp_path / "other.jsonl", made.examples[::-1])
    theirs = add_texts(theirs, tmp_path / "other.jsonl")
    texts = [[row["tokens"] for row in s.query(f"FROM {s.table('texts')} ORDER BY tweet")] for s in (made.set, theirs)]
    assert texts[0] == texts[1] == [list(example.tokens) for example in made.examples]


def test_a_shared_set_tells_no_folder_of_a_text_encoder(made, tmp_path):
    (run, *_) = made.set.runs.values()
    copy = tmp_path / "copy"
    shutil.copytree(made.set.folder, copy)
    write_json(copy / run.folder_name / RUN, replace(run, text_encoder="/somewhere/encoders/mine"))
    shared = share_set(PredictionSet.open(copy), tmp_path / "shared")
    assert "mine" in {of.text_encoder for of in PredictionSet.open(shared).runs.values()}
    assert "/somewhere" not in (shared / run.folder_name / RUN).read_text(encoding="utf-8")


def test_a_set_or_run_that_is_still_being_copied_is_no_set_yet(made, tmp_path):
    theirs = adopt_set(share_set(made.set, tmp_path / "shared"), tmp_path / "elsewhere")
    (run, *_) = theirs.runs.values()
    shutil.copytree(theirs.folder / run.folder_name, theirs.folder / f".{run.folder_name}.part")
    shutil.copytree(theirs.folder, theirs.folder.with_name(f".{theirs.folder.name}.part"))
    (found,), complaints = prediction_sets(tmp_path / "elsewhere")
    assert (found.folder, found.runs.keys(), found.complaints) == (theirs.folder, theirs.runs.keys(), ())
    assert complaints == []


def test_tweets_of_another_data_set_are_refused(made, data, tmp_path):
    theirs = adopt_set(share_set(made.set, tmp_path / "shared"), tmp_path / "elsewhere")
    with pytest.raises(DataError, match="wanted the 60 tweets of made/test, got 0 of them"):
        add_texts(theirs, data)
    assert not theirs.has_texts


def test_a_set_without_its_tweets_cannot_be_run_but_says_so(made, tmp_path):
    theirs = adopt_set(share_set(made.set, tmp_path / "shared"), tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"found no texts.parquet; build it first"):
        run_set(theirs, ["any/thing"])


# --- bad sets ------------------------------------------------------------------------------------


def one_line(error: pytest.ExceptionInfo[UmtError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_half_written_run_is_left_out_with_a_line_and_the_rest_stays_usable(made):
    spans = made.set.folder / made.set.run(TEXT_ONLY).folder_name / "spans.parquet"
    spans.write_bytes(spans.read_bytes()[:-20])
    opened = PredictionSet.open(made.set.folder)
    assert list(opened.runs) == [WITH_IMAGES]
    assert "wanted a whole Parquet file, got a damaged one" in opened.complaints[0]
    with pytest.raises(DataError, match="wanted predictions of 'made/bert-crf', got none"):
        opened.run(TEXT_ONLY)


def test_predictions_for_other_data_are_left_out_with_a_line(made):
    foreign = replace(run_info(made.set, "made/other", weights="f" * 64), data_sha256="e" * 64)
    folder = made.set.folder / foreign.folder_name
    shutil.copytree(made.set.folder / made.set.run(TEXT_ONLY).folder_name, folder)
    write_json(folder / "manifest.json", replace(foreign, finished=True))
    opened = PredictionSet.open(made.set.folder)
    assert list(opened.runs) == [TEXT_ONLY, WITH_IMAGES]
    assert "got those for other data (eeeeeeeeeeee...)" in opened.complaints[0]


@pytest.mark.parametrize("name", ["gold.parquet", "tweets.parquet"])
def test_a_damaged_set_is_refused_and_does_not_hide_others(made, data, name):
    others = build_set(data, root=made.set.folder.parents[1])
    (made.set.folder / name).write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match="wanted a whole Parquet file") as error:
        PredictionSet.open(made.set.folder)
    found, complaints = prediction_sets(made.set.folder.parents[1])
    assert [s.name for s in found] == [others.name]
    assert complaints == [one_line(error)]


def test_a_file_that_breaks_while_the_set_is_open_gives_one_line(made):
    (made.set.folder / "gold.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot ask the set") as error:
        made.set.query(f"FROM {made.set.table('gold')}")
    one_line(error)


@pytest.mark.parametrize("attempt", range(3))
def test_readers_who_ask_for_a_pair_at_once_all_get_it(made, attempt):
    shutil.rmtree(made.set.folder / sets.PAIRS, ignore_errors=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(made.set.pair, TEXT_ONLY, WITH_IMAGES) for _ in range(8)]
        found = {made.set.query(f"SELECT count(*) AS lines FROM {of.result()}")[0]["lines"] for of in asked}
    assert len(found) == 1
    assert len(list((made.set.folder / sets.PAIRS).iterdir())) == 1


def test_a_broken_pair_is_made_again(made):
    before = made.set.query(f"SELECT count(*) FROM {made.set.pair(TEXT_ONLY, WITH_IMAGES)}")
    (path,) = (made.set.folder / sets.PAIRS).iterdir()
    path.write_bytes(b"half")
    assert made.set.query(f"SELECT count(*) FROM {made.set.pair(TEXT_ONLY, WITH_IMAGES)}") == before


@pytest.mark.parametrize("field", ["dataset", "split", "key"])
@pytest.mark.parametrize("value", ["../../elsewhere", "/etc", "..", "", 7])
def test_a_set_from_elsewhere_names_no_place_outside(made, tmp_path, field, value):
    shared = share_set(made.set, tmp_path / "shared")
    values = json.loads((shared / "set.json").read_text())
    (shared / "set.json").write_text(json.dumps(values | {field: value}))
    with pytest.raises(DataError, match=f"{field} is"):
        adopt_set(shared, tmp_path / "elsewhere")


def test_a_run_from_elsewhere_stays_in_its_folder(made, tmp_path):
    shared = share_set(made.set, tmp_path / "shared")
    for path, system in zip(sorted(shared.glob("*/manifest.json")), ("../up", "other"), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"system": system}))
    theirs = adopt_set(shared, tmp_path / "elsewhere")
    assert theirs.runs == {}
    assert [line.split(": ")[1][:6] for line in theirs.complaints] == ["wanted", "wanted"]


def test_what_is_no_set_is_refused(tmp_path, made):
    with pytest.raises(DataError, match=r"wanted a prediction set, found no set.json"):
        PredictionSet.open(tmp_path)
    (made.set.folder / "set.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="not of format 1"):
        PredictionSet.open(made.set.folder)
    with pytest.raises(DataError, match="got none; known: none; make one: python -m umt_core sets run "):
        find_set("nothing/here", tmp_path / "sets")


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"text": ""}\n', "in.jsonl:1: wanted text"), ("", "wanted at least one tweet")],
)
def test_data_that_make_no_set_leave_nothing_behind(tmp_path, text, said):
    path = tmp_path / "in.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        build_set(path, root=tmp_path / "sets")
    assert not [p for p in (tmp_path / "sets").rglob("*") if p.is_file() and p.name != ".lock"]


def test_sets_need_no_torch():
    names = "sets building runs browse tables paper ledger significance".split()
    program = f"import sys; import {', '.join(f'umt_core.analysis.{n}' for n in names)}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "False\n", done.stderr


def test_what_a_set_says_of_itself_is_plain_json(made):
    values = json.loads((made.set.folder / "set.json").read_text())
    assert values["tweets"] == 60
    assert values["key"] in made.set.folder.name
