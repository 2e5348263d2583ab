"""Out of the store and back into it: merges of three, patches, and exports that are cut off."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from umt_core.__main__ import main
from umt_core.corrections.events import Edit, Labels, TweetKey
from umt_core.corrections.exchange import FORMS, Row, write_tweets
from umt_core.corrections.exchange.merge import labels_at, plan_import
from umt_core.corrections.exchange.patch import Change, read_patch, write_patch
from umt_core.corrections.store import Store
from umt_core.data.conll import read_conll
from umt_core.errors import DataError
from umt_core.schema import Example, Span

DATA = "tiny/test"
CONLL = "IMGID:1\nSt\tO\nLouis\tI-LOC\n\nIMGID:2\nDune\tB-OTHER\nat\tO\nRoxy\tB-LOC\n\n\nIMGID:3\nnobody\tO\n"
PER, LOC, ORG = ((Span(0, 1, label),) for label in ("PER", "LOC", "ORG"))


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A data set that commands find as tiny/test, with a tweet that begins with an orphan I-."""
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UMT_STORE", raising=False)
    path = tmp_path / "data" / "tiny" / "test.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONLL.encode())
    return path


def correct(tweet: str, spans: tuple[Span, ...], author: str = "ann") -> None:
    with Store() as store:
        key = TweetKey(DATA, tweet)
        now = store.labels(key)
        store.append(Edit(key, "set", author, now.spans or (), spans, now.revision))


def skip(tweet: str, author: str = "bob") -> None:
    with Store() as store:
        key = TweetKey(DATA, tweet)
        now = store.labels(key)
        store.append(Edit(key, "skip", author, now.spans or (), now.spans or (), now.revision))


def standing() -> dict[str, tuple[Span, ...] | None]:
    with Store() as store:
        return {key.tweet: labels.spans for key, labels in store.current(DATA).items()}


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["corrections", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out.strip(), told.err.strip()


# --- the merge, case by case ---------------------------------------------------------------------

CHOICES = ((), PER, LOC)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("own", "at_base", "store", "file"), list(itertools.product((*CHOICES, None), CHOICES, CHOICES, CHOICES))
)
def test_a_file_changes_only_what_the_store_did_not(own, at_base, store, file, overwrite):
    example, key = Example("1", ("Ann",), spans=own), TweetKey(DATA, "1")
    row = Row("f:1", Example("1", ("Ann",), spans=file))
    plan = plan_import(
        [row],
        DATA,
        {"1": example},
        {key: Labels(store, 5)},
        author="bob",
        reason="r",
        base={key: Labels(at_base, 3)},
        overwrite=overwrite,
    )
    outcome = (len(plan.edits), len(plan.conflicts), plan.same, plan.older)
    if file == store:
        assert outcome == (0, 0, 1, 0)
    elif file == at_base:
        assert outcome == (0, 0, 0, 1)  # the file has not touched it: the newer labels stay
    elif store == at_base or overwrite:
        assert outcome == (1, 0, 0, 0)
        assert (plan.edits[0].before, plan.edits[0].after, plan.edits[0].revision) == (store, file, 5)
    else:
        assert outcome == (0, 1, 0, 0)
        assert "both sides" in str(plan.conflicts[0])


def test_tweets_that_the_data_set_has_not_or_has_otherwise_are_problems():
    rows = [Row("f:1", Example("9", ("a",), spans=())), Row("f:2", Example("1", ("Anna",), spans=()))]
    plan = plan_import(rows, DATA, {"1": Example("1", ("Ann",), spans=())}, {}, author="a", reason="")
    assert [str(problem) for problem in plan.problems] == [
        "f:1: wanted a tweet of the data set, got '9', which is not in it",
        "f:2: wanted the tokens that the data set has, got 'Anna' in place of 'Ann'",
    ]


def test_the_labels_after_any_event_are_those_that_stood_then(source):
    stood, luck = [{}], random.Random(0)
    with Store() as store:
        for _ in range(150):
            key, author = TweetKey(DATA, luck.choice("123")), luck.choice("ab")
            now = store.labels(key)
            act = luck.choice(["set", "skip", "comment", "undo", "redo", "restore"])
            if act in ("undo", "redo"):
                getattr(store, act)(author, keep=True)
            elif act == "restore":
                store.restore(
                    key, luck.choice([0, *(e.number for e in store.history(key))]), author, revision=now.revision
                )
            else:
                spans = luck.choice(CHOICES)
                store.append(Edit(key, act, author, now.spans or (), spans, now.revision, reason="why"))
            if len(stood) <= store.last():  # else there was nothing to undo
                stood.append(store.current(DATA))
        assert any(labels.skipped for then in stood for labels in then.values())
        for number, labels in enumerate(stood):
            assert labels_at(store.events(data=DATA), number) == labels


@pytest.mark.parametrize("form", [*FORMS, "patch"])
def test_what_nobody_has_decided_is_nobodys_answer_after_a_round_trip(source, tmp_path, capsys, form):
    correct("3", PER)
    export = ["export", "--data", DATA, "--format", form, "--output"]
    run(capsys, *export, tmp_path / "before")
    skip("2")
    skip("3")
    _, told, _ = run(capsys, *export, tmp_path / "out")
    assert told.startswith("3 tweets of tiny/test, 0 of them with other labels")
    for given, name in itertools.product([(), ("--base", 1), ("--base", 3), ("--overwrite",)], ["before", "out"]):
        arguments = ["import", "--data", DATA, "--format", form, "--input", tmp_path / name, *given]
        _, told, complaints = run(capsys, *arguments)
        assert (told.partition(" ")[0], complaints) == ("0", "")
    with Store() as store:
        assert store.last() == 3


def test_a_skipped_tweet_that_a_file_has_otherwise_is_decided_by_it(source):
    correct("3", PER)
    skip("3")
    examples = {example.id: example for example in read_conll(source)}
    row = Row("f:1", Example("3", ("nobody",), spans=ORG))
    with Store() as store:
        plan = plan_import([row], DATA, examples, store.current(DATA), author="cem", reason="r")
        store.append_all(plan.edits)
        assert store.labels(TweetKey(DATA, "3")).spans == ORG
        assert store.verify() == 3


# --- commands ------------------------------------------------------------------------------------


def test_where_nobody_has_corrected_anything_an_export_is_the_data_set(source, capsys, tmp_path):
    out = tmp_path / "out.txt"
    code, told, _ = run(capsys, "export", "--data", DATA, "--format", "conll", "--output", out)
    assert (code, out.read_bytes()) == (0, source.read_bytes())
    assert "0 of them with other labels" in told
    assert not (tmp_path / "home").exists()  # to ask is to make nothing
    mistyped = f"sqlite:///{tmp_path}/mistyped.sqlite"
    code, _, said = run(
        capsys, "export", "--data", DATA, "--format", "jsonl", "--output", tmp_path / "o", "--store", mistyped
    )
    assert (code, "got no such file" in said) == (2, True)


@pytest.mark.parametrize("form", [*FORMS, "patch"])
def test_corrections_travel_to_another_store_in_every_form(source, tmp_path, capsys, form):
    correct("1", (Span(0, 2, "LOC"),))
    correct("3", PER)
    code, told, _ = run(capsys, "export", "--data", DATA, "--format", form, "--output", tmp_path / "out")
    assert code == 0
    assert "3 tweets of tiny/test, 2 of them with other labels" in told
    assert told.endswith("after event 2")
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    arguments = ["import", "--data", DATA, "--format", form, "--input", tmp_path / "out"]
    code, told, complaints = run(capsys, *arguments, "--store", other, "--author", "bob")
    assert (code, complaints) == (0, "")
    assert told.startswith("2 tweets stored")
    with Store(other) as store, Store() as own:
        assert {key: labels.spans for key, labels in store.current(DATA).items()} == {
            key: labels.spans for key, labels in own.current(DATA).items()
        }
        assert {(e.author, e.reason) for e in store.events()} == {("bob", "import of out")}
        assert len(store.data_sums(DATA)) == 1
    code, told, _ = run(capsys, *arguments, "--store", other)  # once more
    assert told.startswith("0 tweets stored")


def test_a_folder_of_brat_without_its_annotations_takes_nobodys_labels(source, tmp_path, capsys):
    write_tweets(source.with_suffix(".jsonl"), [*read_conll(source), Example("4", ("later",), None, None)])
    source.unlink()
    run(capsys, "export", "--data", DATA, "--format", "brat", "--output", tmp_path / "out")
    for name in ("2", "3", "4"):
        (tmp_path / "out" / f"{name}.ann").unlink()
    _, told, complaints = run(capsys, "import", "--data", DATA, "--format", "brat", "--input", tmp_path / "out")
    assert told == "0 tweets stored, 1 say what stands, 0 are older than what stands, 0 conflicts, 2 left out"
    assert [line.rpartition(": ")[2] for line in complaints.splitlines()] == [
        "wanted 2.ann beside 2.txt, got none",
        "wanted 3.ann beside 3.txt, got none",
    ]
    assert standing() == {}


def test_a_corrected_export_as_conll_changes_the_corrected_tweets_alone(source, tmp_path, capsys):
    correct("3", PER)
    run(capsys, "export", "--data", DATA, "--format", "conll", "--output", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == CONLL.replace("nobody\tO", "nobody\tB-PER")


def test_a_data_set_of_another_form_is_written_as_the_conll_file_it_came_from(source, tmp_path, capsys):
    write_tweets(source.with_suffix(".jsonl"), read_conll(source))
    template = source.rename(tmp_path / "original.txt")
    Store().close()
    arguments = [
        "export",
        "--data",
        DATA,
        "--format",
        "conll",
        "--template",
        template,
        "--output",
        tmp_path / "out.txt",
    ]
    run(capsys, *arguments)
    assert (tmp_path / "out.txt").read_text() == CONLL
    correct("1", PER)
    run(capsys, *arguments)
    assert (tmp_path / "out.txt").read_text() == CONLL.replace("St\tO", "St\tB-PER").replace("Louis\tI-LOC", "Louis\tO")


def test_an_older_file_does_not_undo_what_was_done_since(source, tmp_path, capsys):
    correct("1", PER)
    out = tmp_path / "out.jsonl"
    _, told, _ = run(capsys, "export", "--data", DATA, "--format", "jsonl", "--output", out)
    number = told.rpartition(" ")[2]
    correct("1", ORG)  # here, after the export
    correct("2", PER)
    out.write_text(
        out.read_text().replace(
            '"nobody"], "image": "3", "spans": []',
            '"nobody"], "image": "3", "spans": [{"start": 0, "end": 1, "label": "PER"}]',
        )
    )
    arguments = ["import", "--data", DATA, "--format", "jsonl", "--input", out, "--base", number]
    code, told, complaints = run(capsys, *arguments)
    assert (code, complaints) == (0, "")
    assert told == "1 tweets stored, 0 say what stands, 2 are older than what stands, 0 conflicts, 0 left out"
    assert standing() == {"1": ORG, "2": PER, "3": PER}


def test_a_tweet_changed_on_both_sides_is_listed_and_left(source, tmp_path, capsys):
    correct("3", PER)
    run(capsys, "export", "--data", DATA, "--format", "patch", "--output", tmp_path / "p")
    correct("3", ORG, author="cem")
    code, told, complaints = run(capsys, "import", "--data", DATA, "--format", "patch", "--input", tmp_path / "p")
    assert code == 0
    assert "1 conflicts" in told
    assert complaints == (
        f"{tmp_path / 'p'}:2: tweet '3' was changed on both sides: the file says 0:1 PER, the store 0:1 ORG,"
        " both began from no entity"
    )
    assert standing() == {"3": ORG}
    run(capsys, "import", "--data", DATA, "--format", "patch", "--input", tmp_path / "p", "--overwrite")
    assert standing() == {"3": PER}


def test_a_dry_run_says_what_would_be_stored(source, tmp_path, capsys):
    correct("1", PER)
    run(capsys, "export", "--data", DATA, "--format", "csv", "--output", tmp_path / "c.csv")
    with Store() as store:
        store.undo("ann")
        before = store.count()
    arguments = ["import", "--data", DATA, "--format", "csv", "--input", tmp_path / "c.csv", "--dry-run"]
    _, told, _ = run(capsys, *arguments)
    assert told.startswith("1 tweets would be stored")
    with Store() as store:
        assert store.count() == before


@pytest.mark.parametrize(("bio", "stored", "left"), [("refuse", 0, 1), ("repair", 1, 0)])
def test_tags_out_of_order_are_refused_or_repaired_and_listed(source, tmp_path, capsys, bio, stored, left):
    text = CONLL.replace("nobody\tO", "nobody\tI-PER")  # the orphan of tweet 1 is the data set's own, and in order
    (tmp_path / "in.txt").write_text(text)
    arguments = ["import", "--data", DATA, "--format", "conll", "--input", tmp_path / "in.txt", "--bio", bio]
    _, told, complaints = run(capsys, *arguments)
    assert told.startswith(f"{stored} tweets stored")
    assert told.endswith(f"{left} left out")
    assert complaints.startswith(f"{tmp_path / 'in.txt'}:11: token 1 'nobody': I-PER continues nothing")
    assert standing() == ({"3": PER} if stored else {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "--data", "no/such", "--format", "csv", "--output", "x"], "no/such: wanted a data set or a file"),
        (["export", "--data", DATA, "--format", "xml", "--output", "x"], "--format: wanted conll"),
        (["import", "--data", DATA, "--format", "csv", "--input", "none.csv"], "none.csv: wanted a readable file"),
        (
            ["import", "--data", DATA, "--format", "csv", "--input", "x", "--bio", "guess"],
            "--bio: wanted refuse or repair",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(source, capsys, arguments, message):
    Store().close()
    code, _, complaints = run(capsys, *arguments)
    assert code == 2
    assert complaints.startswith(f"error: {message}")
    assert "\n" not in complaints


def test_an_export_never_overwrites_its_own_data_set(source, capsys):
    Store().close()
    code, _, complaints = run(capsys, "export", "--data", DATA, "--format", "conll", "--output", source)
    assert (code, "got the data set itself" in complaints) == (2, True)
    assert source.read_text() == CONLL


# --- patches -------------------------------------------------------------------------------------


def test_a_patch_holds_the_changes_alone_and_no_word_of_a_tweet(source, tmp_path):
    before = read_conll(source)
    after = [before[0], before[1], Example("3", ("nobody",), "3", PER)]
    assert write_patch(tmp_path / "p", DATA, "ab" * 32, zip(before, after, strict=True)) == 1
    head, change = map(json.loads, (tmp_path / "p").read_text().splitlines())
    assert head == {"patch": 1, "data": DATA, "sha256": "ab" * 32}
    assert change == {"id": "3", "before": [], "after": [{"start": 0, "end": 1, "label": "PER"}]}
    assert list(read_patch(tmp_path / "p", DATA, "ab" * 32)) == [
        Change(f"{tmp_path / 'p'}:2", "3", (), ((0, 1, "PER"),))
    ]


def test_a_patch_of_another_file_is_refused_in_one_line(source, tmp_path, capsys):
    correct("3", PER)
    run(capsys, "export", "--data", DATA, "--format", "patch", "--output", tmp_path / "p")
    source.write_text(CONLL + "\n")
    code, _, complaints = run(capsys, "import", "--data", DATA, "--format", "patch", "--input", tmp_path / "p")
    assert code == 2
    assert "wanted a patch for tiny/test as it is here (SHA-256 " in complaints
    with pytest.raises(DataError, match="wanted a patch"):
        list(read_patch(source, DATA, "x"))


def test_broken_lines_of_a_patch_are_named_and_the_others_count(source, tmp_path, capsys):
    correct("3", PER)
    run(capsys, "export", "--data", DATA, "--format", "patch", "--output", tmp_path / "p")
    with (tmp_path / "p").open("a") as file:
        file.write('{"id": "2", "before": [], "after": []}\n{"id": "1"}\nx\n')
        file.write('{"id": "8", "before": [], "after": []}\n{"id": "3", "before": [], "after": []}\n')
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    arguments = ["import", "--data", DATA, "--format", "patch", "--input", tmp_path / "p", "--store", other]
    _, told, complaints = run(capsys, *arguments)
    assert told.startswith("1 tweets stored")
    assert [line.partition(": ")[0] for line in complaints.splitlines()] == [
        f"{tmp_path / 'p'}:{n}" for n in (3, 4, 5, 6, 7)
    ]


# --- cut off -------------------------------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def write_forever(path: Path, form: str, turns: list[list[Example]], told: int) -> None:
    for examples in itertools.cycle(turns):
        write_tweets(path, examples, form)
        os.write(told, b".")


@pytest.mark.parametrize(
    ("form", "name", "kills"),
    [
        ("csv", "out.csv", 10),
        ("brat", "out", 10),
        pytest.param("jsonl", "out.jsonl", 150, marks=pytest.mark.slow),
        pytest.param("hf", "out", 100, marks=pytest.mark.slow),
        pytest.param("brat", "out", 100, marks=pytest.mark.slow),
        pytest.param("brat", "out.zip", 100, marks=pytest.mark.slow),
    ],
)
def test_a_kill_leaves_the_old_export_or_the_new_one_and_never_half(tmp_path, form, name, kills):
    path, luck = tmp_path / name, random.Random(0)
    two = [[Example(f"{i}", ("Ann", word), None, PER) for i in range(40)] for word in ("one", "two")]
    whole = []
    for examples in two:
        write_tweets(path, examples, form)
        whole.append(contents(path))
    assert whole[0] != whole[1]
    seen = []
    for kill in range(kills):
        hear, told = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                write_forever(path, form, two[kill % 2 :] + two[: kill % 2], told)
            finally:
                os._exit(1)
        os.read(hear, 1)  # it is at work
        time.sleep(luck.uniform(0, 0.03))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(hear)
        os.close(told)
        seen.append(whole.index(contents(path)))  # no other is there
    assert set(seen) == {0, 1}
