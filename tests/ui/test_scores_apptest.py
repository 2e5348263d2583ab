"""The Scores page on seven tweets by hand: its figures, and that each leads to its tweets."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app.outcomes import run_titles
from tests.ui import reading
from tests.ui.reading import component_data, said
from tests.ui.tiny_set import TWEETS, spans, write_run
from umt_core.analysis.browse import browse
from umt_core.analysis.metrics import score_spans
from umt_core.analysis.query import Query
from umt_core.analysis.tables import compare

opened = partial(reading.opened, "scores")


def rows(page: AppTest, key: str) -> list[list[dict]]:
    return [row["cells"] for row in component_data(page, key)["rows"]]


def test_scores_are_those_of_the_spans(made):
    page = opened()
    assert not page.error
    expected = score_spans([spans(row[2]) for row in TWEETS], [spans(row[5]) for row in TWEETS]).to_dict()
    (line,) = [row for row in rows(page, "scores_scores") if row[0]["text"] == "UMT"]
    shown = [cell["text"] for cell in line[1:]]
    by_type = [expected["by_type"][label]["f1"] for label in ("PER", "LOC", "ORG", "MISC")]
    wanted = [*by_type, expected["precision"], expected["recall"], expected["f1"]]
    assert shown == [f"{100 * figure:.2f}" for figure in wanted]


def test_pairs_say_what_compare_says(made):
    (line,) = [row for row in rows(opened(), "scores_pairs") if [c["text"] for c in row[:2]] == ["UMT", "BERT-CRF"]]
    found = compare(made, "twitter2017/bert-crf", ["twitter2017/umt-bert-crf"])["twitter2017/umt-bert-crf"]
    test = found["paired_test"]
    assert line[2]["text"] == f"{100 * test['difference']['value']:+.2f}"
    assert [line[5]["text"], line[6]["text"]] == [str(found["fixed"]), str(found["broken"])] == ["2", "1"]
    assert line[7]["text"] == f"{test['p_mcnemar']:.3f}"
    assert line[9]["text"] == f"{100 * test['smallest_difference']:.2f}"


def test_where_there_are_many_pairs_they_are_those_of_one_baseline(made):
    for system in ("bilstm-crf", "gvatt-bert-crf"):
        write_run(made, system, {})
    page = opened()
    titles = ["BiLSTM-CRF", "BERT-CRF", "GVATT-BERT-CRF", "MT", "UMT"]
    scores = [row[0]["text"] for row in rows(page, "scores_scores")]
    assert [title for title in scores if title in titles] == titles, "not in the paper's order"
    assert [[c["text"] for c in row[:2]] for row in rows(page, "scores_pairs")] == [
        [title, "BERT-CRF"] for title in titles if title != "BERT-CRF"
    ]
    box = page.selectbox(key="scores_against")
    box.set_value("twitter2017/mt-bert-crf").run()
    assert {row[1]["text"] for row in rows(page, "scores_pairs")} == {"MT"}
    assert reading.address(page)["against"] == "twitter2017/mt-bert-crf"
    assert len(rows(opened(against="all"), "scores_pairs")) == 10
    astray = opened(against="no/tagger")
    assert "There are no predictions of 'no/tagger' to compare with" in said(astray)
    assert {row[1]["text"] for row in rows(astray, "scores_pairs")} == {"BERT-CRF"}
    page.session_state["scores_against"] = "of/another-set"  # as after another data set, with this one's address
    page.query_params["data"] = "another/test"
    page.session_state["scores_address"] = {"data": "another/test", "against": "twitter2017/mt-bert-crf"}
    page.run()
    assert "to compare with" not in said(page)


@pytest.mark.parametrize("table", ["scores_errors", "scores_confusion", "scores_pairs"])
def test_each_count_leads_to_as_many_entities(made, table):
    for row in rows(opened(), table):
        for cell in row:
            if "link" in cell and cell["text"].isdigit():
                page = browse(made, Query.from_params(cell["link"]))
                assert page.gold_spans + page.other_spans == int(cell["text"])
                assert cell["link"]["data"] == "tiny/test"


def test_versions_of_one_name_in_two_checkpoint_sets_are_two_columns():
    runs = [f"{of}/umt-bert-crf{version}" for of in ("twitter2017", "mine") for version in ("", "@v1", "@v2")]
    titles = run_titles({name: SimpleNamespace(system="umt-bert-crf") for name in runs[:-1]})
    assert titles == {
        "twitter2017/umt-bert-crf": "UMT (twitter2017)",
        "twitter2017/umt-bert-crf@v1": "UMT @v1 (twitter2017)",
        "twitter2017/umt-bert-crf@v2": "UMT @v2",
        "mine/umt-bert-crf": "UMT (mine)",
        "mine/umt-bert-crf@v1": "UMT @v1 (mine)",
    }


def test_parts_of_the_data_set_have_their_own_figures(made):
    parts = {row[0]["text"]: [cell["text"] for cell in row[1:]] for row in rows(opened(), "scores_slices_image")}
    assert {part: figures[:2] for part, figures in parts.items()} == {"picture": ["3", "4"], "no picture": ["4", "2"]}


def test_the_papers_figures_stand_only_where_it_has_some(made):
    page = opened()
    assert not [row for row in rows(page, "scores_scores") if "paper" in row[0]["text"]]
    assert "do not compare" not in said(page)


def test_ill_formed_tags_are_counted_both_ways(made):
    lines = {row[0]["text"]: [cell["text"] for cell in row[1:]] for row in rows(opened(), "scores_orphans")}
    assert lines["UMT"][:2] == ["0", "0"]
    assert lines["UMT"][2] == lines["UMT"][3]
