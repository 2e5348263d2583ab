"""Explain, Picture what-if: what is said beside other pictures, and what the address restores."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app import asking, variants
from app.explaining import Case
from tests.ui import fake
from tests.ui.reading import address, component_data, opened, said
from tests.ui.tiny_set import HOSTILE
from umt_core.explain.counterfactuals import THUMBNAIL, counterfactuals, make_variants
from umt_core.schema import Example

UMT = fake.Predictor({}, "twitter2017/umt-bert-crf")


@pytest.fixture
def page(made):
    return lambda **more: opened("explain", tweet="broken", part="picture_what_if", **more)


def frames(page):
    return [element.value for element in page.dataframe]


@pytest.mark.usefixtures("made")
def test_reliance_is_shown_for_each_entity_of_each_tagger(page):
    shown = page(pictures="4")
    table = next(frame for frame in frames(shown) if "Gone beside" in frame)
    assert set(table["Tagger"]) == {"BERT-CRF", "MT", "UMT"}
    assert (table[table["Tagger"] == "BERT-CRF"]["Mean change"] == 0).all()
    # The set has two other pictures, however many are wanted.
    assert set(table["Gone beside"]) == {"0 of 2"}
    assert "stand-in" in said(shown)


def test_a_text_tagger_is_said_to_answer_the_same(page):
    assert "BERT-CRF reads text alone: beside every picture its answer is the same, bit by bit." in said(page())


def test_the_map_holds_the_drop_without_each_block_and_its_check(page):
    shown = page(tagger="UMT", occlusion="zero")
    data = component_data(shown, "overlay")
    assert data["signed"]
    assert int(np.argmax(data["weights"])) == 0  # the fake looks most at the upper left
    assert "largest drop" in said(shown)
    assert "row 1, column 1" in said(shown)
    assert "set to zeros" in said(shown)


def test_an_address_restores_the_choice_and_drops_what_is_none(page):
    shown = page(occlusion="mean", pictures="16", seed="3", tagger="MT")
    wanted = {"occlusion": "mean", "pictures": "16", "seed": "3", "tagger": "MT", "part": "picture_what_if"}
    assert wanted.items() <= address(shown).items()
    other = page(occlusion="<b>", pictures="7", seed="99", tagger="nobody", span="0-9-PER")
    assert address(other)["occlusion"] == "zero"
    assert address(other)["pictures"] == "8"
    assert address(other)["tagger"] == "UMT"


@pytest.mark.parametrize("part", ["picture_what_if", "report"])
def test_a_set_that_is_removed_meanwhile_lends_its_place_to_the_samples(made, part):
    shown = opened("explain", tweet="broken", part=part)
    shutil.rmtree(made.folder)
    shown.run()
    assert not shown.exception
    assert "of the sample tweets, since those of TINY test are not here" in said(shown)


def test_an_answer_is_that_of_its_data_set_and_tweet_alone():
    """Whose pictures a tweet is held against depends on both."""
    one = Case(Example("1", ("Oslo",)), None, None, (), {}, "a/test")
    assert one.doc == replace(one).doc
    assert len({one.doc, replace(one, data="b/test").doc, replace(one, example=Example("2", ("Oslo",))).doc}) == 3


@pytest.mark.usefixtures("made")
def test_an_answer_keeps_pictures_as_small_as_they_are_shown(monkeypatch):
    asked = OrderedDict()
    monkeypatch.setattr(asking, "_asked", lambda: asked)
    shown = opened("explain", data="", part="picture_what_if")  # of a sample
    assert not shown.exception
    (job,) = asked.values()
    assert not hasattr(job, "steps")  # they hold the pictures as they came
    sizes = {max(v.picture.size) for of in job.answer.values() for v in of.variants if v.picture is not None}
    assert max(sizes) == THUMBNAIL


def test_a_tweet_without_picture_has_other_pictures_but_no_blocks(made):
    shown = opened("explain", tweet="fixed-too", part="picture_what_if")
    assert "no picture of which a block could be taken out" in said(shown)
    assert any("Gone beside" in frame for frame in frames(shown))


def test_a_stopped_question_offers_to_go_on(page, monkeypatch):
    def stopped(key, steps):
        job = asking.Asking(steps)
        job.stop()
        job.run()
        return job

    monkeypatch.setattr(asking, "job", lambda key: None)
    monkeypatch.setattr(asking, "start", stopped)
    shown = page()
    assert "Stopped." in said(shown)
    assert any(button.label == "Go on" for button in shown.button)


# --- what a card holds -----------------------------------------------------------------------------


def found(*words: str):
    pictures = {"picture of <b>": Image.new("RGB", (8, 8), (10, 10, 10))}
    made = make_variants(Image.new("RGB", (8, 8), (200, 200, 200)), foreign=pictures)
    return counterfactuals(UMT, Example("1", words), made)


def test_text_of_a_tweet_and_of_titles_is_escaped_on_cards():
    html = variants.cards(found(f"P{HOSTILE}", "Oslo"), [None] * 9)
    assert "<img/src" not in html
    assert "&lt;img/src=x/onerror=alert(1)&gt;" in html
    assert "picture of &lt;b&gt;" in html


def test_a_card_says_what_is_lost_and_by_how_much_a_probability_moves():
    of = found("Anna", "in", "Oslo")
    table = variants.variants(of)
    row = table[table["Picture"] == "no picture"].iloc[0]
    assert row["Change"] == "lost: Oslo (PER)"
    assert row["P Oslo (PER)"] == of.answers[1].probabilities[1]
    assert table["Change"][0] == "same"
    html = variants.cards(of, [None] * 9)
    assert "lost: Oslo (PER)" in html
    assert f"({of.shifts[1, 0]:+.3f})" in html


def test_an_empty_table_has_the_columns_of_a_full_one():
    assert list(variants.reliance({}).columns) == list(variants.reliance({"UMT": found("Anna")}).columns)
