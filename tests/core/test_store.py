"""What people do to labels adds up: edits, undo and redo, conflicts, history, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from umt_core.corrections.database import file_url
from umt_core.corrections.events import BLIND, BadEditError, ConflictError, Edit, Labels, TweetKey
from umt_core.corrections.store import Store, default_url
from umt_core.errors import StoreError
from umt_core.schema import Span

ONE, TWO = TweetKey("made/test", "1"), TweetKey("made/test", "2")
OTHER = TweetKey("own/tweets", "1")
GOLD = (Span(0, 1, "PER"),)
ANN = (Span(0, 2, "PER"),)
BEN = (Span(0, 2, "PER"), Span(3, 4, "LOC"))


def put(store: Store, key: TweetKey, author: str, after: tuple[Span, ...] = (), action: str = "set", **fields: str):
    """An edit of somebody who has seen the newest labels, stored."""
    now = store.labels(key, track=fields.get("track", ""), author=author)
    before = GOLD if now.spans is None else now.spans
    return store.append(Edit(key, action, author, before, after, now.revision, **fields))


def test_an_event_tells_all_that_was_done(store):
    edit = Edit(ONE, "accept", "ann", GOLD, ANN, 0, "made/umt-bert-crf", "sees the hat", nonce="once")
    event = store.append(edit)
    told = {name: getattr(event, name) for name in ("key", "action", "author", "before", "after", "base", "reason")}
    assert told == {name: getattr(edit, name) for name in told}
    assert (event.number, event.nonce, event.track, event.of) == (1, "once", "", 0)
    assert event.time.endswith("Z")
    assert len(event.time) == len("2026-11-24T08:22:11.421Z")
    assert store.history(ONE) == list(store.events()) == [event]
    assert store.labels(ONE) == Labels(ANN, 1, False, "ann")


def test_labels_last_after_the_store_is_closed(store_url):
    with Store(store_url) as store:
        put(store, ONE, "ann", ANN)
    with Store(store_url) as store:
        assert store.labels(ONE).spans == ANN
        assert store.undo("ann").of == 1
    with Store(store_url) as store:
        assert store.labels(ONE).spans is None
        assert store.redo("ann").after == ANN


def test_a_skip_and_a_comment_leave_labels_as_they_are(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ann", action="skip")
    assert store.labels(ONE) == Labels(ANN, 2, True, "ann")
    put(store, ONE, "ben", action="comment", reason="who is this?")
    assert store.labels(ONE) == Labels(ANN, 3, True, "ben")
    put(store, TWO, "ann", action="skip")
    assert store.labels(TWO) == Labels(None, 4, True, "ann")
    put(store, TWO, "ann", BEN)
    assert store.labels(TWO) == Labels(BEN, 5, False, "ann")


def test_undo_and_redo_go_across_tweets_without_limit(store):
    labels = [(Span(0, n + 1, "ORG"),) for n in range(20)]
    for n, spans in enumerate(labels):
        put(store, (ONE, TWO)[n % 2], "ann", spans)
    seen = []
    while event := store.undo("ann"):
        seen.append((event.key, event.of, event.after))
    assert [of for _, of, _ in seen] == list(range(20, 0, -1))
    assert [after for key, _, after in seen if key == ONE] == [*labels[16::-2], None]
    assert store.undoable("ann") is None
    assert store.redoable("ann").number == 1
    redone = [store.redo("ann").after for _ in labels]
    assert redone == labels
    assert store.redo("ann") is None
    assert store.verify() == 60


def test_a_new_action_ends_what_can_be_redone(store):
    put(store, ONE, "ann", ANN)
    store.undo("ann")
    put(store, TWO, "ann", BEN)
    assert store.redoable("ann") is None
    assert store.redo("ann") is None
    assert store.undo("ann").key == TWO
    assert store.undo("ann") is None  # the first was taken back already
    assert store.redo("ann").key == TWO


def test_skips_comments_and_restores_can_be_undone(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ann", action="skip")
    put(store, ONE, "ann", action="comment", reason="unsure")
    store.restore(ONE, 0, "ann", revision=3)
    assert store.labels(ONE) == Labels(None, 4, False, "ann")
    store.undo("ann")
    assert store.labels(ONE) == Labels(ANN, 5, True, "ann")
    assert store.undo("ann").of == 3
    store.undo("ann")
    assert store.labels(ONE) == Labels(ANN, 7, False, "ann")


def test_each_author_undoes_their_own(store):
    put(store, ONE, "ann", ANN)
    put(store, TWO, "ben", BEN)
    assert store.undo("ann").key == ONE
    assert store.labels(TWO).spans == BEN
    assert store.undo("cleo") is None
    assert store.authors() == ["ann", "ben"]


def test_an_undo_or_redo_is_of_the_event_that_its_author_means(store):
    first, second = put(store, ONE, "ann", ANN), put(store, TWO, "ann", BEN)
    assert store.undo("ann", expected=first.number) is None
    assert store.undo("ann", expected=second.number).of == second.number
    assert store.redo("ann", expected=first.number) is None
    assert store.redo("ann", expected=second.number).of == second.number
    assert store.undo("ann", expected=second.number).of == second.number  # that was a redo: it is the event itself
    assert store.count() == 5


def test_the_second_of_two_is_told_and_nothing_is_overwritten(store):
    store.append(Edit(ONE, "set", "ann", GOLD, ANN, 0))
    late = Edit(ONE, "set", "ben", GOLD, BEN, 0)
    with pytest.raises(ConflictError, match="ann was there before you") as told:
        store.append(late)
    assert told.value.edit == late
    assert told.value.theirs == store.labels(ONE) == Labels(ANN, 1, False, "ann")
    assert store.count() == 1
    # Having seen both, Ben decides.
    store.append(replace(late, before=ANN, revision=told.value.theirs.revision))
    assert store.labels(ONE).author == "ben"


def test_labels_that_the_author_did_not_see_are_not_overwritten(store):
    put(store, ONE, "ann", ANN)
    with pytest.raises(ConflictError):
        store.append(Edit(ONE, "set", "ann", GOLD, BEN, 1))


def test_undo_stops_where_another_has_answered_since(store):
    put(store, TWO, "ann", BEN)
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    with pytest.raises(ConflictError, match="ben has changed it since") as told:
        store.undo("ann")
    assert (told.value.edit, told.value.theirs.spans) == (None, BEN)
    assert store.undoable("ann").number == 2
    kept = store.undo("ann", keep=True)
    assert (kept.of, kept.before, kept.after, kept.reason) == (2, BEN, BEN, "left as ben has it")
    assert store.undo("ann").of == 1
    assert store.labels(ONE).spans == BEN
    store.verify()


def test_redo_stops_where_another_has_answered_since(store):
    put(store, ONE, "ann", ANN)
    store.undo("ann")
    put(store, ONE, "ben", BEN)
    with pytest.raises(ConflictError):
        store.redo("ann")
    assert store.redo("ann", keep=True).after == BEN
    with pytest.raises(ConflictError):
        store.undo("ann")  # ben's is the newer answer still
    assert store.undo("ann", keep=True).after == BEN
    store.verify()


def test_who_is_in_the_way_of_an_undo_is_named_whoever_came_last(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    put(store, ONE, "cleo", action="comment", reason="look at the hat")
    for ask in (store.undo, store.redo):
        with pytest.raises(ConflictError, match="ben has changed it since") as refused:
            ask("ann")
        assert (refused.value.theirs.author, refused.value.theirs.spans) == ("ben", BEN)
        ask("ann", keep=True)


def test_a_skip_brings_back_no_labels_that_their_author_has_withdrawn(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", action="skip")
    assert store.undo("ann", keep=True).after is None
    assert store.labels(ONE).skipped
    store.undo("ben")
    assert store.redo("ben").after is None
    assert store.redo("ann", keep=True).after == ANN
    store.verify()


def test_a_comment_is_undone_whatever_others_have_answered_since(store):
    put(store, ONE, "ann", action="comment", reason="a hat")
    put(store, ONE, "ben", BEN)
    assert store.undo("ann").after == BEN


def test_what_its_author_has_withdrawn_comes_back_by_nobody_elses_undo(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    store.undo("ann", keep=True)
    undone = store.undo("ben")
    assert (undone.before, undone.after) == (BEN, None)
    assert store.redo("ann").after == ANN
    assert store.redo("ben").after == BEN
    store.verify()


def test_what_another_has_undone_or_only_said_stops_nobody(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    store.undo("ben")
    put(store, ONE, "cleo", action="comment", reason="look at the hat")
    assert store.undo("ann").after is None


def test_an_edit_sent_twice_is_stored_once(store):
    edit = Edit(ONE, "set", "ann", GOLD, ANN, 0, nonce="n-1")
    event = store.append(edit)
    put(store, ONE, "ben", BEN)
    assert store.append(edit) == event  # even though the tweet has gone on since
    assert store.count() == 2
    with pytest.raises(StoreError, match="which event 1 has already"):
        store.append(replace(edit, author="ben"))


def test_all_edits_or_none(store):
    edits = [Edit(key, "set", "ann", GOLD, ANN, 0) for key in (ONE, TWO, OTHER)]
    with pytest.raises(ConflictError):
        store.append_all([*edits, edits[0]])
    assert store.count() == 0
    assert [event.number for event in store.append_all(edits)] == [1, 2, 3]
    assert store.append_all([]) == []


def test_any_version_of_a_tweet_can_be_restored(store):
    for spans in (ANN, BEN, ()):
        put(store, ONE, "ann", spans)
    event = store.restore(ONE, 2, "ben", revision=3)
    assert (event.action, event.before, event.after, event.of) == ("restore", (), BEN, 2)
    assert store.restore(ONE, 0, "ben", revision=4).after is None
    with pytest.raises(ConflictError):
        store.restore(ONE, 1, "ben", revision=4)
    with pytest.raises(StoreError, match="got number 9"):
        store.restore(ONE, 9, "ben", revision=5)
    with pytest.raises(StoreError, match="wanted an event of tweet 2"):
        store.restore(TWO, 1, "ben", revision=0)


def test_second_opinions_are_seen_by_nobody_else(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN, track=BLIND)
    put(store, ONE, "cleo", (), track=BLIND)
    assert store.labels(ONE) == Labels(ANN, 1, False, "ann")
    assert store.labels(ONE, track=BLIND, author="ben") == Labels(BEN, 2, False, "ben")
    assert store.labels(ONE, track=BLIND, author="ann") == Labels()
    assert [event.number for event in store.history(ONE)] == [1]
    assert [event.number for event in store.history(ONE, track=BLIND, author="cleo")] == [3]
    assert store.current() == {ONE: Labels(ANN, 1, False, "ann")}
    assert store.opinions() == {ONE: {"ann": ANN, "ben": BEN, "cleo": ()}}
    assert store.undo("ben").track == BLIND
    with pytest.raises(StoreError, match="a second opinion"):
        store.restore(ONE, 3, "ann", revision=1)


def test_current_labels_of_the_blind_track_are_one_authors(store):
    for author, key, spans in (("ann", ONE, ANN), ("ben", ONE, BEN), ("ann", TWO, BEN), ("ann", OTHER, ANN)):
        put(store, key, author, spans, track=BLIND)
    put(store, TWO, "ben", GOLD)
    found = store.current("made/test", track=BLIND, author="ann")
    assert {key: labels.spans for key, labels in found.items()} == {ONE: ANN, TWO: BEN}
    assert found == {key: store.labels(key, track=BLIND, author="ann") for key in (ONE, TWO)}


def test_an_opinion_is_an_authors_last_answer(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    put(store, ONE, "ann", ())
    put(store, TWO, "ann", ANN)
    put(store, TWO, "ann", action="skip")
    put(store, OTHER, "ann", action="comment", reason="mine")
    assert store.opinions() == {ONE: {"ann": (), "ben": BEN}}
    for _ in range(2):
        store.undo("ann")
    assert store.opinions("made/test") == {ONE: {"ann": (), "ben": BEN}, TWO: {"ann": ANN}}
    for _ in range(2):
        store.undo("ann")
    assert store.opinions() == {ONE: {"ann": ANN, "ben": BEN}}
    store.redo("ann")
    assert store.opinions() == {ONE: {"ann": (), "ben": BEN}}
    assert store.opinions("own/tweets") == {}


def test_current_labels_are_of_every_tweet_with_events(store):
    put(store, ONE, "ann", ANN)
    put(store, ONE, "ben", BEN)
    put(store, TWO, "ann", action="comment", reason="fine as it is")
    put(store, OTHER, "ann", ANN)
    of_made = {ONE: Labels(BEN, 2, False, "ben"), TWO: Labels(None, 3, False, "ann")}
    assert store.current("made/test") == of_made
    assert store.current() == of_made | {OTHER: Labels(ANN, 4, False, "ann")}
    assert store.current() == {key: store.labels(key) for key in (ONE, TWO, OTHER)}


def test_events_can_be_read_in_parts_and_by_data_or_author(store):
    many = [Edit(TweetKey("own/tweets", str(n)), "set", "ann", GOLD, ANN, 0) for n in range(2500)]
    store.append_all(many)
    put(store, ONE, "ben", BEN)
    assert [event.number for event in store.events()] == list(range(1, 2502))
    assert [event.number for event in store.events(after=2499)] == [2500, 2501]
    assert [event.number for event in store.events(author="ben")] == [2501]
    assert [event.key.data for event in store.events(data="made/test")] == ["made/test"]
    assert (store.count(), store.count(author="ann"), store.count(data="made/test", author="ann")) == (2501, 2500, 0)
    assert store.last() == 2501


def test_a_digest_is_of_the_labels_and_not_of_the_way_to_them(store):
    empty = store.digest()
    put(store, ONE, "ann", ANN)
    first = store.digest()
    put(store, TWO, "ann", action="comment", reason="hm")
    put(store, ONE, "ben", BEN)
    assert len({empty, first, store.digest()}) == 3
    put(store, ONE, "cleo", ANN)
    assert store.digest() == first == store.digest("made/test")
    assert store.digest("own/tweets") == empty
    put(store, TWO, "ann", action="skip")
    assert store.digest() != first


def test_the_files_that_corrections_were_made_on_are_remembered(store):
    assert store.data_sums("made/test") == []
    for sha256 in ("b" * 64, "a" * 64, "b" * 64):
        store.remember_data("made/test", sha256)
    assert sorted(store.data_sums("made/test")) == ["a" * 64, "b" * 64]
    assert store.data_sums("own/tweets") == []


def test_words_of_every_kind_come_back_as_they_were(store):
    odd = "\u202eabc 👩‍👩‍👧 e\u0301 'quoted' \"; DROP TABLE events; -- %s :x\nline two\tend"
    put(store, TweetKey("made/test", "نص 1"), "Zoë Øst 🦉", ANN, reason=odd)
    event = next(store.events())
    assert (event.key.tweet, event.author, event.reason) == ("نص 1", "Zoë Øst 🦉", odd)


WRONG = {
    "wanted an action": {"action": "undo"},
    "wanted the common track": {"track": "mine"},
    "wanted an author": {"author": " "},
    "wanted a tweet's id": {"key": TweetKey("made/test", "a\nb")},
    "printable characters, got 'a\\u3000b'": {"key": TweetKey("made/test", "a\u3000b")},
    "wanted a data set": {"key": TweetKey("", "1")},
    "wanted what the labels came from": {"base": ""},
    "NUL": {"reason": "a\0b"},
    "half surrogate": {"reason": "\ud83d"},
    "at most 10,000": {"reason": "a" * 10_001},
    "wanted a comment's text": {"action": "comment"},
    "wanted a nonce": {"nonce": "n" * 201},
    "wanted a type of PER, LOC, ORG, MISC, got 'OTHER'": {"after": (Span(0, 1, "OTHER"),)},
    "got words 2 to 2": {"after": (Span(2, 2, "PER"),)},
    "got words -1 to 1": {"after": (Span(-1, 1, "PER"),)},
    "do not overlap": {"after": (Span(0, 2, "PER"), Span(1, 3, "LOC"))},
    "from left to right": {"before": (Span(2, 3, "PER"), Span(0, 1, "LOC"))},
}


@pytest.mark.parametrize("line", WRONG)
def test_an_edit_that_makes_no_sense_is_refused_in_one_line(tmp_path, line):
    good = Edit(TWO, "set", "ann", GOLD, ANN, 0)
    with Store(file_url(tmp_path / "corrections.sqlite")) as store:
        with pytest.raises(BadEditError) as told:
            store.append_all([good, replace(good, **{"key": ONE} | WRONG[line])])
        assert line in str(told.value)
        assert "\n" not in str(told.value)
        assert store.count() == 0


def test_threads_share_a_store(store):
    def work(author: str) -> None:
        for n in range(6):
            put(store, TweetKey("made/test", author), author, (Span(0, n + 1, "PER"),))
            store.undo(author)
            store.redo(author)

    threads = [threading.Thread(target=work, args=(f"author {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.verify() == store.count() == 6 * 6 * 3
    assert {labels.spans for labels in store.current().values()} == {(Span(0, 6, "PER"),)}


def test_a_backup_is_a_store_with_the_same_events(store, tmp_path):
    put(store, ONE, "ann", ANN)
    store.undo("ann")
    store.remember_data("made/test", "a" * 64)
    store.backup(tmp_path / "backup.sqlite")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name or path.suffix == ".part"] == [
        "backup.sqlite"
    ]
    with pytest.raises(StoreError, match="wanted a new file"):
        store.backup(tmp_path / "backup.sqlite")
    with pytest.raises(StoreError):
        store.backup(tmp_path / "backup.sqlite" / "in a file.sqlite")
    with Store(file_url(tmp_path / "backup.sqlite")) as backup:
        assert list(backup.events()) == list(store.events())
        assert backup.data_sums("made/test") == ["a" * 64]
        assert backup.redo("ann").after == ANN
        assert backup.verify() == 3
    assert store.count() == 2


def test_the_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("UMT_STORE", raising=False)
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "a b%20?#"))
    with Store() as store:
        assert store.url == default_url()
        put(store, ONE, "ann", ANN)
    assert (tmp_path / "a b%20?#" / "corrections.sqlite").is_file()
    monkeypatch.setenv("UMT_STORE", file_url(tmp_path / "other.sqlite"))
    with Store() as store:
        assert store.count() == 0
    assert Path(tmp_path / "other.sqlite").is_file()
