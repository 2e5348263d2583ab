"""A whole set decoded again from kept scores: against each tweet by itself, and against the ledger written out."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from tests.core import tiny
from tests.core.test_provenance import predictor_of
from tests.ui.tiny_set import TWEETS, spans, write_data, write_run, write_set
from umt_core.__main__ import main
from umt_core.analysis.ledger import OUTCOMES, tally
from umt_core.analysis.run_set import set_examples, set_images
from umt_core.analysis.sets import PredictionSet
from umt_core.analysis.significance import Counts, paired_test
from umt_core.errors import ConfigError, DataError
from umt_core.explain import keep_emissions
from umt_core.explain.emissions import KIND, Redecoding, set_emissions, write_emissions
from umt_core.explain.kept import kept_file
from umt_core.explain.what_if import (
    AS_TRAINED,
    WhatIf,
    conversion_csv,
    conversion_of,
    decode,
    parse_conversion,
    uniform_conversion,
)
from umt_core.labels import WORD_ESD_TAGS, WORD_TAGS
from umt_core.model.chain import Chain, Scoring
from umt_core.schema import RawScores, ScoredSpan
from umt_core.spans import tags_to_spans

RUN = "twitter2017/umt-bert-crf"
CHANGES = (AS_TRAINED, WhatIf(0), WhatIf(0.4), WhatIf(2))


def scoring(seed: int = 0) -> Scoring:
    rng = np.random.default_rng(seed)
    chains = [Chain(*(rng.normal(size=size) for size in ((n,), (n, n), (n,)))) for n in (9, 3)]
    bare = Scoring(WORD_TAGS.tags, chains[0], WORD_ESD_TAGS.tags, chains[1])
    return Scoring(bare.tags, bare.chain, bare.esd_tags, bare.esd_chain, uniform_conversion(bare))


def scores(words: int, seed: int) -> RawScores:
    rng = np.random.default_rng(seed)
    main, esd = (rng.normal(size=(words, n), scale=3).astype(np.float32) for n in (9, 3))
    return RawScores(main, esd, np.arange(words))


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    return write_data(tmp_path / "data")


@pytest.fixture
def rows():
    return [scores(len(row[1].split()), seed) for seed, row in enumerate(TWEETS)]


@pytest.fixture
def found(data, tmp_path, rows) -> PredictionSet:
    """Seven tweets with gold labels, and a run that found what random scores say."""
    made = write_set(data, tmp_path / "predictions", ())
    decoded = (tags_to_spans(decode(scoring(), raw)) for raw in rows)
    said = {row[0]: [ScoredSpan(s, 0.9) for s in found] for row, found in zip(TWEETS, decoded, strict=True)}
    write_run(made, "umt-bert-crf", said)
    made = PredictionSet.open(made.folder)
    write_emissions(made, RUN, scoring(), rows)
    return made


def kept(found: PredictionSet):
    emissions = set_emissions(found, RUN)
    assert emissions is not None
    return emissions


@pytest.mark.parametrize("what", CHANGES, ids=lambda what: f"share {what.esd_share}")
def test_all_tweets_at_once_are_decoded_as_each_by_itself(found, rows, what):
    emissions = kept(found)
    tags = emissions.tags(what)
    for tweet, raw in enumerate(rows):
        assert emissions.spans(tags, tweet) == tags_to_spans(decode(scoring(), raw, what))


@pytest.mark.parametrize("what", CHANGES, ids=lambda what: f"share {what.esd_share}")
def test_the_ledger_of_a_change_is_that_of_all_tweets_written_out(found, rows, what):
    gold = [spans(row[2]) for row in TWEETS]
    before, after = ([tags_to_spans(decode(scoring(), raw, w)) for raw in rows] for w in (AS_TRAINED, what))
    change = Redecoding(found, RUN, kept(found)).change(what, resamples=200)
    outcomes = tally(gold, before, after)
    assert {outcome: change.row[outcome] for outcome in OUTCOMES} == outcomes
    counts = Counts.of(gold, before, after)
    by_pattern = Counter(dict(zip(map(tuple, counts.patterns.tolist()), counts.tweets.tolist(), strict=True)))
    test = paired_test(
        Counts(dict(sorted(by_pattern.items()))), fixed=outcomes["fixed"], broken=outcomes["broken"], resamples=200
    )
    assert change.row["paired_test"] == test.to_dict()
    changed = [i for i, (one, other) in enumerate(zip(before, after, strict=True)) if set(one) != set(other)]
    assert [of.tweet for of in change.tweets] == changed


def test_as_trained_the_kept_scores_say_what_the_run_found(found):
    redecoding = Redecoding(found, RUN, kept(found))
    assert redecoding.differing == 0
    assert redecoding.change(AS_TRAINED).tweets == ()


def test_tweets_that_the_run_found_otherwise_are_counted(found, rows):
    write_emissions(found, RUN, scoring(5), rows)
    others = sum(
        set(tags_to_spans(decode(scoring(5), raw))) != set(tags_to_spans(decode(scoring(), raw))) for raw in rows
    )
    assert others > 0
    assert Redecoding(found, RUN, kept(found)).differing == others


def test_tweets_without_a_word_and_tags_on_subwords_keep_their_places(found):
    longer = [
        RawScores(scores(6, 40 + i).main, scores(6, 40 + i).esd, np.array([1, 2, 4])) if i % 2 else scores(0, i)
        for i in range(len(TWEETS))
    ]
    write_emissions(found, RUN, scoring(), longer)
    emissions = kept(found)
    tags = emissions.tags(WhatIf(0.5))
    for tweet, raw in enumerate(longer):
        assert emissions.spans(tags, tweet) == tags_to_spans(decode(scoring(), raw, WhatIf(0.5)))


def test_a_system_without_esd_is_kept_and_cannot_be_changed(found, rows):
    without = Scoring(WORD_TAGS.tags, scoring().chain)
    write_emissions(found, RUN, without, [RawScores(raw.main, None, raw.starts) for raw in rows])
    emissions = kept(found)
    assert not emissions.can_change
    assert emissions.spans(emissions.tags(), 0) == tags_to_spans(decode(without, rows[0]))
    with pytest.raises(ConfigError, match="wanted a system that adds ESD's scores"):
        emissions.tags(WhatIf(0.5))


def test_scores_of_fewer_tweets_are_refused(found, rows):
    write_emissions(found, RUN, scoring(), rows[:3])
    with pytest.raises(DataError, match="wanted emissions of 7 tweets, got 3"):
        set_emissions(found, RUN)


def test_a_tagger_keeps_its_own_scores(found, data, monkeypatch):
    predictor = predictor_of(tiny.system("umt-bert-crf"))
    monkeypatch.setattr(keep_emissions, "predictor_of", lambda *_: predictor)
    told = []
    keep_emissions.keep_emissions(found, RUN, progress=lambda *line: told.append(line))
    assert told[-1] == (RUN, 7, 7)
    emissions = kept(found)
    tags = emissions.tags()
    examples = set_examples(found, 0, 7)
    for tweet, prediction in enumerate(predictor.predict(examples, set_images(found))):
        assert emissions.spans(tags, tweet) == tuple(scored.span for scored in prediction.spans)


# The command line


def test_the_command_prints_the_ledger_and_writes_the_tweets(found, tmp_path, capsys):
    assert main(["sets", "what-if", "tiny/test", "--esd-share", "0", "--json", str(tmp_path / "change.json")]) == 0
    change = Redecoding(found, RUN, kept(found)).change(WhatIf(0))
    printed = capsys.readouterr().out
    assert f"{len(change.tweets)} of 7 tweets have other entities" in printed
    written = json.loads((tmp_path / "change.json").read_text())
    assert written["comparison"]["fixed"] == change.row["fixed"]
    assert [tweet["id"] for tweet in written["tweets"]] == [TWEETS[of.tweet][0] for of in change.tweets]


def test_the_command_names_what_is_missing(found, capsys):
    kept_file(found, RUN, KIND).unlink()
    assert main(["sets", "what-if", "tiny/test", "--esd-share", "0"]) == 2
    assert "got none: run `sets emissions tiny/test`" in capsys.readouterr().err


def test_matrices_are_named_or_read_from_a_file(data, tmp_path):
    values = scoring()
    matrix = np.random.default_rng(1).normal(size=(3, 9))
    file = tmp_path / "matrix.csv"
    file.write_text(conversion_csv(matrix, values))
    np.testing.assert_array_equal(conversion_of(str(file), values, "tiny"), matrix)
    assert conversion_of("trained", values, "tiny") is None
    np.testing.assert_array_equal(conversion_of("uniform", values, "tiny"), uniform_conversion(values))
    estimated = conversion_of("estimated", values, "tiny")  # its train split has two locations
    assert estimated[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert estimated[2].tolist() == uniform_conversion(values)[2].tolist()
    with pytest.raises(DataError, match="train split of other"):
        conversion_of("estimated", values, "other")


@pytest.mark.parametrize("text", ["", "a,b\n", "not even csv", ",O\nB,1\n"])
def test_a_file_that_holds_no_matrix_is_refused(text):
    with pytest.raises(ConfigError, match="wanted the columns O, B-PER"):
        parse_conversion(text, scoring())


@pytest.mark.parametrize("cell", ["x", "nan", "inf", ""])
def test_a_cell_that_is_no_number_is_refused(cell):
    lines = conversion_csv(uniform_conversion(scoring()), scoring()).splitlines()
    lines[2] = ",".join([*lines[2].split(",")[:-1], cell])
    with pytest.raises(ConfigError, match="number in each cell"):
        parse_conversion("\n".join(lines), scoring())


def test_columns_may_come_in_any_order():
    values = scoring()
    matrix = np.arange(27.0).reshape(3, 9)
    rows = [line.split(",") for line in conversion_csv(matrix, values).splitlines()]
    turned = "\n".join(",".join([row[0], *row[:0:-1]]) for row in [rows[0], *rows[:0:-1]])
    np.testing.assert_array_equal(parse_conversion(turned, values), matrix)
