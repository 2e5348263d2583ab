"""A case report saved from the page, and opened from its file without network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ui.conftest import WAIT
from tests.ui.tiny_set import HOSTILE, served_set

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return serve(**served_set(tmp_path_factory.mktemp("reporting")))


def saved(page: Page, tweet: str, folder: Path) -> Path:
    page.goto(f"/explain?data=tiny/test&tweet={tweet}&part=report")
    button = page.get_by_role("button", name="Save the report")
    button.wait_for(timeout=6 * WAIT)
    with page.expect_download() as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_report_opens_without_network_and_asks_for_nothing(page, browser: Browser, tmp_path, scheme):
    path = saved(page, "broken", tmp_path)
    with browser.new_context(offline=True, color_scheme=scheme) as alone:
        file = alone.new_page()
        asked, complaints = [], []
        file.on("request", lambda request: asked.append(request.url))
        file.on("console", lambda message: complaints.append(message.text))
        file.goto(path.as_uri())
        file.get_by_role("heading", name="What each system finds").wait_for()
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert not complaints  # a policy that forbade our own style would say so
        # Its style holds, in the reader's own theme.
        red = file.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert (red > 200) == (scheme == "light")
        assert file.evaluate("document.querySelector('symbol image').href.baseVal.startsWith('data:image/webp')")
        shown = file.get_by_role("img", name="The tweet's picture").bounding_box()
        assert shown is not None
        assert shown["height"] > 100
        # Closed parts open by keyboard.
        part = file.get_by_text("What another picture would have changed").first
        part.focus()
        file.keyboard.press("Enter")
        file.get_by_text("The same words beside other pictures").first.wait_for(timeout=WAIT)


def test_a_hostile_tweet_is_text_in_the_report(page, browser: Browser, tmp_path):
    path = saved(page, "added", tmp_path)
    with browser.new_context(offline=True) as alone:
        file = alone.new_page()
        file.on("dialog", lambda dialog: pytest.fail(dialog.message))
        file.goto(path.as_uri())
        file.get_by_text(HOSTILE).first.wait_for()
        assert file.locator("img").count() == 0
