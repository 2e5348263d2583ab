"""What-ifs of picture and text in a browser, with fabricated models: the map by keyboard, own picture, own text."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
TAGGED = "explain?sample=phoenix-on-stage&tagger=UMT&part="
PATIENCE = 120_000  # ms, for an answer that is computed in the background


@pytest.fixture(scope="module")
def server(serve: Callable[..., str]) -> str:
    return serve()


def test_a_block_is_chosen_by_keyboard_and_an_own_picture_gets_its_card(page: Page):
    page.goto(f"/{TAGGED}picture_what_if&pictures=4")
    grid = page.get_by_role("group", name="without each block")
    grid.wait_for(timeout=PATIENCE)
    first = grid.get_by_role("button").first
    assert first.inner_text() == "+"  # the fake looks most at the upper left: a sign, not a colour alone
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**block=1**", timeout=PATIENCE)

    assert page.locator("figure").filter(has_text="picture of the sample").count() == 4
    buffer = BytesIO()
    Image.new("RGB", (60, 40), "white").save(buffer, "PNG")
    page.get_by_text("Try a picture of yours").click()
    files = {"name": "<b>mine</b>.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator('input[type="file"]').last.set_input_files(files)
    card = page.locator("figure").filter(has_text="your picture")
    card.wait_for(timeout=PATIENCE)
    assert card.get_by_role("img").get_attribute("alt") == "your picture"
    assert "(+" in card.inner_text()  # white is the brightest picture of all


def test_an_own_wording_is_set_beside_the_tweet(page: Page):
    page.goto(f"/{TAGGED}text_what_if&wording=lower case")
    box = page.get_by_role("textbox", name="Your own wording")
    box.wait_for(timeout=PATIENCE)
    page.get_by_text("as it is").first.wait_for(timeout=PATIENCE)
    box.fill("Nobody <i>sings</i> in Paris")
    box.press("Control+Enter")
    page.locator("span").filter(has_text="Nobody").last.wait_for(timeout=PATIENCE)  # it is the one that is shown now
    assert "<i>sings</i>" in page.locator('[data-testid="stHtml"]').filter(has_text="reworded").inner_text()
    assert "Nobody" not in page.url
