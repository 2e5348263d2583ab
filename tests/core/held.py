"""The command line in a process whose training waits: ``python -m tests.core.held WHERE ARGUMENTS``.

WHERE is ``fourth-epoch``: after its first step it waits until the process is ended or told to stop; or a folder: it
begins when two processes that were given the same folder have come as far.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from umt_core.__main__ import main
from umt_core.train.loop import Epoch, OnStep, Trainer

FOURTH_EPOCH = "fourth-epoch"
LONGEST = 600  # seconds, after which a process that nobody ends goes on
_run_epoch = Trainer._run_epoch


def held_in_fourth_epoch(trainer: Trainer, on_step: OnStep) -> Epoch:
    def step(*told: object) -> None:
        on_step(*told)
        until = time.monotonic() + LONGEST
        while trainer.epoch == 3 and time.monotonic() < until:
            time.sleep(0.02)
            on_step(*told)  # which ends the run where that was asked for

    return _run_epoch(trainer, step)


def held_until_two(trainer: Trainer, on_step: OnStep) -> Epoch:
    folder, until = Path(sys.argv[1]), time.monotonic() + LONGEST
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    return _run_epoch(trainer, on_step)


if __name__ == "__main__":
    Trainer._run_epoch = held_in_fourth_epoch if sys.argv[1] == FOURTH_EPOCH else held_until_two
    sys.exit(main(sys.argv[2:]))
