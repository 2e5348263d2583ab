"""Pages of a data set whose folder of pictures goes away while the app runs, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.reading import button, cards, component_data, opened, said
from umt_core.corrections.store import file_url

GONE = "The picture is not here: its folder has moved or gone."
READ = f"{GONE} The tweet is read as one without a picture."


@pytest.fixture
def pictures(data: Path, made, tmp_path, monkeypatch) -> Path:
    """The folder of the tiny data set's pictures."""
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_STORE", file_url(tmp_path / "corrections.sqlite"))
    return data.parent / "images"


def moved(pictures: Path) -> Path:
    return pictures.rename(pictures.with_name("elsewhere"))


def shown(page: AppTest) -> int:
    """How many pictures the page shows."""
    return len(page.get("image"))


def test_errors_says_that_a_tweets_picture_is_not_here_until_it_is(pictures):
    page = opened("errors", tweet="broken")
    assert shown(page) == 1
    elsewhere = moved(pictures)
    for seen in (page.run(), opened("errors", tweet="broken")):
        assert not seen.exception
        assert shown(seen) == 0
        assert GONE in said(seen)
    card = cards(opened("errors", outcome="broken"))["broken"]
    assert (card["thumbnail"], card["image"]) == (None, "picture not here")
    elsewhere.rename(pictures)
    assert shown(page.run()) == 1
    assert GONE not in said(page)
    assert cards(opened("errors", outcome="broken"))["broken"]["thumbnail"].startswith("data:image/")


def test_errors_opened_first_while_they_are_gone_has_them_when_they_are_back(pictures):
    elsewhere = moved(pictures)
    assert GONE in said(opened("errors", tweet="broken"))
    elsewhere.rename(pictures)
    assert shown(opened("errors", tweet="broken")) == 1


@pytest.mark.parametrize("view", ["inspect", "explain"])
def test_a_tweet_read_without_its_picture_is_said_to_be_and_read_with_it_when_it_is_back(pictures, view):
    elsewhere = moved(pictures)
    if view == "inspect":
        page = opened("errors", tweet="broken")
        button(page, "Open in Inspect").click().run()
    else:
        page = opened("explain", tweet="broken")
    assert not page.exception
    assert shown(page) == 0
    assert READ in said(page)
    elsewhere.rename(pictures)
    page.run()
    assert not page.exception
    assert GONE not in said(page)
    assert shown(page) == 1


def test_a_tweet_that_has_no_picture_is_not_said_to_have_lost_it(pictures):
    assert GONE not in said(opened("explain", tweet="added"))


def test_correct_says_that_the_picture_is_not_here_until_it_is(pictures):
    def item(tweet: str) -> tuple[str, str | None]:
        editor = component_data(opened("correct", tweet=tweet), "editor")
        lines = {item["id"]: item["picture"] for item in editor["items"]}
        return lines[tweet], editor["pictures"][tweet]

    assert item("broken")[1]
    elsewhere = moved(pictures)
    assert item("broken") == ("The picture is not here.", None)
    elsewhere.rename(pictures)
    line, picture = item("broken")
    assert line == ""
    assert picture.startswith("data:image/")


def test_data_does_not_count_pictures_that_it_cannot_see(pictures):
    def counted() -> float | None:
        table = opened("data").dataframe[0].value
        (count,) = table[table["Data set"] == "TINY test"]["With a picture"]
        return None if count != count else count

    assert counted() == 3
    elsewhere = moved(pictures)
    assert counted() is None
    elsewhere.rename(pictures)
    assert counted() == 3
