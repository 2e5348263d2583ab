"""Before and after: the ledger on corrected gold is that of a data set which was corrected before it was read."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, add_run, make, predictions_of, random_spans, run_info
from umt_core import __main__ as command_line
from umt_core.analysis.before_after import before_after
from umt_core.analysis.building import build_set
from umt_core.analysis.tables import compare
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.conll import write_conll
from umt_core.data.jsonl import write_jsonl
from umt_core.errors import DataError
from umt_core.schema import Example, Span, Summary

QUICK = {"resamples": 200}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def corrected(made) -> dict[str, tuple[Span, ...]]:
    """A third of the tweets, some of them as they were."""
    rng = random.Random(3)
    chosen = rng.sample(made.examples, 40)
    return {e.id: e.spans if i < 5 else random_spans(rng, len(e.tokens)) for i, e in enumerate(chosen)}


def with_gold(example: Example, corrected) -> Example:
    return replace(example, spans=corrected.get(example.id, example.spans), tags=None)


def test_the_corrected_side_is_that_of_a_data_set_with_the_corrected_labels(made, corrected, tmp_path):
    found = before_after(made.set, TEXT_ONLY, WITH_IMAGES, corrected, **QUICK)
    assert found.original == compare(made.set, TEXT_ONLY, [WITH_IMAGES], **QUICK)[WITH_IMAGES]

    data = tmp_path / "made" / "test.txt"
    write_conll(data, [with_gold(example, corrected) for example in made.examples])
    write_conll(data.with_name("train.txt"), made.train)
    other = build_set(data, made.images, root=tmp_path / "sets")
    for name in (TEXT_ONLY, WITH_IMAGES):
        other = add_run(other, run_info(other, name), made.predictions[name], made.summaries[name])
    assert found.corrected == compare(other, TEXT_ONLY, [WITH_IMAGES], **QUICK)[WITH_IMAGES]
    assert found.corrected != found.original
    assert found.complaints == ()


def test_the_tweets_are_those_whose_labels_are_others_now(made, corrected):
    found = before_after(made.set, TEXT_ONLY, WITH_IMAGES, corrected, **QUICK)
    gold = {example.id: example.spans for example in made.examples}
    changed = [e.id for e in made.examples if e.id in corrected and set(corrected[e.id]) != set(e.spans)]
    assert [tweet.id for tweet in found.tweets] == changed
    for tweet in found.tweets:
        assert (tweet.before, tweet.after) == (tuple(sorted(gold[tweet.id])), tuple(sorted(corrected[tweet.id])))
        assert {entry.span for entry in tweet.entries if entry.is_gold} == set(tweet.after)
    kept = sum(len(set(t.before) & set(t.after)) for t in found.tweets)
    labels = found.labels
    assert labels["removed"] + labels["changed"] == sum(len(t.before) for t in found.tweets) - kept
    assert labels["added"] + labels["changed"] == sum(len(t.after) for t in found.tweets) - kept


def test_kinds_of_change_of_a_label(made):
    example = next(e for e in made.examples if len(e.tokens) > 9 and any(s.end - s.start > 1 for s in e.spans))
    long = next(s for s in example.spans if s.end - s.start > 1)
    rest = [s for s in example.spans if s != long]

    def labels(*spans: Span) -> dict[str, int]:
        return before_after(made.set, TEXT_ONLY, WITH_IMAGES, {example.id: (*rest, *spans)}, **QUICK).labels

    other = "LOC" if long.label != "LOC" else "PER"
    assert labels(Span(long.start, long.end, other)) == {"added": 0, "removed": 0, "changed": 1}
    assert labels(Span(long.start, long.start + 1, long.label)) == {"added": 0, "removed": 0, "changed": 1}
    assert labels() == {"added": 0, "removed": 1, "changed": 0}


def test_without_corrections_there_is_one_side(made):
    for labels in ({}, {made.examples[0].id: made.examples[0].spans}):
        found = before_after(made.set, TEXT_ONLY, WITH_IMAGES, labels, **QUICK)
        assert found.corrected is None
        assert found.tweets == ()
        assert set(found.labels.values()) == {0}


def test_tweets_without_labels_count_once_somebody_has_labelled_them(tmp_path):
    examples = [Example(str(i), ("Ann", "in", "Oslo"), spans=None if i < 3 else ()) for i in range(5)]
    right, labels = (
        (Span(0, 1, "PER"), Span(2, 3, "LOC")),
        {"0": (Span(0, 1, "PER"),), "1": (), "3": (Span(2, 3, "LOC"),)},
    )

    def set_of(name: str, tweets: list[Example]):
        data = tmp_path / name / "test.jsonl"
        write_jsonl(data, tweets)
        found = build_set(data, root=tmp_path / "sets")
        for run, said in ((TEXT_ONLY, right[:1]), (WITH_IMAGES, right)):
            found = add_run(found, run_info(found, run), predictions_of(tweets, [said] * 5), [Summary(0.5)] * 5)
        return found

    found = before_after(set_of("half", examples), TEXT_ONLY, WITH_IMAGES, labels, **QUICK)
    other = set_of("other", [with_gold(example, labels) for example in examples])
    assert found.corrected == compare(other, TEXT_ONLY, [WITH_IMAGES], **QUICK)[WITH_IMAGES]
    assert found.corrected["tweets"] == 4
    assert found.original["tweets"] == 2

    bare = set_of("bare", [replace(example, spans=None) for example in examples])
    found = before_after(bare, TEXT_ONLY, WITH_IMAGES, labels, **QUICK)
    assert found.original is None
    assert found.corrected["tweets"] == 3
    with pytest.raises(DataError, match="wanted at least one labelled tweet"):
        before_after(bare, TEXT_ONLY, WITH_IMAGES, {}, **QUICK)


def test_corrections_that_do_not_fit_are_told_and_left_out(made):
    example = made.examples[0]
    labels = {"nobody's": (), example.id: (Span(0, len(example.tokens) + 1, "PER"),)}
    found = before_after(made.set, TEXT_ONLY, WITH_IMAGES, labels, **QUICK)
    assert found.corrected is None
    assert found.complaints == (
        "made/test: 1 corrected tweets are not in it, nobody's among them; they are left out",
        f"made/test: 1 corrected tweets have labels beyond their last word, {example.id} among them; they are left out",
    )


def test_compare_takes_the_corrected_labels_from_a_store(made, corrected, tmp_path, monkeypatch, capsys):
    url = f"sqlite:///{tmp_path}/corrections.sqlite"
    with Store(url) as store:
        for example in made.examples[:60]:
            key = TweetKey("made/test", example.id)
            before = tuple(example.spans)
            if example.id in corrected:
                store.append(Edit(key, "set", "Ann", before, tuple(sorted(corrected[example.id])), 0))
            else:
                store.append(Edit(key, "skip", "Ann", before, before, 0))
    monkeypatch.setattr(command_line, "_predictions", lambda *_: made.set)
    monkeypatch.setattr(type(made.set), "run_of", lambda _, name: name)
    arguments = ["compare", "--baseline", TEXT_ONLY, "--checkpoint", WITH_IMAGES, "--data", str(made.data)]
    assert command_line.main([*arguments, "--corrections", url, "--json", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr()
    mine = {e.id: corrected[e.id] for e in made.examples[:60] if e.id in corrected}
    wanted = before_after(made.set, TEXT_ONLY, WITH_IMAGES, mine)
    written = json.loads((tmp_path / "out.json").read_text())[WITH_IMAGES]
    assert wanted.corrected is not None
    assert written["fixed"] == wanted.original["fixed"]
    assert written["corrected"]["fixed"] == wanted.corrected["fixed"]
    assert written["corrected"]["labels"] == wanted.labels
    assert f"as corrected: {len(wanted.tweets)} tweets" in said.out.replace("\n", " ").replace("  ", " ")

    empty = f"sqlite:///{tmp_path}/empty.sqlite"
    Store(empty).close()
    assert command_line.main([*arguments, "--corrections", empty]) == 0
    assert "none of its labels is another in the store" in capsys.readouterr().err
    assert command_line.main([*arguments, "--corrections", "nonsense"]) == 2
