"""Exchange with other tools: what is written in a form is read back as it was, by us and by the other's library."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umt_core.corrections.events import Labels
from umt_core.corrections.exchange import FORMS, corrected, read_tweets, write_tweets
from umt_core.corrections.exchange.rows import joined
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Example, Span

# What offsets and line readers stumble over: an emoji of several code points, a combining mark, right-to-left text and
# its marks, no width, separators that str.splitlines breaks at, quotes, markup, what a spreadsheet runs.
ODD = [
    "👨‍👩‍👧",
    "e\u0301",
    "שלום",
    "\u200fعربى\u200e",
    "a\u200bb",
    "x\u2028y",
    "\u0085",
    "🇳🇴",
    '"q"',
    "<b>",
    "=1+1",
    "'=1",
    ";",
    "-",
]
TOKEN = st.sampled_from(ODD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1, max_size=5
)


@st.composite
def tweets(draw: st.DrawFn, *, labelled_only: bool = False) -> list[Example]:
    """A few tweets with spans that do not overlap, some of them typed as text with odd gaps."""
    found = []
    for i in range(draw(st.integers(1, 4))):
        tokens = tuple(draw(st.lists(TOKEN, min_size=1, max_size=7)))
        cuts = sorted(draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        spans = tuple(Span(a, b, draw(st.sampled_from(LABELS))) for a, b in pairs)
        image = draw(st.sampled_from([None, f"{i}", "pic/a b.jpg"]))
        example = Example(f"t{i}é", tokens, image, spans)
        if not labelled_only and draw(st.booleans()):
            example = dataclasses.replace(example, spans=None)
        found.append(example)
    return found


@st.composite
def typed(draw: st.DrawFn) -> list[Example]:
    """Tweets that were typed: words with gaps of more than a space, or none, between them."""
    found = []
    for example in draw(tweets()):
        words = [token for token in (t.strip() for t in example.tokens) if token] or ["w"]
        gaps = draw(
            st.lists(st.sampled_from([" ", "  ", "\n", "\u2028", " \u3000"]), min_size=len(words), max_size=len(words))
        )
        text, offsets = "", []
        for word, gap in zip(words, gaps, strict=True):
            offsets.append((len(text), len(text) + len(word)))
            text += word + gap
        spans = None if example.spans is None else tuple(s for s in example.spans if s.end <= len(words))
        found.append(Example(example.id, tuple(words), example.image, spans, text=text, offsets=tuple(offsets)))
    return found


def as_read(example: Example, form: str) -> Example:
    """What a form may lose: CoNLL has one name for tweet and picture, and raw text may say no more than its tokens."""
    if form == "conll":
        return dataclasses.replace(example, image=example.id, text=None, offsets=None)
    if form != "jsonl" and example.text == joined(example.tokens).text:
        return dataclasses.replace(example, text=None, offsets=None)
    return example


def without_tags(found: list[Example]) -> list[Example]:
    return [dataclasses.replace(example, tags=None) for example in found]


EVERY_FORM = pytest.mark.parametrize("form", FORMS)
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def place(tmp_path, form: str):
    return tmp_path / ("tweets" if FORMS[form].folder else f"tweets{FORMS[form].suffixes[0]}")


@EVERY_FORM
@MANY
@given(data=st.data())
def test_what_is_written_is_read_back_as_it_was(tmp_path, form, data):
    examples = data.draw(tweets(labelled_only=form == "conll"))
    write_tweets(place(tmp_path, form), examples, form)
    assert without_tags(read_tweets(place(tmp_path, form), form)) == [as_read(e, form) for e in examples]


@EVERY_FORM
@MANY
@given(data=st.data())
def test_typed_text_is_read_back_with_its_gaps(tmp_path, form, data):
    examples = [e for e in data.draw(typed()) if form != "conll" or e.spans is not None]
    write_tweets(place(tmp_path, form), examples, form)
    assert without_tags(read_tweets(place(tmp_path, form), form)) == [as_read(e, form) for e in examples]


def test_corrected_tweets_have_the_new_labels_and_the_others_their_own():
    own = (Span(0, 1, "PER"),)
    a, b, c = (Example(name, ("Ann", "Lee"), spans=own, tags=("I-PER", "O")) for name in "abc")
    labels = {"a": Labels((Span(0, 2, "PER"),), 3), "b": Labels(own, 4), "c": Labels(None, 5, skipped=True)}
    found = corrected([a, b, c], labels)
    assert (found[0].spans, found[0].tags) == ((Span(0, 2, "PER"),), None)
    assert found[1:] == [b, c]


def test_labels_of_another_data_set_are_refused():
    with pytest.raises(DataError, match=r"'a'.*outside.*another data set"):
        corrected([Example("a", ("Ann",), spans=())], {"a": Labels((Span(0, 2, "PER"),), 1)})
