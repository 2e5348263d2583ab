"""Explain's Provenance as Streamlit runs it, on fabricated scores: parts, what-if on a tweet and on a whole set."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pandas as pd
import pytest

from tests.ui import fake, reading
from tests.ui.reading import address, button, component_data, said
from umt_core.analysis.sets import PredictionSet
from umt_core.explain.emissions import Redecoding, set_emissions
from umt_core.explain.provenance import provenance
from umt_core.explain.what_if import WhatIf, decode
from umt_core.schema import Example
from umt_core.spans import tags_to_spans

pytestmark = pytest.mark.usefixtures("made")

UMT = "twitter2017/umt-bert-crf"
TEXT = ("the", "Tate", "Modern", "at", "night")
opened = partial(reading.opened, "explain", data="tiny/test", tweet="wrong", part="provenance")


def table(page, *columns: str) -> pd.DataFrame:
    """The table that has these columns."""
    return next(frame.value for frame in page.dataframe if set(columns) <= set(frame.value.columns))


def own():
    return fake.Predictor({}, UMT).own_path(Example("wrong", TEXT), None)


def scoring():
    return fake.Predictor({}, UMT).scoring


def test_every_word_has_its_deciders_and_every_entity_its_needs():
    page = opened()
    found = provenance(scoring(), own())
    words = table(page, "Who decided")
    assert words["Word"].tolist() == list(TEXT)
    assert words["Gold"].tolist() == ["O", "B-ORG", "I-ORG", "O", "O"]
    assert words["Decoded"].tolist() == list(found.decoded)
    assert words["Main alone"].tolist() == list(found.main_alone)
    needs = table(page, "Entity", "Needs")
    assert len(needs) == len(found.spans)
    without = [f"Without {part}" for part in ("main emissions", "ESD", "transitions")]
    assert list(needs.columns) == ["Entity", *without, "Needs"]
    assert f"**{found.path_score:.4f}**; the tagger's own CRF gives this path **{found.own_score:.4f}**" in said(page)


def test_the_chosen_words_parts_are_shown_for_every_tag():
    page = opened(word="1")
    parts = table(page, "Tag before")
    found = provenance(scoring(), own())
    np.testing.assert_allclose(parts["Sum"], found.total[1], rtol=1e-5)
    assert parts.loc[parts["Behind"].idxmin(), "Tag"] == found.decoded[1]


def test_systems_without_esd_have_no_slider():
    page = opened(tagger="BERT-CRF")
    assert "Without ESD" not in table(page, "Entity", "Needs").columns
    assert not [slider for slider in page.slider if slider.label.startswith("Share of ESD")]
    assert "has no span detector" in said(page)


def share(page):
    return next(slider for slider in page.slider if slider.label.startswith("Share of ESD"))


def drawn(page) -> dict[str, list[tuple[int, int, str]]]:
    tracks = component_data(page, "explain_what_if")["tracks"]
    return {t["title"]: [(s["start"], s["end"], s["label"]) for s in t["spans"]] for t in tracks}


def test_moving_the_slider_decodes_the_tweet_again_and_keeps_the_share_in_the_link():
    page = opened()
    raw = own().raw
    for value in (0.0, 2.0):
        share(page).set_value(value).run()
        assert not page.exception
        spans = tags_to_spans(decode(scoring(), raw, WhatIf(value)))
        assert drawn(page)["what-if"] == [(s.start, s.end, s.label) for s in spans]
        assert address(page)["esd_share"] == f"{value:g}"
    again = opened(esd_share="0.4")
    assert share(again).value == 0.4


@pytest.mark.parametrize("bad", ["7", "-1", "much", "nan"])
def test_a_share_in_a_link_that_is_none_is_as_trained(bad):
    assert share(opened(esd_share=bad)).value == 1.0


def test_a_uniform_matrix_is_said_to_favour_no_type_and_the_counted_one_comes_from_train():
    page = opened(matrix="uniform")
    assert "never choose its type" in said(page)
    counted = opened(matrix="estimated")  # the fabricated taggers are of twitter2017, which is not here
    assert "wanted the train split of twitter2017, it is not here" in said(counted)


def wait_for_scores(page):
    button(page, "Compute").click().run()
    for _ in range(100):
        page.run()
        if not [b for b in page.button if b.label in ("Stop", "Compute")]:
            return
        time.sleep(0.1)
    raise AssertionError(said(page))


def test_a_whole_set_is_computed_once_and_then_decoded_again(made: PredictionSet):
    page = opened()
    assert "sets emissions tiny/test" in "".join(code.value for code in page.code)
    wait_for_scores(page)
    assert "As trained: nothing changes" in said(page)
    share(page).set_value(0.0).run()
    found = PredictionSet.open(made.folder)
    redecoding = Redecoding(found, UMT, set_emissions(found, UMT))
    change = redecoding.change(WhatIf(0))
    facts = table(page, "Fixed", "Broken")
    assert facts["Fixed"].tolist() == [f"{change.row['fixed']}"]
    assert facts["F1 what-if"].tolist() == [f"{100 * change.row['f1']:.2f}"]
    assert f"**{redecoding.differing}** of 7 tweets differ" in said(page)
    assert f"sets what-if tiny/test --run {UMT} --esd-share 0" in "".join(code.value for code in page.code)
    rows = component_data(page, "what_if_tweets").get("rows", [])
    assert len(rows) == len(change.tweets)
    assert all({"esd_share": "0.0", "set": "twitter2017"}.items() <= row["cells"][0]["link"].items() for row in rows)
