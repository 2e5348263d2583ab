"""Scores, figures, tests and slices: the command and the pages say the same, and what a plain count says."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nervaluate.entities import Entity
from nervaluate.strategies import StrictEvaluation

from tests.core import tiny
from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, Made, add_run, make, predictions_of, run_info
from umt_core import predict
from umt_core.__main__ import main
from umt_core.analysis.browse import browse
from umt_core.analysis.building import build_set
from umt_core.analysis.ledger import OUTCOMES, classify, tally
from umt_core.analysis.metrics import score_spans
from umt_core.analysis.paper import FIGURES, PAPER_TABLE_2, paper_differences, paper_figures
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet, find_set
from umt_core.analysis.tables import (
    SLICES,
    compare,
    confusion_rows,
    error_rows,
    ledger_rows,
    pair_rows,
    score_rows,
    slice_rows,
)
from umt_core.data.conll import write_conll
from umt_core.data.images import ImageIndex
from umt_core.data.jsonl import read_examples
from umt_core.explain.attention import entropy
from umt_core.labels import LABELS
from umt_core.predict import Predictor
from umt_core.schema import Span, Summary

BOTH = (TEXT_ONLY, WITH_IMAGES)
QUICK = {"resamples": 200}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return make(tmp_path_factory.mktemp("made"))


def gold_of(made):
    return [example.spans for example in made.examples]


def said_by(made, name):
    return [[scored.span for scored in prediction.spans] for prediction in made.predictions[name]]


# --- rows against plain counts -------------------------------------------------------------------


def test_scores_are_those_of_the_spans(made):
    rows = score_rows(made.set, **QUICK)
    assert [(row["run"], row["type"]) for row in rows] == [(run, t) for run in BOTH for t in ("all", *LABELS)]
    for run in BOTH:
        scores = score_spans(gold_of(made), said_by(made, run))
        for row in (row for row in rows if row["run"] == run):
            score = scores.overall if row["type"] == "all" else scores.by_type[row["type"]]
            assert (row["correct"], row["predicted"], row["gold"]) == (score.correct, score.predicted, score.gold)
            for figure in ("precision", "recall", "f1"):
                assert row[figure] == pytest.approx(getattr(score, figure))
                assert row[f"{figure}_low"] <= row[figure] <= row[f"{figure}_high"]


def test_a_strict_count_leaves_out_what_begins_with_an_orphan(tmp_path):
    path = tmp_path / "own" / "test.txt"
    path.parent.mkdir()
    path.write_text("IMGID:1\nBig\tI-PER\nAnn\tB-PER\nin\tO\nOslo\tB-LOC\n\n")
    made = build_set(path, root=tmp_path / "sets")
    (example,) = read_examples(path)
    spans = [Span(0, 1, "PER"), Span(1, 2, "PER"), Span(3, 4, "LOC")]
    (said,) = predictions_of([example], [spans])
    said = replace(said, tags=("B-PER", "B-PER", "O", "I-LOC"))
    made = add_run(made, run_info(made, TEXT_ONLY), [said], [Summary(0.5)])
    lenient, strict = (score_rows(made, strict=strict, **QUICK)[0] for strict in (False, True))
    assert [lenient[n] for n in ("correct", "predicted", "gold")] == [3, 3, 3]
    # Big is no gold span, Oslo no predicted one
    assert [strict[n] for n in ("correct", "predicted", "gold")] == [1, 2, 2]
    assert [lenient[n] for n in ("gold_orphans", "predicted_orphans")] == [1, 1]


def test_figures_3_and_4_count_the_ledger(made):
    counts = tally(gold_of(made), said_by(made, TEXT_ONLY), said_by(made, WITH_IMAGES))
    rows = ledger_rows(made.set, TEXT_ONLY, [WITH_IMAGES])
    assert {row["outcome"]: row["count"] for row in rows} == counts
    assert all(row["share"] == row["count"] / made.set.info.gold for row in rows if row["share"] is not None)
    by_type = ledger_rows(made.set, TEXT_ONLY, [WITH_IMAGES], by_type=True)
    assert {o: sum(row["count"] for row in by_type if row["outcome"] == o) for o in OUTCOMES} == counts


def test_a_bar_opens_exactly_its_tweets(made):
    for row in ledger_rows(made.set, TEXT_ONLY, [WITH_IMAGES], by_type=True):
        page = browse(made.set, Query.from_params(row["query"]), size=200)
        assert page.gold_spans + page.other_spans == row["count"], row
        lines = [line for tweet in page.rows for line in tweet["lines"]]
        assert {(line["outcome"], line["label"]) for line in lines} <= {(row["outcome"], row["type"])}


def test_the_comparison_is_the_page_s_and_the_ledger_s(made):
    (figures,) = compare(made.set, TEXT_ONLY, [WITH_IMAGES], **QUICK).values()
    counts = tally(gold_of(made), said_by(made, TEXT_ONLY), said_by(made, WITH_IMAGES))
    assert {outcome: figures[outcome] for outcome in OUTCOMES} == counts
    (row,) = pair_rows(made.set, **QUICK)
    assert row == {"baseline": figures["baseline"], "system": WITH_IMAGES} | figures
    assert pair_rows(made.set, baseline=TEXT_ONLY, **QUICK) == [row]
    (other_way,) = pair_rows(made.set, baseline=WITH_IMAGES, **QUICK)
    assert (other_way["fixed"], other_way["broken"]) == (figures["broken"], figures["fixed"])
    scores = [score_spans(gold_of(made), said_by(made, run)).overall.f1 for run in BOTH]
    assert figures["f1"] == pytest.approx(scores[1])
    assert figures["baseline"]["f1"] == pytest.approx(scores[0])
    assert figures["paired_test"]["difference"]["value"] == pytest.approx(scores[1] - scores[0])


def test_errors_and_confusion_count_the_matches(made):
    matches = [m for pair in zip(gold_of(made), said_by(made, WITH_IMAGES), strict=True) for m in classify(*pair)]
    for row in error_rows(made.set, [WITH_IMAGES]):
        assert row["count"] == sum(m.error == row["error"] for m in matches)
    for row in confusion_rows(made.set, WITH_IMAGES):
        pairs = [m for m in matches if (label(m.gold), label(m.predicted)) == (row["gold"], row["predicted"])]
        assert (row["count"], row["right"]) == (len(pairs), sum(m.error is None for m in pairs))


def label(span):
    return span.label if span else "none"


def test_a_cell_of_the_confusion_opens_its_tweets(made):
    for row in confusion_rows(made.set, WITH_IMAGES):
        page = browse(made.set, Query.from_params(row["query"]))
        assert row["count"] == (page.other_spans if row["gold"] == "none" else page.gold_spans), row


@pytest.mark.parametrize("by", SLICES)
def test_slices_are_scores_of_a_part_and_their_links_open_it(made, by):
    rows = [row for row in slice_rows(made.set, by) if row["run"] == WITH_IMAGES]
    assert sum(row["support"] for row in rows) == made.set.info.gold
    whole = score_spans(gold_of(made), said_by(made, WITH_IMAGES)).overall
    assert sum(row["recall"] * row["support"] for row in rows) == pytest.approx(whole.correct)
    for row in rows:
        assert 0 <= row["precision"] <= 1
        if by == "seen":
            assert "spurious_removed" not in row["query"]["outcome"]  # which F1 of the system knows nothing of
        else:
            assert browse(made.set, Query.from_params(row["query"])).tweets == row["tweets"]


def test_a_slice_by_length_is_the_score_of_those_tweets(made):
    short = [len(example.tokens) <= 10 for example in made.examples]

    def part(spans):
        return [s for s, chosen in zip(spans, short, strict=True) if chosen]

    scores = score_spans(part(gold_of(made)), part(said_by(made, WITH_IMAGES))).overall
    (row,) = (r for r in slice_rows(made.set, "words", [WITH_IMAGES]) if r["slice"] == "1–10")
    assert (row["precision"], row["recall"], row["tweets"]) == (scores.precision, scores.recall, sum(short))


def test_nervaluate_counts_the_same_on_these_tweets(made):
    counts = dict.fromkeys(("correct", "incorrect", "missed", "spurious"), 0)
    for gold, said in zip(gold_of(made), said_by(made, TEXT_ONLY), strict=True):
        theirs, ours = ([Entity(s.label, s.start, s.end - 1) for s in sorted(side)] for side in (gold, said))
        result, _ = StrictEvaluation().evaluate(theirs, ours, list(LABELS))
        for name in counts:
            counts[name] += getattr(result, name)
    rows = {row["error"]: row["count"] for row in error_rows(made.set, [TEXT_ONLY])}
    ours = {"missed": rows["missed"], "spurious": rows["spurious"]}
    ours["incorrect"] = sum(rows[name] for name in ("type", "boundary", "type and boundary"))
    chains = counts["incorrect"] - ours["incorrect"]  # see ledger.py: these it pairs and we do not
    assert 0 <= chains <= 3
    assert counts["missed"] + chains == ours["missed"]
    assert counts["spurious"] + chains == ours["spurious"]
    assert counts["correct"] == score_spans(gold_of(made), said_by(made, TEXT_ONLY)).overall.correct


# --- the paper -----------------------------------------------------------------------------------


def test_paper_figures_are_those_of_table_2(shared_data):
    texts = [path.read_text(encoding="utf-8") for path in shared_data.parent.glob("*.txt")]
    paper = next((text for text in texts if "Table 2: Performance comparison" in text), None)
    if paper is None:
        pytest.skip("the paper's text is not at hand")
    printed = {}
    for line in paper.splitlines():
        cells = re.sub(r"<[^>]+>|\(Ours\)|†|\s*,", "", line).replace(",", "").split("\t")
        figures = [cell.strip() for cell in cells if re.fullmatch(r"\d\d\.\d\d", cell.strip())]
        if len(figures) == 14:
            name = next(cell.strip() for cell in cells if "BERT" in cell or "CRF" in cell)
            printed[name.lower()] = tuple(map(float, figures))
    ours = {name: PAPER_TABLE_2["twitter2015"][name] + row for name, row in PAPER_TABLE_2["twitter2017"].items()}
    assert printed == ours


def test_paper_figures_stand_beside_test_sets_alone_and_say_why_they_differ(made):
    assert paper_figures(made.set.info.dataset, "test", "bert-crf") == {}
    assert paper_figures("twitter2017", "valid", "bert-crf") == {}
    table = PAPER_TABLE_2["twitter2017"]["bert-crf"]
    assert paper_figures("twitter2017", "test", "bert-crf") == dict(zip(FIGURES, table, strict=True))
    assert paper_figures("twitter2017", "test", "umt-bert-crf-no-gate")["f1"] == 84.99
    run = made.set.run(WITH_IMAGES)
    differences = paper_differences(run.text_encoder, run.images)
    assert paper_differences(run.text_encoder, "") == differences[:1]
    assert differences == ["text encoder minilm, the paper's is bert-base-cased", "pictures: stand-in photographs"]


@pytest.mark.parametrize(
    ("checkpoint", "reasons"),
    [
        ("twitter2017/umt-bert-crf", []),
        ("twitter2017-base/umt-bert-crf@original", []),
        ("twitter2015/umt-bert-crf", ["checkpoint set twitter2015, the data are twitter2017"]),
        ("twitter2017/umt-bert-crf@corrected", ["version corrected, which was trained on"]),
    ],
)
def test_a_tagger_of_other_data_or_trained_on_does_not_compare_with_the_paper(checkpoint, reasons):
    assert paper_differences("bert-base-cased", "", checkpoint, "twitter2017") == reasons


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two checkpoints with random weights, ten tweets with pictures, and a folder for sets."""
    folder = tmp_path_factory.mktemp("world")
    encoder = tiny.save_encoder(folder / "encoder")
    for seed, name in enumerate(("bert-crf", "umt-bert-crf")):
        tiny.save_tagger(folder / "checkpoints", tiny.system(name, seed=seed, text_encoder=encoder, on=tiny.encoder()))
    write_conll(folder / "data" / "test.txt", tiny.TWEETS)
    write_conll(folder / "data" / "train.txt", tiny.TWEETS[:4])
    (folder / "images").mkdir()
    for example in tiny.TWEETS[:-2]:
        tiny.photograph(int(example.id)).save(folder / "images" / f"{example.id}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CHECKPOINTS", str(folder / "checkpoints"))
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("UMT_PREDICTIONS", str(folder / "sets"))
        patch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
        yield folder


def command(world: Path, *more: str) -> list[str]:
    options = f"--baseline tiny/bert-crf --checkpoint tiny/umt-bert-crf --data {world}/data/test.txt"
    return ["compare", *options.split(), "--images", str(world / "images"), "--device", "cpu", *more]


def test_compare_writes_what_the_taggers_fix_and_break(world, tmp_path, capsys):
    out = tmp_path / "new" / "compared.json"
    assert main(command(world, "--json", str(out))) == 0
    assert "spurious removed" in capsys.readouterr().out
    written = json.loads(out.read_text())
    index = ImageIndex.open(world / "images")
    examples = read_examples(world / "data" / "test.txt")
    gold = [example.spans for example in examples]
    said = [
        [[s.span for s in p.spans] for p in Predictor.load(f"tiny/{name}", "cpu").predict(examples, index)]
        for name in ("bert-crf", "umt-bert-crf")
    ]
    figures = written["tiny/umt-bert-crf"]
    assert {outcome: figures[outcome] for outcome in OUTCOMES} == tally(gold, *said)
    assert figures["f1"] == pytest.approx(score_spans(gold, said[1]).overall.f1)
    assert set(figures["paired_test"]) >= {
        "difference",
        "p_randomisation",
        "p_bootstrap",
        "p_mcnemar",
        "smallest_difference",
    }


def test_compare_says_what_the_page_says(world, tmp_path):
    out = tmp_path / "compared.json"
    assert main(command(world, "--json", str(out))) == 0
    page = compare(find_set("data/test"), "tiny/bert-crf", ["tiny/umt-bert-crf"])
    assert json.loads(out.read_text()) == json.loads(json.dumps(page))


def test_compare_leaves_predictions_that_are_not_made_again(world, monkeypatch):
    assert main(command(world)) == 0
    monkeypatch.setattr(Predictor, "load", None)
    assert main(command(world)) == 0
    monkeypatch.undo()


def test_predictions_in_a_set_are_those_of_the_tagger_with_its_figures(world):
    assert main(command(world)) == 0
    made = find_set("data/test")
    predictor = Predictor.load("tiny/umt-bert-crf", "cpu")
    rows = browse(made, Query(), size=100).rows
    for row, example in zip(rows, tiny.TWEETS, strict=True):
        path = world / "images" / f"{example.id}.png"
        inside = predictor.inspect(example, tiny.photograph(int(example.id)) if path.exists() else None)
        shown = row["predictions"]["tiny/umt-bert-crf"]
        wanted = [(s.span.start, s.span.end, pytest.approx(s.score, abs=1e-3)) for s in inside.prediction.spans]
        assert [(s["start"], s["end"], s["score"]) for s in shown] == wanted
        assert row["image"] == ("present" if path.exists() else "missing")
        figures = row["figures"]["tiny/umt-bert-crf"]
        assert figures["gate_mean"] == pytest.approx(inside.gate.mean(), abs=1e-3)
        assert figures["gate_std"] == pytest.approx(inside.gate.std(), abs=1e-3)
        assert figures["gate_highest"] == pytest.approx(inside.gate.mean(1).max(), abs=1e-3)
        marginals = np.sort(inside.marginals, axis=1)
        assert figures["margin"] == pytest.approx((marginals[:, -1] - marginals[:, -2]).min(), abs=1e-3)
        for name in ("word_to_block", "word_to_image_aware_block"):
            each = [entropy(row) for head in getattr(inside, name) for row in head]
            assert figures[f"entropy_{name}"] == pytest.approx(np.mean(each), abs=1e-3)
        assert 0 < figures["entropy_block_to_word"] < np.log(64)
    assert {row["figures"]["tiny/bert-crf"]["gate_mean"] for row in rows} == {None}


def test_sets_are_listed_shared_adopted_and_exported_by_command(world, tmp_path, capsys, monkeypatch):
    assert main(command(world)) == 0
    assert main(["sets", "list"]) == 0
    assert "tiny/umt-bert-crf" in capsys.readouterr().out
    out = tmp_path / "wrong.csv"
    filters = ["--filter", "error=missed,type", "--filter", "system=tiny/bert-crf"]
    assert main(["sets", "export", "data/test", *filters, "--format", "csv", "--output", str(out)]) == 0
    assert {row["by"] for row in csv.DictReader(out.read_text().splitlines())} <= {
        "gold", "tiny/bert-crf", "tiny/umt-bert-crf",
    }  # fmt: skip
    assert main(["sets", "share", "data/test", "--output", str(tmp_path / "shared")]) == 0
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "elsewhere"))
    assert main(["sets", "adopt", str(tmp_path / "shared"), "--data", str(world / "data" / "test.txt")]) == 0
    assert find_set("data/test").has_texts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("compare --baseline tiny/none --checkpoint tiny/bert-crf --data {data}", "no checkpoint 'tiny/none'"),
        ("compare --baseline tiny/bert-crf --checkpoint tiny/bert-crf --data {data}.gone", "gone: wanted"),
        ("sets export data/none --output x.csv", "wanted a prediction set 'data/none'"),
        ("sets export data/test --output x.csv --filter colour=red", "unknown filter ['colour']"),
        ("sets export data/test --output x.csv --filter regex=(a", "regex: wanted a regular expression"),
        ("sets adopt {data}", "wanted a prediction set"),
    ],
)
def test_bad_input_ends_with_two_and_one_line(world, capsys, arguments, said):
    assert main(command(world)) == 0
    capsys.readouterr()
    assert main(arguments.format(data=world / "data" / "test.txt").split()) == 2
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert said in written


def test_a_set_opens_from_its_folder_alone(world):
    assert main(command(world)) == 0
    assert PredictionSet.open(find_set("data/test").folder).runs.keys() == {"tiny/bert-crf", "tiny/umt-bert-crf"}
