"""The Patterns page over a data set by hand, without a browser."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from app.panels import patterns_bias
from app.patterns import Asked, spread_cells
from tests.ui import reading
from tests.ui.tiny_set import TWEETS
from umt_core.analysis.browse import browse
from umt_core.analysis.building import table
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import Interval
from umt_core.explain import aggregates, faithfulness
from umt_core.explain.bias import Rate
from umt_core.explain.kept import write_kept

pytestmark = pytest.mark.usefixtures("data")


opened = partial(reading.opened, "patterns")


def test_without_predictions_the_page_offers_to_make_them():
    page = opened(data="tiny/test")
    assert "No predictions" in page.subheader[0].value


def test_a_link_chooses_set_and_runs_and_the_page_writes_the_same_link(made: PredictionSet):
    asked = {"data": "tiny/test", "baseline": "twitter2017/mt-bert-crf", "system": "twitter2017/bert-crf"}
    page = opened(**asked)
    assert asked.items() <= reading.address(page).items()


def test_a_run_that_is_not_there_is_named_in_a_line(made: PredictionSet):
    page = opened(data="tiny/test", system="twitter2017/none")
    assert "no predictions of 'twitter2017/none'" in reading.said(page)


# --- gate and attention, faithfulness: what was kept by hand -----------------------------------------

UMT = "twitter2017/umt-bert-crf"
RUNS = {"baseline": "twitter2017/bert-crf", "system": UMT}


@pytest.fixture
def kept(made: PredictionSet) -> PredictionSet:
    """The gate of word i of tweet t is t / 10 + i / 100; block 10 has most in "broken"."""
    words = [
        (t, i, part, t / 10 + i / 100, 0.9, 0.8, None, 0.05)
        for t, row in enumerate(TWEETS)
        for i, part in enumerate(aggregates.parts_of(row[1].split(" ")))
        if row[0] in ("fixed", "broken", "right")
    ]
    write_kept(made, UMT, aggregates.KIND, table(words, aggregates.SCHEMA))
    blocks = [(t, "word_to_block", b, 0.5 if (t, b) == (2, 10) else 0.01) for t in (0, 2, 6) for b in range(49)]
    write_kept(made, UMT, aggregates.BLOCKS, table(blocks, aggregates.BLOCKS_SCHEMA))
    lines = [
        (t, 0, 1, "PER", name, head, rho, None, effect, 0.5)
        for t, effect in ((0, 1.0), (2, 1.0), (6, 0.001))
        for name, head, rho in (
            ("word_to_block", 0, 0.9 - t / 100),
            ("word_to_block", -1, 0.1),
            ("mean_occlusion", -1, 0.95),
        )
    ]
    write_kept(made, UMT, faithfulness.KIND, table(lines, faithfulness.SCHEMA), {"tweets": "3", "seed": "0"})
    return made


def test_what_is_not_kept_yet_is_offered_with_its_command(made: PredictionSet):
    for part, command in (("gate", "sets patterns tiny/test"), ("faithfulness", "sets faithfulness tiny/test")):
        page = opened(part=part, **RUNS)
        assert any(command in code.value for code in page.code)
        assert reading.button(page, "Compute")


def test_a_text_tagger_has_no_gate(made: PredictionSet):
    assert "reads text only" in reading.said(opened(part="gate", system="twitter2017/bert-crf"))


def test_each_group_stands_with_its_spread_and_leads_to_its_tweets(kept: PredictionSet):
    page = opened(part="gate", by="outcome", figure="gate", **RUNS)
    rows = {row["cells"][0]["text"]: row["cells"] for row in reading.component_data(page, "patterns_spread")["rows"]}
    # "fixed" is Paris, word 0 of tweet 0; "broken" is Kevin Durant, words 0 and 1 of tweet 2
    assert [c["text"] for c in rows["✓ fixed"][1:4]] == ["1", "1", "0.000"]
    assert [c["text"] for c in rows["✗ broken"][1:4]] == ["1", "1", "0.205"]
    link = rows["✗ broken"][0]["link"]
    assert [tweet["id"] for tweet in browse(kept, Query.from_params(link)).rows] == ["broken"]


@pytest.mark.parametrize("image_aware", [0.8, None])
def test_a_closed_gate_is_said_to_let_the_picture_past_where_there_is_a_way_past_it(made: PredictionSet, image_aware):
    write_kept(
        made, UMT, aggregates.KIND, table([(0, 0, "word", 0.5, 0.9, image_aware, None, 0.05)], aggregates.SCHEMA)
    )
    lines = reading.said(opened(part="gate", by="part", figure="gate", **RUNS))
    assert "the word lets through." in lines
    assert ("still comes through A" in lines) == (image_aware is not None)


@pytest.mark.parametrize(("unlabelled", "linked"), [(0, True), (1, False)])
def test_types_lead_to_no_tweets_where_some_are_not_labelled(made: PredictionSet, unlabelled, linked):
    asked = Asked(replace(made, info=replace(made.info, unlabelled=unlabelled)), *RUNS.values())
    for by, group, leads in (("type", "PER", linked), ("part", "hashtag", True)):
        (row,) = spread_cells(asked, by, [aggregates.Box(group, 1, 1, 0.5, (0.5,) * 5)])[1]
        assert ("link" in row["cells"][0]) == leads
    rate = Rate("PER", 1, *[Interval(0.5, 0.5, 0.5)] * 2)
    assert ("link" in patterns_bias._cells(asked, "type", rate, {"PER": "PER"})[1]) == linked


def test_tweets_at_both_ends_are_linked(kept: PredictionSet):
    page = opened(part="gate", by="part", group="word", **RUNS)
    first = reading.component_data(page, "patterns_highest")["rows"][0]["cells"]
    assert [cell["text"] for cell in first] == ["right", "0.690"]  # its last word, the tenth of tweet 6
    assert first[0]["link"]["tweet"] == "right"
    assert reading.component_data(page, "patterns_lowest")["rows"][0]["cells"][0]["text"] == "fixed"


def test_a_block_leads_to_the_tweets_that_look_there(kept: PredictionSet):
    page = opened(part="gate", by="position", map="word_to_block", block="10", **RUNS)
    first = reading.component_data(page, "patterns_block_tweets")["rows"][0]["cells"]
    assert [cell["text"] for cell in first] == ["broken", "0.500"]
    assert reading.address(page)["block"] == "10"


def test_the_verdict_stands_before_the_figures_and_the_ceiling_with_it(kept: PredictionSet):
    lines = reading.said(opened(part="faithfulness", **RUNS))
    assert "Too few tweets to judge by: 3, wanted 10 and more." in lines
    assert "ρ = 0.95: so much hangs on what takes a block's place" in lines
    assert "3 entities of 3 tweets" in lines


def test_entities_that_no_block_moves_can_be_left_out(kept: PredictionSet):
    page = opened(part="faithfulness", matters="True", map="word → block, head 1", **RUNS)
    assert "2 entities of 2 tweets" in reading.said(page)
    least = [row["cells"][0]["text"] for row in reading.component_data(page, "patterns_agrees_False")["rows"]]
    assert least == ["broken", "fixed"]  # not "right", whose entity no block moves


def test_tweets_where_a_map_agrees_most_and_least_are_linked(kept: PredictionSet):
    page = opened(part="faithfulness", map="word → block, head 1", **RUNS)
    most = [row["cells"][0]["text"] for row in reading.component_data(page, "patterns_agrees_True")["rows"]]
    least = [row["cells"][0]["text"] for row in reading.component_data(page, "patterns_agrees_False")["rows"]]
    assert most == ["fixed", "broken", "right"] == least[::-1]
