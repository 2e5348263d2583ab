"""Explain in a browser, with fabricated models: a click on a word, on a block, on the slider; and the same by keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.ui.tiny_set import HOSTILE, write_data, write_set

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("explaining")
    write_set(write_data(folder / "data"), folder / "predictions")
    return serve(UMT_DATA=str(folder / "data"), UMT_PREDICTIONS=str(folder / "predictions"))


def go(page: Page, **params: str) -> None:
    page.goto("/explain?" + "&".join(f"{k}={v}" for k, v in ({"data": "tiny/test"} | params).items()))
    page.get_by_role("radiogroup", name="Words of the tweet").first.wait_for()
    settled(page)


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def at(page: Page, part: str) -> None:
    """Waits until the address holds just this; it is written when a run of the script ends."""
    page.evaluate(waiting("location.search.slice(1).split('&').includes(value)"), part)


def test_a_click_on_a_word_shows_its_maps_and_goes_into_the_link(page):
    go(page, tweet="broken")
    page.get_by_role("radio", name="Durant; word").click()
    page.get_by_role("heading", name="Every head at “Durant”").wait_for()
    at(page, "word=1")
    page.reload()
    page.get_by_role("heading", name="Every head at “Durant”").wait_for()


def test_a_click_on_a_block_lists_the_words_at_it_and_arrow_keys_reach_all_49(page):
    go(page, tweet="broken", map="block_to_word")
    blocks = page.locator(".grid button")
    blocks.nth(48).wait_for()
    assert blocks.count() == 49
    blocks.nth(0).click()
    page.get_by_text("Words at the block in row 1, column 1").wait_for()
    at(page, "block=0")
    settled(page)
    page.locator(".grid button").nth(0).focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    for _ in range(7):  # one more than there are: it stays in the grid
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.block ?? null") in ("48", None)
    page.keyboard.press("Enter")
    page.get_by_text("Words at the block in row 7, column 7").wait_for()
    at(page, "block=48")


def test_the_slider_decodes_the_tweet_again_by_keys(page):
    go(page, tweet="broken", part="provenance")
    page.get_by_role("heading", name="What if ESD had another share").wait_for()
    slider = page.get_by_role("slider", name="Share of ESD")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    at(page, "esd_share=0.9")
    settled(page)
    page.reload()
    page.get_by_role("slider", name="Share of ESD").wait_for()
    page.get_by_text("0.90", exact=True).first.wait_for()


def test_a_hostile_tweet_is_shown_as_text_in_every_section(page):
    go(page, tweet="added")
    for name in ("Provenance", "Attention"):
        page.get_by_role("radio", name=name, exact=True).click()
        settled(page)
        page.locator(".word", has_text=HOSTILE).first.wait_for()
    assert page.locator('img[src="x"]').count() == 0
