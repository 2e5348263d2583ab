"""Gate and attention over a set: each group against plain loops over what the tagger says of each tweet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from tests.ui.tiny_set import TWEETS, spans, write_data, write_set
from umt_core.__main__ import main
from umt_core.analysis.browse import browse
from umt_core.analysis.ledger import OUTCOMES, ledger
from umt_core.analysis.run_set import set_examples
from umt_core.analysis.sets import PredictionSet
from umt_core.errors import ConfigError, DataError
from umt_core.explain import aggregates, keep_patterns
from umt_core.explain.aggregates import BLOCKS, FIGURES, KIND, NO_ENTITY, PARTS, QUANTILES, boxes
from umt_core.explain.kept import kept_file, read_kept
from umt_core.labels import LABELS
from umt_core.schema import Inspection

UMT, TEXT = "twitter2017/umt-bert-crf", "twitter2017/bert-crf"
SHOWN = ("fixed", "broken", "right")  # tweets that have a picture


@pytest.fixture
def found(tmp_path, monkeypatch) -> PredictionSet:
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    made = write_set(write_data(tmp_path / "data"), tmp_path / "predictions", ("bert-crf", "umt-bert-crf"))
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    monkeypatch.setattr(keep_patterns, "predictor_of", lambda *_: predictor)
    keep_patterns.keep_patterns(made, UMT)
    return made


@pytest.fixture
def inspections(found) -> dict[str, Inspection]:
    predictor = keep_patterns.predictor_of(found, UMT, "cpu")
    examples = [example for example in set_examples(found, 0, 7) if example.id in SHOWN]
    features = predictor.regions(examples, found.images())
    return {e.id: predictor.inspect_regions(e, features[i]) for i, e in enumerate(examples)}


def figure_of(inspection: Inspection, name: str, word: int) -> float:
    """One word's figure, by loops."""
    if name == "gate":
        return float(np.mean(inspection.gate[word]))
    if name == "received":
        return float(np.mean([row[word] for head in inspection.block_to_word for row in head]))
    heads = getattr(inspection, name.removeprefix("entropy_"))
    return float(np.mean([-sum(p * np.log(p) for p in head[word] if p) for head in heads]) / np.log(49))


def by_hand(inspections: dict[str, Inspection], name: str, by: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for identity, text, gold, baseline, _, system in TWEETS:
        if identity not in inspections:
            continue
        words = [figure_of(inspections[identity], name, i) for i in range(len(text.split(" ")))]
        if by == "part":
            for part, value in zip(aggregates.parts_of(text.split(" ")), words, strict=True):
                values.setdefault(part, []).append(value)
            continue
        if by == "outcome":
            lines = [(e.span, e.outcome) for e in ledger(spans(gold), spans(baseline), spans(system))]
        else:
            lines = [(span, span.label) for span in spans(system)]
            inside = {i for span in spans(system) for i in range(span.start, span.end)}
            values.setdefault(NO_ENTITY, []).extend(v for i, v in enumerate(words) if i not in inside)
        for span, group in lines:
            values.setdefault(group, []).append(float(np.mean(words[span.start : span.end])))
    return values


@pytest.mark.parametrize("by", aggregates.BYS)
def test_each_group_is_spread_as_plain_loops_have_it(found, inspections, by):
    for name in ("gate", "entropy_word_to_block", "entropy_word_to_image_aware_block", "received"):
        expected = by_hand(inspections, name, by)
        shown = boxes(found, UMT, name, by, TEXT)
        assert {box.group for box in shown} == set(expected)
        for box in shown:
            assert box.count == len(expected[box.group])
            assert box.mean == pytest.approx(np.mean(expected[box.group]), rel=1e-4)
            np.testing.assert_allclose(box.quantiles, np.quantile(expected[box.group], QUANTILES), rtol=1e-4)


def test_a_system_has_the_figures_of_its_parts(found):
    assert aggregates.figures_of(found, UMT) == [name for name in FIGURES if name != "entropy_visual_attention"]


def test_groups_stand_in_one_order(found):
    order = [box.group for box in boxes(found, UMT, "gate", "type")]
    assert order == [name for name in (*LABELS, NO_ENTITY) if name in order]


def test_extremes_are_the_tweets_at_both_ends(found, inspections):
    words = {i: [figure_of(x, "gate", w) for w in range(len(x.marginals))] for i, x in inspections.items()}
    highest = aggregates.extremes(found, UMT, "gate", "part", "word")
    assert [e.id for e in highest] == sorted(words, key=lambda i: -max(words[i]))
    lowest = aggregates.extremes(found, UMT, "gate", "part", "word", highest=False)
    assert lowest[0].value == pytest.approx(min(min(of) for of in words.values()), rel=1e-4)


def test_positions_are_the_mean_over_tweets_of_each_maps_share(found, inspections):
    (by_words, *_) = (p for p in aggregates.positions(found, UMT) if p.map == "word_to_block")
    each = np.array([i.word_to_block.mean(axis=(0, 1)) for i in inspections.values()])
    np.testing.assert_allclose(by_words.mean, each.mean(0), rtol=1e-4)
    np.testing.assert_allclose(by_words.low, np.quantile(each, 0.25, axis=0), rtol=1e-4)
    assert by_words.mean.sum() == pytest.approx(1, rel=1e-5)
    block = int(each.max(0).argmax())
    (first, *_) = aggregates.block_extremes(found, UMT, "word_to_block", block)
    assert first.id == list(inspections)[int(each[:, block].argmax())]


def test_every_group_leads_to_its_tweets(found):
    for by in ("type", "outcome"):
        for box in boxes(found, UMT, "gate", by, TEXT):
            page = browse(found, aggregates.tweets_behind(by, box.group))
            if box.group != NO_ENTITY:  # no filter finds words
                assert (page.tweets, page.gold_spans + page.other_spans) == (box.tweets, box.count)


@pytest.mark.parametrize(
    ("part", "text", "other"),
    [
        ("mention", "hi @anna", "mail a@b"),
        ("hashtag", "a # nba game", "so C# 1"),
        ("URL", "see https://t.co/x", "see t.co"),
        ("emoji", "so 🎉", "so :)"),
        ("hashtag", "so #été", "so # , and"),
    ],
)
def test_parts_of_a_tweet_are_found_by_their_filter(tmp_path, part, text, other):
    import duckdb

    pattern = aggregates.tweets_behind("part", part).regex
    hits = [duckdb.execute("SELECT regexp_matches(?, ?)", [t, pattern]).fetchall()[0][0] for t in (text, other)]
    assert hits == [True, False]
    assert part in aggregates.parts_of(text.split())


def test_a_stopped_run_goes_on_and_keeps_the_same(found):
    whole = {kind: read_kept(found, UMT, kind) for kind in (KIND, BLOCKS)}
    kept_file(found, UMT, KIND).unlink()

    class Stopped(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 4:
            raise Stopped

    with pytest.raises(Stopped):
        keep_patterns.keep_patterns(found, UMT, part=2, progress=stop)
    assert read_kept(found, UMT, KIND) is None
    keep_patterns.keep_patterns(found, UMT, part=2)
    for kind, table in whole.items():
        again = read_kept(found, UMT, kind)
        assert again is not None
        assert again.to_pandas().equals(table.to_pandas())


def test_a_text_tagger_and_unknown_groups_are_refused(found):
    with pytest.raises(DataError, match="reads text only"):
        keep_patterns.keep_patterns(found, TEXT)
    with pytest.raises(ConfigError, match="figure"):
        boxes(found, UMT, "gates", "type")
    with pytest.raises(ConfigError, match="by"):
        boxes(found, UMT, "gate", "words")
    with pytest.raises(ConfigError, match="baseline"):
        boxes(found, UMT, "gate", "outcome")


def test_the_command_prints_and_writes_the_figures(found, tmp_path, capsys):
    assert main(["sets", "patterns", "tiny/test", "--run", UMT, "--json", str(tmp_path / "p.json")]) == 0
    assert "gate by outcome" in capsys.readouterr().out
    (values,) = json.loads((tmp_path / "p.json").read_text())["runs"].values()
    assert values["baseline"] == TEXT
    assert {box["group"] for box in values["figures"]["gate"]["outcome"]} <= set(OUTCOMES)
    assert {box["group"] for box in values["figures"]["gate"]["part"]} <= set(PARTS)
    assert len(values["positions"]["word_to_block"]["mean"]) == 49
