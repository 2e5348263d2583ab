"""JSONL in and out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umt_core.data.jsonl import format_record, parse_jsonl, read_examples, write_jsonl
from umt_core.errors import DataError
from umt_core.schema import Example, ScoredSpan, Span


def one(record: object) -> Example:
    (example,) = parse_jsonl([record if isinstance(record, str) else json.dumps(record)], source="f")
    return example


def test_tokens_image_and_spans_are_read():
    record = {
        "id": "7",
        "tokens": ["in", "Oz"],
        "image": "7",
        "spans": [{"start": 1, "end": 2, "label": "OTHER"}],
    }
    assert one(record) == Example("7", ("in", "Oz"), image="7", spans=(Span(1, 2, "MISC"),))


def test_no_spans_means_not_labelled_and_an_empty_list_no_entity():
    assert one({"tokens": ["a"]}).spans is None
    assert one({"tokens": ["a"], "spans": []}).spans == ()


def test_ids_may_be_numbers_or_missing():
    examples = parse_jsonl(["", '{"id": 12, "tokens": ["a"]}', '{"tokens": ["a"]}'])
    assert [example.id for example in examples] == ["12", "line-3"]


def test_raw_text_is_tokenised_with_offsets_in_code_points():
    example = one({"text": "🎉 #NBA in Oz"})
    assert example.tokens == ("🎉", "#", "NBA", "in", "Oz")
    assert [example.text[a:b] for a, b in example.offsets] == list(example.tokens)


def test_spans_of_raw_text_may_be_given_by_character():
    spans = [{"start_char": 6, "end_char": 14, "label": "LOC"}]
    assert one({"text": "🎉🎉 in New York!", "spans": spans}).spans == (Span(3, 5, "LOC"),)


def test_spans_are_put_in_order():
    spans = [{"start": s, "end": s + 1, "label": "PER"} for s in (2, 0)]
    assert one({"tokens": ["a", "b", "c"], "spans": spans}).spans == (Span(0, 1, "PER"), Span(2, 3, "PER"))


TOKEN_A = {"tokens": ["a"]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "wanted a JSON object, got: Expecting"),
        ("[1]", "wanted a JSON object, got [1]"),
        ('{"tokens": ["a"], "x": NaN}', "wanted finite numbers, got NaN"),
        ("[" * 100_000, "wanted a JSON object, got one nested too deeply"),
        ({}, 'wanted "tokens" or "text", got neither'),
        ({"tokens": []}, 'wanted a list of text as "tokens", got []'),
        ({"tokens": "in Oz"}, 'wanted a list of text as "tokens", got "in Oz"'),
        ({"tokens": ["a", 1]}, 'wanted a list of text as "tokens", got ["a", 1]'),
        ({"tokens": ["a", ""]}, 'wanted "tokens" that are not empty'),
        ({"text": " \n"}, 'wanted text as "text", got nothing but white space'),
        ({"text": 3}, 'wanted text as "text", got 3'),
        ({"id": True, **TOKEN_A}, 'wanted text as "id", got true'),
        ({"id": "", **TOKEN_A}, 'wanted text as "id", got nothing'),
        ({"image": 7, **TOKEN_A}, 'wanted text as "image", got 7'),
        ('{"text": "a\\ud800"}', 'wanted text as "text", got half a surrogate pair (character 1)'),
        ('{"tokens": ["\\udc00"]}', 'wanted text as "tokens", got half a surrogate pair'),
        ({"spans": {}, **TOKEN_A}, 'wanted a list as "spans", got {}'),
        ({"spans": [7], **TOKEN_A}, "wanted a span like {start, end, label}, got 7"),
        ({"spans": [{"start": 0, "end": 1, "label": "GPE"}], **TOKEN_A}, 'got "GPE"'),
        ({"spans": [{"start": 0, "end": 1, "label": ["PER"]}], **TOKEN_A}, 'got ["PER"]'),
        ({"spans": [{"start": 0, "end": 1.0, "label": "PER"}], **TOKEN_A}, 'whole number as "end", got 1.0'),
        ({"spans": [{"start": True, "end": 1, "label": "PER"}], **TOKEN_A}, 'as "start", got true'),
        ({"spans": [{"start": 0, "end": 2, "label": "PER"}], **TOKEN_A}, "lies outside the tweet's 1 tokens"),
        ({"spans": [{"start": 0, "end": 1, "label": "PER"}] * 2, **TOKEN_A}, "overlaps another span"),
        ({"spans": [{"start_char": 0, "end_char": 1, "label": "PER"}], **TOKEN_A}, 'as "start", got null'),
        (
            {"text": "Oz", "spans": [{"start_char": 0, "end_char": 1, "label": "PER"}]},
            "wanted a span on the borders of tokens, got characters 0 to 1",
        ),
        ({"text": "in Oz", "tokens": ["in"]}, 'make up "text", got "Oz" left over'),
        ({"text": "in Oz", "tokens": ["Oz", "in"]}, 'make up "text", got "Oz" out of its place'),
    ],
)
def test_a_bad_line_is_named(record, message):
    with pytest.raises(DataError) as error:
        one(record)
    assert str(error.value).startswith("f:1: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_id_that_comes_again_is_refused_by_line():
    with pytest.raises(DataError, match=r"^f:3: wanted an id of its own .* got '1' again \(first in line 1\)"):
        parse_jsonl(['{"id": "1", "tokens": ["a"]}', "", '{"id": 1, "tokens": ["b"]}'], source="f")


def test_what_is_written_carries_predictions_and_characters():
    example = one({"id": "7", "text": "🎉 Oz", "spans": [{"start": 1, "end": 2, "label": "LOC"}]})
    record = json.loads(format_record(example, {"bert-crf": [ScoredSpan(Span(1, 2, "LOC"), 0.75)], "mt": []}))
    place = {"start": 1, "end": 2, "label": "LOC", "start_char": 2, "end_char": 4}
    assert record["spans"] == [place]
    assert record["predictions"] == {"bert-crf": [place | {"score": 0.75}], "mt": []}


def test_a_score_that_is_no_number_is_not_written():
    with pytest.raises(DataError, match="wanted a finite score, got nan"):
        format_record(Example("7", ("a",)), {"x": [ScoredSpan(Span(0, 1, "PER"), float("nan"))]})


def test_files_are_told_by_their_suffix(tmp_path):
    (tmp_path / "a.txt").write_text("IMGID:1\na\tO\n")
    write_jsonl(tmp_path / "a.jsonl", [Example("1", ("a",), image="1", spans=())], {"x": [[]]})
    conll, jsonl = read_examples(tmp_path / "a.txt"), read_examples(tmp_path / "a.jsonl")
    assert [(e.id, e.tokens, e.image, e.spans) for e in conll] == [(e.id, e.tokens, e.image, e.spans) for e in jsonl]
    with pytest.raises(DataError, match=r"wanted a file .txt, .conll or .jsonl, got .csv"):
        read_examples(tmp_path / "a.csv")


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
visible = words.filter(str.strip)


@given(st.lists(words, min_size=1, max_size=5), st.none() | visible)
def test_tokens_come_back_as_they_were(tokens, image):
    example = Example("7", tuple(tokens), image=image, spans=(Span(0, len(tokens), "ORG"),))
    assert one(format_record(example)) == example


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(str.strip))
def test_raw_text_comes_back_as_it_was(text):
    example = one({"id": "7", "text": text})
    assert one(format_record(example)) == example
