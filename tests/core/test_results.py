"""The rows of results by value, on made-up results: tables, spread, costs, and the command for what is missing."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.core.fabricated_results import f1_of, write_counts, write_row
from umt_core.__main__ import app
from umt_core.analysis.benchmark import (
    Results,
    benchmark_data,
    costs,
    facts,
    how_timed,
    made_by,
    other_encoders,
    row_sets,
    run_words,
    stand_ins,
    systems_of,
    table_1,
    table_2,
    table_3,
)
from umt_core.analysis.benchmark_pairs import Predictions, figures_3_and_4, pairs
from umt_core.analysis.claims import (
    CLAIMS,
    HOLDS,
    NOT_KEPT,
    TURNED,
    UNCLAIMED,
    UNDECIDED,
    Finding,
    best,
    compared_pairs,
    findings,
)
from umt_core.analysis.paper import PAPER_TABLE_2, PAPER_TABLE_3, paper_figures
from umt_core.analysis.reproduction import COST, RESULTS, Row, data_of, plan, results_folder
from umt_core.analysis.reproduction_document import document
from umt_core.errors import DataError
from umt_core.schema import Span

SEEDS = [Row("twitter2017", "bert-crf", seed) for seed in (0, 1, 2)]
UMT = Row("twitter2017", "umt-bert-crf", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three seeds of BERT-CRF, one of UMT."""
    for row in (*SEEDS, UMT):
        write_row(tmp_path, row)
    write_counts(tmp_path, "twitter2017")
    return tmp_path


def standing(folder: Path, system: str, split: str = "test"):
    return next(s for s in table_2(Results.read(folder), "twitter2017", split) if s.system == system)


def test_mean_and_spread_are_those_of_the_seeds(folder):
    found = standing(folder, "bert-crf")
    f1 = [f1_of(row) for row in SEEDS]
    assert found.ours["f1"].values == pytest.approx(f1)
    assert found.ours["f1"].mean == pytest.approx(sum(f1) / 3)
    assert found.ours["f1"].deviation == pytest.approx(statistics.stdev(f1))
    assert found.ours["LOC"].mean == pytest.approx(sum(f1) / 3 - 10)  # as ``scores`` makes it
    assert (found.seeds, found.wanted) == ((0, 1, 2), 3)
    assert found.weights == f"sum of {SEEDS[0].name}"


def test_one_seed_has_no_spread(folder):
    found = standing(folder, "umt-bert-crf")
    assert found.ours["f1"].deviation is None
    assert found.ours["f1"].text == f"{f1_of(UMT):.2f}"
    assert (found.seeds, found.wanted) == ((0,), 3)


def test_the_papers_figures_stand_beside_test_alone(folder):
    paper = PAPER_TABLE_2["twitter2017"]["bert-crf"]
    assert tuple(standing(folder, "bert-crf").paper.values()) == paper
    dev = standing(folder, "bert-crf", "dev")
    assert dev.paper == {}
    assert dev.ours["f1"].values == pytest.approx([f1_of(row, "dev") for row in SEEDS])


def test_a_row_that_is_not_run_has_the_papers_figures_alone(folder):
    found = standing(folder, "bert")
    assert (found.ours, found.seeds, found.weights, found.pictures) == ({}, (), "", "")
    assert found.paper["f1"] == 82.95


def test_table_3_is_umt_and_its_parts(folder):
    rows = table_3(Results.read(folder), "twitter2017")
    assert [row.system for row in rows] == ["umt-bert-crf", *PAPER_TABLE_3["twitter2017"]]
    gate = rows[-1]
    assert gate.paper == {"precision": 85.31, "recall": 84.68, "f1": 84.99}
    assert not any(row.ours for row in rows[1:])
    write_row(folder, Row("twitter2017", UMT.system, 1))
    (umt, *_), (same,) = (
        table_3(Results.read(folder), "twitter2017"),
        [row for row in table_2(Results.read(folder), "twitter2017") if row.system == UMT.system],
    )
    assert (umt.seeds, same.seeds) == ((0,), (0, 1))  # as the parts have one seed, so has what they are held against
    assert (umt.wanted, same.wanted) == (1, 3)  # nothing is missing here


def test_all_rows_of_the_plan_stand_in_a_table(tmp_path):
    results = Results.read(tmp_path)
    tables = [row for name in row_sets() for row in (*table_2(results, name), *table_3(results, name)[1:])]
    assert {(row.dataset, row.system) for row in tables} == {(row.dataset, row.system) for row in plan()}
    assert sum(row.wanted for row in tables) == len(plan())
    assert set(benchmark_data()) == {data_of(row.dataset) for row in plan()}


def test_pictures_that_stand_in_are_told_and_encoders_that_are_not_the_papers(folder, tmp_path):
    assert standing(folder, "umt-bert-crf").stands_in
    assert not standing(folder, "bert-crf").stands_in
    assert stand_ins(Results.read(folder))
    assert other_encoders(Results.read(folder)) == ["minilm"]
    write_row(tmp_path / "own", UMT, pictures="the tweets' own", encoder="bert-base-cased")
    own = Results.read(tmp_path / "own")
    assert not stand_ins(own)
    assert other_encoders(own) == []


def test_time_is_that_of_all_systems_by_turns_where_it_was_taken_so(folder):
    found = costs(Results.read(folder), ["twitter2017"])
    assert [cost.by_turns for cost in found] == [False, False]
    assert "hardly compare" in how_timed(found, Results.read(folder))
    each = {"twitter2017/bert-crf": 1.5, "twitter2017/umt-bert-crf": 2.5}
    about = {"device": "cuda", "threads": 3, "tweets": 128, "rounds": 5, "ms_per_tweet": each}
    (folder / COST).write_text(json.dumps(about))
    results = Results.read(folder)
    found = costs(results, ["twitter2017"])
    assert [(cost.milliseconds, cost.by_turns, cost.device) for cost in found] == [
        (1.5, True, "cuda"),
        (2.5, True, "cuda"),
    ]
    line = "Timed by turns in one process (3 threads): the quickest of 5 rounds over 128 tweets."
    assert how_timed(found, results) == line
    assert line in document(folder, "make reproduce")
    for damaged in (
        "{",
        '{"ms_per_tweet": {}}',
        '{"ms_per_tweet": []}',
        '{"ms_per_tweet": {"twitter2017/bert-crf": "fast"}}',
    ):
        (folder / COST).write_text(damaged)
        with pytest.raises(DataError, match=r"cost\.json: wanted"):
            Results.read(folder)


def test_costs_are_of_the_first_seed_and_f1_of_all(folder):
    text, picture = costs(Results.read(folder), ["twitter2017"])
    assert (text.system, picture.system) == ("bert-crf", "umt-bert-crf")
    assert (text.trained, text.published, text.parameters) == (10_000_000, 12_000_000, 22_000_000)
    assert (picture.milliseconds, picture.seconds, picture.epochs, picture.device) == (12.5, 600, 2, "cpu")
    assert text.f1["test"].values == pytest.approx([f1_of(row) for row in SEEDS])
    assert (text.pictures, picture.pictures) == ("", "stand-in photographs")
    SEEDS[0].file(folder).unlink()
    assert [cost.system for cost in costs(Results.read(folder), ["twitter2017"])] == ["umt-bert-crf"]


def test_counts_are_ours_beside_the_papers(folder):
    counts = table_1(Results.read(folder), "twitter2017")
    assert [c.ours - c.paper for c in counts or ()] == [0, 0, 0, 0, 1, 0]
    assert table_1(Results.read(folder), "twitter2015") is None


def test_the_command_for_a_row_runs_that_row_and_wants_to_know_what_the_pictures_are(folder, tmp_path):
    words = run_words(Results.read(folder), UMT.dataset, UMT.system, "data")
    assert words[words.index("--about-images") + 1] == "what your pictures are"
    assert words[words.index("--output") + 1] == "runs/own"  # here it is done, and would not be run again
    again = made_by(Results.read(folder))
    assert again[again.index("--about-images") + 1] == "stand-in photographs"
    assert again[again.index("--output") + 1] == str(folder)
    for every in ("bert", "gvatt-bert-crf"):  # all rows of the project are done
        assert "runs/own" in run_words(Results.read(RESULTS), "twitter2015", every)
    assert "--output" not in made_by(Results.read(RESULTS))
    assert plan([words[words.index("--only") + 1]]) == [Row(UMT.dataset, UMT.system, seed) for seed in (0, 1, 2)]
    help_ = CliRunner().invoke(app, ["reproduce", "--help"], env={"COLUMNS": "200"}).output
    assert all(word in help_ for word in words if word.startswith("--"))
    assert "--about-images" not in run_words(Results.read(tmp_path / "none"), "twitter2017", "bert")


def test_fixed_and_broken_are_counted_against_bert_crf_and_missing_ones_are_none():
    per, loc = Span(0, 1, "PER"), Span(2, 3, "LOC")
    gold = [{per}, {loc}, {per}]
    predictions = Predictions(gold, {"bert-crf": [{per}, set(), set()], "mt-bert-crf": [set(), {loc}, {per}]})
    rows = {row.system: (row.fixed, row.broken) for row in figures_3_and_4("twitter2017", predictions)}
    assert list(rows) == [system for system in systems_of("twitter2017") if system != "bert-crf"]
    assert {system: bars for system, bars in rows.items() if bars != (None, None)} == {"mt-bert-crf": (2, 1)}
    assert pairs("twitter2017", predictions) == [("bert-crf", "mt-bert-crf")]
    predictions.systems.update(dict.fromkeys(("gvatt-bert-crf", "adacan-bert-crf"), gold))
    found = pairs("twitter2017", predictions)
    assert len(found) == 6  # MT against three, and three with each other, none of them twice
    assert len({frozenset(pair) for pair in found}) == 6


def test_a_claim_holds_is_turned_about_or_is_not_told_from_chance(tmp_path):
    per, loc = Span(0, 1, "PER"), Span(2, 3, "LOC")
    gold, half, nothing = [{per, loc}] * 60, [{per}] * 60, [set[Span]()] * 60
    almost = [*gold[:-1], {per}]
    systems = {"bert": half, "hbilstm-crf": nothing, "bert-crf": nothing, "mt-bert-crf": gold, "umt-bert-crf": almost}
    results, predictions = Results(tmp_path, {}), Predictions(gold, systems)
    found = {(f.claim.better, f.claim.worse): f for f in findings(results, "twitter2017", predictions)}
    assert len(found) == len(CLAIMS)
    assert found["bert", "hbilstm-crf"].verdict == HOLDS
    assert found["bert", "hbilstm-crf"].paper == pytest.approx(82.95 - 80.37)
    assert found["bert", "hbilstm-crf"].ours == pytest.approx(100 * 2 / 3)
    assert found["bert-crf", "bert"].verdict == TURNED
    assert found["umt-bert-crf", "mt-bert-crf"].verdict == UNDECIDED  # one entity in sixty tweets
    assert found["gvatt-bert-crf", "bert-crf"].verdict == "not run"
    assert [f.claim for f in findings(results, "twitter2017-base", None)] == [
        claim for claim in CLAIMS if {claim.better, claim.worse} <= {"bert-crf", "mt-bert-crf", "umt-bert-crf"}
    ]


def test_seeds_that_turn_a_difference_about_take_its_verdict_away(folder):
    per = {Span(0, 1, "PER")}
    predictions = Predictions([per] * 60, {"bert-crf": [set[Span]()] * 60, "umt-bert-crf": [per] * 60})

    def told() -> Finding:
        return next(
            found
            for found in findings(Results.read(folder), "twitter2017", predictions)
            if (found.claim.better, found.claim.worse) == ("umt-bert-crf", "bert-crf")
        )

    assert (told().means, told().verdict) == (None, HOLDS)  # UMT has one seed
    write_row(folder, Row("twitter2017", UMT.system, 1))
    text, picture = (
        [f1_of(Row("twitter2017", name, s)) for s in range(n)] for name, n in (("bert-crf", 3), (UMT.system, 2))
    )
    assert told().means == pytest.approx(sum(picture) / 2 - sum(text) / 3)
    assert told().verdict == (HOLDS if told().means > 0 else UNDECIDED)
    values = json.loads(UMT.file(folder).read_text())
    values["test"]["f1"] = 0.0
    UMT.file(folder).write_text(json.dumps(values))
    assert told().means < 0
    assert told().verdict == UNDECIDED


def test_a_claim_that_the_paper_has_not_on_this_data_set_is_none_and_predictions_that_are_not_kept_are_told(folder):
    write_row(folder, Row("twitter2015", "bert-crf", 0))
    write_row(folder, Row("twitter2015", "gvatt-bert-crf", 0))
    per = {Span(0, 1, "PER")}
    predictions = Predictions([per] * 60, {"bert-crf": [set[Span]()] * 60, "gvatt-bert-crf": [per] * 60})
    for kept, verdict in ((predictions, UNCLAIMED), (None, NOT_KEPT)):
        (found,) = [
            found
            for found in findings(Results.read(folder), "twitter2015", kept)
            if (found.claim.better, found.claim.worse) == ("gvatt-bert-crf", "bert-crf")
        ]
        assert found.paper == pytest.approx(71.70 - 71.81)
        assert found.verdict == verdict


def test_each_pair_of_a_claim_is_tested_once():
    gold = [{Span(0, 1, "PER")}]
    predictions = Predictions(gold, dict.fromkeys(systems_of("twitter2017"), gold))
    found = compared_pairs("twitter2017", predictions)
    assert len({frozenset(pair) for pair in found}) == len(found)
    assert {frozenset((c.worse, c.better)) for c in CLAIMS} <= {frozenset(pair) for pair in found}


def test_every_claim_is_of_systems_that_the_paper_prints_and_true_there_of_one_data_set_at_least():
    for claim in CLAIMS:
        figures = [
            [paper_figures(data, "test", name)["f1"] for name in (claim.better, claim.worse)]
            for data in ("twitter2015", "twitter2017")
        ]
        assert any(better > worse for better, worse in figures), claim


def test_umt_stands_beside_the_paper_with_the_mean_of_its_seeds(folder):
    write_row(folder, Row("twitter2017", UMT.system, 1))
    (found,) = best(Results.read(folder))
    f1 = [f1_of(Row("twitter2017", UMT.system, seed)) for seed in (0, 1)]
    assert (found.dataset, found.ours, found.paper) == ("twitter2017", pytest.approx(sum(f1) / 2), 85.31)


def test_where_results_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("UMT_RESULTS", str(tmp_path))
    assert results_folder() == tmp_path
    monkeypatch.delenv("UMT_RESULTS")
    assert results_folder() == Path(__file__).resolve().parents[2] / "results"


# The command


def shown(folder: Path) -> str:
    done = CliRunner().invoke(app, ["reproduce", "--show", "--output", str(folder)])
    assert done.exit_code == 0
    return done.output


def test_show_prints_the_documents_tables_without_data(folder, monkeypatch):
    monkeypatch.delenv("UMT_DATA", raising=False)
    text = shown(folder)
    printed = {cell.strip() for cell in text.replace("\n", "  ").split("  ") if cell.strip()}
    lines = [line for line in document(folder, "COMMAND").splitlines() if line.startswith("| ")]
    cells = {cell.strip(" `") for line in lines for cell in line.strip("|").split("|")} - {"", "---"}
    assert len(cells) > 100
    assert cells <= printed
    assert "The pictures are stand-ins." in text
    assert f"{len([*SEEDS, UMT])} of {len(plan())} rows are done" in text


def test_show_of_an_empty_folder_says_not_run(tmp_path):
    text = shown(tmp_path)
    assert f"0 of {len(plan())} rows are done" in text
    assert "stand-in" not in text


def test_show_names_a_damaged_file(folder):
    UMT.file(folder).write_text("[")
    with pytest.raises(DataError, match=r"umt-bert-crf/seed-0\.json: wanted results in JSON"):
        Results.read(folder)


@pytest.mark.parametrize("name", ["test.by_type.LOC.f1", "ms_per_tweet", "channels", "data.train.tweets"])
def test_results_that_lack_something_are_named(folder, name):
    values = json.loads(UMT.file(folder).read_text())
    *way, last = name.split(".")
    found = values
    for part in way:
        found = found[part]
    del found[last]
    UMT.file(folder).write_text(json.dumps(values))
    with pytest.raises(DataError, match=rf"umt-bert-crf/seed-0\.json: wanted results with {name}, got none"):
        Results.read(folder)


def test_counts_that_are_none_are_named(folder):
    (folder / "twitter2017" / "data.json").write_text('{"table_1": [1]}')
    with pytest.raises(DataError, match=r"data\.json: wanted counts"):
        table_1(Results.read(folder), "twitter2017")


def test_rows_that_were_set_otherwise_are_told(folder):
    values = json.loads(UMT.file(folder).read_text())
    values["train"]["dropout"] = 0.4
    UMT.file(folder).write_text(json.dumps(values))
    results = Results.read(folder)
    told = facts(results)["set otherwise than by the recipe"]
    assert told == ["epochs=2", f"dropout=0.4 ({UMT.name})"]
    values["recipe"] = "of another version"
    UMT.file(folder).write_text(json.dumps(values))
    assert facts(Results.read(folder))["set otherwise than by the recipe"] == [
        f"epochs=2 ({', '.join(row.name for row in SEEDS)})"
    ]
    words = made_by(results)
    assert "epochs=2" in words
    assert not any("dropout" in word for word in words)
    told = words.index("--about-images")
    assert run_words(results, "twitter2017", "bert") == [
        *words[:told],
        *words[told + 2 :],
        "--only",
        "twitter2017/bert",
    ]


def test_rows_that_have_an_encoder_of_their_own_lend_it_to_no_other(tmp_path):
    row = Row("twitter2017-base", "bert-crf", 0)
    write_row(tmp_path, row)
    values = json.loads(row.file(tmp_path).read_text())
    values["model"]["text_encoder"] = "mpnet-base"
    row.file(tmp_path).write_text(json.dumps(values))
    results = Results.read(tmp_path)
    for dataset in ("twitter2017", "twitter2017-base"):
        words = run_words(results, dataset, "mt-bert-crf")
        assert not {"--text-encoder", "--recipe"} & set(words)
        assert words[-2:] == ["--only", f"{dataset}/mt-bert-crf"]
