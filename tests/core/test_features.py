"""From tweets to tensors: word shapes, subwords, cuts, targets and padding."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.core import tiny
from umt_core.features import (
    CHARACTER_COUNT,
    CHARACTERS,
    MOST_CHARACTERS,
    SHAPE_IDS,
    SHAPES,
    Batch,
    character_ids,
    encode_example,
    encode_examples,
    hide_words,
    make_batch,
    word_means,
    word_shape,
)
from umt_core.labels import SUBWORD_ESD_TAGS, SUBWORD_TAGS, WORD_TAGS
from umt_core.schema import REGIONS, Example, Span

TOKENIZER = tiny.tokenizer()
PAD, UNK, CLS, SEP = range(4)
ids = tiny.VOCABULARY.index


def tweet(text: str, *spans: Span) -> Example:
    return Example("t", tuple(text.split()), spans=spans)


# Word shapes


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        ("house", "lower"),
        ("House", "Capitalised"),
        ("O'Neill", "mixed"),
        ("É", "U"),
        ("NBA", "UPPER"),
        ("U.S.", "UPPER"),
        ("McDonald", "mixed"),
        ("iPhone", "mixed"),
        ("Covid19", "Capitalised-digit"),
        ("F1", "UPPER-digit"),
        ("4th", "lower-digit"),
        ("2017", "digits"),
        ("7:30", "digits"),
        ("#", "hash"),
        ("#NBA", "hash"),
        ("@", "at"),
        ("...", "punctuation"),
        ("🎉", "symbol"),
        ("\u200b", "symbol"),
        ("", "symbol"),
        ("東京", "caseless"),
        ("مدينة", "caseless"),
    ],
)
def test_shapes_of_words(token, shape):
    assert word_shape(token) == shape


@given(st.text(max_size=8))
def test_every_token_has_a_shape_and_the_first_word_differs_in_one_way(token):
    shape, first = word_shape(token), word_shape(token, first=True)
    assert shape in SHAPES[1:]
    assert first == ("Capitalised-first" if shape == "Capitalised" else shape)


@given(st.text(st.characters(categories=["Ll"], max_codepoint=0x24F), min_size=2, max_size=8))
def test_shapes_follow_the_case(word):
    word = "".join(c for c in word if c.upper().isupper() and len(c.upper()) == 1) + "ab"  # ŉ and ȴ have no capital
    assert word_shape(word) == "lower"
    assert word_shape(word.upper()) == "UPPER"
    assert word_shape("A" + word) == "Capitalised"
    assert word_shape(word + "A") == "mixed"
    assert word_shape("A" + word + "9") == "Capitalised-digit"


# Subwords


def test_a_tweet_in_numbers():
    encoded = encode_example(tweet("Rain in Bab ,"), TOKENIZER, 64)
    assert encoded.subwords == (CLS, ids("rain"), ids("in"), ids("b"), ids("##a"), ids("##b"), ids(","), SEP)
    assert encoded.starts == (1, 2, 3, 6)
    assert encoded.words == 4
    names = [SHAPES[i] for i in encoded.shapes]
    assert names == ["none", "Capitalised-first", "lower", *["Capitalised"] * 3, "punctuation", "none"]


words = st.lists(st.text(max_size=9), min_size=1, max_size=12)


@given(words, st.integers(8, 30))
def test_words_are_read_whole_and_in_order_up_to_the_limit(tokens, limit):
    encoded = encode_example(Example("t", tuple(tokens)), TOKENIZER, limit)
    pieces = TOKENIZER.encode_words(tokens)
    read = pieces[: encoded.words]
    assert encoded.subwords[1:-1] == tuple(i for word in read for i in word)[: limit - 2]
    assert encoded.starts == tuple(1 + sum(map(len, read[:i])) for i in range(len(read)))
    assert len(encoded.subwords) == len(encoded.shapes) <= limit
    assert (encoded.subwords[0], encoded.subwords[-1]) == (CLS, SEP)
    if encoded.words < len(tokens):  # only because the next word had no room
        assert sum(map(len, pieces[: encoded.words + 1])) > limit - 2


def test_a_long_tweet_is_cut_at_the_last_word_that_fits():
    encoded = encode_example(tweet(" ".join(["rain"] * 10_000)), TOKENIZER, 64)
    assert (encoded.words, len(encoded.subwords)) == (62, 64)
    whole = encode_example(tweet("rain rain abcdef"), TOKENIZER, 10)
    cut = encode_example(tweet("rain rain abcdefg the"), TOKENIZER, 10)
    assert (whole.words, cut.words) == (3, 2)  # nothing after a word that did not fit


def test_a_first_word_that_is_too_long_is_read_in_part():
    encoded = encode_example(tweet("a" * 50 + " rain"), TOKENIZER, 10)
    assert encoded.subwords == (CLS, ids("a"), *[ids("##a")] * 7, SEP)
    assert (encoded.starts, encoded.words) == ((1,), 1)


def test_words_without_subwords_are_unknown():
    encoded = encode_example(Example("t", ("rain", "\u200b", "\ufe0f", "", "\ud800", "in")), TOKENIZER, 64)
    assert encoded.subwords[1:4] == (ids("rain"), UNK, UNK)
    assert encoded.words == 6


def test_a_tweet_that_spells_a_special_token_means_the_word():
    encoded = encode_example(tweet("[SEP] [CLS] [PAD]"), TOKENIZER, 64)
    assert not {PAD, CLS, SEP} & set(encoded.subwords[1:-1])


def test_many_tweets_are_encoded_as_each_of_them():
    assert encode_examples(tiny.TWEETS, TOKENIZER, 20) == [encode_example(t, TOKENIZER, 20) for t in tiny.TWEETS]


# Batches

SHORT = tweet("rain")
LONG = tweet("Bab in New York", Span(0, 1, "PER"), Span(2, 4, "LOC"))


def batch_of(*examples: Example, **options):
    encoded = [encode_example(e, TOKENIZER, 64) for e in examples]
    return make_batch(encoded, pad_id=options.pop("pad_id", PAD), **options)


def test_a_batch_is_padded_to_its_longest_tweet():
    batch = batch_of(SHORT, LONG, pad_id=9)
    assert batch.subwords.tolist() == [
        [CLS, ids("rain"), SEP, 9, 9, 9, 9, 9],
        [CLS, ids("b"), ids("##a"), ids("##b"), ids("in"), ids("new"), ids("york"), SEP],
    ]
    assert batch.mask.tolist() == [[True] * 3 + [False] * 5, [True] * 8]
    assert batch.starts.tolist() == [[1, 0, 0, 0], [1, 4, 5, 6]]
    assert batch.word_mask.tolist() == [[True, False, False, False], [True] * 4]
    assert batch.shapes[0].tolist() == [0, SHAPE_IDS["lower"], *[0] * 6]
    assert batch.regions is batch.tags is batch.esd_tags is None


def test_targets_on_words():
    batch = batch_of(SHORT, LONG, targets=[SHORT, LONG])
    named = [[WORD_TAGS.tags[i] for i in row] for row in batch.tags.tolist()]
    assert named == [["O", "O", "O", "O"], ["B-PER", "O", "B-LOC", "I-LOC"]]
    assert batch.esd_tags.tolist() == [[0, 0, 0, 0], [1, 0, 1, 2]]


def test_targets_on_subwords_name_what_is_no_word():
    batch = batch_of(SHORT, LONG, targets=[SHORT, LONG], tagging="subword")
    named = [[SUBWORD_TAGS.tags[i] for i in row] for row in batch.tags.tolist()]
    assert named == [
        ["[CLS]", "O", "[SEP]", *["[PAD]"] * 5],
        ["[CLS]", "B-PER", "X", "X", "O", "B-LOC", "I-LOC", "[SEP]"],
    ]
    assert [SUBWORD_ESD_TAGS.tags[i] for i in batch.esd_tags[1].tolist()] == [
        *("[CLS]", "B", "X", "X", "O", "B", "I", "[SEP]")
    ]


@pytest.mark.parametrize("tagging", ["word", "subword"])
def test_an_entity_that_the_cut_goes_through_keeps_what_was_read(tagging):
    example = tweet("rain " * 60 + "New York in", Span(61, 63, "LOC"))  # the 61st word is New
    encoded = encode_example(tweet("rain " * 61 + "New York"), TOKENIZER, 64)
    assert encoded.words == 62
    batch = make_batch([encoded], pad_id=PAD, targets=[example], tagging=tagging)
    tag_set, last = (WORD_TAGS, -1) if tagging == "word" else (SUBWORD_TAGS, -2)
    assert tag_set.tags[batch.tags[0, last]] == "B-LOC"


def test_a_missing_picture_is_zeros_and_the_others_stay():
    (picture,) = tiny.pictures(1)
    batch = batch_of(SHORT, LONG, regions=[None, picture], channels=tiny.CHANNELS)
    assert batch.regions.shape == (2, REGIONS, tiny.CHANNELS)
    assert batch.regions[0].eq(0).all()
    np.testing.assert_array_equal(batch.regions[1], picture)
    nothing = batch_of(SHORT, LONG, regions=[None, None], channels=tiny.CHANNELS)
    assert nothing.regions.eq(0).all()


def test_a_batch_moves_as_a_whole():
    batch = Batch(**{field.name: torch.zeros(2) for field in fields(Batch)})
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in moved.__slots__} == {"meta"}


# Hidden words


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_words_are_hidden_whole_and_special_tokens_never(share):
    batch = batch_of(*tiny.TWEETS, pad_id=9)
    before = batch.subwords.clone()
    hide_words(batch, share, UNK, np.random.default_rng(0))
    hidden = shown = 0
    for example, row, was in zip(tiny.TWEETS, batch.subwords.tolist(), before.tolist(), strict=True):
        position = 1
        for word in TOKENIZER.encode_words(example.tokens):
            part = row[position : position + len(word)]
            assert part in ([UNK] * len(word), word)
            hidden, shown = hidden + (part != word), shown + (part == word)
            position += len(word)
        assert row[0] == CLS
        assert row[position:] == was[position:]
    assert {0.0: hidden == 0, 0.5: hidden > 5 < shown, 1.0: shown == 0}[share]


# Characters


def test_characters_are_there_only_where_they_are_asked_for():
    assert batch_of(SHORT, LONG).characters is None
    batch = batch_of(SHORT, LONG, tokens=[SHORT.tokens, LONG.tokens])
    words = [[character_ids(token) for token in tweet.tokens] for tweet in (SHORT, LONG)]
    width = max(len(ids) for row in words for ids in row)
    assert batch.characters.shape == (2, 4, width)
    for row, found in zip(words, batch.characters.tolist(), strict=True):
        assert [[i for i in ids if i] for ids in found] == [*row, *[[]] * (4 - len(row))]


def test_characters_keep_capitals_and_know_what_they_do_not_know():
    assert character_ids("nba") != character_ids("NBA")
    assert character_ids("é") == character_ids("e")
    assert character_ids("\ud83d") == character_ids("漢") == character_ids("") == [1]
    assert len(character_ids("a" * 1000)) == MOST_CHARACTERS
    assert max(id_ for c in CHARACTERS for id_ in character_ids(c)) < CHARACTER_COUNT


def test_a_words_vector_is_the_mean_of_its_subwords():
    batch = batch_of(SHORT, LONG)
    values = torch.randn(2, 8, 3)
    means = word_means(values, batch)
    torch.testing.assert_close(means[0, 0], values[0, 1])
    torch.testing.assert_close(means[1], torch.stack([values[1, 1:4].mean(0), *values[1, 4:7]]))
    assert means[0, 1:].eq(0).all()


def test_hidden_words_hide_their_characters_too():
    batch = batch_of(LONG, SHORT, tokens=[LONG.tokens, SHORT.tokens])
    hide_words(batch, 1.0, UNK, np.random.default_rng(0))
    assert batch.characters[batch.word_mask][:, 0].eq(1).all()
    assert batch.characters[batch.word_mask][:, 1:].eq(0).all()
    assert batch.characters[~batch.word_mask].eq(0).all()
