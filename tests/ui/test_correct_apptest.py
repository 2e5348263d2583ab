"""The Correct page as Streamlit runs it, on seven tweets by hand: what it says, shows and refuses."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.corrections import Tweets
from app.panels import correct_payload
from app.panels.correct_desk import FEW, Answers, Desk
from app.panels.editor import KEYS, TYPE_KEYS
from tests.ui import reading
from tests.ui.reading import address, button, component_data, said
from tests.ui.tiny_set import write_run
from umt_core.corrections.database import Database
from umt_core.corrections.events import BLIND, Edit, Event, TweetKey
from umt_core.corrections.second_opinion import decide
from umt_core.corrections.store import Store
from umt_core.data.jsonl import write_jsonl
from umt_core.errors import StoreError
from umt_core.manifest import file_sum
from umt_core.schema import Example, Span

DATA = "tiny/test"
PARIS, BERLIN = Span(0, 1, "PER"), Span(3, 4, "LOC")
GOLD = (PARIS, BERLIN)

opened = partial(reading.opened, "correct")


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'corrections.sqlite'}"
    monkeypatch.setenv("UMT_STORE", url)
    monkeypatch.setenv("UMT_AUTHOR", "Ann")
    return url


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)


def edit(tweet: str, after: tuple[Span, ...], author: str, before: Event | None = None, **others: str) -> Edit:
    """An edit of what the event before it left."""
    spans, revision = ((before.after or ()), before.number) if before else ((), 0)
    return Edit(TweetKey(DATA, tweet), "set", author, spans, after, revision, **others)


def editor(page: AppTest) -> dict:
    return component_data(page, "correct_editor")


def shown(page: AppTest, tweet: str) -> dict:
    return next(item for item in editor(page)["items"] if item["id"] == tweet)


def test_an_empty_store_shows_the_data_sets_own_labels_and_what_each_system_found(made, url):
    page = opened(tweet="fixed")
    item = shown(page, "fixed")
    assert item["words"] == ["Paris", "sings", "in", "Berlin"]
    assert item["spans"] == [[0, 1, "PER"], [3, 4, "LOC"]]
    assert (item["revision"], item["answered"], item["skipped"]) == (0, "", False)
    rows = [(row["key"], row["title"], row["spans"]) for row in item["systems"]]
    assert rows == [
        ("0", "Data set", [[0, 1, "PER"], [3, 4, "LOC"]]),
        ("1", "BERT-CRF", [[0, 1, "LOC"], [3, 4, "LOC"]]),
        ("2", "MT", [[0, 1, "PER"], [3, 4, "LOC"]]),
        ("3", "UMT", [[0, 1, "PER"], [3, 4, "LOC"]]),
    ]
    assert [row["spans"] for row in shown(page, "right")["systems"]] == [[[4, 5, "LOC"]]] * 4
    assert [row["spans"] for row in shown(page, "fixed-too")["systems"]] == [[[1, 2, "ORG"]], [], [], [[1, 2, "ORG"]]]
    assert "0 of 7 done" in said_with_bar(page)
    assert editor(page)["author"] == "Ann"
    assert address(page) == {"data": DATA, "queue": "file", "tweet": "fixed"}


def test_labels_of_another_file_are_told_of(data, made, store):
    store.remember_data(DATA, file_sum(data))
    assert "go by the ids" not in said(opened())
    store.remember_data(DATA, "another sum")
    assert "Labels were corrected on another test.jsonl too, and go by the ids of tweets" in said(opened())


def test_the_main_systems_keep_their_keys_when_others_join_them_and_no_key_has_two_digits(made, url):
    for system in ("bilstm-crf", "cnn-bilstm-crf", "hbilstm-crf", "bert", "gvatt-bert-crf", "adacan-bert-crf", "mine"):
        write_run(made, system, {})
    rows = [(row["key"], row["title"]) for row in shown(opened(tweet="fixed"), "fixed")["systems"]]
    assert rows[:5] == [("0", "Data set"), ("1", "BERT-CRF"), ("2", "MT"), ("3", "UMT"), ("4", "BiLSTM-CRF")]
    assert [key for key, _ in rows] == [*"0123456789", ""]


def said_with_bar(page: AppTest) -> str:
    return said(page) + "".join(bar.proto.text.replace("\\", "") for bar in page.get("progress"))


def test_without_predictions_the_page_says_how_to_get_them(data, url):
    page = opened()
    assert [row["title"] for row in editor(page)["items"][0]["systems"]] == ["Data set"]
    assert "run the taggers on the Errors page" in editor(page)["noSystems"]


def test_it_opens_at_the_first_open_tweet_and_counts_who_did_what(made, store):
    store.append(edit("fixed", GOLD, "Ann"))
    store.append(edit("fixed-too", (), "Ben"))
    page = opened()
    assert address(page)["tweet"] == "broken"
    assert "2 of 7 done (1 by Ann, 1 by Ben)" in said_with_bar(page)
    assert (shown(page, "fixed")["answered"], shown(page, "fixed-too")["answered"]) == ("mine", "other")
    page.button_group(key="correct_shown").set_value("done").run()
    assert [item["id"] for item in editor(page)["items"]] == ["fixed", "fixed-too"]
    page.button_group(key="correct_shown").set_value("skipped").run()
    assert "No tweet of this queue is skipped." in said(page)


def test_a_store_that_cannot_be_written_shows_labels_and_says_why_nothing_can_change(made, store, monkeypatch):
    event = store.append(edit("fixed", (BERLIN,), "Ann"))
    store.append(edit("fixed", (PARIS,), "Ann", event))

    def opens(url: str, *, read_only: bool) -> Store:
        if not read_only:
            raise StoreError("corrections.sqlite: wanted to write, got: the disk is read-only")
        return Store(url, read_only=True)

    monkeypatch.setattr("app.corrections.Store", opens)
    page = opened(tweet="fixed")
    assert "Labels can be looked at, not changed: corrections.sqlite: wanted to write" in said(page)
    assert "read-only" in editor(page)["readOnly"]
    assert shown(page, "fixed")["spans"] == [[0, 1, "PER"]]
    assert page.button(key="restore_1").disabled


def test_a_store_that_cannot_be_opened_is_told_in_one_line(made, tmp_path, monkeypatch):
    (tmp_path / "no-store").write_text("this is no database, " * 100)
    monkeypatch.setenv("UMT_STORE", f"sqlite:///{tmp_path / 'no-store'}")
    page = opened()
    assert "no-store" in said(page)
    assert not editor(page)


def test_history_restores_any_version(made, store):
    event = None
    for after in [(BERLIN,), (PARIS,), ()]:
        event = store.append(edit("fixed", after, "Ben", event))
    page = opened(tweet="fixed")
    lines = said(page)
    assert "1 · Ben · + LOC “Berlin”" in lines
    assert "2 · Ben · LOC “Berlin” → PER “Paris”" in lines
    assert "3 · Ben · − PER “Paris”" in lines
    page.button(key="restore_1").click().run()
    assert store.labels(TweetKey(DATA, "fixed")).spans == (BERLIN,)
    assert shown(page, "fixed")["spans"] == [[3, 4, "LOC"]]
    page.button(key="restore_0").click().run()
    assert shown(page, "fixed")["spans"] == [[0, 1, "PER"], [3, 4, "LOC"]]
    assert store.labels(TweetKey(DATA, "fixed")).spans is None


def test_a_restore_is_of_the_tweet_that_was_drawn(made, store):
    """The editor has gone on to the next one, and the page was not drawn again before the click."""
    first = store.append(edit("fixed", (BERLIN,), "Ann"))
    store.append(edit("fixed", (PARIS,), "Ann", first))
    store.append(edit("broken", (), "Ben"))
    page = opened(tweet="fixed")
    desk = page.session_state["correct_desk"]
    desk.place = desk.ids.index("broken")
    page.button(key="restore_0").click().run()
    assert store.labels(TweetKey(DATA, "broken")).spans == ()
    assert store.labels(TweetKey(DATA, "fixed")).spans is None


def test_a_restore_over_what_somebody_did_meanwhile_is_refused(made, store):
    first = store.append(edit("fixed", (BERLIN,), "Ann"))
    second = store.append(edit("fixed", (PARIS,), "Ann", first))
    page = opened(tweet="fixed")
    store.append(edit("fixed", (), "Ben", second))
    page.button(key="restore_1").click().run()
    assert store.labels(TweetKey(DATA, "fixed")).spans == ()
    assert "Somebody changed this tweet meanwhile" in said(page)


@pytest.mark.parametrize(
    ("queue", "first", "reason"),
    [
        ("disagreement", None, "UMT says MISC"),
        ("label-errors", "wrong", "say LOC “Tate Modern” where gold says ORG “Tate Modern”"),
        ("least-certain-word", "fixed", "UMT: 0.50"),
        ("random", None, "drawn at random"),
    ],
)
def test_a_queue_gives_its_order_and_its_reasons(made, url, queue, first, reason):
    page = opened(queue=queue)
    item = editor(page)["items"][0]
    assert reason in " ".join(item["reason"] for item in editor(page)["items"])
    assert first in (None, item["id"])
    assert address(page)["queue"] == queue


def test_a_queue_that_needs_predictions_says_so(data, url):
    page = opened(queue="disagreement")
    assert "wanted predictions" in said(page)
    assert not editor(page)


def test_a_second_opinion_is_blind_until_it_is_given(made, store):
    store.append(edit("broken", (Span(0, 1, "ORG"),), "Ben"))
    page = opened(queue="second-opinion")
    (item,) = editor(page)["items"]
    assert (item["id"], item["spans"], item["systems"]) == ("broken", [[0, 2, "PER"]], [])
    assert editor(page)["track"] == BLIND
    assert "ORG “Kevin”" not in said(page)
    store.append(edit("broken", (Span(0, 2, "LOC"),), "Ann", track=BLIND))
    page.run()
    assert shown(page, "broken")["spans"] == [[0, 2, "LOC"]]
    assert "Ben has: ORG “Kevin”" in said(page)
    assert store.labels(TweetKey(DATA, "broken")).spans == (Span(0, 1, "ORG"),)


def test_answers_that_differ_are_shown_side_by_side_with_the_agreement(made, store):
    bens = store.append(edit("broken", (Span(0, 1, "ORG"),), "Ben"))
    store.append(edit("broken", (Span(0, 2, "PER"),), "Ann", track=BLIND))
    store.append(edit("fixed", GOLD, "Ben"))
    store.append(edit("fixed", GOLD, "Ann", track=BLIND))
    page = opened(queue="adjudication")
    (item,) = editor(page)["items"]
    answers = [(row["key"], row["title"], row["spans"]) for row in item["systems"]]
    assert answers == [("1", "Ann", [[0, 2, "PER"]]), ("2", "Ben", [[0, 1, "ORG"]])]
    assert (item["base"], item["answered"]) == ("adjudication", "")
    assert not page.dataframe  # it is worked out where it is asked for
    page.session_state["correct_agreement"] = True
    page.run()
    table = page.dataframe[0].value
    assert table[["First", "Second", "Tweets", "The same labels"]].values.tolist() == [["Ann", "Ben", 2, 1]]
    assert 0 < table["Cohen's kappa"][0] < 1
    decision = edit("broken", (Span(0, 2, "PER"),), "Ann", bens, base="adjudication")
    store.append(decision)
    page.run()
    assert shown(page, "broken")["answered"] == "mine"
    assert "1 of 1 done (1 by Ann)" in said_with_bar(page)


def test_in_answers_that_differ_a_skip_and_a_comment_decide_nothing(made, store):
    bens = store.append(edit("broken", (Span(0, 1, "ORG"),), "Ben"))
    store.append(edit("broken", (Span(0, 2, "PER"),), "Ann", track=BLIND))
    page = opened(queue="adjudication")
    key, spans = TweetKey(DATA, "broken"), (Span(0, 1, "ORG"),)
    noted = store.append(Edit(key, "comment", "Ann", spans, spans, bens.number, base="adjudication", reason="hm"))
    page.run()
    assert "0 of 1 done" in said_with_bar(page)
    assert (shown(page, "broken")["answered"], shown(page, "broken")["by"]) == ("", "Ben")
    skipped = store.append(Edit(key, "skip", "Ann", spans, spans, noted.number, base="adjudication"))
    for again in (page, opened(queue="adjudication")):  # as it goes on, and as it is worked out anew
        again.run()
        assert "0 of 1 done · 1 skipped" in said_with_bar(again)
        assert shown(again, "broken")["skipped"]
    store.append(edit("broken", spans, "Cid", skipped, base="adjudication"))
    page.run()
    assert "1 of 1 done (1 by Cid)" in said_with_bar(page)
    assert "skipped" not in said_with_bar(page)


def test_what_could_not_be_read_of_a_change_is_read_the_next_time(made, store, monkeypatch):
    page = opened(tweet="fixed")
    desk, _ = desk_of(page)
    store.append(edit("fixed", (BERLIN,), "Ben"))

    def fails(*_: object, **__: object) -> None:
        raise StoreError("the disk is away")

    with monkeypatch.context() as away:
        away.setattr(Store, "labels", fails)
        with pytest.raises(StoreError):
            desk.refresh(store)
    desk.refresh(store)
    assert desk.spans("fixed") == (BERLIN,)


def desk_of_many(track: str = "", queue: str = "file") -> Desk:
    """Tweets enough for an import: more than are asked about one by one."""
    examples = {f"{i}": Example(f"{i}", ("in", "Oslo"), spans=()) for i in range(FEW + 10)}
    return Desk("many", queue, Tweets(DATA, Path("test.jsonl"), examples, None), list(examples), "Ann", track)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store was read for, in order."""
    asked: list[str] = []
    reading = Database.reading
    monkeypatch.setattr(Database, "reading", lambda self, what: (asked.append(what), reading(self, what))[1])
    return asked


@pytest.mark.parametrize("track", ["", BLIND])
def test_an_import_of_many_tweets_is_taken_in_by_two_questions(store, questions, track):
    desk = desk_of_many(track)
    store.append_all([edit(i, (BERLIN,), "Ann", track=track) for i in desk.ids])
    store.append_all([edit(i, (PARIS,), "Ben", track=BLIND) for i in desk.ids])
    questions.clear()
    desk.refresh(store)
    assert len(questions) == 2
    assert {desk.spans(i) for i in desk.ids} == {(BERLIN,)}


def test_decisions_on_many_tweets_are_taken_in_by_few_questions(store, questions):
    desk = desk_of_many(queue="adjudication")
    for author, spans, track in (("Ann", (BERLIN,), ""), ("Ben", (PARIS,), BLIND)):
        store.append_all([edit(i, spans, author, track=track) for i in desk.ids])
    desk.adjudicate(store)
    desk.refresh(store)
    for key, stands in store.current(DATA).items():
        decide(store, key, [PARIS], author="Cid", before=[BERLIN], revision=stands.revision)
    questions.clear()
    desk.refresh(store)
    assert len(questions) == 3
    assert all(map(desk.done, desk.ids))


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"data": "gone/test"}, "'gone/test', which is not here"),
        ({"tweet": "gone"}, "'gone', which is not in this data set"),
        ({"queue": "gone"}, "'gone', which is none"),
    ],
)
def test_a_link_to_what_is_not_there_says_so_and_shows_something_else(made, url, params, line):
    page = opened(**params)
    assert line in said(page)
    assert editor(page)["items"]


def test_the_errors_page_leads_to_the_tweet_with_its_filters_as_the_queue(made, url):
    page = reading.opened("errors", outcome="fixed", tweet="fixed-too")
    button(page, "Correct this tweet").click().run()
    assert [item["id"] for item in editor(page)["items"]] == ["fixed", "fixed-too"]
    assert address(page)["tweet"] == "fixed-too"
    assert address(page)["outcome"] == "fixed"
    again = opened(**address(page))  # and the address restores it
    assert [item["id"] for item in editor(again)["items"]] == ["fixed", "fixed-too"]


def payload(tweet: str, after: list, nonce: str = "0123456789abcdef", **changes: object) -> dict:
    action = {"nonce": nonce, "kind": "set", "data": DATA, "tweet": tweet, "author": "Ann", "track": ""}
    action |= {"before": [], "after": after, "revision": 0, "base": "gold"} | changes
    return {"actions": [action], "number": 1}


def desk_of(page: AppTest) -> tuple[Desk, Answers]:
    return page.session_state["correct_desk"], page.session_state["correct_answers"]


def test_what_the_editor_says_is_stored_once_and_answered(made, store):
    page = opened(tweet="fixed")
    desk, answers = desk_of(page)
    message = correct_payload.read(payload("fixed", [[0, 1, "LOC"]]), lambda key: 4)
    assert answers.take(message, store, desk, again=True)
    assert not answers.take(message, store, desk, again=True)  # the same once more
    assert Answers().take(message, store, desk, again=False)  # a session that does not know it
    (event,) = store.events()
    assert (event.after, event.author) == ((Span(0, 1, "LOC"),), "Ann")
    assert answers.of == {"0123456789abcdef": {"event": 1}}
    assert store.data_sums(DATA) == [made.info.data_sha256]


def test_of_two_edits_of_a_tweet_the_second_waits_until_the_first_is_stored(made, store, monkeypatch):
    page = opened(tweet="fixed")
    desk, answers = desk_of(page)
    first, second = payload("fixed", [[0, 1, "LOC"]]), payload("fixed", [], "second-of-two", before=[[0, 1, "LOC"]])
    message = correct_payload.read(first | {"actions": first["actions"] + second["actions"]}, lambda key: 4)
    append, tried = Store.append, []

    def fails_once(self: Store, edit: Edit) -> Event:
        tried.append(edit)
        if len(tried) == 1:
            raise StoreError("the disk is full")
        return append(self, edit)

    monkeypatch.setattr(Store, "append", fails_once)
    answers.take(message, store, desk, again=True)
    assert [*answers.of.values()] == [{"error": "the disk is full"}] * 2
    answers.take(message, store, desk, again=True)
    assert [*answers.of.values()] == [{"event": 1}, {"event": 2}]
    assert len(tried) == 3


def test_a_conflict_comes_back_with_their_labels_and_stores_nothing(made, store):
    page = opened(tweet="fixed")
    desk, answers = desk_of(page)
    store.append(edit("fixed", (BERLIN,), "Ben"))
    answers.take(correct_payload.read(payload("fixed", [[0, 1, "LOC"]]), lambda key: 4), store, desk, again=True)
    conflict = answers.of["0123456789abcdef"]["conflict"]
    assert conflict == {
        "line": "Ben changed this tweet while you did.",
        "of": "TINY test",
        "author": "Ben",
        "spans": [[3, 4, "LOC"]],
        "revision": 1,
    }
    assert [event.author for event in store.events()] == ["Ben"]


def test_an_undo_of_what_is_not_the_last_any_more_takes_back_nothing_and_is_told(made, store, monkeypatch):
    page = opened(tweet="fixed")
    desk, _ = desk_of(page)
    seen = store.append(edit("fixed", (BERLIN,), "Ann"))
    store.append(edit("broken", (), "Ann"))  # in another window, before the undo is sent and after the store is asked
    undo = payload("fixed", [], kind="undo", number=seen.number)
    line = "It is undone already, or you have done something else since, in another window."
    for asked in (Store.undoable, lambda *_: seen):
        monkeypatch.setattr(Store, "undoable", asked)
        told = Answers()
        told.take(correct_payload.read(undo, lambda key: 4), store, desk, again=True)
        assert told.of == {"0123456789abcdef": {"line": line}}
    assert store.count() == 2


def test_what_can_never_be_stored_is_answered_with_a_line_and_not_tried_again(data, store):
    odd = "a\u00a0b"
    write_jsonl(data, [Example(odd, ("in", "Oslo"), spans=())])
    page = opened(tweet=odd)
    desk, answers = desk_of(page)
    message = correct_payload.read(payload(odd, [[1, 2, "LOC"]]), lambda key: 2)
    assert answers.take(message, store, desk, again=True)
    line = "Not stored: wanted a tweet's id of 1 to 200 printable characters, got 'a\\xa0b'."
    assert answers.of == {"0123456789abcdef": {"line": line}}
    assert not answers.take(message, store, desk, again=True)
    assert store.count() == 0


def test_a_name_that_cannot_be_stored_is_told_where_it_is_given(made, url, monkeypatch):
    monkeypatch.setenv("UMT_AUTHOR", "علی\u200cرضا")
    page = opened()
    assert "wanted a name without invisible signs, got U+200C after 'علی'" in said(page)
    assert editor(page)["author"] == ""
    page.text_input(key="correct_author").set_value("علی رضا").run()
    assert "invisible" not in said(page)
    assert editor(page)["author"] == "علی رضا"


def test_the_guide_names_every_key_that_the_help_does():
    guide = (reading.ENTRY.parents[1] / "docs" / "correcting.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in guide.splitlines() if line.startswith("| ")]
    assert rows[1:] == [[" ".join(keys), what] for keys, what in KEYS]
    types = {key for keys, what in KEYS for key in keys} & {key.upper() for keys in TYPE_KEYS.values() for key in keys}
    assert len(types) == 2 * len(TYPE_KEYS)  # every type's keys are among them, and are no other's
