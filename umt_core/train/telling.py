"""What is to be said of a job, in words, for pages and commands. Free of torch."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from umt_core.train.compose import TEST, TRAIN, UNLABELLED, VALID, Part
from umt_core.train.jobs import CANCELLED, DONE, FAILED, INTERRUPTED, QUEUED, RUNNING, STOPPING, Plan, Status

STATES = {
    QUEUED: "waits for its turn",
    RUNNING: "is running",
    STOPPING: "is stopping after this step",
    DONE: "is done",
    FAILED: "has failed",
    CANCELLED: "was cancelled",
    INTERRUPTED: "was interrupted",
}

COUNTING = ("pictures", "teaching")  # events that tell how far one thing is


def clock(seconds: float | None) -> str:
    """A length of time.

    >>> clock(None), clock(42), clock(754), clock(7300)
    ('', '42 s', '13 min', '2 h 2 min')
    """
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Bytes.

    >>> size(700 * 2**20), size(3 * 2**30)
    ('700 MiB', '3.0 GiB')
    """
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def standing(job: Status) -> str:
    """How far a job is."""
    if job.state in (DONE, FAILED, CANCELLED, INTERRUPTED, QUEUED) or job.position is None:
        last = next((event for event in reversed(job.events) if event["event"] in (*COUNTING, "note")), None)
        busy = job.state in (RUNNING, STOPPING)
        return event_text(last) if busy and last else "loads the checkpoint and the data" if busy else STATES[job.state]
    epoch, step, steps = job.position
    if not steps:
        return f"epoch {epoch} of {job.plan.epochs} is done"
    return f"epoch {epoch} of {job.plan.epochs}, step {step} of {steps}, loss {job.losses[-1][1]:.3f}"


def counts(plan: Plan) -> str:
    """What a job trains on and is judged by."""
    words = [f"{plan.counts[TRAIN]:,} tweets to train on"]
    if plan.corrections is not None:
        words.append(f"with corrected labels for {plan.counts['corrected']:,} of them")
    if UNLABELLED in plan.counts:
        words.append(f"{plan.counts[UNLABELLED]:,} without their labels")
    words.append(f"{plan.counts[VALID]:,} to choose the epoch by")
    if TEST in plan.counts:
        words.append(f"{plan.counts[TEST]:,} to test")
    return ", ".join(words)


def facts(job: Status) -> dict[str, str]:
    """What a job was asked to do."""
    asked, corrections = job.request, job.plan.corrections
    rows = {
        "State": STATES[job.state] + (f": {job.line}" if job.line else ""),
        "Starts from": job.plan.base,
        "Mode": asked.mode,
        "Trains on": ", ".join(_part(part) for part in asked.train),
        **_distillation(job),
        "Chooses by": asked.valid.data if asked.valid else "a tenth of these, held out",
        "Tests on": asked.test.data if asked.test else "nothing",
        "Tweets": counts(job.plan),
        "Asked for": job.created[:19].replace("T", " ") + " UTC" + (f" by {asked.author}" if asked.author else ""),
    }
    if asked.devices > 1:
        rows["Devices"] = f"{asked.devices}, which share each batch"
    if corrections:
        changed = f"{corrections['changed']:,} of {corrections['tweets']:,} differ from the data set's"
        rows["Corrections"] = f"{changed}; event {corrections['events']:,}, SHA-256 {corrections['digest'][:12]}"
    if job.checkpoint:
        rows["Result"] = job.checkpoint
    return rows


def _distillation(job: Status) -> dict[str, str]:
    rows = {"Teachers": job.plan.teachers, "Without labels": [_part(part) for part in job.request.unlabelled]}
    return {name: ", ".join(of) for name, of in rows.items() if of}


def event_text(event: dict[str, Any]) -> str:
    """An event of the log."""
    match event:
        case {"event": "epoch", "epoch": epoch, "dev_f1": f1, "loss_total": loss, "seconds": seconds}:
            return f"epoch {epoch}: loss {loss:.3f}, dev F1 {100 * f1:.2f}, {clock(seconds)}"
        case {"event": "step", "epoch": epoch, "step": step, "steps": steps, "loss": loss}:
            return f"epoch {epoch}, step {step} of {steps}: loss {loss:.3f}"
        case {"event": "pictures", "done": done, "total": total}:
            return f"regions of pictures: {done:,} of {total:,}"
        case {"event": "teaching", "what": what, "done": done, "total": total}:
            return f"{what}: {done:,} of {total:,}"
        case {"event": "note", "text": text}:
            return str(text)
        case {"event": "taken"}:
            return "its turn has come"
        case {"event": "start"}:
            return "training begins"
        case {"event": "before", "dev_f1": f1}:
            return f"dev F1 before training: {100 * f1:.2f}"
        case {"event": "resume", "epoch": epoch}:
            return f"training goes on after epoch {epoch}"
        case {"event": "stopped", "epoch": epoch}:
            return f"stopped on request; epoch {epoch} was the last whole one"
        case {"event": "ended", "code": code}:
            return f"the process ended with code {code}"
        case {"event": "done"}:
            return "training is done"
    return str(event["event"])


def no_better(job: Status) -> str | None:
    """A line where no epoch was better on dev than the base; ``None``: one was, or dev can't tell."""
    if job.plan.read_before:
        return None
    best = max((row["dev_f1"] for row in job.history), default=None)
    if best is None or job.before is None or best > job.before:
        return None
    return f"On dev it is no better than what it came from: F1 {100 * best:.2f} against {100 * job.before:.2f}."


def without_repeats(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events with but the last of several in a row that count the same: pictures, or tweets of one teacher."""
    following = (*map(_counted, events[1:]), None)
    return [e for e, after in zip(events, following, strict=False) if _counted(e) is None or _counted(e) != after]


def _counted(event: dict[str, Any] | None) -> tuple[Any, ...] | None:
    if event is None or event["event"] not in COUNTING:
        return None
    return event["event"], event.get("what")


def event_line(event: dict[str, Any]) -> str:
    """An event of the log with its time."""
    moment = datetime.datetime.fromtimestamp(event["time"], datetime.UTC)
    return f"{moment:%H:%M:%S}  {event_text(event)}"


def _part(part: Part) -> str:
    return part.data if part.share == 1 else f"{100 * part.share:.0f} % of {part.data}"
