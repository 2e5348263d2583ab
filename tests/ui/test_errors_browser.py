"""Errors and Scores in a browser, on seven tweets by hand: from a bar to its tweets, and a link that restores all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.ui.conftest import WAIT
from tests.ui.tiny_set import HOSTILE, TWEETS, write_data, write_set

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browsing")
    write_set(write_data(folder / "data"), folder / "predictions")
    return serve(UMT_DATA=str(folder / "data"), UMT_PREDICTIONS=str(folder / "predictions"))


def go(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("heading", name=re.compile("Errors|Scores")).first.wait_for()
    settled(page)


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def at(page: Page, part: str) -> None:
    """Waits until the address holds just this; it is written when a run of the script ends."""
    page.evaluate(waiting("location.search.slice(1).split('&').includes(value)"), part)


def shows(page: Page, *wanted: str) -> None:
    """Waits for a list of just these tweets: the browser draws it some time after the script has run."""
    for identity in wanted:
        page.locator(f'.card[data-id="{identity}"]').wait_for()
    page.locator(".card").nth(len(wanted)).wait_for(state="detached")
    assert [card.get_attribute("data-id") for card in page.locator(".card").all()] == list(wanted)


def bar(page: Page, figure: int, place: int) -> Locator:
    return page.locator(".stPlotlyChart").nth(figure).locator(".bars .point path").nth(place)


def test_a_click_on_a_bar_shows_exactly_its_tweets(page):
    go(page, "/errors?data=tiny/test")
    shows(page, *(row[0] for row in TWEETS))
    bar(page, 0, 1).click(force=True)  # UMT, fixed
    page.get_by_role("heading", name="2 tweets: 2 gold entities").wait_for()
    shows(page, "fixed", "fixed-too")
    at(page, "outcome=fixed")
    settled(page)
    bar(page, 1, 0).click(force=True)  # MT, broken
    page.get_by_role("heading", name="1 tweet: 1 gold entity").wait_for()
    shows(page, "broken")
    at(page, "system=twitter2017%2Fmt-bert-crf")
    at(page, "outcome=broken")


def test_a_click_on_a_bar_of_one_type_filters_by_it(page):
    go(page, "/errors?data=tiny/test&by_type=1")
    bars = page.locator(".stPlotlyChart").nth(0).locator(".trace.bars").nth(1).locator(".point path")
    bars.nth(2).click(force=True)  # UMT, fixed, ORG
    page.get_by_role("heading", name="1 tweet: 1 gold entity").wait_for()
    shows(page, "fixed-too")
    at(page, "type=ORG")


def test_a_copied_link_shows_the_same_tweet_again_and_keys_lead_on(page, context):
    go(page, "/errors?data=tiny/test&outcome=fixed")
    page.locator('.card[data-id="fixed"]').click()
    at(page, "tweet=fixed")
    other = context.new_page()
    other.set_default_timeout(WAIT)
    go(other, page.url)
    other.get_by_role("radio", name="Paris; word 1 of 4; Gold PER, BERT-CRF LOC, MT PER, UMT PER").wait_for()
    other.keyboard.press("n")
    other.get_by_text("2 of 2").wait_for()
    at(other, "tweet=fixed-too")
    settled(other)
    other.keyboard.press("p")
    other.get_by_text("1 of 2").wait_for()
    settled(other)
    other.keyboard.press("l")
    other.get_by_role("heading", name="2 tweets").wait_for()
    shows(other, "fixed", "fixed-too")
    other.close()


def test_markup_in_a_tweet_is_shown_and_not_run(page):
    go(page, "/errors?data=tiny/test&outcome=spurious_added&type=MISC")
    page.locator(".card").get_by_text(HOSTILE).first.wait_for()


def test_filters_stay_while_the_reader_is_on_another_page(page):
    go(page, "/errors?data=tiny/test&outcome=fixed")
    shows(page, "fixed", "fixed-too")
    page.get_by_role("link", name="Scores").click()
    page.get_by_role("heading", name="Scores").wait_for()
    settled(page)
    page.get_by_role("link", name="Errors").click()
    page.get_by_role("heading", name="2 tweets").wait_for()
    shows(page, "fixed", "fixed-too")
    at(page, "outcome=fixed")


def test_a_figure_of_the_scores_leads_to_its_tweets(page):
    go(page, "/scores?data=tiny/test")
    page.evaluate("window.sameDocument = true")
    row = page.get_by_role("row", name=re.compile("^UMT BERT-CRF"))
    row.get_by_role("link", name="2", exact=True).click()
    page.get_by_role("heading", name="2 tweets: 2 gold entities").wait_for()
    shows(page, "fixed", "fixed-too")
    assert page.evaluate("window.sameDocument") is True


def test_what_is_filtered_comes_as_a_file(page):
    go(page, "/errors?data=tiny/test&outcome=broken")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CoNLL, gold").click()
    path = download.value.path()
    assert Path(path).read_text().startswith("IMGID:broken\nKevin\tB-PER\nDurant\tI-PER\n")
    assert download.value.suggested_filename == "tiny-test.txt"


def test_a_tweet_is_handed_to_inspect(page):
    go(page, "/errors?data=tiny/test&tweet=fixed")
    page.get_by_role("button", name="Open in Inspect").click()
    page.get_by_text("Tweet fixed of a data set").wait_for()
    page.get_by_role("radio", name="Paris; word 1 of 4; Gold PER").wait_for()
    page.evaluate(waiting("location.search.includes('tweet=fixed')"))
    page.reload()  # the link is of this tweet
    page.get_by_text("Tweet fixed of a data set").wait_for()
    page.get_by_role("radio", name="Paris; word 1 of 4; Gold PER").wait_for()


def test_nothing_runs_out_of_a_narrow_screen(context, server):
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.set_viewport_size({"width": 400, "height": 800})
    for link in ("/errors?data=tiny/test", "/errors?data=tiny/test&tweet=fixed", "/scores?data=tiny/test"):
        go(page, link)
        assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 400
    page.close()
