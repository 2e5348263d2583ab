"""The Data page without a browser: what it counts, what it offers, and what it says of damage."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import sets, tables
from app.panels import upload_job
from tests.ui.reading import address, button, cards, component_data, opened, said
from tests.ui.tiny_set import write_run
from umt_core.analysis.building import build_set
from umt_core.analysis.sets import SET, PredictionSet
from umt_core.data.datasets import own_folder
from umt_core.data.own import MY_TWEETS, add_tweet, read_own
from umt_core.schema import Example, ScoredSpan, Span
from umt_core.upload import Outcome, Report, upload


@pytest.fixture(autouse=True)
def home(data, tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))


open_page = partial(opened, "data")


def test_the_page_counts_what_is_here():
    add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    (table,) = [frame.value for frame in open_page().dataframe]
    rows = {row["Data set"]: row for row in table.to_dict("records")}
    assert list(rows) == ["Sample tweets", "TINY train", "TINY test", MY_TWEETS]
    mine = rows[MY_TWEETS]
    assert (mine["Tweets"], mine["Labelled"], mine["With a picture"], mine["Entities"]) == (1, 0, 0, 0)
    assert rows["TINY test"]["With a picture"] == 3


def test_a_link_to_a_data_set_that_is_gone_says_that_this_is_another():
    page = open_page(data="gone/tweets")
    assert "The link asks for the data set 'gone/tweets', which is not here; this is another one." in said(page)
    assert address(page)["data"] == page.selectbox(key="errors_data").value
    page.run()
    assert "which is not here" not in said(page)


def test_only_own_data_sets_can_be_removed_here():
    add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    app = open_page()
    app.session_state["errors_data"] = "tiny/test"
    app.run()
    assert "Remove it" not in [button.label for button in app.button]
    app.session_state["errors_data"] = f"{MY_TWEETS}/tweets"
    app.run()
    next(button for button in app.button if button.label == "Remove it").click()
    app.run()
    assert "was moved to" in app.success[0].value
    assert not app.warning  # the page had written that address itself
    assert not (own_folder() / MY_TWEETS).exists()


def test_a_damaged_data_set_is_told_of_and_the_others_are_shown():
    add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    (own_folder() / MY_TWEETS / "tweets.jsonl").write_text("{")
    app = open_page()
    assert "wanted a JSON object" in app.warning[0].value
    assert len(app.dataframe[0].value) == 3


def test_errors_and_scores_say_that_there_is_nothing_to_score(tmp_path):
    identity, _ = add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    made = build_set(own_folder() / MY_TWEETS / "tweets.jsonl", root=tmp_path / "predictions")
    for system in ("bert-crf", "umt-bert-crf"):
        write_run(made, system, {identity: [ScoredSpan(Span(2, 3, "LOC"), 0.9)]})
    line = "None of these tweets is labelled: what the taggers find can be looked at, but not scored."
    page = opened("errors", data=f"{MY_TWEETS}/tweets")
    assert line in said(page)
    assert cards(page)[identity]["note"] == "not labelled; BERT-CRF finds 1, UMT finds 1"
    detail = opened("errors", data=f"{MY_TWEETS}/tweets", tweet=identity)
    assert "Not labelled: there is nothing to hold the taggers' entities against." in said(detail)
    assert [track["gold"] for track in component_data(detail, "errors_tracks")["tracks"]] == [False, False]
    assert line in said(opened("scores", data=f"{MY_TWEETS}/tweets"))


def test_tweets_that_were_added_since_are_told_of_and_can_be_read(tmp_path):
    identity, _ = add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    made = build_set(own_folder() / MY_TWEETS / "tweets.jsonl", root=tmp_path / "predictions")
    for system in ("bert-crf", "mt-bert-crf", "umt-bert-crf"):
        write_run(made, system, {identity: []})
    assert "run them again" not in said(opened("errors", data=f"{MY_TWEETS}/tweets"))
    add_tweet(Example("2", ("sun",)), None)
    page = opened("errors", data=f"{MY_TWEETS}/tweets")
    assert "run them again to have all of them read" in said(page)
    assert button(page, "Run the taggers")


def with_table(text: str) -> AppTest:
    """The page with a table of tweets chosen."""
    page = open_page()
    page.selectbox(key="own_name").set_value(MY_TWEETS)
    page.file_uploader[0].set_value(("mine.csv", f"text\n{text}\n".encode(), "text/csv"))
    return page.run()


def test_pictures_that_are_asked_for_are_waited_for():
    page = with_table("Rain in Oslo")
    assert not button(page, "Add the tweets").disabled
    for how in ("archive", "folder"):
        page.button_group(key="own_pictures").set_value(how).run()
        assert button(page, "Add the tweets").disabled
    page.button_group(key="own_pictures").set_value("archive").run()
    page.file_uploader[1].set_value(("pics.zip", b"PK", "application/zip")).run()
    assert not button(page, "Add the tweets").disabled


def test_of_two_who_upload_at_once_each_has_their_tweets_added_and_reads_their_own_report(monkeypatch):
    turn = threading.Event()

    def waits(*arguments: Any, **options: Any) -> Report:
        assert turn.wait(600)
        return upload(*arguments, **options)

    monkeypatch.setattr(upload_job, "upload", waits)
    ann, ben = with_table("Rain in Oslo"), with_table("sun\nfog")
    button(ann, "Add the tweets").click().run()
    button(ben, "Add the tweets").click().run()  # his page was drawn before
    for page in (ann, ben):
        assert "Adding mine.csv to my-tweets" in said(page)
    loaded_again = open_page()
    assert "Adding mine.csv to my-tweets" in said(loaded_again)
    turn.set()
    for page, line in ((ben, "2 of 2 tweets added"), (ann, "1 of 1 tweets added"), (loaded_again, "2 of 2")):
        until(page, line)
        assert line in page.success[0].value
    button(ben, "Close").click().run()
    assert not ben.success
    assert "1 of 1 tweets added" in ann.run().success[0].value
    assert len(read_own(MY_TWEETS)) == 3


def until(page: AppTest, line: str) -> None:
    for _ in range(100):
        if any(line in found.value for found in page.run().success):
            return
        time.sleep(0.1)


def test_a_set_that_taggers_are_still_at_hides_none_that_has_their_predictions(tmp_path):
    def built(*systems: str) -> PredictionSet:
        made = build_set(own_folder() / MY_TWEETS / "tweets.jsonl", root=tmp_path / "predictions")
        for system in systems:
            write_run(made, system, {})
        return made

    add_tweet(Example("1", ("Rain", "in", "Oslo")), None)
    before = built("bert-crf", "umt-bert-crf")
    file = before.folder / SET
    file.write_text(file.read_text().replace(before.info.created, "2020-01-01T00:00:00+00:00"))
    add_tweet(Example("2", ("sun",)), None)
    after, name = built(), before.name
    assert sets.folders()[0][name] == before.folder
    assert "run them again to have all of them read" in said(opened("errors", data=name))
    sets._jobs()[name] = job = sets.Job(sets.sources()[name], ["twitter2017/bert-crf"])
    write_run(after, "bert-crf", {})
    assert sets.folders()[0][name] == before.folder  # one alone is compared with nothing
    job.running = False
    assert sets.folders()[0][name] == after.folder
    job.running = True
    write_run(after, "umt-bert-crf", {})
    assert sets.folders()[0][name] == after.folder
    del sets._jobs()[name]


def test_a_report_is_drawn_without_formulas():
    table = tables.report_table([Outcome("7", "=1+1", "refused", "wanted words"), Outcome("8", "x", "ok")])
    assert table.to_dict("records") == [
        {"Line": "7", "Tweet": "'=1+1", "Outcome": "✗ refused", "Reason": "wanted words"},
        {"Line": "8", "Tweet": "x", "Outcome": "✓ added", "Reason": ""},
    ]
    assert list(tables.report_table([]).columns) == list(table.columns)
    assert list(tables.data_set_table([]).columns)[:2] == ["Data set", "Tweets"]
