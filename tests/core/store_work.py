"""What another process does to a store: ``python -m tests.core.store_work WORK URL …``. Each stored event is a line.

The line is written when the store has answered, so whoever reads it may count on the event.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from umt_core.corrections.events import ConflictError, Edit, Event, TweetKey
from umt_core.corrections.store import Store
from umt_core.errors import StoreError
from umt_core.schema import Span

LIFE = 0.02  # seconds, on average, from the last answer that was waited for to the kill


def line(event: Event) -> str:
    return json.dumps(asdict(event), sort_keys=True)


def work(store: Store, author: str, chance: random.Random, tell) -> None:
    """One thing that an author does."""
    keys = [TweetKey("made/test", str(chance.randrange(20))) for _ in range(chance.choice([1, 1, 4]))]
    kind = chance.choice(["edit", "edit", "edit", "undo", "redo"])
    try:
        if kind == "edit":
            edits = [_edit(store, key, author, chance) for key in dict.fromkeys(keys)]
            tell(store.append_all(edits))
        elif event := getattr(store, kind)(author, keep=True):
            tell([event])
    except ConflictError:
        pass  # another process was quicker; nothing was stored


def _edit(store: Store, key: TweetKey, author: str, chance: random.Random) -> Edit:
    now = store.labels(key)
    spans = (Span(0, chance.randrange(1, 30), "PER"),)
    return Edit(key, "set", author, now.spans or (), spans, now.revision, reason="a reason " * chance.randrange(40))


def say(events: list[Event]) -> None:
    os.write(1, "".join(f"{line(event)}\n" for event in events).encode())


def write(url: str, author: str, times: str) -> None:
    """So many things, while other processes do the same."""
    chance = random.Random(author)
    with Store(url) as store:
        for _ in range(int(times)):
            work(store, author, chance, say)


def fill(url: str, limit: str) -> None:
    """Edits until the store refuses one; no file may grow over ``limit`` bytes, if that is not 0."""
    with Store(url) as store:
        if int(limit):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        chance = random.Random(0)
        try:
            while True:
                edit = _edit(store, TweetKey("made/test", str(chance.random())), "ann", chance)
                say([store.append(replace(edit, reason="long " * 500))])
        except StoreError as error:
            print(f"refused: {error}", file=sys.stderr)


def kill(url: str, rounds: str) -> None:
    """Kills a writer again and again; whether all that it was answered is there."""
    chance, answered, kept = random.Random(0), [], set()
    for round_ in range(int(rounds)):
        answered += _killed(url, f"author {round_ % 3}", chance, opened=True)
        kept = _kept(url)
        if lost := [told for told in answered if told not in kept]:
            sys.exit(f"round {round_}: lost {lost[0]}")
    print(json.dumps({"rounds": int(rounds), "answered": len(answered), "kept": len(kept)}))


def kill_new(folder: str, rounds: str) -> None:
    """Kills a process that makes a store, again and again; whether what it leaves is one."""
    chance = random.Random(0)
    for round_ in range(int(rounds)):
        url = f"sqlite:///{folder}/{round_}.sqlite"
        answered = _killed(url, "ann", chance, opened=False)
        assert set(answered) <= _kept(url)


def _kept(url: str) -> set[str]:
    with Store(url) as store:
        store.verify()
        return {line(event) for event in store.events()}


def _killed(url: str, author: str, chance: random.Random, *, opened: bool) -> list[str]:
    """What a writer was answered before it was killed; it is given the time to open the store, or not."""
    reader, writer = os.pipe()
    seed = chance.random()
    if (pid := os.fork()) == 0:
        os.dup2(writer, 1)
        with Store(url) as store:
            os.write(1, b"\n")
            its_chance = random.Random(seed)
            while True:
                work(store, author, its_chance, say)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        begun = [pipe.readline() for _ in range(1 + chance.randrange(6) if opened else 0)]
        time.sleep(min(1, chance.expovariate(1 / LIFE)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        told = "".join(begun) + pipe.read()
    return told.rpartition("\n")[0].split("\n")[1:]  # after the line that says that it is open, and whole ones


def back_up(url: str, folder: str, rounds: str) -> None:
    """Kills a backup again and again; whether a half one has its name."""
    chance = random.Random(0)
    for round_ in range(int(rounds)):
        path = Path(folder) / f"{round_}.sqlite"
        if (pid := os.fork()) == 0:
            with Store(url, read_only=True) as store:
                store.backup(path)
            os._exit(0)
        time.sleep(chance.uniform(0, LIFE * 10))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if path.exists():
            with Store(f"sqlite:///{path}", read_only=True) as copy:
                copy.verify()
    print(len(list(Path(folder).glob("*.sqlite"))))


if __name__ == "__main__":
    {"write": write, "fill": fill, "kill": kill, "kill_new": kill_new, "back_up": back_up}[sys.argv[1]](*sys.argv[2:])
