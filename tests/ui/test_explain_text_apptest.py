"""Explain, Text what-if: other wordings, the reader's own among them."""

from __future__ import annotations

import re

import pytest

from app import variants
from tests.ui import fake
from tests.ui.reading import address, opened, said
from tests.ui.tiny_set import HOSTILE
from umt_core.data.samples import OPENING_SAMPLE
from umt_core.errors import CheckpointError
from umt_core.explain.text_edits import rewrite
from umt_core.explain.text_what_if import text_what_if
from umt_core.schema import Example


@pytest.fixture
def page(made):
    return opened("explain", tweet="broken", part="text_what_if")


def frame(page, column: str):
    return next(element.value for element in page.dataframe if column in element.value)


def test_each_wording_is_held_against_the_tweet(page):
    table = frame(page, "Wording")
    lower = table[table["Wording"] == "lower case"].iloc[0]
    assert lower["Words"] == "kevin durant is here"
    assert lower["UMT"].startswith("lost: Kevin")  # the fake sees entities in capitals alone
    assert any("Kevin" in name and "→" in name for name in table["Wording"])
    assert "compared with the tagger's answer for the original wording, not with gold labels" in said(page)


def test_ones_own_wording_comes_first_and_stays_out_of_the_address(page):
    page.text_area[-1].set_value("Kevin Durant was in Oslo").run()
    assert not page.exception
    table = frame(page, "Wording")
    assert table["Wording"][0] == "your wording"
    assert "gained: Oslo" in table["UMT"][0]
    assert not any("Oslo" in value for value in address(page).values())


@pytest.fixture
def typed(made, monkeypatch):
    """The page with a tweet that the reader types."""
    page = opened("explain", part="text_what_if")

    def type_in(tweet: str):
        page.text_area[0].set_value(tweet).run()
        assert not page.exception
        return page

    return type_in


def test_the_words_of_a_typed_tweet_do_not_get_into_the_address_of_the_next(typed):
    page = typed("Durant is here")
    page.session_state["explain_wording"] = next(n for n in frame(page, "Wording")["Wording"] if "Durant" in n)
    page.segmented_control(key="explain_part").set_value("attention").run()
    page.session_state["asked"] = OPENING_SAMPLE  # as the gallery does
    page.run()
    assert "sample" in address(page)
    assert "wording" not in address(page)


def test_a_long_tweet_has_no_wording_that_nobody_wrote(typed):
    page = typed("Oslo and " * 150)
    assert page.text_area[-1].value == " ".join(["Oslo", "and"] * 150)
    assert "your wording" not in frame(page, "Wording")["Wording"].tolist()
    page.text_area[-1].set_value(f"{page.text_area[-1].value} Ulm").run()
    assert frame(page, "Wording")["Wording"][0] == "your wording"


def test_words_that_were_left_alone_keep_what_is_not_seen_of_them(typed):
    page = typed("Ke\u200bvin \u200b\u200d Durant is here")
    page.text_area[-1].set_value(page.text_area[-1].value.replace("is", "was")).run()
    assert not page.exception
    compared = next(e.proto.body for e in page.get("html") if "reworded" in e.proto.body)
    marked = re.findall(r"text-decoration:(line-through|underline) [^>]*>([^<]*)<", compared)
    assert marked == [("line-through", "is"), ("underline", "was")] * 3  # taggers


def test_a_tagger_that_could_not_be_loaded_is_left_out(made, monkeypatch):
    def load(chosen, device, leave_out):
        found = fake.Workbench(tuple(c.name for c in chosen if "/mt-" not in c.name))
        found.failures = {c.name: CheckpointError(f"{c.name}: cut short") for c in chosen if "/mt-" in c.name}
        return found

    monkeypatch.setattr(fake.Workbench, "load", load)
    monkeypatch.setattr("app.services.DEVICE", "one that has no MT")
    page = opened("explain", tweet="broken", part="text_what_if")
    assert list(frame(page, "Wording").columns) == ["Wording", "BERT-CRF", "UMT", "Words"]


def test_an_address_restores_the_wording_and_the_names(made):
    page = opened("explain", tweet="broken", part="text_what_if", wording="UPPER CASE", seed="4")
    assert {"wording": "UPPER CASE", "seed": "4"}.items() <= address(page).items()
    assert set(frame(page, "What became of it")["Tagger"]) == {"BERT-CRF", "MT", "UMT"}


def test_hostile_words_are_text_in_the_comparison():
    tokens = (f"A{HOSTILE}", "Oslo")
    predictor = fake.Predictor({}, "twitter2017/umt-bert-crf")
    edits = [rewrite(tokens, (f"B{HOSTILE}", "oslo"))]
    found = {"<b>UMT</b>": text_what_if(predictor, Example("1", tokens), edits)}
    html = variants.side_by_side(found, 0)
    assert "<img/src" not in html
    assert "<b>UMT</b>" not in html
    assert html.count("&lt;img/src") == 2


def test_an_empty_table_has_the_columns_of_a_full_one():
    assert list(variants.wordings({}).columns) == ["Wording", "Words"]
    assert list(variants.moved({}, 0).columns)[:3] == ["Tagger", "Entity", "Now"]
