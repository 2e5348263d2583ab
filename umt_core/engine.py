"""One engine for all callers: models that stay loaded, and one thread that runs them over what many ask at once.

Free of torch until a model is loaded.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from PIL import Image

from umt_core.errors import DataError, UmtError, first_line, is_out_of_memory
from umt_core.registry import CheckpointInfo, find_checkpoint
from umt_core.schema import Example, Inspection, Prediction

if TYPE_CHECKING:
    from umt_core.predict import Workbench

T = TypeVar("T")

Chosen = Sequence[CheckpointInfo | str]
Load = Callable[[Sequence[CheckpointInfo], str], "Workbench"]  # checkpoints, device
Weights = tuple[tuple[str, str], ...]  # names of checkpoints, each with the SHA-256 of its weights

SETS = 3  # of checkpoints that stay loaded
REMEMBERED_BYTES = 64_000_000  # of the arrays of remembered answers
ODD_WORDS = 8  # by which a tweet may be longer than twice another and still share its batch


class DeviceMemoryError(UmtError):
    """A single tweet does not fit the device's memory."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done since it was made, and what it holds now."""

    requests: int  # tweets that were asked about
    answered_from_memory: int
    joined: int  # asked while the same was being computed, and answered with it
    batches: int
    tweets_per_batch: float  # mean
    waiting: int  # tweets in the queue now
    out_of_memory: int  # batches that did not fit the device and were halved, or tweets that did not fit at all
    loaded: tuple[str, ...]  # names of checkpoints


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A workbench, and the weights that it was asked to hold."""

    weights: Weights
    workbench: Workbench

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.weights)


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """One tweet that waits for its answer. It holds its models: whatever is loaded meanwhile, these answer it."""

    kind: Literal["inspect", "predict"]
    loaded: _Loaded
    names: tuple[str, ...]
    example: Example
    picture: Image.Image | None
    key: Hashable
    answer: Future[Any]

    def alike(self, other: _Request) -> bool:
        """Whether one batch can answer both."""
        return (self.kind, self.loaded, self.names) == (other.kind, other.loaded, other.names)


class Engine:
    """Loads checkpoints once and answers many threads, each tweet by just the weights that were asked for.

    Every call blocks until it is answered. Whatever waits when the models are free is answered in one batch, of
    tweets of like length; nothing waits for company. The same question is computed once.

    A checkpoint given by its ``CheckpointInfo`` is those weights. Given by name it is what is served under it, and
    while a version that was just promoted is loading for the first time the one before it still answers.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        batch_size: int = 32,
        remembered: int = 512,
        sets: int = SETS,
        mixed: bool = False,
        load: Load | None = None,
    ) -> None:
        """
        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            batch_size: tweets of a batch, at most.
            remembered: answers that are kept, at most; fewer where their arrays have more than ``REMEMBERED_BYTES``.
            sets: of checkpoints that stay loaded; the one that was not asked for longest leaves first.
            mixed: on CUDA multiply in 16 bits: quicker, and the numbers are not quite the same.
            load: makes the workbench of some checkpoints on a device, in place of ``Workbench.load``.
        """
        self.device = device
        self.batch_size = batch_size
        self._load = load or partial(_load_workbench, mixed=mixed)
        self._most_sets = sets
        self._memory = _Memory(remembered, REMEMBERED_BYTES)
        self._lock = threading.Lock()  # of all that follows; held for moments, never while a model runs or loads
        self._sets: OrderedDict[Weights, _Loaded] = OrderedDict()
        self._loading: dict[Weights, Future[_Loaded]] = {}
        self._asked: dict[str, str] = {}  # name -> the weights that it stood for when it was last asked for by name
        self._reached: dict[str, str] = {}  # name -> those of them that were last there: none before them stand in
        self._queue: deque[_Request] = deque()
        self._in_flight: dict[Hashable, Future[Any]] = {}
        self._closed = False
        self._requests = self._from_memory = self._joined = 0
        self._batches = self._batched = self._out_of_memory = 0
        # One thread runs every model: torch has its own threads below it, and they do not add up by caller.
        self._models = ThreadPoolExecutor(1, "inference")
        self._loader = ThreadPoolExecutor(1, "loading")

    # --- what callers ask ---------------------------------------------------------------------------

    def inspect(self, chosen: Chosen, example: Example, picture: Image.Image | None) -> dict[str, Inspection]:
        """What each tagger says of a tweet, by checkpoint name; one that cannot be loaded is left out.

        Raises:
            DataError: the tweet has no word.
            CheckpointError: there is no checkpoint of a name.
            ConfigError: there is no such device.
            DeviceMemoryError: the tweet does not fit the device.
        """
        if not example.tokens:
            raise DataError("wanted a tweet with at least one word, got none")
        loaded, names = self._loaded(chosen)
        found: dict[str, Inspection] = self._ask("inspect", loaded, names, example, picture).result()
        return {name: _inspection_named(inspection, example) for name, inspection in found.items()}

    def predict(
        self,
        checkpoint: CheckpointInfo | str,
        examples: Sequence[Example],
        pictures: Sequence[Image.Image | None] | None = None,
    ) -> list[Prediction]:
        """Entities of each tweet, with their probabilities.

        Tweets are asked about a batch at a time, so that others come to their turn between them.

        Raises:
            DataError: as many pictures as tweets were wanted.
            CheckpointError, BackboneError: the checkpoint or an encoder of it cannot be loaded.
            ConfigError: there is no such device.
            DeviceMemoryError: a tweet does not fit the device.
        """
        shown = [None] * len(examples) if pictures is None else pictures
        if len(shown) != len(examples):
            raise DataError(f"wanted a picture or None for each of {len(examples)} tweets, got {len(shown)}")
        loaded, names = self._loaded([checkpoint])
        if failure := loaded.workbench.failures.get(names[0]):
            raise type(failure)(str(failure))  # the same one again and again would gather the frames of all who asked
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
        found: dict[int, Prediction] = {}
        for start in range(0, len(order), self.batch_size):
            part = order[start : start + self.batch_size]
            answers = [self._ask("predict", loaded, names, examples[i], shown[i]) for i in part]
            found |= {i: _named(answer.result(), examples[i]) for i, answer in zip(part, answers, strict=True)}
        return [found[i] for i in range(len(examples))]

    def run(self, chosen: Chosen, work: Callable[[Workbench], T]) -> T:
        """What ``work`` makes of the ``Workbench`` of these checkpoints, in the thread that runs every model.

        Nothing of it is kept. Whoever waits meanwhile waits for all of ``work``: long work is asked for piece by piece.

        Raises:
            DeviceMemoryError: ``work`` does not fit the device.
        """
        return self.runner(chosen)(work)

    def runner(self, chosen: Chosen) -> Callable[[Callable[[Workbench], T]], T]:
        """``run`` of these checkpoints, held to the weights that are theirs now."""
        loaded, names = self._loaded(chosen)
        workbench = loaded.workbench.only(names)
        return lambda work: self.run_alone(lambda: work(workbench))

    def run_alone(self, work: Callable[[], T]) -> T:
        """Work that wants no workbench, in the thread that runs every model."""
        self._check_open()
        try:
            return self._models.submit(work).result()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
        with self._lock:
            self._out_of_memory += 1
        _free_memory()
        raise DeviceMemoryError(f"{self.device}: wanted memory for this work, got: {reason}")

    def load(self, chosen: Chosen) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Loads the taggers of these checkpoints, once.

        What each says of itself (device, parameters, memory, encoders) by checkpoint name, and a line for
        each that could not be loaded; the others go on without it.

        Raises:
            CheckpointError: there is no checkpoint of a name.
            ConfigError: there is no such device.
        """
        infos = self._found(chosen)
        with self._lock:
            self._asked |= _by_name(chosen, infos)
        workbench = self._wait_for(infos).workbench
        lines = [_complaint(info, workbench.failures[info.name]) for info in infos if info.name in workbench.failures]
        held = {info.name: workbench.predictors[info.name] for info in infos if info.name in workbench.predictors}
        return {name: predictor.info for name, predictor in held.items()}, lines

    def forget(self, chosen: Chosen) -> None:
        """Drops what was loaded of these checkpoints, and what they said: the reader has mended one of them."""
        weights = set(_weights(self._found(chosen)))
        with self._lock:
            for held in [held for held in self._sets if weights & set(held)]:
                del self._sets[held]
            self._memory.forget(weights)

    def stats(self) -> EngineStats:
        with self._lock:
            return EngineStats(
                self._requests,
                self._from_memory,
                self._joined,
                self._batches,
                self._batched / self._batches if self._batches else 0.0,
                len(self._queue),
                self._out_of_memory,
                tuple(sorted({name for held in self._sets.values() for name in held.workbench.predictors})),
            )

    def close(self) -> None:
        """Answers what waits, then lets the models go. Who asks after this gets an error."""
        with self._lock:
            self._closed = True
        self._loader.shutdown()
        self._models.shutdown()
        with self._lock:
            self._sets.clear()

    # --- checkpoints --------------------------------------------------------------------------------

    def _found(self, chosen: Chosen) -> list[CheckpointInfo]:
        return [find_checkpoint(one) if isinstance(one, str) else one for one in chosen]

    def _loaded(self, chosen: Chosen) -> tuple[_Loaded, tuple[str, ...]]:
        """The workbench that answers for these checkpoints, and their names in it."""
        infos = self._found(chosen)
        names = tuple(info.name for info in infos)
        wanted = _weights(infos)
        free = _by_name(chosen, infos)
        with self._lock:
            self._asked |= free
            held = self._holding(wanted)
            if held:
                self._reached |= free
            # By name alone one may have been promoted a moment ago: what was served before answers until it is there.
            before = None if held or not free else self._standing_in(wanted, set(free))
        if before is not None:
            self._start_loading(infos)
            return before, names
        return held or self._wait_for(infos), names

    def _wait_for(self, infos: Sequence[CheckpointInfo]) -> _Loaded:
        return self._start_loading(infos).result()

    def _holding(self, wanted: Weights) -> _Loaded | None:
        """With the lock: a set that has just these weights, or more besides."""
        for weights, held in reversed(self._sets.items()):
            if set(wanted) <= set(weights):
                self._sets.move_to_end(weights)
                return held
        return None

    def _standing_in(self, wanted: Weights, free: set[str]) -> _Loaded | None:
        """With the lock: the set last asked for that differs from what is wanted only in weights of the free names.

        Of a free name that are the weights it had last: once newer ones were there, who asks does not go back.
        """

        def may(name: str, digest: str, found: str) -> bool:
            return found == digest or (name in free and found == self._reached.get(name, found))

        for weights, held in reversed(self._sets.items()):
            sums = dict(weights)
            usable = (name in held.workbench.predictors for name, _ in wanted)
            if all(usable) and all(may(name, digest, sums[name]) for name, digest in wanted):
                self._sets.move_to_end(weights)
                return held
        return None

    def _start_loading(self, infos: Sequence[CheckpointInfo]) -> Future[_Loaded]:
        wanted = _weights(infos)
        with self._lock:
            if held := self._holding(wanted):
                done: Future[_Loaded] = Future()
                done.set_result(held)
                return done
            if wanted not in self._loading:
                self._check_open()
                self._loading[wanted] = self._loader.submit(self._load_set, wanted, list(infos))
            return self._loading[wanted]

    def _load_set(self, wanted: Weights, infos: Sequence[CheckpointInfo]) -> _Loaded:
        try:
            loaded = _Loaded(wanted, self._load(infos, self.device))
            with self._lock:
                self._sets[wanted] = loaded
                self._reached |= {name: digest for name, digest in wanted if self._asked.get(name) == digest}
                self._leave_out()
            return loaded
        finally:
            with self._lock:
                del self._loading[wanted]

    def _leave_out(self) -> None:
        """With the lock: the sets beyond those that may stay, and one whose every checkpoint is in the newest."""
        newest = next(reversed(self._sets))
        for weights in [w for w in self._sets if w != newest and set(w) <= set(newest)]:
            del self._sets[weights]
        while len(self._sets) > self._most_sets:
            self._sets.popitem(last=False)

    # --- questions and batches ----------------------------------------------------------------------

    def _ask(
        self,
        kind: Literal["inspect", "predict"],
        loaded: _Loaded,
        names: tuple[str, ...],
        example: Example,
        picture: Image.Image | None,
    ) -> Future[Any]:
        sums = dict(loaded.weights)
        weights = tuple((name, sums[name]) for name in names)
        key = (kind, weights, example.tokens, None if picture is None else picture_sum(picture))
        with self._lock:
            self._check_open()
            self._requests += 1
            if (known := self._memory.get(key)) is not None:
                self._from_memory += 1
                return known
            if (same := self._in_flight.get(key)) is not None:
                self._joined += 1
                return same
            answer: Future[Any] = Future()
            self._in_flight[key] = answer
            self._queue.append(_Request(kind, loaded, names, example, picture, key, answer))
            self._models.submit(self._answer_next)
            return answer

    def _answer_next(self) -> None:
        """In the models' thread: one batch of what waits. As often called as there are questions: mostly in vain."""
        with self._lock:
            if not self._queue:
                return
            batch = self._take()
        self._answer(batch)

    def _take(self) -> list[_Request]:
        """With the lock: who has waited longest, and those of the queue whose tweets are most like its in length."""
        first = self._queue.popleft()
        length = len(first.example.tokens)

        def apart(other: _Request) -> int:
            return abs(len(other.example.tokens) - length)

        def fits(other: _Request) -> bool:
            short, long = sorted((len(other.example.tokens), length))
            return first.alike(other) and long <= 2 * short + ODD_WORDS

        company = sorted(filter(fits, self._queue), key=apart)[: self.batch_size - 1]
        taken = set(map(id, company))
        self._queue = deque(request for request in self._queue if id(request) not in taken)
        return [first, *company]

    def _answer(self, batch: list[_Request]) -> None:
        """Answers a batch, in halves where it does not fit the device or one of its tweets is to blame for an error."""
        try:
            found = self._compute(batch)
        except BaseException as error:
            found, reason, is_memory = [], error, is_out_of_memory(error)
        else:
            self._settle(batch, found)
            return
        if is_memory:
            # The traceback holds the tensors that did not fit.
            reason = DeviceMemoryError(f"{self.device}: wanted memory for one tweet, got: {first_line(reason)}")
            with self._lock:
                self._out_of_memory += 1
                if len(batch) > 1:  # one tweet that is too large says nothing of others
                    self.batch_size = min(self.batch_size, len(batch) // 2)
            _free_memory()
        if len(batch) == 1:
            with self._lock:
                del self._in_flight[batch[0].key]
            batch[0].answer.set_exception(reason)
            return
        half = len(batch) // 2
        self._answer(batch[:half])
        self._answer(batch[half:])

    def _compute(self, batch: Sequence[_Request]) -> list[Any]:
        first = batch[0]
        examples, pictures = [request.example for request in batch], [request.picture for request in batch]
        if first.kind == "inspect":
            return list(first.loaded.workbench.only(first.names).inspect_many(examples, pictures))
        predictor = first.loaded.workbench.predictors[first.names[0]]
        return predictor.predict(examples, pictures, batch_size=len(batch))

    def _settle(self, batch: Sequence[_Request], found: Sequence[Any]) -> None:
        with self._lock:
            self._batches += 1
            self._batched += len(batch)
            for request, answer in zip(batch, found, strict=True):
                self._memory.keep(request.key, request.answer, _array_bytes(answer))
                del self._in_flight[request.key]
        for request, answer in zip(batch, found, strict=True):
            request.answer.set_result(answer)

    def _check_open(self) -> None:
        if self._closed:
            raise UmtError("wanted an engine that is open, this one was closed")


class _Memory:
    """The answers last asked for, at most so many and of so many bytes. Used with the engine's lock."""

    def __init__(self, entries: int, most_bytes: int) -> None:
        self.entries = entries
        self.most_bytes = most_bytes
        self.bytes = 0
        self._answers: OrderedDict[Any, tuple[Future[Any], int]] = OrderedDict()

    def get(self, key: Hashable) -> Future[Any] | None:
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key][0]

    def keep(self, key: Hashable, answer: Future[Any], size: int) -> None:
        self._answers[key] = answer, size
        self.bytes += size
        while len(self._answers) > self.entries or self.bytes > self.most_bytes:
            self.bytes -= self._answers.popitem(last=False)[1][1]

    def forget(self, weights: Iterable[tuple[str, str]]) -> None:
        """Drops what was said by any of these weights."""
        gone = set(weights)
        for key in [key for key in self._answers if gone & set(key[1])]:
            self.bytes -= self._answers.pop(key)[1]


def picture_sum(picture: Image.Image) -> str:
    """What a picture's content is known by: its pixels and their form, whatever file they came from."""
    digest = hashlib.blake2b(repr((picture.mode, picture.size)).encode(), digest_size=20)
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _load_workbench(infos: Sequence[CheckpointInfo], device: str, *, mixed: bool) -> Workbench:
    from umt_core.predict import Workbench

    return Workbench.load(infos, device, leave_out=True, mixed=mixed)


def _weights(infos: Sequence[CheckpointInfo]) -> Weights:
    return tuple((info.name, info.manifest.weights_sha256) for info in infos)


def _by_name(chosen: Chosen, infos: Sequence[CheckpointInfo]) -> dict[str, str]:
    """The weights of those that were asked for by name, not as just these weights."""
    return dict(_weights([info for info, one in zip(infos, chosen, strict=True) if isinstance(one, str)]))


def _complaint(info: CheckpointInfo, failure: UmtError) -> str:
    return str(failure).replace(str(info.folder), info.name)


def _named(prediction: Prediction, example: Example) -> Prediction:
    """The prediction under the tweet's own id: it may have been computed for another tweet of the same words."""
    return prediction if prediction.id == example.id else replace(prediction, id=example.id)


def _inspection_named(inspection: Inspection, example: Example) -> Inspection:
    prediction = _named(inspection.prediction, example)
    return inspection if prediction is inspection.prediction else replace(inspection, prediction=prediction)


def _array_bytes(answer: object) -> int:
    """Bytes of the arrays of a prediction, or of inspections by name."""
    if not isinstance(answer, dict):
        return 0
    values = (getattr(inspection, f.name) for inspection in answer.values() for f in fields(inspection))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _free_memory() -> None:
    """Gives back what torch keeps of a device's memory for itself."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
