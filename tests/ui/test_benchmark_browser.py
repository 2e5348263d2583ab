"""The Benchmark page in a browser: taking the predictions in, from a figure to its tweets, the link, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.ui.tiny_results import DATA, write_results
from tests.ui.tiny_set import write_data

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("benchmark")
    write_results(folder / "results", write_data(folder / "data", DATA))
    names = {"UMT_DATA": "data", "UMT_PREDICTIONS": "predictions", "UMT_RESULTS": "results"}
    return serve(**{name: str(folder / place) for name, place in names.items()})


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def at(page: Page, part: str) -> None:
    page.evaluate(waiting("location.href.includes(value)"), part)


def test_predictions_are_taken_in_and_a_figure_opens_its_tweets(page):
    page.goto(f"/benchmark?data={DATA}")
    page.get_by_text("The pictures are stand-ins.").first.wait_for()
    page.get_by_role("button", name="Take in the predictions").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="UMT 3 seeds")).first
    row.get_by_role("link").nth(2).click()  # F1 of ORG
    page.get_by_role("heading", name="Errors").wait_for()
    page.locator('.card[data-id="wrong"]').wait_for()
    settled(page)
    assert [card.get_attribute("data-id") for card in page.locator(".card").all()] == ["wrong"]
    for part in (f"data={DATA}%2Ftest", f"system={DATA}%2Fumt-bert-crf", "type=ORG", "outcome=broken%2Cboth_wrong"):
        at(page, part)


def test_a_copied_link_shows_the_same_view(page, context):
    page.goto(f"/benchmark?data={DATA}")
    page.get_by_role("radio", name="Dev").click()
    at(page, "split=dev")
    page.get_by_role("radio", name="Milliseconds a tweet").click()
    at(page, "cost=time")
    other = context.new_page()
    other.goto(page.url)
    other.get_by_role("heading", name="Table 2: TWITTER-2017, dev").wait_for()
    other.locator(".stPlotlyChart").nth(1).get_by_text("Milliseconds a tweet").wait_for()
    other.close()
