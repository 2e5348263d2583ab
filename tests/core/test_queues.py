"""Queues over made-up predictions: each order by brute force, what is answered, reasons, and honesty about training."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.core.fabricated import TEXT_ONLY, WITH_IMAGES, add_run, make, predictions_of, run_info
from tests.core.versioned import write_checkpoint, write_family
from umt_core.analysis.browse import browse
from umt_core.analysis.building import share_set
from umt_core.analysis.marginals import Marginals, marginals_path, read_marginals, write_marginals
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.corrections import queues
from umt_core.corrections.events import BLIND, COMMON, Edit, TweetKey
from umt_core.corrections.label_errors import cleanlab_scores, suspects
from umt_core.corrections.queues import QUEUES, build_queue, default_runs, trained_on
from umt_core.corrections.store import Store
from umt_core.data.own import add_tweet
from umt_core.errors import DataError
from umt_core.labels import WORD_TAGS
from umt_core.registry import checkpoints_folder, versions_folder
from umt_core.schema import Example, ScoredSpan, Span, Summary
from umt_core.spans import spans_to_tags
from umt_core.versions import promote, rename

BOTH = (TEXT_ONLY, WITH_IMAGES)
DATA = "made/test"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = make(tmp_path_factory.mktemp("queues"), count=60, seed=3)
    rng = np.random.default_rng(0)
    for run in BOTH:
        write_marginals(marginals_path(made.set, run), [likely(rng, p) for p in made.predictions[run]])
    return made


def likely(rng, prediction) -> np.ndarray:
    """Marginals that mostly hold for the predicted tags."""
    rows = rng.dirichlet([0.3] * len(WORD_TAGS), len(prediction.tokens))
    for row, tag in zip(rows, prediction.tags, strict=True):
        row[WORD_TAGS.id(tag)] += 2
    return rows / rows.sum(1, keepdims=True)


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as opened:
        yield opened


def ids(made) -> list[str]:
    return [example.id for example in made.examples]


def build(name, made, store=None, **options):
    return build_queue(name, made.set, ids(made), store, **options)


def answer(store, tweet, author="ann", *, action="set", track=COMMON, data=DATA):
    key = TweetKey(data, tweet)
    now = store.labels(key, track=track, author=author)
    spans = now.spans or ()
    return store.append(Edit(key, action, author, spans, spans, now.revision, track=track))


def tweets(queue) -> list[str]:
    return [item.tweet for item in queue.items]


# --- orders --------------------------------------------------------------------------------------


def test_the_browser_s_queue_is_what_the_browser_shows(made):
    query = Query(error=("missed",), sort="score", descending=True)
    page = browse(made.set, query, size=1000)
    queue = build("browser", made, query=query)
    assert tweets(queue) == [row["id"] for row in page.rows]
    assert queue.total == page.tweets > 1
    assert "error missed by score" in queue.items[0].reason


def test_without_predictions_the_browser_s_queue_is_the_file(made):
    queue = build_queue("browser", None, ids(made), data=DATA)
    assert tweets(queue) == ids(made)


def test_disagreement_ranks_by_the_spans_that_not_all_find_and_their_scores(made):
    expected = {}
    for i, example in enumerate(made.examples):
        spans = [{s.span: s.score for s in made.predictions[run][i].spans} for run in BOTH]
        differing = spans[0].keys() ^ spans[1].keys()
        if differing:
            expected[example.id] = sum(np.float32({**spans[0], **spans[1]}[span]) for span in differing)
    queue = build("disagreement", made)
    assert {item.tweet: pytest.approx(item.score) for item in queue.items} == expected
    assert [item.score for item in queue.items] == sorted((item.score for item in queue.items), reverse=True)
    assert all("bert-crf says" in item.reason for item in queue.items)


def test_the_least_certain_word_comes_first(made):
    margins = {e.id: s.margin for e, s in zip(made.examples, made.summaries[TEXT_ONLY], strict=True)}
    queue = build("least-certain-word", made, query=Query(system=TEXT_ONLY))
    assert tweets(queue) == sorted(margins, key=margins.get)
    assert queue.items[0].score == pytest.approx(min(margins.values()))


def test_the_least_certain_entity_may_be_one_that_was_nearly_found(made):
    rows = zip(made.examples, made.predictions[WITH_IMAGES], made.summaries[WITH_IMAGES], strict=True)
    expected = {e.id: min([s.score for s in p.spans] + [(1 + figures.margin) / 2]) for e, p, figures in rows}
    queue = build("least-certain-span", made)
    assert {item.tweet: pytest.approx(item.score) for item in queue.items} == expected
    assert tweets(queue) == sorted(expected, key=expected.get)


def test_certainty_is_that_of_the_system_that_the_pages_choose(tmp_path):
    made = make(tmp_path)
    theirs = f"zoo/{made.set.run(WITH_IMAGES).system}"  # of another checkpoint set than BERT-CRF's, and the last run
    info = run_info(made.set, theirs, weights="f" * 64)
    said = predictions_of(made.examples, [[Span(0, 1, "PER")] for _ in made.examples])
    both = add_run(made.set, info, said, [Summary(0.001) for _ in made.examples])
    assert list(both.runs)[-1] == theirs
    queue = build("least-certain-word", replace(made, set=both))
    assert queue.items[0].score == pytest.approx(min(s.margin for s in made.summaries[WITH_IMAGES]))


def test_a_random_queue_holds_all_and_hangs_on_the_seed_alone(made):
    one, same, other = (tweets(build("random", made, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert sorted(one) == sorted(ids(made))


# --- label errors --------------------------------------------------------------------------------


def test_a_label_is_suspected_where_all_systems_read_the_same_and_gold_another_thing(made):
    found = suspects(made.set, BOTH)
    assert found
    for i, example in enumerate(made.examples):
        said = [{s.span for s in made.predictions[run][i].spans} for run in BOTH]
        gold = set(example.spans)
        mine = [s for s in found if s.tweet == i]
        # Every span that both find and gold has not is suspected, unless one of them reads its surroundings otherwise.
        covered = {span for s in mine for span in s.read}
        assert covered <= said[0] & said[1]
        alone = {span for span in (said[0] & said[1]) - gold if not touched(span, (said[0] ^ said[1]) | gold)}
        assert alone <= covered
        for suspect in mine:
            inside = [{s for s in spans if suspect.start <= s.start < suspect.end} for spans in (*said, gold)]
            assert inside[0] == inside[1] == set(suspect.read) != inside[2] == set(suspect.gold)


def touched(span, others) -> bool:
    return any(span.start < o.end and o.start < span.end for o in others if o != span)


def test_suspects_are_ranked_by_how_sure_the_systems_are(made):
    found = suspects(made.set, BOTH)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    kept = [read_marginals(made.set, run) for run in BOTH]
    for suspect in found:
        sure = []
        for run, marginals in zip(BOTH, kept, strict=True):
            scores = [s.score for s in made.predictions[run][suspect.tweet].spans if s.span in suspect.read]
            outside = marginals[suspect.tweet][suspect.start : suspect.end, 0]
            sure.append(min(scores) if scores else outside.min())
        assert suspect.score == pytest.approx(np.mean(sure))


def test_without_marginals_nothing_found_is_as_sure_as_the_tweet_s_least_certain_word(tmp_path):
    made = make(tmp_path, count=30, seed=5)
    found = [s for s in suspects(made.set, [TEXT_ONLY]) if not s.read]
    assert found
    for suspect in found:
        assert suspect.score == pytest.approx(made.summaries[TEXT_ONLY][suspect.tweet].margin)


def test_cleanlab_s_scores_are_the_probability_of_the_gold_tags(made):
    scores = cleanlab_scores(made.set, BOTH)
    kept = [read_marginals(made.set, run) for run in BOTH]
    for i, example in enumerate(made.examples):
        mean = (kept[0][i] + kept[1][i]) / 2
        tags = spans_to_tags(example.spans, len(example.tokens))
        by_hand = [mean[place, WORD_TAGS.id(tag)] for place, tag in enumerate(tags)]
        assert scores.words[i] == pytest.approx(by_hand, abs=1e-3)
        assert scores.tweets[i] == pytest.approx(min(by_hand), abs=1e-3)
    queue = build("label-errors-cleanlab", made)
    assert [item.score for item in queue.items] == sorted(scores.tweets)
    assert "has a probability of" in queue.items[0].reason


def one_tweet(tmp_path, gold, *said) -> PredictionSet:
    """A set of one tweet, "Hawks beat the Jets", whose runs say so much."""
    from umt_core.analysis.building import build_set
    from umt_core.data.conll import write_conll

    example = Example("t", ("Hawks", "beat", "the", "Jets"), "t", tuple(gold))
    write_conll(tmp_path / "one" / "test.txt", [example])
    found = build_set(tmp_path / "one" / "test.txt", root=tmp_path / "sets")
    for name, spans in zip(("one/mt-bert-crf", "one/umt-bert-crf"), said, strict=False):
        (prediction,) = predictions_of([example], [[s.span for s in spans]])
        prediction = replace(prediction, spans=tuple(spans))
        found = add_run(found, run_info(found, name), [prediction], [Summary(0.5)])
    return found


@pytest.mark.parametrize(
    ("gold", "said", "reason"),
    [
        ([Span(0, 1, "LOC")], [Span(0, 1, "ORG")], "A and B say ORG “Hawks” where gold says LOC “Hawks” (0.90)"),
        ([], [Span(3, 4, "ORG")], "A and B say ORG “Jets” where gold says nothing (0.90)"),
        ([Span(2, 4, "ORG")], [Span(3, 4, "ORG")], "A and B say ORG “Jets” where gold says ORG “the Jets” (0.90)"),
        ([Span(3, 4, "ORG")], [], "A and B say nothing where gold says ORG “Jets” (0.50)"),
    ],
)
def test_a_reason_says_what_they_say_and_what_gold_says(tmp_path, gold, said, reason):
    found = one_tweet(tmp_path, gold, *[[ScoredSpan(span, 0.9) for span in said]] * 2)
    titles = {"one/mt-bert-crf": "A", "one/umt-bert-crf": "B"}
    queue = build_queue("label-errors", found, ["t"], title=titles.__getitem__)
    assert [item.reason for item in queue.items] == [reason]
    bare = PredictionSet.open(share_set(found, tmp_path / "shared"))
    (item,) = build_queue("label-errors", bare, ["t"]).items
    assert "Jets" not in item.reason
    assert "word" in item.reason


def test_what_a_run_was_cut_off_before_is_no_suspect(tmp_path):
    found = one_tweet(tmp_path, [Span(3, 4, "ORG")], [], [])
    runs = ["one/mt-bert-crf", "one/umt-bert-crf"]
    for run, words in zip(runs, (4, 3), strict=True):
        write_marginals(marginals_path(found, run), [np.full((words, len(WORD_TAGS)), 0.1)])
    assert suspects(found, runs) == []
    assert [s.gold for s in suspects(found, runs[:1])] == [(Span(3, 4, "ORG"),)]


def test_a_disagreement_says_who_says_what(tmp_path):
    found = one_tweet(tmp_path, [], [ScoredSpan(Span(0, 1, "ORG"), 0.7)], [ScoredSpan(Span(0, 1, "LOC"), 0.9)])
    titles = {"one/mt-bert-crf": "MT", "one/umt-bert-crf": "UMT"}
    (item,) = build_queue("disagreement", found, ["t"], title=titles.__getitem__).items
    assert item.reason == "UMT says LOC “Hawks” (0.90), MT says ORG “Hawks” (0.70)"


def test_a_disagreement_tells_how_many_more_there_are(tmp_path):
    lone = [ScoredSpan(Span(0, 1, "ORG"), 0.7), ScoredSpan(Span(3, 4, "ORG"), 0.8)]
    found = one_tweet(tmp_path, [], lone, [])
    (item,) = build_queue("disagreement", found, ["t"]).items
    assert item.reason == "mt-bert-crf says ORG “Jets” (0.80), umt-bert-crf says nothing; 1 more entity"


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in QUEUES if name not in ("uploads", "second-opinion")])
def test_what_is_answered_comes_last_or_not_at_all(made, store, name):
    plain = tweets(build(name, made, store))
    done = plain[:3]
    for tweet, action in zip(done, ("set", "accept", "skip"), strict=True):
        answer(store, tweet, action=action)
    queue = build(name, made, store)
    assert tweets(queue) == plain[3:] + done
    assert [item.answered for item in queue.items] == [False] * (len(plain) - 3) + [True] * 3
    assert (queue.total, queue.answered) == (len(plain), 3)
    rest = build(name, made, store, answered=False)
    assert tweets(rest) == plain[3:]
    assert rest.answered == 3


def test_what_is_undone_is_open_again(made, store):
    first = tweets(build("random", made))[0]
    answer(store, first)
    store.undo("ann")
    assert build("random", made, store).answered == 0


def test_a_long_queue_is_cut_and_says_how_long_it_is(made):
    queue = build("random", made, limit=7)
    assert (len(queue.items), queue.total) == (7, 60)


def test_a_second_opinion_is_on_what_another_has_answered_and_tells_nothing_of_it(made, store):
    for tweet in ("t1", "t2", "t3"):
        answer(store, tweet, "ann")
    answer(store, "t1", "bob", track=BLIND)
    answer(store, "t5", "bob")
    queue = build("second-opinion", made, store, author="cid")
    assert tweets(queue) == ["t2", "t3", "t5", "t1"], "one answer first"
    assert tweets(build("second-opinion", made, store, author="bob")) == ["t2", "t3"]
    assert all("PER" not in item.reason and "ann" not in item.reason for item in queue.items)
    with pytest.raises(DataError, match="wanted an author"):
        build("second-opinion", made, store)


def test_uploads_are_own_tweets_the_newest_first(tmp_path, monkeypatch, made):
    monkeypatch.setenv("UMT_HOME", str(tmp_path))
    added = [add_tweet(Example("", ("so", f"it{i}", "is")), None)[0] for i in range(3)]
    queue = build_queue("uploads", None, added, data="my-tweets/tweets")
    assert tweets(queue) == added[::-1]
    with pytest.raises(DataError, match="wanted a data set that was uploaded, got another"):
        build("uploads", made)


# --- what a queue needs --------------------------------------------------------------------------


def test_every_kind_of_queue_can_be_built(made, store):
    assert set(queues._RANKINGS) == set(QUEUES)


@pytest.mark.parametrize("name", [name for name, info in QUEUES.items() if info.runs])
def test_without_predictions_a_queue_says_what_it_wants(made, name):
    with pytest.raises(DataError, match="wanted predictions"):
        build_queue(name, None, ids(made), data=DATA)


def test_an_unknown_queue_is_refused(made):
    with pytest.raises(DataError, match="wanted a queue of browser"):
        build("best", made)


def test_one_system_cannot_disagree(made):
    with pytest.raises(DataError, match="wants predictions of 2 or more systems"):
        build("disagreement", made, runs=[TEXT_ONLY])


def test_cleanlab_wants_marginals(tmp_path):
    made = make(tmp_path, count=12)
    with pytest.raises(DataError, match="wanted the marginals of made/bert-crf, it keeps none"):
        build("label-errors-cleanlab", made)


def test_a_damaged_file_of_marginals_is_one_line(tmp_path):
    made = make(tmp_path, count=12)
    path = marginals_path(made.set, TEXT_ONLY)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="got a damaged file; remove it"):
        read_marginals(made.set, TEXT_ONLY)
    write_marginals(path, [np.ones((1, 9))])
    with pytest.raises(DataError, match="wanted marginals of 12 tweets, got 1"):
        read_marginals(made.set, TEXT_ONLY)


def test_marginals_come_back_tweet_by_tweet(made):
    rows = [np.random.default_rng(i).random((i % 4, 9)) for i in range(60)]
    path = marginals_path(made.set, TEXT_ONLY)
    before = path.read_bytes()
    write_marginals(path, rows)
    kept = read_marginals(made.set, TEXT_ONLY)
    path.write_bytes(before)
    for i, (row, same) in enumerate(zip(rows, Marginals.of(rows), strict=False)):
        assert kept[i] == pytest.approx(row, abs=1e-3)
        assert same == pytest.approx(row, abs=1e-3)


# --- honesty -------------------------------------------------------------------------------------


def checkpoint(monkeypatch, found: PredictionSet, **data):
    """Has every run's checkpoint been made from such data."""
    known = {run.checkpoint: run.weights_sha256 for run in found.runs.values()}

    def find(family, weights):
        if known.get(family) != weights:
            return None
        manifest = SimpleNamespace(weights_sha256=weights, data=data, init=None, parent=None)
        return SimpleNamespace(manifest=manifest)

    monkeypatch.setattr(queues, "same_weights", find)


def test_a_system_that_was_trained_on_these_tweets_is_told_of(made, monkeypatch):
    own = made.set.info.data_sha256
    checkpoint(monkeypatch, made.set, train={"sha256": own}, valid={"sha256": "x"})
    assert trained_on(made.set, TEXT_ONLY) == "trained on these very tweets"
    queue = build("label-errors", made)
    assert "bert-crf: trained on these very tweets." in queue.notes
    assert "out-of-fold" in queue.notes[-1]
    checkpoint(monkeypatch, made.set, train={"sha256": "x"}, valid={"sha256": own})
    assert trained_on(made.set, TEXT_ONLY) == "its best epoch was chosen by these very tweets"
    checkpoint(monkeypatch, made.set, train={"sources": [{"sha256": own}, {"sha256": "x"}]})
    assert trained_on(made.set, TEXT_ONLY) == "trained on these very tweets"
    checkpoint(monkeypatch, made.set, train={"sha256": "x"})
    assert trained_on(made.set, TEXT_ONLY) is None
    assert build("label-errors", made).notes == ()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A place for checkpoints."""
    for name in ("home", "checkpoints"):
        monkeypatch.setenv(f"UMT_{name.upper()}", str(tmp_path / name))


@pytest.mark.parametrize("way", ["parent", "init"])
def test_so_is_one_whose_parent_was(made, registry, way):
    run = made.set.run(TEXT_ONLY)
    data = {"train": {"sha256": run.data_sha256}}
    write_checkpoint(checkpoints_folder() / "made/parent", "p", weights_sha256="p", data=data, init="made/gone")
    named = {"name": "made/parent@its-name-then", "weights_sha256": "p"}
    of = {"parent": named, "init": named["name"]} if way == "parent" else {"init": "made/parent"}
    write_checkpoint(checkpoints_folder() / TEXT_ONLY, "child", weights_sha256=run.weights_sha256, **of)
    assert trained_on(made.set, TEXT_ONLY) == "trained on these very tweets"


def test_it_is_told_whatever_is_served_and_however_the_version_is_called_now(made, registry):
    run = made.set.run(TEXT_ONLY)
    write_family("v1", family=TEXT_ONLY)
    data = {"train": {"sha256": run.data_sha256}}
    own = write_checkpoint(versions_folder(TEXT_ONLY) / "v2", "2", weights_sha256=run.weights_sha256, data=data)
    promote(f"{TEXT_ONLY}@v1", "Ann")
    assert trained_on(made.set, TEXT_ONLY) == "trained on these very tweets"
    named = replace(made.set, runs={"v2": replace(run, checkpoint=f"{TEXT_ONLY}@v2")})
    rename(f"{TEXT_ONLY}@v2", "better", "Ann")
    assert trained_on(named, "v2") == "trained on these very tweets"
    shutil.rmtree(own.with_name("better"))
    assert "is not here" in trained_on(named, "v2")
    assert "has changed since" in trained_on(made.set, TEXT_ONLY)


def test_what_cannot_be_told_is_said(made):
    assert "cannot be told" in trained_on(made.set, TEXT_ONLY)


def test_out_of_fold_predictions_go_before_others(tmp_path):
    made = make(tmp_path, count=12)
    info = replace(run_info(made.set, "made/bert-crf@out-of-fold", weights="f" * 64), system="bert-crf", folds=5)
    found = add_run(made.set, info, made.predictions[TEXT_ONLY], made.summaries[TEXT_ONLY])
    assert default_runs(found) == ("made/bert-crf@out-of-fold",)
    assert trained_on(found, "made/bert-crf@out-of-fold") is None
    assert set(default_runs(found, 2)) == set(BOTH)
    assert found.changed().keys() == set(BOTH), "its taggers are no checkpoint that could change"


def test_queues_need_no_torch():
    program = (
        "import sys, umt_core.corrections.queues, umt_core.corrections.label_errors,"
        " umt_core.corrections.second_opinion; print('torch' in sys.modules, 'cleanlab' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
    assert done.stdout == "False False\n", done.stderr
