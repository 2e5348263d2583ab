"""CoNLL back and forth: what nobody touched keeps its bytes, what was corrected changes in its tags alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator

from umt_core.corrections.exchange.conll import corrected_conll, write_corrected
from umt_core.data.conll import TAG_SPELLINGS, parse_conll, read_conll
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Span
from umt_core.spans import tags_to_spans

TOKEN = st.sampled_from(["in", "🎉", " ", "a\u2028b", "e\u0301", "שלום", "\u200b", "IMGID:", '"', "O"])


@st.composite
def files(draw: st.DrawFn) -> list[str]:
    """Lines with their ends of an odd but clear file: any spelling and order of tags, blank lines, ends, BOM."""
    end = st.sampled_from(["\n", "\r\n"])
    lines = []
    for i in range(draw(st.integers(1, 4))):
        lines.append(f"IMGID:{i}{draw(st.sampled_from(['', ' ']))}")
        tags = draw(st.lists(st.sampled_from(list(TAG_SPELLINGS)), min_size=1, max_size=6))
        lines += [f"{draw(TOKEN)}\t{tag}" for tag in tags]
        lines += draw(st.lists(st.sampled_from(["", "  "]), max_size=3))
    lines = [line + draw(end) for line in lines]
    if draw(st.booleans()):
        lines[0] = "\ufeff" + lines[0]
    if draw(st.booleans()):
        lines[-1] = lines[-1].rstrip("\r\n")
    return lines


def spans_of(draw: st.DrawFn, length: int) -> tuple[Span, ...]:
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    return tuple(Span(a, b, draw(st.sampled_from(LABELS))) for a, b in zip(cuts[::2], cuts[1::2], strict=False))


@settings(deadline=None)
@given(lines=files())
def test_a_file_of_which_nobody_touched_anything_keeps_every_byte(tmp_path_factory, lines):
    source, output = (tmp_path_factory.mktemp("conll") / name for name in ("in.txt", "out.txt"))
    source.write_bytes("".join(lines).encode())
    write_corrected(output, source, {})
    assert output.read_bytes() == source.read_bytes()
    write_corrected(output, source, {e.id: e.spans or () for e in read_conll(source)})  # accepted as they are
    assert output.read_bytes() == source.read_bytes()


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_corrected_tweet_changes_in_its_tags_alone(data):
    lines = data.draw(files())
    before = parse_conll(lines)
    touched = data.draw(st.sets(st.sampled_from([e.id for e in before])))
    labels = {e.id: spans_of(data.draw, len(e.tokens)) for e in before if e.id in touched}
    changed = corrected_conll(lines, labels)
    assert len(changed) == len(lines)
    own = 0  # the tweet that a line is of
    for old, new in zip(lines, changed, strict=True):
        own += "IMGID:" in old and "\t" not in old
        if before[own - 1].id not in touched or "\t" not in old:
            assert new == old
        body = old.rstrip("\r\n")
        assert new.partition("\t")[0] == old.partition("\t")[0]
        assert new.endswith(old[len(body) :])
    for old, new in zip(before, parse_conll(changed), strict=True):
        assert (new.id, new.tokens) == (old.id, old.tokens)
        assert new.spans == labels.get(old.id, old.spans)


def test_what_stays_in_a_corrected_tweet_keeps_its_spelling_and_new_ones_are_spelled_alike():
    lines = "IMGID:1\nSt\tO\nLouis\tI-LOC\nDune\tO\nAnn\tB-PER\nOz\tB-OTHER".splitlines(keepends=True)
    new = [Span(1, 2, "LOC"), Span(2, 3, "MISC"), Span(4, 5, "MISC")]
    tags = [line.strip().partition("\t")[2] for line in corrected_conll(lines, {"1": new})[1:]]
    assert tags == ["O", "I-LOC", "B-OTHER", "O", "B-OTHER"]


def test_an_orphan_that_would_join_a_new_entity_before_it_begins_its_own():
    lines = ["IMGID:1\n", "St\tO\n", "Louis\tI-OTHER\n", "x\tB-MISC\n"]
    changed = corrected_conll(lines, {"1": [Span(0, 1, "MISC"), Span(1, 2, "MISC"), Span(2, 3, "MISC")]})
    assert parse_conll(changed)[0].spans == (Span(0, 1, "MISC"), Span(1, 2, "MISC"), Span(2, 3, "MISC"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"9": []}, "none with the id '9'"),
        ({"1": [Span(0, 3, "PER")]}, "tweets.txt:1: tweet '1': span 0:3 PER lies outside"),
    ],
)
def test_labels_that_do_not_fit_the_file_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        corrected_conll(["IMGID:1\n", "Ann\tO\n"], labels, source="tweets.txt")


def test_another_library_reads_the_entities_that_were_corrected():
    lines = ["IMGID:1\n", "St\tO\n", "Louis\tI-LOC\n", "Ann\tB-PER\n", "Lee\tI-PER\n"]
    changed = corrected_conll(lines, {"1": [Span(0, 2, "LOC"), Span(2, 4, "PER")]})
    text = "".join(changed[1:])
    tags = ["B-LOC", "I-LOC", "B-PER", "I-PER"]
    gold = "".join(f"w\t{tag}\n" for tag in tags)
    strict = Evaluator(gold, text, tags=list(LABELS), loader="conll").evaluate()["overall"]["strict"]
    assert (strict.correct, strict.actual, strict.possible) == (2, 2, 2)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["twitter2015", "twitter2017"])
def test_the_published_files_come_out_byte_for_byte(tmp_path, shared_data, name):
    for split in ("train", "valid", "test"):
        source, output = shared_data / name / f"{split}.txt", tmp_path / f"{split}.txt"
        write_corrected(output, source, {e.id: e.spans or () for e in read_conll(source)})
        assert output.read_bytes() == source.read_bytes()


@pytest.mark.shared_data
def test_one_correction_in_a_published_file_changes_one_tweet(tmp_path, shared_data):
    source, output = shared_data / "twitter2015" / "valid.txt", tmp_path / "valid.txt"
    orphan = next(e for e in read_conll(source) if any(_orphans(e.tags)))
    new = (Span(0, len(orphan.tokens), "MISC"),)
    write_corrected(output, source, {orphan.id: new})
    old_lines, new_lines = (path.read_bytes().split(b"\n") for path in (source, output))
    changed = [i for i, (a, b) in enumerate(zip(old_lines, new_lines, strict=True)) if a != b]
    first = old_lines.index(f"IMGID:{orphan.id}".encode()) + 1
    assert changed
    assert first <= changed[0] <= changed[-1] < first + len(orphan.tokens)
    assert {e.id: e.spans for e in read_conll(output)}[orphan.id] == new
    assert new_lines[first].endswith(b"B-OTHER")  # as TWITTER-2015 spells


def _orphans(tags):
    spelled = [TAG_SPELLINGS[tag] for tag in tags]
    return set(tags_to_spans(spelled)) - set(tags_to_spans(spelled, strict=True))
