"""Words, cells and charts of the Benchmark page, without Streamlit."""

from __future__ import annotations

import random
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from app import standing_figures, standings
from app.standings import Browser
from tests.core.fabricated_results import f1_of, write_counts, write_row
from umt_core.analysis.benchmark import Results, costs, table_1, table_2
from umt_core.analysis.benchmark_pairs import Against, Moved, Predictions, against
from umt_core.analysis.query import Query
from umt_core.analysis.reproduction import Row
from umt_core.schema import Span

DATA = "twitter2017"
HERE = Browser(f"{DATA}/test", {"bert-crf": "a/bert-crf", "umt-bert-crf": "a/umt-bert-crf@v2"})


@pytest.fixture
def results(tmp_path):
    for system, seeds in (("bert-crf", 3), ("umt-bert-crf", 2), ("umt-bert-crf-no-gate", 1)):
        for seed in range(seeds):
            write_row(tmp_path, Row(DATA, system, seed))
    write_counts(tmp_path, DATA)
    return Results.read(tmp_path)


def line(cells, title):
    return next(row["cells"] for row in cells[1] if row["cells"][0]["text"] == title)


def test_links_name_the_run_and_what_a_figure_suffers_from(results):
    cells = line(standings.standing_cells(table_2(results, DATA), HERE, better=["ORG"]), "UMT")
    assert cells[3]["text"].endswith(" †")
    assert not cells[2]["text"].endswith(" †")
    query = Query.from_params(cells[3]["link"])
    assert (query.data, query.baseline, query.system) == (HERE.data, "a/bert-crf", "a/umt-bert-crf@v2")
    assert query.type == ("ORG",)
    assert {name: value[0] for name, value in parse_qs(urlparse(cells[3]["href"]).query).items()} == cells[3]["link"]


def test_a_system_is_not_held_against_itself(results):
    assert "baseline" not in line(standings.standing_cells(table_2(results, DATA), HERE), "BERT-CRF")[1]["link"]


def test_daggers_are_umts_alone(results):
    columns, rows = standings.standing_cells(table_2(results, DATA), better=["f1"])
    marked = [row["cells"][0]["text"] for row in rows if any("†" in cell["text"] for cell in row["cells"])]
    assert marked == ["UMT", "the paper"]  # the paper marks its own
    assert columns[-1]["title"] == "F1"


def test_seeds_that_are_missing_are_counted_and_named(results):
    about = [
        row["cells"][0].get("sub") for row in standings.standing_cells(table_2(results, DATA))[1] if not row["quiet"]
    ]
    assert about == ["3 seeds", "2 of 3 seeds · stand-in pictures"]
    commands = standings.missing_commands(results, table_2(results, DATA), "my data")
    assert len(commands) == 10  # of eleven systems only BERT-CRF has all of its seeds
    as_the_others = f"--data 'my data' --output {results.folder} --about-images 'stand-in photographs' --set epochs=2"
    assert f"{as_the_others} --only {DATA}/umt-bert-crf" in commands[-1]


def test_counts_lead_on_only_where_both_runs_are_here():
    rows = [Moved("umt-bert-crf", 4, 1), Moved("mt-bert-crf", 2, 3), Moved("gvatt-bert-crf", None, None)]
    cells = standings.moved_cells(rows, HERE)
    assert [cell["text"] for cell in line(cells, "UMT")] == ["UMT", "4", "1", "+3"]
    assert line(cells, "UMT")[1]["link"]["outcome"] == "fixed"
    assert "link" not in line(cells, "MT")[1]
    assert [cell["text"] for cell in line(cells, "GVATT-BERT-CRF")[1:]] == ["not run", "not run", ""]
    table = standings.moved_table(rows, 10)
    assert table[["title", "outcome", "count", "share"]].values.tolist() == [
        ["UMT", "fixed", 4, 0.4],
        ["UMT", "broken", 1, 0.1],
        ["MT", "fixed", 2, 0.2],
        ["MT", "broken", 3, 0.3],
    ]
    assert list(standings.moved_table([], 0).columns) == list(table.columns)


def test_pairs_lead_on_only_where_both_runs_are_here():
    gold = [{Span(i, i + 1, "PER")} for i in range(20)]
    found = Predictions(gold, {"bert-crf": [set() for _ in gold], "umt-bert-crf": gold, "mt-bert-crf": gold})
    rows: list[Against] = [against(found, "bert-crf", system) for system in ("umt-bert-crf", "mt-bert-crf")]
    umt, mt = (row["cells"] for row in standings.against_cells(rows, HERE)[1])
    assert [cell["text"] for cell in umt[:3]] == ["UMT", "BERT-CRF", "+100.00"]
    assert [cell["text"] for cell in umt[3:7]] == ["UMT is better, more than chance would give", "< 0.001", "20", "0"]
    assert umt[5]["link"] == {
        "data": HERE.data,
        "baseline": "a/bert-crf",
        "system": "a/umt-bert-crf@v2",
        "outcome": "fixed",
    }
    assert not {"link", "href"} & mt[5].keys()


def test_seeds_side_by_side(results):
    cells = standings.seed_cells(table_2(results, DATA), {DATA: HERE})
    assert [column["title"] for column in cells[0]] == ["System", "Seed 0", "Seed 1", "Seed 2", "Mean", "Range"]
    f1 = [f1_of(Row(DATA, "umt-bert-crf", seed)) for seed in (0, 1)]
    umt = line(cells, "UMT")
    assert [cell["text"] for cell in umt[1:4]] == [f"{f1[0]:.2f}", f"{f1[1]:.2f}", "not run"]
    assert float(umt[-1]["text"]) == pytest.approx(abs(f1[0] - f1[1]), abs=0.01)
    assert umt[1]["link"]["system"] == "a/umt-bert-crf@v2"
    assert not any("link" in cell for cell in umt[2:])  # predictions are those of the first seed
    assert len(standings.seed_cells([], {})[0]) == 3
    assert not standings.seed_cells([], {})[1]


@pytest.mark.parametrize("by", list(standings.COSTS))
def test_the_cheapest_system_is_first_and_its_f1_leads_to_its_errors(results, by):
    found = costs(results, [DATA])
    columns, lines = standings.cost_cells(found, "test", by, {DATA: HERE})
    at = [column["title"] for column in columns].index(standings.COSTS[by])
    shown = [float(line["cells"][at]["text"]) for line in lines]
    assert shown == sorted(shown)
    assert len(shown) == len(found)
    for of in lines:
        name, _, f1 = of["cells"][:3]
        assert ("link" in f1) == (name["text"] in ("BERT-CRF", "UMT"))
    assert not any("link" in cell for of in standings.cost_cells(found, "dev", by, {})[1] for cell in of["cells"])


def test_the_strip_has_a_mark_for_each_seed_and_a_bar_at_each_mean(results):
    table = standings.seed_table(table_2(results, DATA))
    *seeds, mean = standing_figures.seed_strip(table).data
    marks = {(trace.name, name): f1 for trace in seeds for name, f1 in zip(trace.y, trace.x, strict=True)}
    assert len(marks) == 5
    assert marks["seed 1", "UMT"] == pytest.approx(f1_of(Row(DATA, "umt-bert-crf", 1)), abs=0.01)
    assert len({trace.marker.symbol for trace in (*seeds, mean)}) == 4  # told apart without colour
    assert mean.x[0] == pytest.approx(np.mean([marks[f"seed {n}", "BERT-CRF"] for n in range(3)]), abs=0.01)


@pytest.mark.parametrize("by", list(standings.COSTS))
def test_each_system_is_a_mark_with_its_name(results, by):
    table = standings.cost_table(costs(results, [DATA]), "test")
    figure = standing_figures.f1_by_cost(table, standings.COSTS[by])
    marks = {name: (x, y) for t in figure.data for name, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    wanted = {"parameters": (22.0, 27.0), "time": (6.25, 12.5)}[by]
    assert {name: x for name, (x, _) in marks.items()} == dict(
        zip(("BERT-CRF", "UMT", "UMT w/o visual gate"), (wanted[0], wanted[1], wanted[1]), strict=True)
    )
    assert {note.text: (note.x, note.y) for note in figure.layout.annotations} == marks
    assert len({t.marker.symbol for t in figure.data}) == 3
    low, high = figure.layout.yaxis.range
    assert all(low < place < high for note in figure.layout.annotations for place in (note.y, note.ay))


def test_names_are_spread_out_as_little_as_possible():
    rng = random.Random(0)
    for _ in range(50):
        values, gap = [rng.uniform(0, 10) for _ in range(8)], rng.uniform(0.2, 2)
        places = standing_figures.spread_out(values, gap)
        room = gap * np.arange(8)
        wanted = isotonic_regression(np.sort(values) - room).x + room  # least squares under the same condition
        assert np.array(places)[np.argsort(values)] == pytest.approx(wanted)


def test_table_1_says_where_a_count_differs(results):
    columns, (line,) = standings.count_cells(table_1(results, DATA) or [])
    cells = dict(zip([column["title"] for column in columns], line["cells"], strict=True))
    assert (cells["total"]["text"], cells["total"]["sub"]) == ("101 / 100", "+1")
    assert (cells["PER"]["text"], cells["PER"]["sub"]) == ("100 / 100", "")
    assert cells["Split"]["text"] == "TWITTER-2017 test"
    assert not any("link" in cell for cell in line["cells"])
