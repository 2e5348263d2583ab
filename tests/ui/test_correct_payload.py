"""What the span editor sends is believed only as far as it is sound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import corrections, sets
from app.panels import correct_editor
from app.panels.correct_desk import Answers
from app.panels.correct_payload import AwayError, Message, is_here, read, read_visit
from umt_core.corrections.events import TweetKey
from umt_core.errors import DataError
from umt_core.schema import Span

KEY = TweetKey("tiny/test", "t1")
SOUND: dict[str, Any] = {
    "nonce": "0123456789abcdef",
    "kind": "set",
    "data": KEY.data,
    "tweet": KEY.tweet,
    "track": "",
    "author": "Ann",
    "before": [],
    "after": [[0, 1, "PER"], [3, 4, "LOC"]],
    "revision": 7,
    "base": "gold",
}


def length(key: TweetKey) -> int | None:
    return 4 if key == KEY else None


def sent(**changes: Any) -> Message:
    return read({"queue": "q", "tweet": "t1", "pictures": ["t1"], "actions": [SOUND | changes]}, length)


def test_a_sound_action_is_taken_as_it_is():
    message = sent()
    (action,) = message.actions
    assert (action.key, action.kind, action.author, action.revision) == (KEY, "set", "Ann", 7)
    assert action.after == (Span(0, 1, "PER"), Span(3, 4, "LOC"))
    assert (message.queue, message.tweet, message.pictures, message.refused) == ("q", "t1", {"t1"}, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"after": [[0, 5, "PER"]]},  # past the last word
        {"after": [[-1, 1, "PER"]]},
        {"after": [[1, 1, "PER"]]},
        {"after": [[2, 1, "PER"]]},
        {"after": [[0, 2, "PER"], [1, 3, "LOC"]]},  # one over the other
        {"after": [[2, 3, "PER"], [0, 1, "LOC"]]},  # not in order
        {"after": [[0, 1, "per"]]},
        {"after": [[0, 1, None]]},
        {"after": [[True, 2, "PER"]]},  # a bool is an int in Python
        {"after": [[0.0, 1, "PER"]]},
        {"after": [["0", 1, "PER"]]},
        {"after": [[0, 1]]},
        {"after": [{"start": 0, "end": 1, "label": "PER"}]},
        {"after": "PER"},
        {"before": [[0, 9, "PER"]]},
        {"revision": -1},
        {"revision": "7"},
        {"revision": 2**60},
        {"kind": "drop"},
        {"kind": ["set"]},
        {"track": "other"},
        {"tweet": "t2"},
        {"tweet": 1},
        {"data": "other/test"},
        {"author": "   "},
        {"author": "a" * 81},
        {"author": "Ann\u200d"},
        {"author": "\ud83d"},
        {"kind": "comment", "text": "  "},
        {"text": "a" * 2001},
        {"base": 3},
    ],
    ids=str,
)
def test_an_unsound_action_is_refused_with_a_line(changes):
    message = sent(**changes)
    assert not message.actions
    assert list(message.refused) == [SOUND["nonce"]]
    assert "got" in message.refused[SOUND["nonce"]] or "wanted" in message.refused[SOUND["nonce"]]


def test_what_was_done_while_its_data_set_is_away_is_kept_and_done_when_it_is_back(monkeypatch):
    def gone(key: TweetKey) -> int | None:
        raise AwayError(f"the data set {key.data!r} is not here.")

    away, back = read({"actions": [SOUND]}, gone), sent()
    monkeypatch.setattr(Answers, "_do", lambda *_: {"event": 1})
    answers = Answers()
    assert not answers.take(away, None, None, again=True)
    told = {"error": "the data set 'tiny/test' is not here.", "away": True}
    assert answers.of == {SOUND["nonce"]: told}  # the browser keeps it
    assert not answers.take(back, None, None, again=False)
    assert answers.take(back, None, None, again=True)
    assert answers.of == {SOUND["nonce"]: {"event": 1}}
    answers.take(away, None, None, again=True)
    assert answers.of == {SOUND["nonce"]: {"event": 1}}  # it is stored, wherever its data set is
    assert not is_here(KEY, gone)


def test_a_data_set_that_is_gone_or_cannot_be_read_is_away(monkeypatch):
    monkeypatch.setattr(sets, "sources", dict)
    with pytest.raises(AwayError, match="'tiny/test' is not here"):
        correct_editor.words(KEY)

    def broken(_: object) -> None:
        raise DataError("tiny/test: cannot read its files")

    monkeypatch.setattr(sets, "sources", lambda: {KEY.data: object()})
    monkeypatch.setattr(corrections, "tweets", broken)
    with pytest.raises(AwayError, match="cannot read its files"):
        correct_editor.words(KEY)


@pytest.mark.parametrize("nonce", [None, 5, "", "short", "a" * 65, "nul\0nulnul", "üüüüüüüüüü"])
def test_an_action_without_a_name_is_passed_over(nonce):
    message = sent(nonce=nonce)
    assert not message.actions
    assert not message.refused


def test_one_unsound_action_does_not_stop_the_others():
    wrong = SOUND | {"nonce": "ffffffffffffffff", "after": [[9, 10, "PER"]]}
    message = read({"actions": [wrong, SOUND]}, length)
    assert [action.nonce for action in message.actions] == [SOUND["nonce"]]
    assert list(message.refused) == ["ffffffffffffffff"]


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"data": KEY.data, "tweet": KEY.tweet, "track": ""}, (KEY, "")),
        ({"data": KEY.data, "tweet": KEY.tweet, "track": "blind"}, (KEY, "blind")),
        ({"data": KEY.data, "tweet": KEY.tweet, "track": "other"}, None),
        ({"data": KEY.data, "tweet": "t2", "track": ""}, None),
        ({"data": "other/test", "tweet": KEY.tweet, "track": ""}, None),
        ({"data": [], "tweet": {}, "track": {}}, None),
        (KEY.tweet, None),
    ],
    ids=str,
)
def test_a_tweet_to_show_is_one_that_is_here(payload, wanted):
    assert read_visit(payload, length) == wanted


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*SOUND, "actions"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(ANYTHING)
def test_nothing_that_a_browser_can_send_breaks_the_page(payload):
    for action in read(payload, length).actions:
        assert action.key == KEY
    read({"actions": payload, "pictures": payload, "tweet": payload, "queue": payload}, length)


@given(st.sampled_from(list(SOUND)), ANYTHING)
def test_whatever_stands_in_one_field_the_spans_that_are_taken_are_flat_and_in_the_tweet(name, value):
    for action in sent(**{name: value}).actions:
        for spans in (action.before, action.after):
            ends = [end for span in spans for end in (span.start, span.end)]
            assert ends == sorted(ends)
            assert all(span.start < span.end <= 4 for span in spans)
