"""Correct in a browser: twenty tweets without the mouse, two people on one tweet, and bad luck at the worst moment."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.ui.conftest import WAIT, serving
from tests.ui.reading import wait_until
from tests.ui.tiny_set import write_data, write_set
from umt_core.corrections.events import TweetKey
from umt_core.corrections.second_opinion import cases
from umt_core.corrections.store import Store
from umt_core.data.jsonl import write_jsonl
from umt_core.schema import Example, Span

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

pytestmark = pytest.mark.browser

HARD = {
    "emoji": "👩‍👩‍👧 🇫🇷 Zoë loves Ångström 🎶 in Oslo",  # beyond the first plane, joined, with combining marks
    "hebrew": "דנה גרה בתל אביב",
    "mixed": "RT @dana : שלום Berlin",
    "long": " ".join(f"word{i}" for i in range(500)),
}


def flights(name: str) -> list[Example]:
    """Twenty-two tweets without labels, each with a person and a place."""
    texts = [f"today Ann{i} flies to Port{i} again" for i in range(22)]
    return [Example(f"{name}-{i}", tuple(text.split()), spans=()) for i, text in enumerate(texts)]


def wanted(i: int) -> tuple[Span, ...]:
    return (Span(1, 2, "PER"), Span(4, 5, "LOC"))


SETS = ("keys", "undo", "both", "notes", "reload", "mouse", "paused", "killed", "rules", "hard", "blind", "elsewhere")
SETS += ("arrived", "held", "left", "returned", "copied", "waits", "drafts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("correcting")
    for name in SETS:
        (folder / "data" / name).mkdir(parents=True)
        hard = [Example(i, tuple(text.split(" ")), spans=()) for i, text in HARD.items()]
        write_jsonl(folder / "data" / name / "test.jsonl", hard if name == "hard" else flights(name))
    write_data(folder / "data", "twin")  # the same ids, and other pictures
    write_set(write_data(folder / "data"), folder / "predictions")
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {
        "UMT_DATA": str(folder / "data"),
        "UMT_PREDICTIONS": str(folder / "predictions"),
        "UMT_STORE": f"sqlite:///{folder / 'corrections.sqlite'}",
        "UMT_AUTHOR": "Ann",
    }


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], folder: Path) -> str:
    return serve(**environment(folder))


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """The store itself, as another process has it open."""
    with Store(environment(folder)["UMT_STORE"]) as store:
        yield store


def go(page: Page, link: str) -> None:
    page.goto(link)
    page.locator(".text .word").first.wait_for()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shows(page: Page, line: str) -> None:
    page.locator(".status").get_by_text(re.compile(line)).wait_for()


def place(page: Page, number: int, of: int = 22) -> None:
    page.get_by_text(f"Tweet {number} of {of}", exact=True).wait_for()


def call(page: Page, name: str) -> None:
    page.get_by_role("textbox", name="Your name").fill(name)
    press(page, "Enter")
    page.evaluate(waiting("document.cookie.includes('mner_author=' + value)"), name)  # the editor has been told


def choose_data(page: Page, title: str) -> None:
    """Another data set in the sidebar, without loading the page."""
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name=title).click()
    page.get_by_role("status", name="Running").wait_for(state="detached")


def at(page: Page, tweet: str) -> None:
    page.evaluate(waiting("new URLSearchParams(location.search).get('tweet') === value"), tweet)


def heard(page: Page) -> None:
    """Waits until the server has taken in all that the editor told it."""
    page.locator(".text:not([data-unheard])").wait_for()


def stays(page: Page, name: str) -> None:
    """Presses a button from the keyboard, after a while in which the editor's clock went on."""
    button = page.get_by_role("button", name=name)
    button.focus()
    page.evaluate("new Promise(go_on => setTimeout(go_on, 2500))")
    assert button.evaluate("node => node.matches(':focus')")
    press(page, "Enter")


def labels(store: Store, name: str) -> dict[str, tuple[Span, ...] | None]:
    return {key.tweet: found.spans for key, found in store.current(f"{name}/test").items()}


def test_twenty_tweets_are_corrected_without_the_mouse(page, store):
    go(page, "/correct?data=keys/test")
    for i in range(20):
        place(page, i + 1)
        press(page, "ArrowRight", "1")  # one key labels the word under the cursor
        press(page, "ArrowRight", "ArrowRight", "ArrowRight", "l")
        press(page, "Enter")  # and one leads on
    place(page, 21)
    shows(page, "saved ✓ event")
    page.get_by_text("20 of 22 done (20 by Ann)").wait_for()
    assert labels(store, "keys") == {f"keys-{i}": wanted(i) for i in range(20)}
    assert {event.action for event in store.events(data="keys/test")} == {"set"}
    assert store.verify() == store.last()


def test_the_next_tweets_are_there_and_edits_kept_while_the_server_does_not_answer(browser, folder, store):
    with serving(environment(folder)) as (url, process):
        page = browser.new_page(base_url=url)
        page.set_default_timeout(WAIT)
        go(page, "/correct?data=paused/test")
        press(page, "ArrowRight", "p")
        shows(page, "saved ✓ event")
        process.send_signal(signal.SIGSTOP)
        for i in range(1, 6):
            press(page, "Enter")
            assert page.locator(".place").inner_text() == f"Tweet {i + 1} of 22"  # at once: nobody could be asked
            assert page.locator(".text .word").nth(1).inner_text() == f"Ann{i}"
            press(page, "ArrowRight", "p")
        assert "saved" not in page.locator(".status").inner_text()
        press(page, *"n" * 14)  # further than the editor has tweets
        press(page, "ArrowRight", "o")
        page.get_by_text("The tweet comes …").wait_for()
        process.send_signal(signal.SIGCONT)
        page.locator(".text .span", has_text="Ann19").wait_for()  # the keys waited for their tweet
        shows(page, "saved ✓ event")
        page.close()
    expected = {f"paused-{i}": (Span(1, 2, "PER"),) for i in range(6)} | {"paused-19": (Span(1, 2, "ORG"),)}
    assert labels(store, "paused") == expected


def test_undo_and_redo_go_across_tweets_and_on_after_a_reload(page, store):
    go(page, "/correct?data=undo/test")
    press(page, "ArrowRight", "1", "Enter")
    place(page, 2)
    press(page, "ArrowRight", "1", "2", "Enter")
    place(page, 3)
    shows(page, "saved ✓ event")
    assert labels(store, "undo") == {"undo-0": (Span(1, 2, "PER"),), "undo-1": (Span(1, 2, "LOC"),)}
    page.reload()
    place(page, 3)
    press(page, "Control+z")
    place(page, 2)
    page.locator(".text .span", has_text="Ann1").get_by_text("PER").wait_for()
    press(page, "u", "u")  # faster than they are answered
    place(page, 1)
    page.locator(".text .span").wait_for(state="detached")
    shows(page, "saved ✓ event")
    assert labels(store, "undo") == {"undo-0": None, "undo-1": None}
    press(page, "y", "Control+Shift+z", "y")
    place(page, 2)
    page.locator(".text .span", has_text="Ann1").get_by_text("LOC").wait_for()
    shows(page, "saved ✓ event")
    assert labels(store, "undo") == {"undo-0": (Span(1, 2, "PER"),), "undo-1": (Span(1, 2, "LOC"),)}
    assert store.verify() == store.last()


def test_an_undo_leads_to_the_data_set_that_it_is_about(page, store):
    go(page, "/correct?data=elsewhere/test&tweet=elsewhere-3")
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    go(page, "/correct?data=undo/test")
    press(page, "u")
    at(page, "elsewhere-3")
    place(page, 4)
    assert labels(store, "elsewhere") == {"elsewhere-3": None}


@pytest.fixture
def ben(browser: Browser, server: str) -> Iterator[BrowserContext]:
    """Another person's browser."""
    context = browser.new_context(base_url=server, viewport={"width": 1440, "height": 1000})
    yield context
    context.close()


def test_of_two_people_on_one_tweet_the_second_is_told_and_nothing_is_overwritten(page, ben, store):
    other = ben.new_page()
    other.set_default_timeout(WAIT)
    for window, tweet in ((page, "both-0"), (other, "both-0")):
        go(window, f"/correct?data=both/test&tweet={tweet}")
    call(other, "Ben")
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    other.locator(".text").click()
    press(other, "Home", "ArrowRight", "2")
    other.get_by_role("alert").get_by_text("Ann changed this tweet while you did.").wait_for()
    sides = other.locator(".conflict .side")
    assert [side.locator(".span").inner_text() for side in sides.all()] == ["Ann0PER", "Ann0LOC"]
    assert labels(store, "both") == {"both-0": (Span(1, 2, "PER"),)}
    other.get_by_role("button", name="Keep theirs").click()
    other.locator(".text .span").get_by_text("PER").wait_for()
    assert labels(store, "both") == {"both-0": (Span(1, 2, "PER"),)}
    heard(other)

    press(page, "Delete")  # and again: now the other answer is to hold
    shows(page, "saved ✓ event")
    press(other, "m")
    other.get_by_role("alert").wait_for()
    other.reload()  # the choice is still to be made after a reload
    other.get_by_role("alert").wait_for()
    other.get_by_role("button", name="Use mine").click()
    shows(other, "saved ✓ event")
    assert labels(store, "both") == {"both-0": (Span(1, 2, "MISC"),)}
    assert [event.author for event in store.history(TweetKey("both/test", "both-0"))] == ["Ann", "Ann", "Ben"]

    press(other, "n")
    place(other, 2)
    heard(other)
    press(page, "n", "ArrowRight", "1")
    shows(page, "saved ✓ event")
    press(other, "ArrowRight", "ArrowRight", "2", "Enter")  # on to the next before the answer comes
    place(other, 3)
    other.get_by_text("Ann changed this tweet while you did. (tweet both-1)").wait_for()
    other.get_by_role("button", name="Show it").click()
    place(other, 2)
    other.get_by_role("button", name="Join both").click()
    shows(other, "saved ✓ event")
    assert labels(store, "both")["both-1"] == (Span(1, 2, "PER"), Span(2, 3, "LOC"))
    other.close()


def test_a_choice_between_two_answers_loses_no_label_and_no_comment_and_can_wait(page, ben, store):
    other = ben.new_page()
    other.set_default_timeout(WAIT)
    for window in (page, other):
        go(window, "/correct?data=notes/test")
    call(other, "Ben")
    other.locator(".text").click()
    press(other, "Home", "ArrowRight")
    for way, key, label, expected in (("Use mine", "1", "2", "LOC"), ("Keep theirs", "4", "3", "MISC")):
        press(page, "Home", "ArrowRight", key)
        shows(page, "saved ✓ event")
        press(other, label)
        other.get_by_role("alert").wait_for()
        press(other, "/")
        other.keyboard.type(f"{way}, I say")
        press(other, "Enter")
        shows(other, "waiting for your choice")
        assert not any(event.reason for event in store.events(data="notes/test") if event.reason.startswith(way))
        other.get_by_role("button", name=way).click()
        shows(other, "saved ✓ event")
        assert labels(store, "notes") == {"notes-0": (Span(1, 2, expected),)}
        assert list(store.events(data="notes/test"))[-1].reason == f"{way}, I say"
        page.locator(".text .span").wait_for()
        go(page, "/correct?data=notes/test&tweet=notes-0")  # what Ben did
    press(page, "Home", "ArrowRight", "1")
    shows(page, "saved ✓ event")
    press(other, "2")
    other.get_by_role("alert").wait_for()
    choose_data(other, "RULES test")
    line = "Ann changed this tweet while you did. (tweet notes-0 of NOTES test)"
    other.locator(".elsewhere").get_by_text(line).wait_for()
    stays(other, "Show it")
    at(other, "notes-0")
    stays(other, "Use mine")
    shows(other, "saved ✓ event")
    assert labels(store, "notes") == {"notes-0": (Span(1, 2, "LOC"),)}
    other.close()


def test_one_choice_between_two_answers_is_for_what_has_no_answer_yet_too(page, ben, store):
    other = ben.new_page()
    other.set_default_timeout(WAIT)
    sockets: list[WebSocketRoute] = []
    held: list[str | bytes] = []
    holding = False

    def follow(socket: WebSocketRoute) -> None:
        socket.connect_to_server().on_message(lambda message: held.append(message) if holding else socket.send(message))
        sockets.append(socket)

    other.route_web_socket(re.compile("_stcore/stream"), follow)
    for window in (page, other):
        go(window, "/correct?data=held/test")
    call(other, "Ben")
    other.locator(".text").click()
    press(other, "Home", "ArrowRight")
    press(page, "Home", "ArrowRight", "1")
    shows(page, "saved ✓ event")
    press(other, "2")
    other.get_by_role("alert").wait_for()
    holding = True
    press(other, "/")
    other.keyboard.type("a town")
    press(other, "Enter")
    while not held:  # the server has the comment, which meets the other answer too, and the page does not know
        other.wait_for_timeout(50)
    other.get_by_role("button", name="Use mine").click()
    holding = False
    for message in held:
        sockets[-1].send(message)
    shows(other, "saved ✓ event")
    assert not other.get_by_role("alert").count()
    assert labels(store, "held") == {"held-0": (Span(1, 2, "LOC"),)}
    assert [event.reason for event in store.events(data="held/test")] == ["", "", "a town"]
    other.close()


def test_a_comment_is_as_long_as_can_be_stored_and_one_that_is_refused_comes_back(page, store):
    go(page, "/correct?data=notes/test&tweet=notes-5")
    note = page.get_by_role("textbox", name="Comment")
    press(page, "/")
    assert note.get_attribute("maxlength") == "2000"
    note.evaluate("node => node.removeAttribute('maxlength')")
    note.fill("x" * 2001)
    press(page, "Enter")
    page.locator(".line").get_by_text("text: wanted text of at most 2000 characters").wait_for()
    assert note.input_value() == "x" * 2001
    assert not store.history(TweetKey("notes/test", "notes-5"))


def test_a_comment_that_is_not_saved_stays_with_its_tweet(page, store):
    go(page, "/correct?data=drafts/test")
    note = page.get_by_role("textbox", name="Comment")
    press(page, "/")
    page.keyboard.type("of the first")
    press(page, "Escape", "n", "/")
    place(page, 2)
    assert note.input_value() == ""
    page.keyboard.type("of the second")
    press(page, "Enter")
    shows(page, "saved ✓ event")
    press(page, "/")
    assert note.input_value() == ""
    press(page, "Escape", "b", "/")
    place(page, 1)
    assert note.input_value() == "of the first"
    press(page, "Enter")
    page.locator(".line").get_by_text("The comment is in the tweet's history.").wait_for()
    heard(page)
    said = [(event.key.tweet, event.reason) for event in store.events(data="drafts/test")]
    assert said == [("drafts-1", "of the second"), ("drafts-0", "of the first")]


def test_after_a_click_beside_the_words_the_keys_still_count(page, store):
    go(page, "/correct?data=drafts/test&tweet=drafts-3")
    box = page.get_by_test_id("stMain").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 30, box["y"] + box["height"] - 10)
    assert page.evaluate("document.activeElement.dataset.testid") == "stMain"
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    assert labels(store, "drafts")["drafts-3"] == (Span(1, 2, "PER"),)


def test_a_tweet_is_shown_with_its_own_picture_where_another_data_set_has_its_id(page):
    picture, pictures = page.locator(".picture img"), []
    go(page, "/correct?data=tiny/test&tweet=broken")
    for title in ("TWIN test", "TINY test"):
        picture.wait_for()
        pictures.append(picture.get_attribute("src"))
        choose_data(page, title)
        at(page, "fixed")
        page.locator(".text").click()
        press(page, "n", "n")
        at(page, "broken")
    picture.wait_for()
    assert pictures[0] == picture.get_attribute("src") != pictures[1]


def test_a_reload_right_after_a_key_loses_nothing_and_stores_it_once(page, store):
    go(page, "/correct?data=reload/test")
    for i in range(8):
        press(page, "Home", "ArrowRight", "1")
        page.reload()
        page.locator(".text .span", has_text=f"Ann{i}").wait_for()
        # Stored before the reload there is nothing to say, and a line without a word is not seen.
        page.locator(".status").get_by_text(re.compile("saved ✓ event|^$")).wait_for(state="attached")
        press(page, "Enter")
        place(page, i + 2)
    page.reload()
    place(page, 9)
    assert labels(store, "reload") == {f"reload-{i}": (Span(1, 2, "PER"),) for i in range(8)}
    assert len(list(store.events(data="reload/test"))) == 8


def test_what_was_marked_as_saved_is_there_after_kill_9_and_what_was_not_is_sent_again(browser, folder, store):
    with serving(environment(folder)) as (url, process):
        page = browser.new_page(base_url=url)
        page.set_default_timeout(2 * WAIT)
        go(page, "/correct?data=killed/test")
        press(page, "ArrowRight", "1")
        shows(page, "saved ✓ event")
        number = int(page.locator(".status").inner_text().rpartition(" ")[2])
        process.kill()
        process.wait()
        (event,) = store.events(data="killed/test")
        assert (event.number, event.after) == (number, (Span(1, 2, "PER"),))
        press(page, "Enter", "ArrowRight", "1")  # nobody is there to store it
        assert [e.key.tweet for e in store.events(data="killed/test")] == ["killed-0"]
        with serving(environment(folder), port=int(url.rpartition(":")[2])):
            shows(page, "saved ✓ event")
            place(page, 2)  # where the person is, and not where the address was
            page.close()
    assert labels(store, "killed") == {f"killed-{i}": (Span(1, 2, "PER"),) for i in range(2)}
    assert len(list(store.events(data="killed/test"))) == 2


@pytest.mark.parametrize(("name", "back"), [("left", 0), ("returned", 2)])
def test_after_kill_9_the_tweet_in_view_stays_though_the_queue_is_another(browser, folder, store, name, back):
    with serving(environment(folder)) as (url, process):
        page = browser.new_page(base_url=url)
        page.set_default_timeout(2 * WAIT)
        go(page, f"/correct?data={name}/test")
        page.get_by_test_id("stSidebar").get_by_role("radio", name="Open", exact=True).click()
        page.get_by_role("status", name="Running").wait_for(state="detached")
        page.locator(".text").click()
        for _ in range(3):
            press(page, "Home", "ArrowRight", "1", "Enter")
        shows(page, "saved ✓ event")
        at(page, f"{name}-3")
        process.kill()
        process.wait()
        press(page, "Home", "ArrowRight", "2", "Enter", *"b" * back)
        place(page, 5 - back)
        press(page, "End", "2")  # what is done is not in the new queue, and the tweet after it is at another place
        with serving(environment(folder), port=int(url.rpartition(":")[2])):
            shows(page, "saved ✓ event")
            place(page, 2, 19 + bool(back))
            page.wait_for_timeout(1500)  # long enough to be led elsewhere
            assert page.locator(".text .word").nth(1).inner_text() == f"Ann{4 - back}"
            page.close()
    expected = {f"{name}-{i}": (Span(1, 2, "PER"),) for i in range(3)} | {f"{name}-3": (Span(1, 2, "LOC"),)}
    again = f"{name}-{4 - back}"
    assert labels(store, name) == expected | {again: (*expected.get(again, ()), Span(5, 6, "LOC"))}


def test_a_write_that_fails_is_told_and_the_edit_stays_until_it_is_stored(browser, folder):
    file = folder / "failing.sqlite"
    with serving(environment(folder) | {"UMT_STORE": f"sqlite:///{file}"}) as (url, _):
        page = browser.new_page(base_url=url)
        page.set_default_timeout(WAIT)
        go(page, "/correct?data=rules/test")
        press(page, "ArrowRight", "1")
        shows(page, "saved ✓ event")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
            connection.commit()
            press(page, "2")
            shows(page, "Not stored: .*disk is full.* It stays here and is sent again")
            press(page, "Enter", "ArrowRight", "4")
            assert page.locator(".text .span").inner_text() == "Ann1MISC"
            connection.execute("DROP TRIGGER full")
            connection.commit()
        shows(page, "saved ✓ event")
        page.close()
        with Store(f"sqlite:///{file}") as store:
            assert labels(store, "rules") == {"rules-0": (Span(1, 2, "LOC"),), "rules-1": (Span(1, 2, "MISC"),)}


@pytest.fixture
def failing(
    browser: Browser, tmp_path: Path, folder: Path
) -> Iterator[tuple[BrowserContext, Store, Callable[[str], None]]]:
    """A browser, a store of its own, and what makes it refuse the events that an SQL condition picks; "": none."""
    file = tmp_path / "failing.sqlite"
    url = f"sqlite:///{file}"

    def refuse(which: str) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DROP TRIGGER IF EXISTS full")
            if which:
                full = f"CREATE TRIGGER full BEFORE INSERT ON events WHEN {which} BEGIN"
                connection.execute(f"{full} SELECT RAISE(ABORT, 'disk is full'); END")

    with Store(url) as store, serving(environment(folder) | {"UMT_STORE": url}) as (address, _):
        context = browser.new_context(base_url=address)
        context.set_default_timeout(WAIT)
        yield context, store, refuse
        context.close()


def test_an_undo_waits_for_what_is_not_stored_and_says_so_and_one_waits_at_most(failing):
    context, store, refuse = failing
    page = context.new_page()
    go(page, "/correct?data=waits/test")
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    refuse("1")
    press(page, "2")
    shows(page, "Not stored")
    waits = page.locator(".line").get_by_text(
        "Undo waits until what you did to tweet waits-0 is stored; Esc lets it be."
    )
    press(page, "u", "u", "u", "3")  # and the type comes after the undo
    waits.wait_for()
    press(page, "Escape")
    waits.wait_for(state="detached")
    press(page, "4", "u", "u", "u", "3")
    waits.wait_for()
    assert page.locator(".text .span").inner_text() == "Ann0MISC"
    refuse("")
    page.locator(".text .span", has_text="ORG").wait_for()
    shows(page, "saved ✓ event")
    assert [event.action for event in store.events()] == ["set", "set", "set", "undo", "set"]
    assert labels(store, "waits") == {"waits-0": (Span(0, 1, "ORG"), Span(1, 2, "LOC"))}  # an undo leads to its start


def test_an_undo_waits_neither_for_another_persons_leftovers_nor_for_a_data_set_that_is_away(failing):
    context, store, refuse = failing
    page = context.new_page()
    go(page, "/correct?data=waits/test")
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    left = {"nonce": "1" * 24, "kind": "set", "data": "waits/test", "tweet": "waits-7", "track": "", "author": "Ben"}
    left |= {"before": [], "after": [[0, 1, "PER"]], "revision": 0, "base": "gold"}
    away = left | {"nonce": "2" * 24, "data": "gone/test", "author": "Ann"}
    box = {"at": 0, "actions": [left, away]}
    page.evaluate("box => localStorage.setItem('mner-outbox:gone', JSON.stringify(box))", box)
    refuse("NEW.author = 'Ben'")
    page.reload()
    shows(page, "Not stored")
    press(page, "u", "y", "2")
    wait_until(lambda: store.count() == 4)
    assert [event.action for event in store.events()] == ["set", "undo", "redo", "set"]
    assert labels(store, "waits") == {"waits-0": (Span(0, 1, "LOC"), Span(1, 2, "PER"))}


def test_a_tab_that_is_duplicated_keeps_its_edits_beside_those_of_the_first(failing):
    context, store, refuse = failing
    first = context.new_page()
    go(first, "/correct?data=copied/test")
    refuse("1")
    press(first, "ArrowRight", "1")
    shows(first, "Not stored")
    with context.expect_page() as opened:
        first.evaluate("void window.open(location.href)")  # as a duplicate, it begins with a copy of the tab's storage
    second = opened.value
    shows(second, "Not stored")
    press(second, "n")
    place(second, 2)
    press(second, "ArrowRight", "2")
    first.bring_to_front()
    press(first, "n", "n", "ArrowRight", "3")
    first.locator(".text .span", has_text="ORG").wait_for()
    second.close()
    first.close()
    refuse("")
    third = context.new_page()
    third.add_init_script("Date.now = (now => () => now() + 40000)(Date.now)")  # the tabs are long gone
    go(third, "/correct?data=copied/test")
    shows(third, "saved ✓ event")
    assert labels(store, "copied") == {
        "copied-0": (Span(1, 2, "PER"),),
        "copied-1": (Span(1, 2, "LOC"),),
        "copied-2": (Span(1, 2, "ORG"),),
    }


def test_what_waits_for_a_data_set_that_never_comes_back_can_be_given_up(page):
    kept = {"nonce": "0" * 24, "kind": "set", "data": "gone/test", "tweet": "7", "track": "", "author": "Ann"}
    kept |= {"before": [], "after": [[0, 1, "PER"]], "revision": 0, "base": "gold"}
    go(page, "/correct?data=rules/test")
    page.evaluate("box => localStorage.setItem('mner-outbox:gone', JSON.stringify(box))", {"at": 0, "actions": [kept]})
    page.reload()
    shows(page, "Not stored: the data set 'gone/test' is not here. It stays here and is sent again")
    page.get_by_role("button", name="Give up", exact=True).click()
    page.get_by_role("button", name="Give up for good").click()
    page.locator(".line").get_by_text("Given up, never stored: labels of tweet 7 of gone/test.").wait_for()
    page.get_by_role("button", name="Give up for good").wait_for(state="detached")
    assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('mner-outbox:'))") == []


def test_a_second_opinion_is_given_blind_and_then_decided_between(page, ben, store):
    go(page, "/correct?data=blind/test")
    press(page, "ArrowRight", "1", "Enter", "Enter")
    place(page, 3)
    shows(page, "saved ✓ event")
    other = ben.new_page()
    other.set_default_timeout(WAIT)
    go(other, "/correct?data=blind/test")
    call(other, "Ben")
    go(other, "/correct?data=blind/test&queue=second-opinion")
    place(other, 1, 2)
    assert other.locator(".text .span").count() == 0
    assert not other.get_by_text("Ann has").is_visible()
    press(other, "ArrowRight", "3")
    other.get_by_text("Ann has: PER “Ann0”").wait_for()
    press(other, "Enter", "Enter")
    shows(other, "saved ✓ event")
    assert labels(store, "blind")["blind-0"] == (Span(1, 2, "PER"),)
    go(other, "/correct?data=blind/test&queue=adjudication")
    place(other, 1, 1)
    assert [row.inner_text() for row in other.locator(".take").all()] == ["Ann\nA 1", "Ben\nA 2"]
    press(other, "a", "2")
    shows(other, "saved ✓ event")
    other.get_by_text("1 of 1 done (1 by Ben)").wait_for()
    assert labels(store, "blind")["blind-0"] == (Span(1, 2, "ORG"),)
    (case,) = cases(store, "blind/test")
    assert (case.decision.author, case.decision.spans) == ("Ben", (Span(1, 2, "ORG"),))
    other.close()


def test_an_overlap_is_refused_with_the_reason_and_replaced_at_a_second_press(page, store):
    go(page, "/correct?data=rules/test")
    line = page.locator(".line")
    press(page, "ArrowRight", "1", "Shift+ArrowRight", "2")
    line.get_by_text("“Ann0” (PER) is in the way: entities never overlap. The same key again replaces it.").wait_for()
    shows(page, "saved ✓ event")
    assert labels(store, "rules")["rules-0"] == (Span(1, 2, "PER"),)
    press(page, "2")
    page.locator(".text .span").get_by_text("LOC").wait_for()
    press(page, "]", "[")
    shows(page, "saved ✓ event")
    page.locator(".text .span", has_text="today Ann0 flies to").wait_for()
    press(page, "End", "1", "Shift+Tab", "3")  # another entity, back to the first, another type for it
    page.locator(".text .span", has_text="ORG").wait_for()
    press(page, "Shift+Alt+ArrowRight")
    page.locator(".text .span", has_text="today Ann0 flies to Port0").wait_for()
    press(page, "]")
    line.get_by_text("“again” (PER) is in the way: entities never overlap.").wait_for()
    shows(page, "saved ✓ event")
    assert labels(store, "rules")["rules-0"] == (Span(0, 5, "ORG"), Span(5, 6, "PER"))
    press(page, "/")
    page.keyboard.type("a port, or a pun? r c s")
    press(page, "Enter", "s")
    place(page, 2)
    shows(page, "saved ✓ event")
    events = store.history(TweetKey("rules/test", "rules-0"))
    assert [(e.action, e.reason) for e in events][-2:] == [("comment", "a port, or a pun? r c s"), ("skip", "")]
    press(page, "?")
    page.get_by_role("dialog", name="Keys").get_by_text("undo, across tweets").wait_for()
    press(page, "Escape", "b")
    place(page, 1)
    page.get_by_text("↷ skipped").wait_for()


def test_the_mouse_clicks_drags_extends_and_takes_whole_words(page, store):
    go(page, "/correct?data=mouse/test")
    words = page.locator(".text .word")
    words.nth(1).hover()
    page.mouse.down()
    words.nth(3).hover()
    page.mouse.up()
    page.locator(".bar").get_by_role("button", name="PER").click()
    shows(page, "saved ✓ event")
    assert labels(store, "mouse") == {"mouse-0": (Span(1, 4, "PER"),)}
    words.nth(2).dblclick()
    page.locator(".bar").get_by_role("button", name="ORG").click()
    words.nth(4).click()
    words.nth(5).click(modifiers=["Shift"])
    page.locator(".bar").get_by_role("button", name="LOC").click()
    page.locator(".text .span", has_text="Port0 again").wait_for()
    shows(page, "saved ✓ event")
    assert labels(store, "mouse") == {"mouse-0": (Span(1, 4, "ORG"), Span(4, 6, "LOC"))}


def stored(store: Store, page: Page, tweet: str) -> list[str]:
    """What is stored of a tweet, as text cut out in Python."""
    shows(page, "saved ✓ event")
    words = tuple(HARD[tweet].split(" "))
    return [f"{span.text(words)} {span.label}" for span in labels(store, "hard")[tweet] or ()]


def test_emoji_combining_marks_and_right_to_left_keep_their_places(page, store):
    go(page, "/correct?data=hard/test&tweet=emoji")
    press(page, "ArrowRight", "2", "ArrowRight", "1", "ArrowRight", "ArrowRight", "4", "End", "2")
    assert stored(store, page, "emoji") == ["🇫🇷 LOC", "Zoë PER", "Ångström MISC", "Oslo LOC"]
    press(page, "n")
    place(page, 2, 4)
    assert page.locator(".text").get_attribute("dir") == "rtl"
    press(page, "1", "ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "2")  # the next word is on the left
    assert stored(store, page, "hebrew") == ["דנה PER", "בתל אביב LOC"]
    press(page, "n", "End", "2")
    assert stored(store, page, "mixed") == ["Berlin LOC"]
    press(page, "n", "End", "4")
    assert stored(store, page, "long") == ["word499 MISC"]
    box, word = page.locator(".text").bounding_box(), page.locator(".text .cursor").bounding_box()
    assert box["y"] <= word["y"] <= box["y"] + box["height"]  # the cursor is in sight


def test_r_and_c_stay_with_the_editor(page):
    go(page, "/correct?data=mouse/test&tweet=mouse-9")
    press(page, "c", "r")
    press(page, "?")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert page.get_by_role("dialog").count() == 1  # Streamlit's would ask whether to clear its caches


def test_who_comes_by_the_sidebar_has_the_keys_at_once(page, store):
    go(page, "/correct?data=arrived/test")
    sidebar = page.get_by_test_id("stSidebarNav")
    sidebar.get_by_role("link", name="Data").click()
    page.get_by_role("heading", name="Data", level=1).wait_for()
    sidebar.get_by_role("link", name="Correct").click()
    page.locator(".text .word").first.wait_for()
    page.locator(".text:focus").wait_for()  # not the link
    press(page, "ArrowRight", "1")
    shows(page, "saved ✓ event")
    assert labels(store, "arrived") == {"arrived-0": (Span(1, 2, "PER"),)}


def test_the_errors_page_leads_here_and_a_system_is_accepted_by_two_keys(page, folder, store):
    go(page, "/correct?data=tiny/test&tweet=fixed")
    page.goto("/errors?data=tiny/test&outcome=fixed&tweet=fixed-too")
    page.get_by_role("button", name="Correct this tweet").click()
    place(page, 2, 2)
    press(page, "a", "1")  # BERT-CRF, which found nothing
    shows(page, "saved ✓ event")
    press(page, "b", "Shift+Digit1")
    page.locator(".text .span", has_text="Paris").get_by_text("LOC").wait_for()
    shows(page, "saved ✓ event")
    events = {event.key.tweet: event for event in store.events(data="tiny/test")}
    assert events["fixed-too"].after == ()
    assert events["fixed"].after == (Span(0, 1, "LOC"), Span(3, 4, "LOC"))
    assert {(event.action, event.base) for event in events.values()} == {("accept", "twitter2017/bert-crf")}


def test_who_reloads_another_page_is_led_to_the_tweet_that_they_ask_for(page):
    link = "/errors?data=tiny/test&outcome=fixed&tweet=fixed-too"
    page.goto(link)
    page.get_by_role("button", name="Correct this tweet").click()
    place(page, 2, 2)
    press(page, "b")
    at(page, "fixed")
    page.goto(link)
    page.get_by_role("button", name="Correct this tweet").wait_for()
    page.reload()
    page.get_by_role("button", name="Correct this tweet").click()
    place(page, 2, 2)
    page.wait_for_timeout(1500)  # a tweet from before would be asked for now
    place(page, 2, 2)
