"""``jobs``: retraining in the background, as the page Train has it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from umt_core.commands.console import TextTable, out, say
from umt_core.commands.store import STORE_OR_DEFAULT, corrections_url
from umt_core.errors import ConfigError
from umt_core.train import jobs
from umt_core.train.compose import Part
from umt_core.train.telling import clock, event_line, event_text, facts, no_better

app = typer.Typer(no_args_is_help=True, help="Retrain in the background: one job at a time, the others wait.")

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="As `jobs list` has it.")]


@app.command("list")
def list_() -> None:
    """Jobs, oldest first, and how far they are."""
    table = TextTable(
        "job", "state", "base", "mode", "epoch", "dev F1", "left", "result", title=str(jobs.jobs_folder())
    )
    for job in jobs.jobs():
        epoch = f"{len(job.history)} of {job.plan.epochs}"
        best = max((row["dev_f1"] for row in job.history), default=None)
        f1 = "" if best is None else f"{100 * best:.2f}"
        result = job.checkpoint or job.line
        table.add_row(job.id, job.state, job.plan.base, job.request.mode, epoch, f1, clock(job.seconds_left), result)
    out.print(table)
    for line in jobs.complaints():
        say(line)


@app.command()
def show(job: JobArgument) -> None:
    """What a job is to do, and what it has done."""
    found = jobs.status(job)
    for name, value in facts(found).items():
        out.print(f"{name + ':':<16}{value}", markup=False, highlight=False)
    for row in found.history:
        out.print(event_text(row), markup=False, highlight=False)


@app.command()
def submit(
    base: Annotated[str, typer.Option(help="Checkpoint to start from: <dataset>/<system>, or a version @of it.")],
    train: Annotated[
        list[str], typer.Option(help="<data set>/<split> or a file, =SHARE of its uncorrected tweets; give several.")
    ],
    valid: Annotated[str, typer.Option(help="To choose the epoch by; by default a tenth of the above.")] = "",
    test: Annotated[str, typer.Option(help="Scored once, at the end.")] = "",
    images: Annotated[str, typer.Option(help="Pictures of the files: a folder or a .tsv.")] = "",
    mode: Annotated[str, typer.Option(help="quick or full")] = "quick",
    corrections: Annotated[str, typer.Option(help=f"{STORE_OR_DEFAULT}.")] = "",
    teacher: Annotated[
        list[str] | None, typer.Option(help="Checkpoint whose marginals are learned beside the labels; give several.")
    ] = None,
    unlabelled: Annotated[
        list[str] | None, typer.Option(help="As --train: tweets of which the teachers' marginals alone are learned.")
    ] = None,
    repeat: Annotated[int, typer.Option(help="How often a corrected tweet stands among the others.")] = 1,
    correct_valid: Annotated[bool, typer.Option(help="Choose the epoch by corrected labels, too.")] = False,
    epochs: Annotated[int | None, typer.Option(help="At most; by default the mode's.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a better dev F1 before it ends; by default the mode's.")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Of the encoder that move; by default the mode's.")] = None,
    rates: Annotated[float | None, typer.Option(help="Factor of the base's learning rates.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the order of tweets, dropout, and which tweets a =SHARE takes.")] = 0,
    version: Annotated[str, typer.Option(help="Name of what comes out; by default the job's.")] = "",
    author: Annotated[str, typer.Option(envvar="UMT_AUTHOR", help="Who asks for it, for the list of jobs.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    devices: Annotated[int, typer.Option(help="Processes that share each batch, one device each.")] = 1,
    wait: Annotated[bool, typer.Option(help="Until the job has ended.")] = False,
) -> None:
    """Put a job into the queue; prints its id. It goes on when this command, or the app, has ended."""
    request = jobs.JobRequest(
        base=base,
        train=tuple(_part("--train", text, images) for text in train),
        teachers=tuple(teacher or ()),
        unlabelled=tuple(_part("--unlabelled", text, images) for text in unlabelled or ()),
        valid=_held(valid, images),
        test=_held(test, images),
        mode=mode,
        store=corrections_url(corrections),
        repeat=repeat,
        correct_valid=correct_valid,
        epochs=epochs,
        patience=patience,
        layers=layers,
        rates=rates,
        seed=seed,
        version=version,
        author=author,
        device=device,
        devices=devices,
    )
    for note in jobs.plan(request).notes:
        say(note)
    identity = jobs.submit(request)
    out.print(identity, markup=False, highlight=False)
    if wait:
        _wait(identity)


@app.command()
def cancel(job: JobArgument) -> None:
    """Take a job out of the queue, or stop it after the step that it is at; it can be resumed."""
    jobs.cancel(job)


@app.command()
def resume(job: JobArgument) -> None:
    """Let a job that was interrupted, cancelled or has failed go on from its last whole epoch."""
    jobs.resume(job)


@app.command()
def remove(job: JobArgument) -> None:
    """Remove a job with its data and log; what came out of it stays."""
    jobs.remove(job)


@app.command()
def log(job: JobArgument) -> None:
    """A job's events as they were written, then what its process printed."""
    for event in jobs.status(job).events:
        out.print(event_line(event), markup=False, highlight=False)
    if text := jobs.log_text(job).strip():
        out.print(text, markup=False, highlight=False)


def _part(option: str, text: str, images: str) -> Part:
    name, equals, share = text.rpartition("=")
    if not equals:
        return Part(text, images=_images(text, images))
    try:
        return Part(name, float(share), _images(name, images))
    except ValueError as error:
        raise ConfigError(f"{option}: wanted DATA or DATA=SHARE, got {text!r}") from error


def _held(name: str, images: str) -> Part | None:
    return Part(name, images=_images(name, images)) if name else None


def _images(name: str, images: str) -> str | None:
    return images if images and Path(name).is_file() else None


def _wait(identity: str) -> None:
    while (job := jobs.status(identity)).state in jobs.OPEN_STATES:
        jobs.ensure_runner()
        time.sleep(1)
    say(f"{job.state}: {job.checkpoint or job.line}")
    if line := no_better(job):
        say(line)
    if job.state != jobs.DONE:
        raise typer.Exit(2)
