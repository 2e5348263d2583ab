"""The engine: many threads ask, one runs the models; from stand-ins that are watched, and from tiny checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.core import tiny
from umt_core import predict
from umt_core.engine import DeviceMemoryError, Engine, picture_sum
from umt_core.errors import CheckpointError, DataError, UmtError
from umt_core.predict import Workbench
from umt_core.schema import Example, Inspection, Prediction

THREE = ("tiny/bert-crf", "tiny/umt-bert-crf", "tiny/adacan-bert-crf")
PICTURES = [None if i % 3 == 2 else tiny.photograph(i) for i in range(len(tiny.TWEETS))]


def tweet(*tokens: str, id: str = "t") -> Example:
    return Example(id, tokens)


def info(name: str = "d/a", weights: str = "1") -> Any:
    return SimpleNamespace(name=name, folder=Path("nowhere"), manifest=SimpleNamespace(weights_sha256=weights))


def inspection(checkpoint: str, example: Example, weights: str) -> Inspection:
    said = Prediction(example.id, example.tokens, (), ("O",) * len(example.tokens), (weights,))
    numbers = np.zeros((len(example.tokens), 9), np.float32)
    return Inspection("bert-crf", checkpoint, said, (), numbers, numbers, False)


@dataclass
class Bench:
    """A workbench that says which weights it has, notes its batches, and runs them when it may."""

    weights: dict[str, str]
    room: int = 1000  # rows that fit its device
    may_run: threading.Event = field(default_factory=threading.Event)
    running: threading.Event = field(default_factory=threading.Event)
    batches: list[list[Example]] = field(default_factory=list)
    failures: dict[str, UmtError] = field(default_factory=dict)

    @property
    def predictors(self) -> dict[str, Any]:
        return {name: SimpleNamespace(info={"name": name}, predict=self.predict) for name in self.weights}

    def only(self, names: Sequence[str]) -> Bench:
        return self

    def predict(self, examples: Sequence[Example], pictures: Any, batch_size: int) -> list[Prediction]:
        return [next(iter(found.values())).prediction for found in self.inspect_many(examples, pictures)]

    def inspect_many(self, examples: Sequence[Example], pictures: Any) -> list[dict[str, Inspection]]:
        self.batches.append(list(examples))
        self.running.set()
        assert self.may_run.wait(600)
        if len(examples) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")
        if any("poison" in example.tokens for example in examples):
            raise ValueError("poison")
        return [{name: inspection(name, e, sums) for name, sums in self.weights.items()} for e in examples]


class Benches:
    """What loads them; those of ``held`` sums are loaded when they may be."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.loaded: list[Bench] = []
        self.held: dict[str, threading.Event] = {}

    def __call__(self, infos: Sequence[Any], device: str) -> Any:
        sums = {one.name: one.manifest.weights_sha256 for one in infos}
        for digest in sums.values():
            if digest in self.held:
                assert self.held[digest].wait(600)
        bench = Bench(sums, **self.options)
        bench.may_run.set()
        self.loaded.append(bench)
        return bench


@pytest.fixture
def make() -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def make(benches: Any = None, **options: Any) -> Engine:
        engines.append(Engine("cpu", **({"load": benches} if benches else {}), **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@contextmanager
def waiting(engine: Engine, bench: Bench, first: Callable[[], Any], questions: Sequence[Callable[[], Any]]) -> Any:
    """Asks one question and, while it is computed, the others; gives what their answers come in."""
    bench.may_run.clear()
    bench.running.clear()
    with ThreadPoolExecutor(len(questions) + 1) as threads:
        try:
            answers = [threads.submit(first)]
            assert bench.running.wait(600)
            before = engine.stats()
            answers += [threads.submit(question) for question in questions]
            while (now := engine.stats()).waiting + now.joined - before.joined < len(questions):
                threading.Event().wait(0.001)
            yield answers
        finally:
            bench.may_run.set()


# Batches


def test_what_waits_is_answered_in_one_batch_and_each_gets_its_own(make):
    benches = Benches()
    engine = make(benches)
    engine.load([info()])
    tweets = [tweet(f"word{i}", *["x"] * (i % 5), id=str(i)) for i in range(12)]
    questions = [lambda e=e: engine.inspect([info()], e, None) for e in tweets]
    with waiting(engine, benches.loaded[0], questions[0], questions[1:]) as answers:
        pass
    assert [len(batch) for batch in benches.loaded[0].batches] == [1, 11]
    for e, answer in zip(tweets, answers, strict=True):
        assert answer.result()["d/a"].prediction.tokens == e.tokens
    stats = engine.stats()
    assert (stats.requests, stats.batches, stats.tweets_per_batch, stats.waiting) == (12, 2, 6.0, 0)


def test_a_batch_holds_no_more_than_it_may_and_tweets_of_like_length(make):
    benches = Benches()
    engine = make(benches, batch_size=3)
    engine.load([info()])
    tweets = [tweet(*[f"{i}"] * n) for i, n in enumerate((2, 40, 3, 41, 2, 42, 4, 43))]
    questions = [lambda e=e: engine.inspect([info()], e, None) for e in tweets]
    with waiting(engine, benches.loaded[0], lambda: engine.inspect([info()], tweet("first"), None), questions):
        pass
    batches = [sorted(len(e.tokens) for e in batch) for batch in benches.loaded[0].batches[1:]]
    assert sorted(chain(*batches)) == [2, 2, 3, 4, 40, 41, 42, 43]
    assert all(len(batch) <= 3 and batch[-1] - batch[0] <= 3 for batch in batches)


def test_other_checkpoints_and_other_questions_have_batches_of_their_own(make):
    benches = Benches()
    engine = make(benches)
    engine.load([info("d/a"), info("d/b")])
    questions = [
        *(lambda i=i: engine.inspect([info("d/a")], tweet(f"{i}"), None) for i in range(3)),
        *(lambda i=i: engine.inspect([info("d/b")], tweet(f"{i}"), None) for i in range(3)),
        *(lambda i=i: engine.predict(info("d/a"), [tweet(f"{i}")]) for i in range(3)),
    ]
    with waiting(engine, benches.loaded[0], lambda: engine.inspect([info("d/a")], tweet("first"), None), questions):
        pass
    assert sorted(len(batch) for batch in benches.loaded[0].batches) == [1, 3, 3, 3]
    assert len(benches.loaded) == 1  # a set that is loaded answers for a part of it


def test_many_predictions_keep_their_order_and_a_tweet_without_a_word_is_refused_by_inspect_alone(make):
    engine = make(Benches(), batch_size=4)
    tweets = [tweet(*[str(i)] * (1 + i * 7 % 11), id=str(i)) for i in range(11)]
    assert [p.id for p in engine.predict(info(), tweets)] == [e.id for e in tweets]
    with pytest.raises(DataError, match="at least one word"):
        engine.inspect([info()], tweet(), None)
    with pytest.raises(DataError, match="each of 11 tweets, got 1"):
        engine.predict(info(), tweets, [None])


def test_an_error_is_that_tweets_alone(make):
    benches = Benches()
    engine = make(benches)
    engine.load([info()])
    tweets = [tweet("poison" if i == 3 else f"{i}") for i in range(7)]
    questions = [lambda e=e: engine.inspect([info()], e, None) for e in tweets]
    with waiting(engine, benches.loaded[0], lambda: engine.inspect([info()], tweet("first"), None), questions) as found:
        pass
    failed = [i for i, answer in enumerate(found[1:]) if answer.exception() is not None]
    assert failed == [3]
    assert str(found[4].exception()) == "poison"


# The same question


def test_the_same_question_is_computed_once_and_answered_under_each_ones_own_id(make):
    benches = Benches()
    engine = make(benches)
    engine.load([info()])
    same = [lambda i=i: engine.inspect([info()], tweet("a", "b", id=f"{i}"), tiny.photograph(1)) for i in range(5)]
    with waiting(engine, benches.loaded[0], same[0], same[1:]) as answers:
        pass
    assert [answer.result()["d/a"].prediction.id for answer in answers] == [f"{i}" for i in range(5)]
    assert engine.inspect([info()], tweet("a", "b"), tiny.photograph(1))["d/a"].prediction.id == "t"
    stats = engine.stats()
    assert (stats.requests, stats.joined, stats.answered_from_memory, stats.batches) == (6, 4, 1, 1)


@pytest.mark.parametrize(
    "other",
    [
        lambda engine: engine.inspect([info()], tweet("a"), tiny.photograph(2)),
        lambda engine: engine.inspect([info()], tweet("a"), None),
        lambda engine: engine.inspect([info()], tweet("b"), tiny.photograph(1)),
        lambda engine: engine.inspect([info(weights="2")], tweet("a"), tiny.photograph(1)),
        lambda engine: engine.predict(info(), [tweet("a")], [tiny.photograph(1)]),
    ],
)
def test_another_question_is_computed(make, other):
    engine = make(Benches())
    engine.inspect([info()], tweet("a"), tiny.photograph(1))
    other(engine)
    assert engine.stats().batches == 2


def test_what_is_remembered_is_bounded_and_who_was_asked_last_stays(make):
    engine = make(Benches(), remembered=2)
    for word in ("a", "b", "a", "c", "a"):  # b leaves for c
        engine.inspect([info()], tweet(word), None)
    assert engine.stats().answered_from_memory == 2
    engine.inspect([info()], tweet("b"), None)
    assert engine.stats().answered_from_memory == 2


def test_remembered_arrays_are_bounded_by_their_bytes(make, monkeypatch):
    monkeypatch.setattr("umt_core.engine.REMEMBERED_BYTES", 2 * 2 * 9 * 4)  # two tweets of one word, two arrays each
    engine = make(Benches())
    for word in ("a", "b", "c", "c", "b", "a"):
        engine.inspect([info()], tweet(word), None)
    assert engine.stats().answered_from_memory == 2


def test_a_picture_is_known_by_its_pixels():
    assert picture_sum(tiny.photograph(1)) == picture_sum(tiny.photograph(1).copy())
    assert picture_sum(tiny.photograph(1)) != picture_sum(tiny.photograph(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert picture_sum(Image.new("RGB", (2, 3))) != picture_sum(Image.new("RGB", (3, 2)))  # the same bytes


# Checkpoints that stay, leave and are swapped


def test_the_set_not_asked_for_longest_leaves(make):
    benches = Benches()
    engine = make(benches, sets=2)
    for name in ("d/a", "d/b", "d/a", "d/c"):
        engine.load([info(name)])
    assert engine.stats().loaded == ("d/a", "d/c")
    engine.load([info("d/a")])
    assert len(benches.loaded) == 3


def test_a_set_that_a_newer_one_holds_whole_leaves(make):
    engine = make(Benches(), sets=2)
    for names in (["d/a"], ["d/b"], ["d/a", "d/b"], ["d/c"]):
        engine.load([info(name) for name in names])
    assert engine.stats().loaded == ("d/a", "d/b", "d/c")


def test_while_a_promoted_version_loads_by_name_the_one_before_answers(make, monkeypatch):
    served = {"d/a": "1"}
    monkeypatch.setattr("umt_core.engine.find_checkpoint", lambda name: info(name, served[name]))
    benches = Benches()
    benches.held["2"] = threading.Event()
    engine = make(benches, remembered=0)
    said: dict[str, list[str]] = {"name": [], "old": [], "new": []}
    ways = {"name": "d/a", "old": info(weights="1"), "new": info(weights="2")}
    stop, seen_new = threading.Event(), threading.Event()

    def fire(way: str, thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            found = engine.inspect([ways[way]], tweet(f"{way}{thread}", f"{number}"), None)["d/a"]
            assert found.prediction.tokens[1] == f"{number}"
            said[way].extend(found.prediction.notices)
            if way == "name" and "2" in found.prediction.notices:
                seen_new.set()

    engine.load(["d/a"])
    with ThreadPoolExecutor(8) as threads:
        try:
            work = [threads.submit(fire, "name", i) for i in range(4)]
            while len(said["name"]) < 20:
                threading.Event().wait(0.001)
            served["d/a"] = "2"  # promoted
            work += [threads.submit(fire, way, i) for way in ("old", "new") for i in range(2)]
            before = len(said["name"])
            while len(said["name"]) < before + 20 or len(said["old"]) < 20:
                threading.Event().wait(0.001)
            assert set(said["name"]) == {"1"}
            assert not said["new"]  # who wants just the new weights waits for them, and for nothing else
            benches.held["2"].set()
            assert seen_new.wait(600)
        finally:
            benches.held["2"].set()
            stop.set()
        for done in work:
            done.result()
    assert (set(said["old"]), set(said["new"])) == ({"1"}, {"2"})
    assert engine.stats().requests == sum(map(len, said.values()))
    assert len(benches.loaded) == 2  # the new one once, however many asked


def test_names_that_were_promoted_never_go_back_however_few_sets_stay(make, monkeypatch):
    names = ("d/a", "d/b", "d/c", "d/d")
    served = dict.fromkeys(names, "1")
    monkeypatch.setattr("umt_core.engine.find_checkpoint", lambda name: info(name, served[name]))
    engine = make(Benches(), sets=3, remembered=0)

    def said(name: str) -> str:
        (weights,) = engine.inspect([name], tweet("a"), None)[name].prediction.notices
        return weights

    engine.load(names)
    for name in names[:3]:
        served[name] = "2"
        for _ in range(1000):
            if said(name) == "2":
                break
            threading.Event().wait(0.005)
    rounds = [[said(name) for name in names] for _ in range(10)]
    assert rounds == [["2", "2", "2", "1"]] * 10
    served["d/a"] = "1"  # taken back: now the second goes before the first
    for _ in range(1000):
        if said("d/a") == "1":
            break
        threading.Event().wait(0.005)
    assert [[said(name) for name in names] for _ in range(10)] == [["1", "2", "2", "1"]] * 10


# Memory of the device


@pytest.mark.parametrize("room", [1, 3])
def test_a_batch_that_does_not_fit_the_device_is_halved_and_all_are_answered(make, room):
    benches = Benches(room=room)
    engine = make(benches)
    engine.load([info()])
    questions = [lambda i=i: engine.inspect([info()], tweet(f"{i}"), None) for i in range(8)]
    with waiting(engine, benches.loaded[0], lambda: engine.inspect([info()], tweet("first"), None), questions) as found:
        pass
    assert [answer.result()["d/a"].prediction.tokens for answer in found[1:]] == [(f"{i}",) for i in range(8)]
    assert engine.stats().out_of_memory > 0
    assert engine.batch_size <= max(room, 2)


def test_a_tweet_that_does_not_fit_alone_is_one_line(make):
    engine = make(Benches(room=0))
    with pytest.raises(DeviceMemoryError, match=r"^cpu: wanted memory .*Tried to allocate 2.00 GiB\.$"):
        engine.inspect([info()], tweet("a"), None)
    with pytest.raises(DeviceMemoryError, match="cpu: wanted memory"):
        engine.run([info()], lambda bench: bench.inspect_many([tweet("a")], [None]))
    assert engine.stats().out_of_memory == 2


def test_a_tweet_that_does_not_fit_alone_leaves_batches_as_they_are(make):
    engine = make(Benches(room=0))
    for word in "ab":
        with pytest.raises(DeviceMemoryError):
            engine.inspect([info()], tweet(word), None)
    assert engine.batch_size == 32


# Its end, and what goes wrong


def test_closing_answers_what_waits_and_refuses_what_comes_after(make):
    benches = Benches()
    engine = make(benches)
    engine.load([info()])
    questions = [lambda i=i: engine.inspect([info()], tweet(f"{i}"), None) for i in range(3)]
    with ThreadPoolExecutor(1) as closer:
        with waiting(engine, benches.loaded[0], questions[0], questions[1:]) as answers:
            closing = closer.submit(engine.close)
        assert all(answer.result() for answer in answers)
        closing.result()
    for ask in (questions[0], lambda: engine.run([info()], lambda bench: 0), lambda: engine.load([info("d/z")])):
        with pytest.raises(UmtError, match="closed"):
            ask()


def test_a_checkpoint_that_cannot_be_loaded_is_told_of_until_it_is_mended(make):
    def load(infos: Sequence[Any], device: str) -> Any:
        bench = Bench({one.name: "1" for one in infos if one.name not in broken})
        bench.may_run.set()
        bench.failures = {n: CheckpointError("nowhere: damaged") for n in broken}
        return bench

    broken = {"d/b"}
    engine = make(load)
    both = [info("d/a"), info("d/b")]
    held, lines = engine.load(both)
    assert (list(held), lines) == (["d/a"], ["d/b: damaged"])
    assert list(engine.inspect(both, tweet("a"), None)) == ["d/a"]
    raised = []
    for _ in range(2):
        with pytest.raises(CheckpointError, match="damaged") as told:
            engine.predict(both[1], [tweet("a")])
        raised.append(told.value)
    assert raised[0] is not raised[1]  # one for all would hold the frames of all
    broken.clear()
    assert engine.load(both)[1] == ["d/b: damaged"]
    engine.forget(both)
    assert engine.load(both)[1] == []
    assert list(engine.inspect(both, tweet("a"), None)) == ["d/a", "d/b"]


# From tiny checkpoints


@pytest.fixture
def tiny_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    encoder = tiny.save_encoder(tmp_path / "encoder")
    for seed, name in enumerate(THREE):
        system = name.split("/")[1]
        tiny.save_tagger(tmp_path, tiny.system(system, seed=seed, text_encoder=encoder, on=tiny.encoder()))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(predict, "load_vision_encoder", lambda *_, **__: tiny.TinyVision())
    return tmp_path


def same(one: Inspection, other: Inspection) -> None:
    for f in fields(Inspection):
        a, b = getattr(one, f.name), getattr(other, f.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=f.name)
        elif f.name == "prediction":
            assert (a.id, a.tokens, a.tags, a.notices) == (b.id, b.tokens, b.tags, b.notices)
            np.testing.assert_allclose([s.score for s in a.spans], [s.score for s in b.spans], atol=1e-5)
        elif f.name != "seconds":
            assert a == b, f.name


def test_many_threads_get_what_the_workbench_says(make, tiny_root):
    engine, alone = make(), Workbench.load(THREE, "cpu")
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda e, p: engine.inspect(THREE, e, p), tiny.TWEETS, PICTURES))
        predicted = list(threads.map(lambda name: engine.predict(name, tiny.TWEETS, PICTURES), THREE))
    for e, p, answer in zip(tiny.TWEETS, PICTURES, found, strict=True):
        said = alone.inspect(e, p)
        assert list(answer) == list(THREE)
        for name in THREE:
            same(answer[name], said[name])
    for name, predictions in zip(THREE, predicted, strict=True):
        assert [p.tags for p in predictions] == [said[name].prediction.tags for said in found]
    assert engine.stats().loaded == tuple(sorted(THREE))


def test_work_of_other_kinds_runs_on_the_same_models(make, tiny_root):
    engine = make()
    own = engine.run([THREE[1]], lambda bench: bench.predictors[THREE[1]].own_path(tiny.TWEETS[0], PICTURES[0]))
    (said,) = engine.predict(THREE[1], [tiny.TWEETS[0]], [PICTURES[0]])
    assert len(own.path) == len(said.tags)
    with pytest.raises(CheckpointError, match="nothing/here"):
        engine.inspect(["nothing/here"], tiny.TWEETS[0], None)
