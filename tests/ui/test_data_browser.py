"""Tweets of one's own in a browser: from a table and an archive to the pages that show them, and away again."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from benchmarks.serving import waiting
from tests.ui.conftest import WAIT
from tests.ui.tiny_set import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], home: Path) -> str:
    return serve(UMT_HOME=str(home), UMT_DATA="", UMT_PREDICTIONS=str(home / "predictions"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "tweets.csv"
    path.write_text(
        "id,text,image,start,end,label\n"
        "1,Rain over Lake Geneva,lake.png,,,\n"
        f"2,Ann sings {HOSTILE},gone.png,0,1,PER\n"
        "1,the id again,,,,\n"
        f"{HOSTILE},,,,,\n"
    )
    return path


@pytest.fixture(scope="module")
def archive(table: Path) -> Path:
    stream = io.BytesIO()
    Image.effect_noise((60, 40), 80).save(stream, "PNG")
    with zipfile.ZipFile(table.with_name("pics.zip"), "w") as made:
        made.writestr("lake.png", stream.getvalue())
        made.writestr("../out.png", stream.getvalue())
    return table.with_name("pics.zip")


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def name_set(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Add to")
    box.fill(name)
    box.press("Enter")
    page.get_by_text(re.compile(f"umt_core data add {name}")).wait_for()


def test_a_table_and_an_archive_become_tweets_on_all_pages(page, table, archive):
    page.goto("/data")
    page.get_by_role("heading", name="Add tweets of your own").wait_for()
    name_set(page, "trip")
    page.get_by_text("ZIP archive", exact=True).click()
    page.get_by_text("ZIP archive of pictures").wait_for()
    page.locator('input[type="file"]').nth(0).set_input_files(table)
    page.get_by_text("--input tweets.csv").wait_for()
    page.locator('input[type="file"]').nth(1).set_input_files(archive)
    page.get_by_text("--images pics.zip").wait_for()
    page.get_by_role("button", name="Add the tweets").click()
    page.get_by_text("trip: 2 of 4 tweets added, 1 of them with a warning; 2 refused").wait_for()
    page.get_by_text("../out.png: passed over, its path leads out of the archive").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report as CSV").click()
    report = Path(download.value.path()).read_text()
    assert "kept without a picture: none is called 'gone.png'" in report
    assert "got '1' again (first in line 2)" in report

    page.get_by_role("link", name="Let the taggers read them").click()
    page.get_by_role("button", name="Run the taggers").click()
    page.get_by_role("heading", name="2 tweets").wait_for()
    page.get_by_text("1 of the 2 tweets are not labelled: no figure counts them.").wait_for()
    card = page.locator('.card[data-id="1"]')
    card.get_by_text("not labelled; BERT-CRF finds").wait_for()
    page.locator('.card[data-id="2"]').get_by_text("onerror").first.wait_for()

    page.goto("/scores?data=trip/tweets")
    page.get_by_text("1 tweets, 1 gold entities").wait_for()
    page.goto("/correct?data=trip/tweets&tweet=1")
    page.get_by_text("Geneva").first.wait_for()


def test_a_table_that_is_none_is_told_of_and_its_own_name_shown(page, tmp_path):
    (tmp_path / "mine.csv").write_bytes("text\nÅland\n".encode("latin-1"))
    page.goto("/data")
    page.get_by_role("heading", name="Add tweets of your own").wait_for()
    name_set(page, "other")
    page.locator('input[type="file"]').first.set_input_files(tmp_path / "mine.csv")
    page.get_by_text("--input mine.csv").wait_for()
    page.get_by_role("button", name="Add the tweets").click()
    page.get_by_text("mine.csv:2: wanted UTF-8, got byte 0xc5").wait_for()
    close = page.get_by_role("button", name="Close")
    expect(close).to_have_count(1, timeout=WAIT)  # while a run replaces what another drew, both are there
    close.click()
    page.get_by_text("wanted UTF-8").wait_for(state="detached")


def test_a_name_that_is_none_cannot_be_used(page):
    page.goto("/data")
    page.get_by_role("heading", name="Add tweets of your own").wait_for()
    box = page.get_by_role("combobox", name="Add to")
    box.fill("../x")
    box.press("Enter")
    page.get_by_text("wanted a name of at most 40 small letters").wait_for()
    assert page.get_by_role("button", name="Add the tweets").is_disabled()


def test_one_click_adds_a_tweet_from_inspect_and_a_link_opens_it_for_labelling(page):
    page.goto("/")
    add = page.get_by_role("button", name="Add to my tweets")
    add.click()
    page.get_by_text("Added to my tweets.").wait_for()
    settled(page)
    add.click()
    page.get_by_text("It is among my tweets already.").wait_for()
    page.get_by_role("link", name="Label it").click()
    page.get_by_role("heading", name="Correct").wait_for()
    page.evaluate(waiting("location.search.includes('my-tweets') && location.search.includes('tweet=t-')"))
    page.get_by_text("Phoenix").first.wait_for()


def test_label_it_leads_to_the_tweet_that_was_added_last(page):
    page.goto("/")
    for words in ("Ann sings in Oslo", "Ben sings in Bergen"):
        box = page.get_by_role("textbox", name="Tweet")
        box.fill(words)
        box.press("Control+Enter")
        settled(page)
        page.get_by_role("button", name="Add to my tweets").click()
        page.get_by_text("Added to my tweets.").wait_for()
        page.get_by_role("link", name="Label it").click()
        page.get_by_role("heading", name="Correct").wait_for()
        page.locator(".text", has_text=words).wait_for()
        page.wait_for_timeout(1500)  # another tweet would be asked for now
        page.locator(".text", has_text=words).wait_for()
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Inspect").click()
        page.get_by_role("heading", name="Inspect").wait_for()


def test_an_own_set_is_removed_when_that_is_confirmed(page, home):
    page.goto("/data?data=my-tweets/tweets")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("my-tweets was moved to").wait_for()
    assert not (home / "own" / "my-tweets").exists()
    assert len(list((home / "trash").iterdir())) == 1


def test_nothing_runs_out_of_a_narrow_screen(page):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto("/data")
    page.get_by_role("heading", name="Add tweets of your own").wait_for()
    settled(page)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 400
