"""Several processes that train together: what they learn is what one would have learned, and they end together."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core.test_training import ROOT, World
from tests.core.tiny import save_encoder
from tests.core.tiny_data import write_data
from umt_core.__main__ import main
from umt_core.checkpoint import read_weights
from umt_core.devices import pick_devices
from umt_core.errors import ConfigError
from umt_core.train.run import run_job
from umt_core.train.sharing import Team

EPOCHS = 500  # more than a test waits for
LIMIT = 600  # seconds that a process is waited for at most


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(os, "cpu_count", lambda: 8)
        encoder = Path(save_encoder(folder / "encoder"))
        config = json.loads((encoder / "config.json").read_text())
        # Without dropout in the encoder, too: each process would draw its own.
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (encoder / "config.json").write_text(json.dumps(config))
        yield World(str(encoder), write_data(folder / "data"))


def test_every_tweet_of_a_batch_is_one_processs_and_shares_add_up_to_the_batch():
    for tweets in range(1, 10):
        for size in range(1, 5):
            parts = [Team(rank, size).rows(tweets) for rank in range(size)]
            assert sum(share for _, share in parts) == pytest.approx(1)
            counted = [i for rows, share in parts if share for i in range(tweets)[rows]]
            assert sorted(counted) == list(range(tweets))
            assert all(range(tweets)[rows] for rows, _ in parts)


def _exchange(rank: int, port: int, out: mp.Queue) -> None:
    store = torch.distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    shared, own, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(3))
    shared.grad = torch.tensor([1.0, 2.0]) * (rank + 1)
    own.grad = torch.tensor([5.0, 7.0]) if rank else None
    losses = Team(rank, 2).add_up([shared, own, unused], {"total": torch.tensor(4.0 + rank)}, (0.75, 0.25)[rank])
    parts = Team(rank, 2).gather(rank)
    out.put((shared.grad.tolist(), own.grad.tolist(), unused.grad, float(losses["total"]), parts))
    torch.distributed.destroy_process_group()


def test_gradients_are_summed_and_a_parameter_that_nobody_used_has_none():
    context = mp.get_context("fork")
    store = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True)
    port, out = store.port, context.Queue()
    del store
    processes = [context.Process(target=_exchange, args=(rank, port, out)) for rank in range(2)]
    for process in processes:
        process.start()
    said = [out.get(timeout=LIMIT) for _ in processes]
    for process in processes:
        process.join(LIMIT)
    assert said == [([3.0, 6.0], [5.0, 7.0], None, 4.25, [0, 1])] * 2


def test_more_devices_than_there_are_is_one_line(world, tmp_path, monkeypatch, capsys):
    with pytest.raises(ConfigError, match="wanted 1 to 8, which is how many CPU cores this machine has, got 9"):
        pick_devices("cpu", 9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_devices("auto", 2) == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(ConfigError, match="wanted 1 to 2, which is how many cuda devices this machine has, got 3"):
        pick_devices("auto", 3)
    assert main([*world.command(tmp_path / "run", "bert-crf", 1), "--device", "cpu", "--devices", "0"]) == 2
    assert capsys.readouterr().err == (
        "error: devices: wanted 1 to 8, which is how many CPU cores this machine has, got 0\n"
    )
    with pytest.raises(ConfigError, match="devices: wanted at most batch_size, 2, got 3"):
        run_job(replace(world.job(tmp_path / "other", batch_size=2), device="cpu", devices=3))


@pytest.mark.slow
def test_two_processes_learn_what_one_does(world, tmp_path):
    # Ten tweets in threes: shares are 2 and 1, and of the last batch 1 and 0.
    settings = {"dropout": 0.0, "word_dropout": 0.2, "precision": "float32", "batch_size": 3, "epochs": 3}
    runs = {}
    for devices in (1, 2):
        job = world.job(tmp_path / str(devices), "umt-bert-crf", **settings)
        runs[devices] = run_job(replace(job, device="cpu", devices=devices))
    one, two = runs[1], runs[2]
    for row, other in zip(one.history, two.history, strict=True):
        for name in row.keys() - {"seconds"}:
            assert other[name] == pytest.approx(row[name], rel=1e-4, abs=1e-4)
    weights = [read_weights(tmp_path / str(n), runs[n].weights_sha256) for n in (1, 2)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name].float(), value.float(), rtol=1e-2, atol=2e-3, msg=name)
    assert one.scores == two.scores
    assert (one.devices, two.devices) == (1, 2)
    files = [sorted(path.name for path in (tmp_path / str(n)).iterdir()) for n in (1, 2)]
    assert files[0] == files[1]


def _launch(world: World, output: Path) -> tuple[subprocess.Popen[str], int]:
    """A run of two processes that has begun to train, and the number of the second."""
    command = [*world.command(output, "bert-crf", EPOCHS), "--device", "cpu", "--devices", "2"]
    before = len(_epochs(output))
    process = subprocess.Popen(
        [sys.executable, "-m", "umt_core", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        if len(_epochs(output)) > before:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            (helper,) = (int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes())
            return process, helper
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no epoch: {process.communicate()[1]}")


def _epochs(output: Path) -> list[dict]:
    log = output / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]] if log.exists() else []
    return [row for row in rows if row["event"] == "epoch"]


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and its last line, when it and all that write where it does have ended."""
    said = process.communicate(timeout=LIMIT)[1]
    assert "Traceback" not in said
    assert not re.search(r"\bW\d{4} ", said)  # torch's warnings
    return process.returncode, said.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the second process in /proc")
def test_when_one_process_ends_the_other_does_with_a_line_and_the_same_command_goes_on(world, tmp_path):
    process, helper = _launch(world, tmp_path)
    os.kill(helper, signal.SIGKILL)
    code, line = _end(process)
    assert code == 2
    assert line == (
        "error: process 1 of 2 (counted from 0) is gone: it was ended by signal 9, perhaps for want of memory; "
        "started again, the run goes on from the last whole epoch"
    )
    process, helper = _launch(world, tmp_path)
    process.kill()
    code, line = _end(process)
    assert code == -signal.SIGKILL
    assert line == (
        "error: process 0 of 2 is gone, process 1 ends; started again, the run goes on from the last whole epoch"
    )
    process, helper = _launch(world, tmp_path)
    for one in (process.pid, helper):  # as a terminal has it
        os.kill(one, signal.SIGINT)
    code, line = _end(process)
    assert code == 130
    assert line.startswith("stopped; the same command goes on from the last whole epoch")
    assert not Path(f"/proc/{helper}").exists()
    epochs = [row["epoch"] for row in _epochs(tmp_path)]
    assert epochs == list(range(1, epochs[-1] + 1))
    assert not (tmp_path / "manifest.json").exists()
