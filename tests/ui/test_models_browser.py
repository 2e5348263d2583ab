"""A promoted version answers on Inspect from the next request on, by real tiny weights and without a restart."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.core import tiny
from tests.core.tiny_jobs import BASE, make_home
from tests.ui.conftest import WAIT, serving
from umt_core.checkpoint import save_manifest
from umt_core.manifest import read_manifest
from umt_core.predict import Predictor
from umt_core.registry import find_checkpoint, versions_folder
from umt_core.schema import Example
from umt_core.versions import promote

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 5 * WAIT  # torch is loaded first
TWEET = "Anna meets the NBA in New York with Paris"


def add_version(home: Path, name: str, seed: int) -> None:
    """A version of other weights, on the same encoder."""
    original = find_checkpoint(BASE)
    tagger = tiny.system("bert-crf", seed=seed, on=tiny.encoder(), text_encoder=original.manifest.model.text_encoder)
    folder = tiny.save_tagger(home / "made", tagger, dataset="twitter0")
    parent = {"name": f"{BASE}@original", "weights_sha256": original.manifest.weights_sha256}
    save_manifest(folder, replace(read_manifest(folder), parent=parent))
    versions_folder(BASE).mkdir(parents=True, exist_ok=True)
    shutil.move(folder, versions_folder(BASE) / name)


@pytest.fixture
def page(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    make_home(tmp_path, monkeypatch)
    add_version(tmp_path, "v1", seed=5)
    add_version(tmp_path, "v2", seed=9)
    with serving({"UMT_BACKEND": "", "UMT_AUTHOR": "Ann"}) as (url, _):
        page = browser.new_page(base_url=url, viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(LONG)
        yield page
        page.close()


def answer(name: str) -> list[str]:
    """The names that a version gives to the tweet's words, by a predictor of its own."""
    (prediction,) = Predictor.load(name, "cpu").predict([Example("typed", tuple(TWEET.split()))], None)
    tags = prediction.tags
    return [
        f"{word}; word {i + 1} of {len(tags)}; " + ("BERT-CRF no entity" if tag == "O" else f"BERT-CRF {tag[2:]}")
        for i, (word, tag) in enumerate(zip(TWEET.split(), tags, strict=True))
    ]


def shown(page: Page, words: list[str]) -> None:
    for word in words:
        if "no entity" not in word:
            page.get_by_role("radio", name=word, exact=True).wait_for()


def inspect(page: Page) -> None:
    page.goto("/")
    box = page.get_by_role("textbox", name=re.compile("Tweet"))
    box.fill(TWEET)
    box.press("Control+Enter")


def test_inspect_answers_from_what_is_promoted_without_a_restart(page):
    answers = {version: answer(f"{BASE}@{version}") for version in ("original", "v1", "v2")}
    assert len({tuple(words) for words in answers.values()}) == 3
    inspect(page)
    shown(page, answers["original"])

    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="BERT-CRF · twitter0 · v1").click()
    page.evaluate(waiting("location.search.includes('v1')"))
    page.get_by_role("heading", name="BERT-CRF · twitter0 · v1").wait_for()
    page.get_by_role("status", name="Running").wait_for(state="detached")
    page.get_by_role("button", name="Promote").press("Enter")
    page.get_by_role("button", name="Promote it").press("Enter")
    page.get_by_text("is served from now on").wait_for()
    inspect(page)
    shown(page, answers["v1"])

    promote(f"{BASE}@v2", "another process")
    inspect(page)
    shown(page, answers["v2"])

    page.goto(f"/models?model={BASE}@v2")
    page.get_by_role("button", name="Roll back").press("Enter")
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Roll back").press("Enter")
    page.get_by_text("is its version v1 again").wait_for()
    inspect(page)
    shown(page, answers["v1"])


def test_before_and_after_is_read_in_the_background_and_leads_to_errors(page):
    page.goto(f"/models?model={BASE}@v1")
    page.get_by_role("button", name="Read it now").press("Enter")
    page.get_by_role("row", name=re.compile("^as published")).wait_for()
    row = page.get_by_role("row", name=re.compile("^as published"))
    row.get_by_role("link").first.click()
    page.get_by_role("heading", name="Errors").wait_for()
    page.evaluate(waiting("location.search.includes('outcome=fixed')"))
    assert "v1" in page.url
