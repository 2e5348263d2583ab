"""Jobs of retraining, without their processes: what is asked, what its files say, what comes out of it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core import tiny, tiny_data
from tests.core.disks import make_disk
from tests.core.tiny_jobs import BASE, Home, copy_home, make_template
from umt_core.__main__ import main
from umt_core.checkpoint import load_checkpoint, read_weights
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data import moving
from umt_core.data.jsonl import read_examples
from umt_core.errors import CheckpointError, ConfigError, DataError, JobError
from umt_core.manifest import MANIFEST, file_sum, read_manifest
from umt_core.registry import find_checkpoint, parent_of, versions_folder
from umt_core.schema import Span
from umt_core.train import jobs, runner
from umt_core.train.compose import Part
from umt_core.train.telling import event_line, facts, no_better, standing, without_repeats
from umt_core.versions import rename

TWEETS = tiny_data.tweets()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory)


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of its own; nobody works on its queue but the test."""
    home = copy_home(template, tmp_path, monkeypatch)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield home
    torch.set_num_threads(threads)


def work() -> jobs.Status:
    """Takes the next job and runs it here; its status."""
    taken = runner._take()
    assert taken is not None, "nothing is in the queue"
    folder, lock = taken
    try:
        runner.run(folder)
    finally:
        lock.close()
    return jobs.status(folder.name)


def folder_of(identity: str) -> Path:
    return jobs.jobs_folder() / identity


def states() -> list[str]:
    return [job.state for job in jobs.jobs()]


class Killed(BaseException):
    """What kill -9 is to a process: nothing after it runs, and no ``except Exception`` hears of it."""


def kill_at(patch: pytest.MonkeyPatch, where: object, name: str, *, after: int = 1) -> None:
    """Ends the run in place of the ``after``-th call of a function, once."""
    calls, real = [], getattr(where, name)

    def dying(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == after:
            raise Killed
        return real(*arguments, **options)

    patch.setattr(where, name, dying)


# --- what comes out -------------------------------------------------------------------------------


def test_a_job_leaves_a_version_that_says_how_it_came_about(home):
    url = f"sqlite:///{home.root}/store.sqlite"
    with Store(url) as store:
        key = TweetKey("twitter0/train", "t1")
        store.append(Edit(key, "set", "ann", TWEETS[1].spans, (Span(0, 1, "MISC"),), 0))
        digest = store.digest()
    request = home.request(store=url, repeat=2, seed=5, test=Part("twitter0/test"), author="ann", epochs=2)
    identity = jobs.submit(request)
    job = work()
    assert (job.state, job.checkpoint) == ("done", f"{BASE}@{identity}")
    manifest = read_manifest(versions_folder(BASE) / identity)
    base = find_checkpoint(f"{BASE}@original").manifest
    assert manifest.name == BASE
    assert manifest.parent == {"name": f"{BASE}@original", "weights_sha256": base.weights_sha256}
    assert {"digest": digest, "events": 1, "tweets": 1, "changed": 1}.items() <= manifest.corrections.items()
    assert manifest.model == base.model
    assert (manifest.train.seed, manifest.train.epochs, manifest.train.train_layers) == (5, 2, 1)
    assert manifest.train.learning_rate == pytest.approx(base.train.learning_rate / 4)
    assert {name: row["tweets"] for name, row in manifest.data.items()} == {"train": 13, "valid": 4, "test": 4}
    assert [(row["data"], row["corrected"]) for row in manifest.data["train"]["from"]] == [("twitter0/train", 1)]
    assert manifest.scores.keys() == {"valid", "test"}
    assert sorted(path.name for path in (versions_folder(BASE) / identity).iterdir()) == [
        "README.md", "manifest.json", "weights.safetensors",
    ]  # fmt: skip
    load_checkpoint(versions_folder(BASE) / identity)
    assert facts(job)["Result"] == job.checkpoint
    assert all(event_line(event) for event in job.events)


def test_quick_moves_the_top_and_the_heads_and_leaves_the_rest_bit_for_bit(home):
    jobs.submit(home.request(layers=1, rates=1000.0, epochs=1))
    job = work()
    before = read_weights(home.root / "checkpoints" / BASE)
    after = read_weights(versions_folder(BASE) / job.id)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(("classifier.", "crf.", "encoder.model.encoder.layer.1.")) for name in moved)
    assert {"classifier.weight", "encoder.model.encoder.layer.1.output.dense.weight"} <= moved


def test_full_moves_every_layer(home):
    jobs.submit(home.request(mode="full", layers=None, rates=1000.0, epochs=1))
    before, after = read_weights(home.root / "checkpoints" / BASE), read_weights(versions_folder(BASE) / work().id)
    assert not [name for name in before if "layer.0.output.dense" in name and torch.equal(before[name], after[name])]


def test_a_version_can_be_given_a_name_and_is_a_base_itself(home):
    jobs.submit(home.request(version="first", epochs=1))
    assert work().checkpoint == f"{BASE}@first"
    with pytest.raises(JobError, match="wanted a new version name, got 'first', which is taken"):
        jobs.submit(home.request(version="first"))
    jobs.submit(home.request(f"{BASE}@first", epochs=1))
    grandchild = read_manifest(versions_folder(BASE) / work().id)
    assert grandchild.parent["name"] == f"{BASE}@first"
    with pytest.raises(JobError, match="has a name here, got a folder"):
        jobs.submit(home.request(str(tiny.save_tagger(home.root / "elsewhere", other_base(home), dataset="twitter0"))))
    with pytest.raises(CheckpointError, match="wanted a version's name"):
        home.request(version="../first")


def test_the_data_is_that_of_the_moment_when_the_job_was_asked_for(home):
    url = f"sqlite:///{home.root}/store.sqlite"
    key = TweetKey("twitter0/train", "t1")
    with Store(url) as store:
        store.append(Edit(key, "set", "ann", TWEETS[1].spans, (Span(0, 1, "MISC"),), 0))
        identity = jobs.submit(home.request(store=url, epochs=1))
        store.append(Edit(key, "set", "ann", (Span(0, 1, "MISC"),), (), 1))
    shutil.rmtree(home.root / "data")
    assert work().state == "done"
    written = {e.id: e.spans for e in read_examples(folder_of(identity) / "data" / "train.jsonl")}
    assert written["twitter0/train/t1#1"] == (Span(0, 1, "MISC"),)


def test_a_job_learns_from_teachers_and_from_tweets_without_their_labels(home):
    """Teachers are fixed when the job is asked for; of the tweets without labels none stands among the others."""
    request = home.request(
        teachers=(BASE,), unlabelled=(Part("twitter0/test"), Part("twitter0/train", 0.5)), epochs=1, author="ann"
    )
    assert jobs.plan(request).memory > jobs.plan(replace(request, teachers=(), unlabelled=())).memory
    identity = jobs.submit(request)
    job = work()
    assert job.state == "done", job.line
    assert job.request == request
    assert (job.plan.teachers, job.plan.counts["unlabelled"]) == ((f"{BASE}@original",), 4)  # train is read with labels
    manifest = read_manifest(versions_folder(BASE) / identity)
    base = find_checkpoint(f"{BASE}@original").manifest
    assert manifest.teachers == [{"name": f"{BASE}@original", "weights_sha256": base.weights_sha256}]
    assert manifest.train.teacher_weight == 1
    assert manifest.history[0]["loss_taught"] > 0
    (row,) = manifest.data["unlabelled"]["from"]
    assert (row["data"], row["tweets"]) == ("twitter0/test", 4)
    written = read_examples(folder_of(identity) / "data" / "unlabelled.jsonl")
    assert {example.spans for example in written} == {None}
    said = facts(job)
    assert (said["Teachers"], said["Without labels"]) == (f"{BASE}@original", "twitter0/test, 50 % of twitter0/train")
    assert "12 tweets to train on, 4 without their labels, 4 to choose the epoch by" in said["Tweets"]
    assert any("on unlabelled: 4 of 4" in event_line(event) for event in job.events)
    # What comes next from it is taught again only where that is asked for.
    jobs.submit(home.request(f"{BASE}@{identity}", epochs=1))
    again = read_manifest(versions_folder(BASE) / work().id)
    assert (again.teachers, again.train.teacher_weight) == ([], 0)


def test_teaching_that_cannot_be_is_refused_before_anything_is_done(home):
    with pytest.raises(ConfigError, match="twitter0/test: wanted a teacher to learn from unlabelled tweets, got none"):
        home.request(unlabelled=(Part("twitter0/test"),))
    with pytest.raises(CheckpointError, match="nobody"):
        jobs.submit(home.request(teachers=("twitter0/nobody",)))
    with pytest.raises(DataError, match="unlabelled: wanted tweets that are in no other part, got none among 12"):
        jobs.submit(home.request(teachers=(BASE,), unlabelled=(Part("twitter0/train"),)))
    with pytest.raises(ConfigError, match="wanted each data set once, got twitter0/test again"):
        jobs.submit(home.request(teachers=(BASE,), unlabelled=(Part("twitter0/test"), Part("twitter0/test"))))
    subwords = tiny.system("bert-crf", text_encoder=str(home.root / "encoder"), tagging="subword", word_shape=False)
    tiny.save_tagger(home.root / "checkpoints", subwords, dataset="released")
    with pytest.raises(JobError, match="wanted a tagger of words to learn teachers' marginals, got one of subwords"):
        jobs.submit(home.request("released/bert-crf", train=(Part("twitter0/train"),), valid=None, teachers=(BASE,)))
    assert jobs.jobs() == []


def test_a_job_can_be_cancelled_while_teachers_read(home, monkeypatch):
    identity = jobs.submit(home.request(teachers=(BASE,), epochs=1))
    monkeypatch.setattr(runner._Listener, "should_stop", lambda listener: True)
    assert (work().state, jobs.status(identity).history) == ("cancelled", [])
    told = [event["event"] for event in jobs.status(identity).events]
    assert "teaching" in told
    assert "start" not in told  # not at the first step of training


# --- stops, kills, faults -------------------------------------------------------------------------


def uninterrupted(home: Home) -> bytes:
    identity = jobs.submit(home.request(version="whole"))
    assert work().id == identity
    return (versions_folder(BASE) / "whole" / "weights.safetensors").read_bytes()


def test_wherever_it_is_killed_a_resumed_job_ends_with_the_weights_of_an_unbroken_one(home, monkeypatch):
    from umt_core.train import run

    whole = uninterrupted(home)
    places = [
        (run, "save_state", 1), (run, "save_state", 3), (run, "save_weights", 1), (run, "save_manifest", 1),
        (runner, "_publish", 1), (os, "rename", 1), (runner.jobs, "write_outcome", 1),
        (runner.Log, "write", 4),  # between the first epoch's state and its line
    ]  # fmt: skip
    for where, name, after in places:
        identity = jobs.submit(home.request())
        with monkeypatch.context() as patch:
            if where is os:  # between the note of the name and the move to it
                kill_at(patch, Path, "rename")
            else:
                kill_at(patch, where, name, after=after)
            with pytest.raises(Killed):
                work()
        assert jobs.status(identity).state == "interrupted", name
        served = versions_folder(BASE) / identity
        if name != "write_outcome":
            assert not served.exists(), name
        jobs.resume(identity)
        assert work().state == "done", name
        assert (served / "weights.safetensors").read_bytes() == whole, name
        assert [row["epoch"] for row in jobs.status(identity).history] == [1, 2, 3], name
        assert sorted(path.name for path in served.iterdir()) == ["README.md", "manifest.json", "weights.safetensors"]


@pytest.mark.parametrize("kill", [None, (moving, "_copy"), (moving, "sync"), (moving, "discard"), (moving, "_remove")])
def test_a_version_goes_to_a_disk_of_its_own_once_whatever_kills_its_job(home, monkeypatch, tmp_path, kill):
    disk = make_disk(tmp_path / "disk", monkeypatch)
    versions_folder(BASE).parent.mkdir(parents=True)
    versions_folder(BASE).symlink_to(disk)
    identity = jobs.submit(home.request(epochs=1))
    if kill:
        with monkeypatch.context() as patch:
            kill_at(patch, *kill)
            with pytest.raises(Killed):
                work()
        jobs.resume(identity)
    assert work().state == "done"
    assert [path.name for path in disk.iterdir()] == [identity]
    assert sorted(path.name for path in (disk / identity).iterdir()) == [
        "README.md", "manifest.json", "weights.safetensors",
    ]  # fmt: skip
    assert not (folder_of(identity) / "out").exists()


def test_more_devices_than_there_are_or_than_tweets_in_a_batch_are_refused_before_anything_is_done(
    home, monkeypatch, tmp_path
):
    monkeypatch.setattr(os, "cpu_count", lambda: 100)
    with pytest.raises(ConfigError, match="devices: wanted 1 to 100, the CPU cores of this machine, got 101"):
        jobs.submit(home.request(devices=101))
    with pytest.raises(ConfigError, match="devices: wanted at most batch_size, 16, got 17"):
        jobs.submit(home.request(devices=17))
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).mkdir(parents=True)
    monkeypatch.setattr(jobs, "NODES", tmp_path / "dev")
    assert jobs.devices_there() == (2, "GPUs")
    assert jobs.devices_there("cpu") == (100, "CPU cores")
    with pytest.raises(ConfigError, match="devices: wanted 1 to 2, the GPUs of this machine, got 3"):
        jobs.submit(home.request(devices=3))
    assert jobs.jobs() == []


@pytest.mark.slow
def test_a_job_of_two_devices_asks_for_twice_the_memory_and_leaves_a_version_that_says_so(home, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(ConfigError, match="devices: wanted at least 1, got 0"):
        home.request(devices=0)
    request = home.request(devices=2, device="cpu", epochs=1)
    assert jobs.plan(request).memory == 2 * jobs.plan(home.request()).memory
    identity = jobs.submit(request)
    assert work().state == "done"
    assert read_manifest(versions_folder(BASE) / identity).devices == 2


def test_a_cancelled_job_goes_on_where_it_was(home, monkeypatch):
    whole = uninterrupted(home)
    identity = jobs.submit(home.request())
    asked = runner._Listener.should_stop

    def second_epoch(listener: runner._Listener) -> bool:
        if jobs.status(identity).history:
            jobs.cancel(identity)
            assert jobs.status(identity).state == "stopping"
        return asked(listener)

    with monkeypatch.context() as patch:
        patch.setattr(runner._Listener, "should_stop", second_epoch)
        job = work()
    assert (job.state, len(job.history)) == ("cancelled", 1)
    assert (folder_of(identity) / "stop").exists()  # it must not stop the next try
    jobs.resume(identity)
    job = work()
    assert (job.state, [row["epoch"] for row in job.history]) == ("done", [1, 2, 3])
    assert (versions_folder(BASE) / identity / "weights.safetensors").read_bytes() == whole


def test_how_a_try_ended_is_no_matter_of_the_next_one(home):
    identity = jobs.submit(home.request())
    for code, said in ((-9, "ended by signal 9, perhaps for want of memory"), (None, "ended from outside")):
        folder, lock = runner._take()
        lock.close()
        if code is not None:
            runner.Log(folder / jobs.LOG).write(event="ended", code=code)
        job = jobs.status(identity)
        assert (job.state, said in job.line) == ("interrupted", True), job.line
        jobs.resume(identity)
    # A kill between an outcome and the ticket, of `cancel` or of `resume`: the outcome is not the next try's.
    jobs.write_outcome(folder, jobs.CANCELLED)
    _, lock = runner._take()
    lock.close()
    assert jobs.status(identity).state == "interrupted"


@pytest.mark.parametrize("act", [jobs.cancel, jobs.remove])
def test_what_cannot_be_written_is_one_line(home, monkeypatch, act):
    identity = jobs.submit(home.request())

    def full(self, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "unlink", full)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(JobError, match="wanted to write, got: No space left on device"):
        act(identity)


def test_a_waiting_job_can_be_cancelled_resumed_and_removed(home):
    first, second = (jobs.submit(home.request()) for _ in range(2))
    assert states() == ["queued", "queued"]
    jobs.cancel(first)
    assert states() == ["cancelled", "queued"]
    with pytest.raises(JobError, match="wanted a job that waits or runs, got one that is cancelled"):
        jobs.cancel(first)
    jobs.resume(first)
    with pytest.raises(JobError, match="wanted a job that can go on, got one that is queued"):
        jobs.resume(first)
    assert work().id == first  # it was asked for first
    jobs.remove(second)
    assert [job.id for job in jobs.jobs()] == [first]
    with pytest.raises(JobError, match="can go on, got one that is done"):
        jobs.resume(first)
    jobs.remove(first)
    assert not jobs.jobs()
    assert (versions_folder(BASE) / first / "manifest.json").exists()


def test_a_running_job_is_not_removed(home):
    identity = jobs.submit(home.request())
    _, lock = runner._take()
    assert jobs.status(identity).state == "running"
    with pytest.raises(JobError, match="cancel it first"):
        jobs.remove(identity)
    lock.close()
    assert jobs.status(identity).state == "interrupted"


def test_a_base_that_became_another_checkpoint_is_not_trained_on(home):
    identity = jobs.submit(home.request())
    tiny.save_tagger(home.root / "checkpoints", other_base(home), dataset="twitter0")
    job = work()
    assert job.state == "failed"
    assert "it is another checkpoint by now" in job.line
    assert "failed" in facts(jobs.status(identity))["State"]


def test_a_base_that_gets_another_name_while_a_job_waits_or_rests_is_still_trained_on(home):
    jobs.submit(home.request(version="v1", epochs=1))
    work()
    identity = jobs.submit(home.request(f"{BASE}@v1", epochs=2))
    rename(f"{BASE}@v1", "v2", "ann")
    jobs.cancel(identity)
    jobs.resume(identity)
    job = work()
    assert (job.state, job.line) == ("done", "")
    made = read_manifest(versions_folder(BASE) / job.id)
    assert made.init == f"{BASE}@v1"
    assert parent_of(find_checkpoint(job.checkpoint)).name == f"{BASE}@v2"


def other_base(home: Home) -> object:
    encoder = find_checkpoint(f"{BASE}@original").manifest.model.text_encoder
    return tiny.system("bert-crf", seed=3, text_encoder=encoder)


def test_a_fault_is_shown_with_its_line_and_the_job_can_be_tried_again(home, monkeypatch):
    from umt_core.train import run

    identity = jobs.submit(home.request())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run, "save_state", full)
        with pytest.raises(OSError, match="No space"):
            work()
    job = jobs.status(identity)
    assert (job.state, job.line) == ("failed", "OSError: [Errno 28] No space left on device")
    jobs.resume(identity)
    assert work().state == "done"


# --- before it begins -----------------------------------------------------------------------------


def test_what_cannot_be_done_is_refused_before_anything_is_written(home, monkeypatch):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        jobs.submit(home.request("twitter0/umt-bert-crf"))
    with pytest.raises(DataError, match="wanted to train on other tweets"):
        jobs.submit(home.request(train=(Part("twitter0/train"), Part("twitter0/valid"))))
    with pytest.raises(ConfigError, match="epochs: wanted 1 to 1000"):
        jobs.submit(home.request(epochs=0))
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_available_memory", lambda: 600 * 2**20)
        with pytest.raises(JobError, match="wanted 700 MiB of free memory for the run, got 600"):
            jobs.submit(home.request())
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
        with pytest.raises(JobError, match="wanted 200 MiB of free disk for the run, got 0"):
            jobs.submit(home.request())
    assert not jobs.jobs()
    assert not list(jobs.jobs_folder().glob("*"))


def test_tweets_that_the_base_has_learned_from_are_told_of_where_they_choose_the_epoch(home):
    apart, held_out = (jobs.status(jobs.submit(home.request(valid=valid))) for valid in (Part("twitter0/valid"), None))
    assert (apart.plan.read_before, held_out.plan.read_before) == (False, False)  # the base says nothing of its data
    manifest = home.root / "checkpoints" / BASE / MANIFEST
    values = json.loads(manifest.read_text())
    values["data"] = {"train": {"from": [{"sha256": file_sum(home.root / "data" / "twitter0" / "train.txt")}]}}
    manifest.write_text(json.dumps(values))
    apart, held_out = (jobs.status(jobs.submit(home.request(valid=valid))) for valid in (Part("twitter0/valid"), None))
    assert (apart.plan.read_before, held_out.plan.read_before) == (False, True)
    assert not [note for note in apart.plan.notes if "has been trained on" in note]
    (note,) = (note for note in held_out.plan.notes if "has been trained on" in note)
    assert "twitter0/train" in note
    row = {"epoch": 1, "dev_f1": 0.5}
    worse = [
        replace(of, events=({"event": "before", "dev_f1": 0.9}, {"event": "epoch", **row})) for of in (apart, held_out)
    ]
    assert [no_better(of) is None for of in worse] == [False, True]


def test_a_place_that_cannot_be_written_is_named(home, monkeypatch):
    (home.root / "home").write_text("a file where the folder should be")
    with pytest.raises(JobError, match="wanted a place for the job"):
        jobs.submit(home.request())


def test_the_password_of_a_store_is_not_kept(home, monkeypatch):
    monkeypatch.setattr(jobs, "current_labels", lambda url: ({}, {"store": "postgresql://ann:***@host/db"}))
    identity = jobs.submit(home.request(store="postgresql://ann:secret@host/db"))
    assert not [path for path in folder_of(identity).rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_the_time_is_told_by_what_an_epoch_took_here_before(home):
    assert jobs.plan(home.request()).seconds is None  # the tiny base was never trained
    identity = jobs.submit(home.request())
    work()
    log = folder_of(identity) / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps(row | {"seconds": 24.0}) + "\n" for row in rows))
    plan = jobs.plan(home.request(train=(Part("twitter0/train", 0.5),), epochs=4))
    assert plan.seconds == pytest.approx(24 / 12 * 6 * 4)
    assert jobs.plan(home.request(mode="full")).seconds is None


# --- what files say -------------------------------------------------------------------------------


def test_torn_and_foreign_lines_of_a_log_are_passed_over(home):
    identity = jobs.submit(home.request())
    work()
    log = folder_of(identity) / "log.jsonl"
    whole = jobs.status(identity).events
    log.write_bytes(log.read_bytes() + b'{"time": 1, "event": "ep')
    assert jobs.status(identity).events == whole
    runner.Log(log).write(event="note", text="after")
    assert jobs.status(identity).events[-1]["text"] == "after"  # the next line is not lost with the torn one
    log.write_bytes(b'\xff\xfe\n[1]\n"x"\n{"event": "epoch"}\n\n' + log.read_bytes())
    assert jobs.status(identity).events[:-1] == whole


def test_a_damaged_job_is_named_and_hides_no_other(home):
    good, bad = (jobs.submit(home.request()) for _ in range(2))
    (folder_of(bad) / "request.json").write_text('{"format": 1, "request": {}}')
    assert [job.id for job in jobs.jobs()] == [good]
    (line,) = jobs.complaints()
    assert bad in line
    assert "wanted a job's request" in line


@pytest.mark.parametrize("identity", ["", ".", "..", "../jobs", "a/b", "20260101-000000-abcd", "x" * 300, "\0"])
def test_ids_never_lead_out_of_the_jobs(home, identity):
    for act in (jobs.status, jobs.cancel, jobs.resume, jobs.remove):
        with pytest.raises(JobError, match="no job"):
            act(identity)


def test_the_log_that_is_shown_counts_pictures_once():
    kinds = ["start", "pictures", "pictures", "note", "pictures", "pictures", "pictures"]
    events = [{"time": float(i), "event": kind} for i, kind in enumerate(kinds)]
    assert [event["time"] for event in without_repeats(events)] == [0, 2, 3, 6]
    assert without_repeats([]) == []
    said = [
        {"event": "teaching", "what": what, "done": done} for what in ("a on train", "b on train") for done in (1, 2)
    ]
    assert [(event["what"], event["done"]) for event in without_repeats(said)] == [("a on train", 2), ("b on train", 2)]


def test_how_far_a_job_is_follows_from_its_log(home, monkeypatch):
    identity = jobs.submit(home.request(epochs=4))
    _, lock = runner._take()
    log = folder_of(identity) / "log.jsonl"
    assert standing(jobs.status(identity)) == "loads the checkpoint and the data"
    row = {"loss_total": 2.0, "dev_f1": 0.5}
    rows = [
        {"time": 100.0, "event": "start", "epoch": 0},
        {"time": 105.0, "event": "step", "epoch": 1, "step": 20, "steps": 40, "loss": 2.5},
        {"time": 110.0, "event": "epoch", "epoch": 1, "seconds": 10.0, **row},
        {"time": 115.0, "event": "step", "epoch": 2, "step": 20, "steps": 40, "loss": 1.5},
    ]
    expected = [("step 20", 0.125, 35.0), ("is done", 0.25, 30.0), ("loss 1.500", 0.375, 25.0)]
    for until, (said, fraction, left) in zip((2, 3, 4), expected, strict=True):
        log.write_text("".join(json.dumps(row) + "\n" for row in rows[:until]))
        monkeypatch.setattr(jobs.time, "time", lambda now=rows[until - 1]["time"]: now)
        job = jobs.status(identity)
        assert said in standing(job)
        assert (job.fraction, job.seconds_left) == (fraction, pytest.approx(left))
    assert job.losses == [(0.5, 2.5), (1.5, 1.5)]
    assert no_better(job) is None  # it is not known what the base had
    for before, worse in ((0.4, False), (0.5, True), (0.6, True)):
        log.write_text(
            "".join(json.dumps(r) + "\n" for r in [*rows, {"time": 99, "event": "before", "dev_f1": before}])
        )
        assert bool(no_better(jobs.status(identity))) == worse
    lock.close()


# --- by command -----------------------------------------------------------------------------------


def test_jobs_are_told_and_steered_by_command(home, capsys):
    command = ["jobs", "submit", "--base", BASE, "--train", "twitter0/train=0.5", "--valid", "twitter0/valid"]
    assert main([*command, "--epochs", "2", "--version", "half"]) == 0
    identity = capsys.readouterr().out.strip()
    assert jobs.status(identity).request.train == (Part("twitter0/train", 0.5),)
    assert main(["jobs", "cancel", identity]) == 0
    assert main(["jobs", "cancel", identity]) == 2
    assert "got one that is cancelled" in capsys.readouterr().err
    assert main(["jobs", "resume", identity]) == 0
    work()
    for told, words in (("list", (identity, "done", "@half")), ("show", ("50 % of twitter0/train", "epoch 2:"))):
        assert main(["jobs", told, *([identity] if told == "show" else [])]) == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words), printed
    assert main(["jobs", "log", identity]) == 0
    assert "training is done" in capsys.readouterr().out
    assert main(["jobs", "remove", identity]) == 0
    assert main(["jobs", "show", identity]) == 2
    assert main([*command, "--train", "twitter0/train=lots"]) == 2
    assert "wanted DATA or DATA=SHARE" in capsys.readouterr().err
