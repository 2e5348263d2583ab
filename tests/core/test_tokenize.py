"""Raw text to tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umt_core.data.tokenize import STYLES, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("#NBA: Ann wins!", "# NBA : Ann wins !"),
        ("RT @Ann_Lee: I'll go", "RT @ Ann_Lee : I ' ll go"),
        ("5th, May 21, 2016, $10,000 and 13.5%", "5 th , May 21, 2016, $ 10,000 and 13.5 %"),
        ("07.05.16 half-time 3-1 ...", "07.05 . 16 half - time 3 - 1 . . ."),
        ("nice :) and :-( ;- :D :Did", "nice :) and :-( ; - :D : Did"),
        ("see http://t.co/aB1. now", "see http://t.co/aB1 . now"),
    ],
)
def test_the_splits_of_twitter_2017(text, tokens):
    assert tokenize(text).tokens == tuple(tokens.split())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("#NBA: Ann wins!!", "#NBA : Ann wins ! !"),
        ("RT @Ann_Lee: I'm in (St.) Louis", "RT @Ann _ Lee : I ' m in ( St . ) Louis"),
        ("same-sex 9/11 w/ $2.99 5th &amp; *cries*", "same-sex 9/11 w/ $ 2 . 99 5th &amp ; *cries*"),
        ("see http://t.co/aB1 https://t.co/c…", "see http://t.co/aB1 https://t.co/c…"),
    ],
)
def test_the_splits_of_twitter_2015(text, tokens):
    assert tokenize(text, "twitter2015").tokens == tuple(tokens.split())


ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("whole", ["👨‍👩‍👧", "🤷🏽‍♀️", "🇺🇸", ENGLAND, "1️⃣", "⚽️", "e\u0301te\u0301", "क्षि", "한국"])
def test_what_a_reader_sees_as_one_is_one_token(style, whole):
    assert tokenize(f"in {whole} now", style).tokens == ("in", whole, "now")


def test_flags_and_emoji_side_by_side_are_told_apart_in_the_style_of_2017():
    assert tokenize("🇺🇸🇬🇧🎉🎉").tokens == ("🇺🇸", "🇬🇧", "🎉", "🎉")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("\u200bOz\u200b in\u200c", ["\u200bOz\u200b", "in\u200c"]),
        ("\u202eOz\u202c", ["\u202eOz\u202c"]),  # marks of direction
        ("\u200b\u200f", ["\u200b\u200f"]),
        ("a \u200d b", ["a", "\u200d", "b"]),
        ("\0 x", ["\0", "x"]),
        ("", []),
        (" \n\u2028\u3000", []),
    ],
)
def test_characters_that_are_not_seen(style, text, tokens):
    assert list(tokenize(text, style).tokens) == tokens


def test_an_unknown_style_is_an_error():
    with pytest.raises(KeyError):
        tokenize("a", "penn")


tricky = st.text(st.sampled_from("a1#@_.,:'-/ht🎉👩🏽\u200d\ufe0f🇺\u0301\u200b\u202e\n\u20e3 "), max_size=30)


@given(st.text(max_size=40) | tricky, st.sampled_from(STYLES))
def test_every_character_but_white_space_is_in_exactly_one_token(text, style):
    found = tokenize(text, style)
    assert found.tokens == tuple(text[start:end] for start, end in found.offsets)
    assert all(found.tokens)
    ends = [0, *(end for _, end in found.offsets)]
    starts = [*(start for start, _ in found.offsets), len(text)]
    for end, start in zip(ends, starts, strict=True):
        assert end <= start
        assert not text[end:start].strip()


@given(st.text(max_size=40) | tricky, st.sampled_from(STYLES))
def test_no_token_holds_white_space(text, style):
    assert all(len(token.split(" ")) == 1 and "\n" not in token for token in tokenize(text, style).tokens)


@pytest.mark.parametrize("unit", ["http://", "http://.", ":", "\u200b", "\u0301", "👨‍", "1,", "a_", "@#", "\u200b "])
def test_long_hostile_text_takes_no_time(unit):
    for style in STYLES:
        tokenize(unit * 20_000, style)  # would not end if the expressions tried again from each place
