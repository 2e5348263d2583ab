"""The Inspect page in a browser, with fabricated models: what a reader sees, clicks and types."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from benchmarks.serving import waiting
from tests.ui.reading import wait_until
from umt_core.data.samples import OPENING_SAMPLE, load_samples

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
TWEET = "Taylor sings in Berlin"


@pytest.fixture(scope="module")
def server(serve: Callable[..., str]) -> str:
    return serve()


@pytest.fixture
def page(page: Page) -> Page:
    """The page, opened."""
    page.goto("/")
    shown(page)
    return page


def shown(page: Page) -> None:
    """Waits for an analysed tweet, with the run of the script over."""
    page.get_by_role("radiogroup", name="Words of the tweet").wait_for()
    settled(page)


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def word(page: Page, text: str):
    return page.get_by_role("radio", name=f"{text}; word")


def type_tweet(page: Page, text: str) -> None:
    box = page.get_by_label("Tweet", exact=True)
    box.fill(text)
    box.press("Control+Enter")


def blocks(page: Page) -> list[str | None]:
    return [b.get_attribute("aria-label") for b in page.locator(".grid button").all()]


def picture_bytes(format: str = "JPEG", **options: object) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (90, 60), "teal").save(buffer, format, **options)
    return buffer.getvalue()


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator('input[type="file"]').set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": content})


def test_it_opens_on_a_sample_with_a_track_for_each_system(page):
    sample = next(s for s in load_samples() if s.example.id == OPENING_SAMPLE)
    shown_words = page.locator(".word").all_inner_texts()
    assert [w for w in shown_words if not w.startswith("U+")] == [
        t for t, w in zip(sample.example.tokens, shown_words, strict=True) if not w.startswith("U+")
    ]
    labels = page.locator(".labels").first.inner_text().split("\n")
    assert [x for x in labels if x.strip()][:4] == ["Gold", "BERT-CRF", "MT", "UMT"]
    page.get_by_text("Check: row sum over 49 blocks 1.000").wait_for()
    page.locator(".grid button").nth(48).wait_for()
    assert len(blocks(page)) == 49


def test_a_tweet_and_a_picture_are_read(page):
    type_tweet(page, TWEET)
    word(page, "Berlin").wait_for()
    page.get_by_text("No picture: 49 zero blocks").wait_for()
    upload(page, "photo.jpg", picture_bytes())
    picture = page.get_by_role("img", name="The tweet's picture").last
    picture.wait_for()
    settled(page)
    box = page.locator(".picture").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.02)
    assert page.locator(".bar").count() >= 6  # two entities in three tracks
    assert page.locator(".diff.on").count() >= 1
    assert "sample" not in page.url
    page.get_by_role("button", name="Remove picture").click()
    page.get_by_text("No picture: 49 zero blocks").wait_for()


def test_one_click_on_a_word_changes_the_map_and_the_link(page):
    type_tweet(page, TWEET)
    word(page, "Berlin").wait_for()
    page.get_by_text("No picture: 49 zero blocks").wait_for()
    upload(page, "photo.jpg", picture_bytes())
    page.get_by_text("No picture: 49 zero blocks").wait_for(state="detached")
    page.get_by_text("Check: row sum").wait_for()
    page.evaluate(waiting("document.title"))  # the page is still the same one after the click: no reload
    page.evaluate("window.sameDocument = true")
    settled(page)
    before = blocks(page)
    word(page, "sings").click()
    page.get_by_role("heading", name="“sings”").first.wait_for()
    settled(page)
    assert blocks(page) != before
    assert word(page, "sings").get_attribute("aria-checked") == "true"
    assert page.evaluate("window.sameDocument") is True


def test_arrow_keys_choose_words(page):
    type_tweet(page, TWEET)
    word(page, "Taylor").click()
    page.get_by_role("heading", name="“Taylor”").first.wait_for()
    settled(page)
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="“sings”").first.wait_for()
    settled(page)
    page.keyboard.press("End")
    page.get_by_role("heading", name="“Berlin”").first.wait_for()


def test_a_block_shows_the_words_that_look_at_it(page):
    page.get_by_role("button", name="row 3, column 4").click()
    page.get_by_text("Words at the block in row 3, column 4").wait_for()
    page.locator(".share").first.wait_for()
    assert page.locator(".share").count() == page.locator(".word").count()
    page.get_by_role("button", name="Clear").click()
    page.locator(".share").first.wait_for(state="detached")


def test_what_was_chosen_and_undone_elsewhere_can_be_chosen_again(page):
    for _ in range(2):
        page.get_by_role("button", name="row 3, column 4").click()
        page.get_by_text("Words at the block in row 3, column 4").wait_for()
        settled(page)
        page.get_by_role("button", name="Clear").click()
        page.locator(".share").first.wait_for(state="detached")
        settled(page)
    chosen = page.locator('.word[aria-checked="true"]').inner_text()
    for _ in range(2):
        page.locator(".word").nth(3).click()
        page.wait_for_url("**word=3**")
        settled(page)
        page.go_back()
        page.get_by_role("heading", name=f"“{chosen}”").first.wait_for()
        settled(page)


def test_each_map_says_which_one_it_is(page):
    for title, feeds in (("block → word", "P"), ("word → text-aware block", "A"), ("word → block", "Q")):
        page.get_by_role("radiogroup").get_by_text(title, exact=True).click()
        page.get_by_text(f"{title.capitalize()} gives {feeds}.").wait_for()


def test_a_link_restores_a_samples_view(page):
    page.locator(".word").nth(2).click()
    page.wait_for_url("**word=2**")
    page.get_by_text("block → word", exact=True).click()
    page.wait_for_url("**map=block_to_word**")
    page.get_by_text("Block → word gives P.").wait_for()
    settled(page)
    page.locator(".grid button").nth(48).wait_for()
    before, url = blocks(page), page.url
    page.goto("about:blank")
    page.goto(url)
    shown(page)
    assert page.locator(".word").nth(2).get_attribute("aria-checked") == "true"
    page.locator(".grid button").nth(48).wait_for()
    assert blocks(page) == before


def test_a_sample_is_opened_from_the_gallery(page):
    other = next(s for s in load_samples() if s.example.id != OPENING_SAMPLE)
    page.get_by_role("button", name="Sample tweets").click()
    page.locator(f'.card[data-id="{other.example.id}"]').click()
    page.wait_for_url(f"**sample={other.example.id}**")
    shown(page)
    assert page.get_by_label("Tweet", exact=True).input_value() == (
        other.example.text or " ".join(other.example.tokens)
    )
    wait_until(lambda: page.locator(".word").count() == len(other.example.tokens))


def test_a_hostile_tweet_is_text(page):
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(2)> Evil ![p](https://example.org/p.png) **B**"
    type_tweet(page, hostile)
    word(page, "Evil").wait_for()
    for text in ("script", "onerror"):  # through the heading, the tables, the charts
        word(page, text).first.click()
        page.get_by_role("heading", name=f"“{text}”").first.wait_for()
    settled(page)
    assert page.locator('img[src="x"], img[src*="example.org"]').count() == 0
    assert page.get_by_label("Tweet", exact=True).input_value() == hostile


def test_a_hostile_file_name_is_text(page):
    upload(page, "![p](https:example.org).jpg", b"no picture")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "![p](https:example.org).jpg: wanted a JPEG, PNG, WEBP or GIF picture" in alert.inner_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.jpg", b"just text"), ("cut.jpg", picture_bytes(quality=95)[:300]), ("empty.jpg", b"")],
)
def test_a_bad_picture_gives_one_line_and_nothing_breaks(page, name, content):
    upload(page, name, content)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert name in alert.inner_text()
    assert "\n" not in alert.inner_text().strip()
    page.get_by_role("button", name="Remove picture").click()
    shown(page)


def test_a_picture_is_pasted_from_the_clipboard(page):
    type_tweet(page, TWEET)
    page.get_by_text("No picture: 49 zero blocks").wait_for()
    settled(page)
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "clip.png", { type: "image/png" }));
            const options = { clipboardData: data, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        list(picture_bytes("PNG")),
    )
    page.get_by_text("No picture: 49 zero blocks").wait_for(state="detached")
    page.get_by_role("img", name="The tweet's picture").last.wait_for()


@pytest.mark.parametrize("width", [420, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_out_of_the_page(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    shown(page)

    def inside() -> bool:  # the columns wrap anew, and the charts are drawn again
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        boxes = [column.bounding_box() for column in page.locator(".column").all()]
        return wide <= width and all(box is not None and box["x"] + box["width"] <= width for box in boxes)

    wait_until(inside)


def test_going_back_restores_each_view_and_leads_out_of_the_page(page):
    start, first = page.url, page.locator('.word[aria-checked="true"]').inner_text()
    word(page, page.locator(".word").nth(3).inner_text()).first.click()
    page.wait_for_url("**word=3**")
    settled(page)
    page.get_by_role("radiogroup").get_by_text("block → word", exact=True).click()
    page.wait_for_url("**map=block_to_word**")
    settled(page)
    here, third = page.evaluate("history.length"), page.locator('.word[aria-checked="true"]').inner_text()
    page.get_by_role("link", name="Scores").click()
    page.get_by_role("heading", name="Scores").wait_for()
    page.get_by_role("link", name="Inspect").click()
    shown(page)
    page.get_by_text("Block → word gives P.").wait_for()  # the choice outlives a visit to another page
    page.locator(".word").nth(2).click()
    page.wait_for_url("**word=2**")
    settled(page)
    # At once over the addresses of Scores: one that is left before its run has begun is entered anew.
    page.evaluate("steps => history.go(-steps)", page.evaluate("history.length") - here)
    page.wait_for_url("**word=3&map=block_to_word**")
    page.get_by_role("heading", name=f"“{third}”").first.wait_for()
    page.get_by_text("Block → word gives P.").wait_for()
    settled(page)
    page.go_back()
    page.wait_for_url("**word=3&map=word_to_block**")
    page.get_by_text("Word → block gives Q.").wait_for()
    settled(page)
    page.go_back()
    page.wait_for_url(start)
    page.get_by_role("heading", name=f"“{first}”").first.wait_for()
    page.go_back()
    page.go_back()
    page.wait_for_url("about:blank")
