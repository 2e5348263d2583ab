"""The Explain page: which tweet it shows, how it is reached, and what its address restores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ui import fake
from tests.ui.reading import address, button, component_data, opened, said
from umt_core.config import ModelSettings
from umt_core.errors import DataError
from umt_core.schema import Example, Inspection

pytestmark = pytest.mark.usefixtures("made")
FABRICATE = fake.fabricate


def test_a_tweet_of_a_data_set_is_shown_with_its_gold_labels():
    page = opened("explain", data="tiny/test", tweet="fixed-too")
    tracks = component_data(page, "tracks")
    assert tracks["words"] == ["see", "Ajax", "play"]
    assert next(track["title"] for track in tracks["tracks"]) == "Gold"
    assert address(page)["tweet"] == "fixed-too"
    assert address(page)["part"] == "attention"


def test_a_link_to_a_tweet_that_is_not_there_says_so_and_shows_a_sample():
    page = opened("explain", data="tiny/test", tweet="<b>none</b>")
    assert "there is none" in said(page)
    assert component_data(page, "tracks")["words"]
    assert "sample" in address(page)


def test_a_link_to_a_set_that_is_not_there_says_so():
    assert "no predictions here" in said(opened("explain", data="no/set", tweet="x"))


def test_a_link_restores_word_map_head_and_block():
    page = opened("explain", data="tiny/test", tweet="broken", word="1", map="block_to_word", head="3", block="24")
    overlay = component_data(page, "overlay")
    assert overlay["chosen"] == 24
    assert "block → word" in overlay["title"]
    assert component_data(page, "tracks")["chosen"] == 1
    wanted = {"data": "tiny/test", "tweet": "broken", "word": "1", "map": "block_to_word", "head": "3", "block": "24"}
    assert wanted.items() <= address(page).items()


@pytest.mark.parametrize("part", ["attention", "picture_what_if"])
def test_a_link_to_a_block_that_is_none_chooses_none(part):
    page = opened("explain", tweet="broken", part=part, block="49")
    assert component_data(page, "overlay")["chosen"] is None
    assert "block" not in address(page)


def test_the_words_are_shaded_by_a_block_where_the_map_is_shown_and_the_row_names_it():
    link = {"tweet": "broken", "block": "24", "map": "block_to_word", "head": "3", "system": "MT"}
    shaded = component_data(opened("explain", **link), "tracks")
    assert shaded["sharesTitle"] == "MT, block → word, head 3: at the block"
    assert len(shaded["shares"]) == 4
    assert component_data(opened("explain", part="picture_what_if", **link), "tracks")["shares"] is None


def test_no_gate_is_spoken_of_where_the_tagger_has_none(monkeypatch):
    monkeypatch.setattr(fake, "fabricate", lambda *asked: replace(FABRICATE(*asked), gate=None))
    monkeypatch.setattr("app.services.DEVICE", "one without gates")
    page = opened("explain", tweet="broken")
    assert "Check: Rows that run over the 49 blocks" in said(page)
    assert "A gate of 0" not in said(page)


def test_an_error_of_a_section_is_a_line_and_the_link_is_kept(monkeypatch):
    def broken(*_):
        raise DataError("the set has been cut in half")

    monkeypatch.setattr("app.explaining.picture_note", broken)
    page = opened("explain", tweet="broken", part="report")
    assert "the set has been cut in half" in said(page)
    assert {"tweet": "broken", "part": "report"}.items() <= address(page).items()


def test_what_the_released_codes_choices_do_to_picture_and_probability_is_said(monkeypatch):
    chosen = fake.checkpoints()
    for info in chosen:
        if info.manifest.system != "mt-bert-crf":
            info.manifest.model = ModelSettings(image_transform="released", tagging="subword")
    monkeypatch.setattr(fake, "checkpoints", lambda: chosen)
    lines = said(opened("explain", tweet="broken", system="UMT"))
    assert "the model read a window of 224 × 224 of it, perhaps mirrored" in lines
    assert "resized" not in lines
    assert "the model saw it resized to 224 × 224" in said(opened("explain", tweet="broken", system="MT"))
    lines = said(opened("explain", tweet="broken", part="picture_what_if", tagger="UMT"))
    assert "The picture: the model read a window of 224 × 224 of it" in lines
    lines = said(opened("inspect", tweet="broken"))
    assert "Of BERT-CRF and UMT tags are on subwords: there it is at most the figure" in lines


def test_a_word_that_one_tagger_did_not_read_is_said_to_be_such_and_another_shows_it(monkeypatch):
    def cut(name: str, example: Example, has_image: bool) -> Inspection:
        """MT reads three words, the others all."""
        whole = FABRICATE(name, example, has_image)
        if not name.endswith("/mt-bert-crf"):
            return whole
        return replace(
            FABRICATE(name, replace(example, tokens=example.tokens[:3]), has_image), prediction=whole.prediction
        )

    monkeypatch.setattr(fake, "fabricate", cut)
    monkeypatch.setattr("app.services.DEVICE", "one where MT reads three words")
    page = opened("explain", tweet="right", word="6", system="MT")
    assert "MT read the first 3 words only" in said(page)
    assert not component_data(page, "overlay")
    page.button_group(key="system").set_value("UMT").run()
    assert not page.exception
    assert len(component_data(page, "overlay")["weights"]) == 49


def test_a_link_without_a_tweet_opens_its_section_and_keeps_whole_numbers_whole():
    page = opened("explain", part="provenance", seed="8", esd_share="0.85")
    wanted = {"part": "provenance", "seed": "8", "esd_share": "0.85"}
    assert wanted.items() <= address(page).items()
    assert "sample" in address(page)


def test_errors_leads_to_explain_with_the_tweet():
    page = opened("errors", tweet="broken")
    button(page, "Explain").click().run()
    assert not page.exception
    assert component_data(page, "tracks")["words"] == ["Kevin", "Durant", "is", "here"]


def test_attention_shows_every_head_beside_the_map_and_what_rows_sum_to():
    page = opened("explain", data="tiny/test", tweet="broken", word="1")
    tables = {tuple(frame.value.columns): frame.value for frame in page.dataframe}
    heads = next(table for columns, table in tables.items() if "Entropy (bits)" in columns)
    assert heads["Head"].tolist() == ["Mean of the heads", *(f"Head {i}" for i in range(1, 13))]
    assert (heads["Entropy (bits)"] < heads["Even (bits)"]).all()
    checks = next(table for columns, table in tables.items() if "Least row sum" in columns)
    over_blocks = checks[checks["Each row is over"] == "49 blocks"]
    assert len(over_blocks) == 2
    assert over_blocks[["Least row sum", "Largest row sum"]].to_numpy() == pytest.approx(1, abs=1e-5)
    assert "the model saw it resized to 224 × 224" in said(page)
    assert "it only closes Q" in said(page)
    assert "stand-in photographs of other scenes" in said(page)
