"""Attribution on the Explain page: which score, how the parts add up, and what a link restores."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest

from app import asking, figures, markup
from tests.ui import fake, reading
from tests.ui.reading import address, button, said, wait_until
from umt_core.explain.attributions import SPELLING

pytestmark = pytest.mark.usefixtures("made")
opened = partial(reading.opened, "explain", data="tiny/test", part="attribution")


def test_the_sum_of_the_parts_stands_beside_the_delta():
    page = opened(tweet="fixed")  # "Paris sings in Berlin": words add 1 + 2 + 3 + 4, blocks 49 * 4
    lines = said(page)
    assert "Words add **+10.00**, blocks of the picture **+196.00**" in lines
    assert "convergence delta **+0.0000**" in lines
    assert not page.warning


def test_a_large_delta_is_a_warning():
    page = opened(tweet="fixed", steps="10")
    assert any("take more steps" in line.value for line in page.warning)


def test_each_word_and_block_stands_in_a_table():
    page = opened(tweet="fixed")
    words, blocks, sources = (frame.value for frame in page.dataframe[-3:])
    assert words["Word"].tolist() == ["Paris", "sings", "in", "Berlin"]
    assert words["Adds"].tolist() == pytest.approx([1, 2, 3, 4])
    assert blocks.iloc[0][["Row", "Column", "Adds"]].tolist() == pytest.approx([7, 7, 28])
    assert sources["Falls by"].tolist() == pytest.approx([3.0, 0.5])


def test_a_link_restores_tagger_entity_method_and_steps():
    wanted = {"tweet": "broken", "tagger": "MT", "span": "0-2-PER", "method": "occlusion", "steps": "20"}
    assert wanted.items() <= address(opened(**wanted)).items()


def test_what_a_link_asks_for_and_is_not_there_falls_back():
    page = opened(tweet="fixed", tagger="nobody", span="7-9-PER", method="magic", steps="7")
    assert address(page)["method"] == "integrated_gradients"
    assert address(page)["span"] != "7-9-PER"


def test_a_text_tagger_has_no_blocks():
    assert "reads text only" in said(opened(tweet="fixed", tagger="BERT-CRF"))


def test_of_a_tagger_that_reads_characters_it_is_said_that_these_stay(monkeypatch):
    piece = fake.workbench_piece
    monkeypatch.setattr(fake, "workbench_piece", lambda *asked: replace(piece(*asked), spelling_stays=True))
    assert SPELLING in said(opened(tweet="fixed"))
    monkeypatch.undo()
    assert SPELLING not in said(opened(tweet="broken"))


def test_a_tweet_without_entities_has_no_score_to_attribute():
    assert "no score to attribute" in said(opened(tweet="added"))


def test_stop_ends_the_work_between_two_parts_and_going_on_asks_for_the_rest_alone(monkeypatch):
    piece, asked = fake.workbench_piece, []
    at_second, go_on = threading.Event(), threading.Event()

    def slow(*arguments):
        asked.append(arguments[6])
        if asked == [0, 1]:
            at_second.set()
            assert go_on.wait(60)
        return piece(*arguments)

    monkeypatch.setattr(fake, "workbench_piece", slow)
    with monkeypatch.context() as patch:
        patch.setattr(asking, "QUICK", 0.0)
        page = opened(tweet="fixed", steps="100")
        assert at_second.wait(60)
        button(page, "Stop").click().run()
        go_on.set()
        wait_until(lambda: not any(job.running for job in asking._asked().values()))
        page.run()
    assert "Stopped." in said(page)
    assert asked == [0, 1]
    button(page, "Go on").click().run()
    assert "convergence delta" in said(page)
    assert asked == list(range(10))


def test_signs_are_told_without_colour():
    html = markup.signed_blocks(None, 1.5, [0.5, -0.5, 0.0])
    assert "+0.50" in html
    assert "\u22120.50" in html
    assert html.count("repeating-linear-gradient") == 1
    bars = figures.signed_bars(["<b>a", "b"], [1.0, -1.0], [0], "adds").data[0]
    assert list(bars.marker.pattern.shape) == ["", "/"]
    assert "<b>a" not in str(bars.customdata[0])


# --- beside the attention maps ------------------------------------------------------------------------


@pytest.mark.parametrize(("head", "says"), [("0", "agrees with"), ("1", "contradicts"), ("2", "hardly agrees with")])
def test_beside_a_map_stands_whether_it_says_what_the_tagger_does(head, says):
    page = reading.opened("explain", tweet="broken", word="0", system="UMT", map="word_to_block", head=head)
    lines = said(page)
    assert f"this map **{says}** what happens when blocks are taken away" in lines
    assert "0.125 below random orders" in lines
    assert page.dataframe[-1].value["ρ"].tolist() == [0.75, -0.75, 0.1]


def test_at_a_word_without_an_entity_there_is_no_score_that_could_fall():
    page = reading.opened("explain", tweet="broken", word="2", system="UMT")
    assert "no score that could fall" in said(page)
