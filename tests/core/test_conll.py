"""The CoNLL form: what is read, what comes out again, and what is refused by line."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umt_core.data.conll import TAG_SPELLINGS, format_conll, parse_conll, read_conll, write_conll
from umt_core.errors import DataError
from umt_core.schema import Example, Span

TWO = "IMGID:7\nin\tO\nOz\tB-OTHER\n\nIMGID:8\nI-ORG\tI-ORG\n \tO\n\n"


def read_text(tmp_path, data: bytes) -> list[Example]:
    path = tmp_path / "tweets.txt"
    path.write_bytes(data)
    return read_conll(path)


def test_ids_tokens_tags_and_spans_are_read():
    first, second = parse_conll(TWO.split("\n"))
    assert first == Example("7", ("in", "Oz"), image="7", spans=(Span(1, 2, "MISC"),), tags=("O", "B-OTHER"))
    assert second.tokens == ("I-ORG", " ")  # a space may be a token: the published files hold one
    assert second.spans == (Span(0, 1, "ORG"),)  # an I- that continues nothing opens a span


def test_other_and_misc_are_one_type_also_within_a_span():
    (example,) = parse_conll(["IMGID:1", "a\tB-OTHER", "b\tI-MISC"])
    assert example.spans == (Span(0, 2, "MISC"),)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n"),
        lambda data: data.replace(b"\n\n", b"\n\n\n  \n"),
        lambda data: data.replace(b"\n\n", b"\n"),  # the next IMGID ends a tweet too
    ],
    ids=["CRLF", "BOM", "no final blank line", "more blank lines", "no blank lines"],
)
def test_odd_but_clear_files_read_the_same(tmp_path, change):
    assert read_text(tmp_path, change(TWO.encode())) == parse_conll(TWO.split("\n"))


def test_lines_with_their_ends_read_the_same():
    assert parse_conll(TWO.splitlines(keepends=True)) == parse_conll(TWO.split("\n"))


def test_unicode_line_separators_are_characters_of_a_token(tmp_path):
    (example,) = read_text(tmp_path, "IMGID:1\na\u2028b\u0085\tO\n".encode())
    assert example.tokens == ("a\u2028b\u0085",)


def test_a_file_without_ids_numbers_its_tweets_by_line_and_has_no_pictures():
    examples = parse_conll(["", "a\tO", "b\tO", "", "c\tB-PER"])
    assert [(e.id, e.image, e.tokens) for e in examples] == [
        ("line-2", None, ("a", "b")),
        ("line-5", None, ("c",)),
    ]


def test_a_token_may_look_like_an_id():
    text = "IMGID:1\nIMGID:2\tO\n\n"
    assert parse_conll(text.split("\n"))[0].tokens == ("IMGID:2",)
    assert format_conll(parse_conll(text.split("\n"))) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IMGID:1\na\tO\nb O\n", "f:3: wanted two columns (token<TAB>tag), got 1: 'b O'"),
        ("IMGID:1\na\tNN\tO\n", "f:2: wanted two columns (token<TAB>tag), got 3: 'a\\tNN\\tO'"),
        ("IMGID:1\n\tO\n", "f:2: wanted a token before the tab, got nothing"),
        (
            "IMGID:1\na\tB-GPE\n",
            (
                "f:2: wanted a tag of O, B-PER, I-PER, B-LOC, I-LOC, B-ORG, I-ORG, B-MISC, I-MISC,"
                " B-OTHER, I-OTHER, got 'B-GPE'"
            ),
        ),
        (
            "IMGID:1\na\tO\n\nIMGID:1\nb\tO\n",
            "f:4: wanted an id of its own for each tweet, got '1' again (first in line 1)",
        ),
        ("IMGID:\na\tO\n", "f:1: wanted an id after IMGID:, got nothing"),
        ("IMGID:1\n\nIMGID:2\nb\tO\n", "f:1: wanted token<TAB>tag lines after IMGID:1, got none"),
        ("IMGID:1\na\tO\n\nb\tO\n", "f:4: wanted IMGID:<id> before a tweet's first token, got none"),
        ("b\tO\n\nIMGID:1\na\tO\n", "f:1: wanted IMGID:<id> before a tweet's first token, got none"),
    ],
)
def test_a_bad_line_is_named(text, message):
    with pytest.raises(DataError) as error:
        parse_conll(text.split("\n"), source="f")
    assert str(error.value) == message


def test_a_file_that_is_not_utf8_is_refused_by_line(tmp_path):
    with pytest.raises(DataError, match=r"tweets.txt:2: wanted UTF-8, got byte 0xe9"):
        read_text(tmp_path, b"IMGID:1\ncaf\xe9\tO\n")


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match="wanted a readable file, got"):
            read_conll(path)


def test_an_empty_file_holds_no_tweets(tmp_path):
    assert read_text(tmp_path, b"") == read_text(tmp_path, b"\n\n") == []


# Writing


def test_a_well_formed_file_comes_out_as_it_was(tmp_path):
    write_conll(tmp_path / "out.txt", parse_conll(TWO.split("\n")))
    assert (tmp_path / "out.txt").read_bytes() == TWO.encode()


def test_corrected_spans_win_over_the_tags_of_the_file():
    first, _ = parse_conll(TWO.split("\n"))
    corrected = dataclasses.replace(first, spans=(Span(0, 2, "LOC"),))
    assert format_conll([corrected]) == "IMGID:7\nin\tB-LOC\nOz\tI-LOC\n\n"


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example("1", ("a",)), "wanted a labelled tweet"),
        (Example("1", (), spans=()), "wanted at least one token"),
        (Example(" 1", ("a",), spans=()), "wanted an id of one line"),
        (Example("1\n2", ("a",), spans=()), "wanted an id of one line"),
        (Example("1", ("a\tb",), spans=()), "wanted tokens without tabs"),
        (Example("1", ("",), spans=()), "wanted tokens without tabs"),
        (Example("1", ("a",), spans=(Span(0, 2, "PER"),)), "lies outside"),
        (Example("1", ("a",), spans=(Span(0, 1, "PER"), Span(0, 1, "LOC"))), "overlaps"),
        (Example("1", ("a",), spans=(Span(0, 1, "GPE"),)), "wanted labels of PER, LOC, ORG, MISC, got GPE"),
    ],
)
def test_what_the_form_cannot_hold_is_not_written(tmp_path, example, message):
    with pytest.raises(DataError, match=message):
        write_conll(tmp_path / "out.txt", [example])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(DataError, match="half a surrogate pair"):
        write_conll(path, [Example("1", ("\ud800",), spans=())])
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "old"


texts = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)
ids = texts.filter(lambda text: text == text.strip())
rows = st.lists(st.tuples(texts, st.sampled_from(sorted(TAG_SPELLINGS))), min_size=1, max_size=6)


@given(st.lists(st.tuples(ids, rows), unique_by=lambda tweet: tweet[0], max_size=4))
def test_any_well_formed_text_comes_out_as_it_was(tweets):
    blocks = [
        f"IMGID:{identity}\n" + "".join(f"{token}\t{tag}\n" for token, tag in lines) for identity, lines in tweets
    ]
    text = "".join(f"{block}\n" for block in blocks)
    examples = parse_conll(text.split("\n"))
    assert format_conll(examples) == text
    assert [example.tags for example in examples] == [tuple(tag for _, tag in lines) for _, lines in tweets]
