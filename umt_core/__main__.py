"""The command line: ``python -m umt_core COMMAND``. Every command ends with 0, or with one line and 2.

torch is imported inside commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from umt_core.commands import backup, bias, faithfulness, jobs, patterns, users, what_if
from umt_core.commands.checkpoints import app as checkpoints_app
from umt_core.commands.console import (
    Device,
    ImagesOption,
    TextTable,
    advance,
    check_place,
    comparison_table,
    image_index,
    out,
    pairs,
    progress_bar,
    reporter,
    rows_table,
    say,
    write_json,
)
from umt_core.commands.corrections import corrections_app
from umt_core.commands.crossfit import crossfit
from umt_core.commands.explain import explain
from umt_core.commands.own import own_app
from umt_core.commands.parts import Parts, predict_parts
from umt_core.commands.predict_lines import predict_lines
from umt_core.commands.pretrain import pretrain
from umt_core.commands.relevance import relevance_app, sets_relevance, sets_router
from umt_core.commands.reproduce import reproduce
from umt_core.commands.serve import serve
from umt_core.commands.store import STORE_OR_DEFAULT, corrections_url
from umt_core.commands.training import Interrupts, Stopped, TrainingView, about, assignments
from umt_core.errors import ConfigError, DataError, UmtError
from umt_core.labels import LABELS

if TYPE_CHECKING:
    from umt_core.analysis.before_after import BeforeAfter
    from umt_core.analysis.sets import PredictionSet
    from umt_core.encoders.features import RegionFeatures
    from umt_core.schema import Example

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
HELP = (
    "Named entities in tweets and their images. "
    "Ends with 0; on an error with one line on stderr and 2; after Ctrl-C with 130."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=HELP)
data_app = typer.Typer(no_args_is_help=True, help="Look at data sets, and add your own.")
app.add_typer(checkpoints_app, name="checkpoints")
app.add_typer(data_app, name="data")
data_app.add_typer(own_app)
app.add_typer(corrections_app, name="corrections")
sets_app = typer.Typer(no_args_is_help=True, help="Predictions on a data set, kept for comparing and browsing.")
sets_app.command("crossfit")(crossfit)
sets_app.command("emissions")(what_if.emissions)
sets_app.command("what-if")(what_if.what_if)
sets_app.command("relevance")(sets_relevance)
sets_app.command("router")(sets_router)
sets_app.command("bias")(bias.bias)
sets_app.command("faithfulness")(faithfulness.faithfulness)
sets_app.command("patterns")(patterns.patterns)
app.add_typer(sets_app, name="sets")
app.add_typer(relevance_app, name="relevance")
app.add_typer(jobs.app, name="jobs")
app.add_typer(backup.app, name="backup")
app.add_typer(users.app, name="users")
app.command()(reproduce)
app.command()(explain)
app.command()(pretrain)
app.command()(serve)


@app.command()
def predict(
    checkpoint: Annotated[list[str], typer.Option(help="<dataset>/<system>, or a folder. Give several to compare.")],
    input: Annotated[Path, typer.Option(help="Tweets: .jsonl or CoNLL .txt; raw text is tokenised.")],
    output: Annotated[Path, typer.Option(help="JSONL to write, or a folder that ends in .parquet (docs/scale.md).")],
    images: ImagesOption = None,
    device: Device = "auto",
    engine: Annotated[str, typer.Option(help="local, or ray: workers on one or many machines.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; by default one is started here.")] = None,
    workers: Annotated[int, typer.Option(help="Of Ray, each with the taggers in memory.")] = 2,
    chunk: Annotated[int, typer.Option(help="Tweets per part; a worker that is killed loses at most one part.")] = 1000,
    strict_images: Annotated[
        bool, typer.Option("--strict-images", help="A tweet whose picture cannot be read fails.")
    ] = False,
    features: Annotated[
        Path | None, typer.Option(help="Folder to keep pictures' regions in, for runs to come; 125 kB a picture.")
    ] = None,
    to_jsonl: Annotated[Path | None, typer.Option(help="JSONL to write as well when all parts are there.")] = None,
) -> None:
    """Tag tweets and write them with each checkpoint's entities and their probabilities.

    Into JSONL: tweets are read, tagged and written a thousand at a time, and the file is there when it is whole.

    Into a folder of Parquet parts: input is read in chunks, a run that was stopped goes on, and a tweet that cannot
    be read costs itself alone.
    """
    if engine not in ("local", "ray"):
        raise ConfigError(f"--engine: wanted local or ray, got {engine!r}")
    if output.suffix == ".parquet":
        parts = Parts(engine, address, workers, chunk, strict_images, features, to_jsonl)
        predict_parts(checkpoint, input, output, images, device, parts)
        return
    if engine == "ray" or strict_images or features or to_jsonl or address:
        raise ConfigError(f"{output}: wanted a folder that ends in .parquet for --engine ray and its options")
    predict_lines(checkpoint, input, output, images, device)


@app.command()
def evaluate(
    checkpoint: Annotated[str, typer.Option(help="<dataset>/<system>, or a folder.")],
    data: Annotated[Path, typer.Option(help="Labelled tweets: .jsonl or CoNLL .txt.")],
    images: ImagesOption = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
    strict: Annotated[bool, typer.Option(help="Count no span that begins with an orphan I-.")] = False,
    record: Annotated[
        str, typer.Option(help="Note the figures in the checkpoint's manifest and card, as this split.")
    ] = "",
    device: Device = "auto",
) -> None:
    """Precision, recall and F1 over strict matches of span and type."""
    from umt_core.analysis.metrics import score_spans
    from umt_core.data.conll import gold_spans
    from umt_core.predict import Predictor
    from umt_core.spans import tags_to_spans

    examples = _tweets(data)
    if json_out:
        check_place(json_out)
    if unlabelled := sum(example.spans is None for example in examples):
        raise DataError(f"{data}: wanted labelled tweets, got {unlabelled} of {len(examples)} without labels")
    with progress_bar() as bar:
        predictor = Predictor.load(checkpoint, device)
        pictures = bar.add_task("regions of pictures", total=None, visible=predictor.vision is not None)
        features = predictor.regions(examples, image_index(images), advance(bar, pictures))
        bar.remove_task(pictures)
        task = bar.add_task(predictor.name, total=len(examples))
        tags = predictor.tags(examples, features, progress=advance(bar, task))
    gold = [gold_spans(example, strict=strict) for example in examples]
    scores = score_spans(gold, [tags_to_spans(row, strict=strict) for row in tags]).to_dict()
    table = TextTable("type", "precision", "recall", "F1", "entities", title=f"{predictor.name} on {data}")
    for label in LABELS:
        _score_row(table, label, scores["by_type"][label])
    _score_row(table, "all", scores | {"support": scores["spans"]})
    out.print(table)
    without = {"without_picture": features.rows.count(None)} if predictor.vision else {}
    if any(without.values()):
        say(_without_picture(features, images))
    if json_out:
        write_json(json_out, scores | without)
    if record:
        from umt_core.checkpoint import record_scores

        record_scores(predictor.loaded.info, record, scores)


def _without_picture(features: RegionFeatures, images: Path | None) -> str:
    """How many tweets a tagger that reads pictures has read without one, and why."""
    count, unreadable = features.rows.count(None), list(features.unreadable.values())
    why = "no --images" if images is None else f"{count - len(unreadable)} have none in {images}"
    if unreadable:
        why += f", {len(unreadable)} cannot be read, the first: {unreadable[0]}"
    return f"{count} of {len(features.rows)} tweets read without a picture: {why}"


@app.command()
def train(
    system: Annotated[str, typer.Option(help="bert-crf, mt-bert-crf, umt-bert-crf, or another of docs/systems.md")],
    train: Annotated[Path, typer.Option(help="Labelled tweets to learn from.")],
    valid: Annotated[Path, typer.Option(help="Labelled tweets to choose the best epoch by.")],
    output: Annotated[Path, typer.Option(help="Folder of the checkpoint; an unfinished run in it goes on.")],
    images: ImagesOption = None,
    test: Annotated[Path | None, typer.Option(help="Labelled tweets that are scored once, at the end.")] = None,
    text_encoder: Annotated[
        str, typer.Option(help="minilm, mpnet-base, bert-base-cased, a hub id, a folder")
    ] = "minilm",
    vision_encoder: Annotated[str, typer.Option(help="efficientnet-lite0 or resnet152")] = "efficientnet-lite0",
    recipe: Annotated[
        str | None,
        typer.Option(help="paper, released, small, base, base-full or lstm; by default as docs/systems.md has it"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the new weights, the order of tweets, and dropout.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="At most; by default the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Tweets a step; by default the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the text encoder.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: NAME=VALUE, e.g. --set dropout=0.2")
    ] = None,
    init: Annotated[str | None, typer.Option(help="Checkpoint to start from.")] = None,
    init_encoder: Annotated[
        Path | None, typer.Option(help="Folder that pretrain wrote: the text encoder starts from it.")
    ] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Checkpoint to learn from beside the labels (distillation). Give several.")
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option(help="Tweets without labels (.jsonl): what the teachers say of them is learned.")
    ] = None,
    unlabelled_images: Annotated[Path | None, typer.Option(help="Their pictures, as --images.")] = None,
    also: Annotated[
        Path | None, typer.Option(help="More labelled tweets, of another data set; those in valid or test stay out.")
    ] = None,
    also_images: Annotated[Path | None, typer.Option(help="Their pictures, as --images.")] = None,
    corrections: Annotated[str, typer.Option(help=f"{STORE_OR_DEFAULT}. --train takes the labels that it has.")] = "",
    corrections_data: Annotated[
        str, typer.Option(help="Name of --train in the store; by default <its folder>/<its stem>.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Of the checkpoint set, e.g. twitter2017-base; by default that of --train's folder.")
    ] = "",
    about_images: Annotated[str, typer.Option(help="What the pictures are, for the card.")] = "",
    fresh: Annotated[bool, typer.Option(help="Throw away what the output folder holds of a run.")] = False,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(help="Processes that share each batch, one device each.")] = 1,
) -> None:
    """Train a tagger.

    Ctrl-C stops the run and leaves no half-written file; the same command resumes after the last whole epoch.
    """
    from umt_core.config import default_recipe, settings_of
    from umt_core.train.run import Job, run_job

    recipe = recipe or default_recipe(system, text_encoder)
    model, settings = settings_of(
        recipe,
        **{
            "text_encoder": text_encoder,
            "vision_encoder": vision_encoder,
            "seed": seed,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "teacher_weight": 1.0 if teacher else None,
        }
        | assignments(set_ or []),
    )
    dataset = train.resolve().parent.name
    job = Job(
        system=system,
        train=train,
        valid=valid,
        test=test,
        output=output,
        model=model,
        settings=settings,
        recipe=recipe,
        images=images,
        dataset=dataset,
        set_name="" if name == dataset else name,
        about_images=about(about_images),
        store=corrections_url(corrections) or "",
        store_data=corrections_data,
        init=init,
        init_encoder=init_encoder,
        teachers=tuple(teacher or ()),
        unlabelled=unlabelled,
        unlabelled_images=unlabelled_images,
        also=also,
        also_images=also_images,
        device=device,
        devices=devices,
    )
    with progress_bar() as bar, Interrupts() as interrupted:
        manifest = run_job(job, TrainingView(bar, settings.epochs, interrupted), fresh=fresh)
    if manifest is None:
        raise Stopped(f"stopped; the same command goes on from the last whole epoch in {output}")
    figures = ", ".join(f"{split} F1 {100 * scores['f1']:.2f}" for split, scores in manifest.scores.items())
    out.print(f"{output}: epoch {manifest.epoch}, {figures}", markup=False, highlight=False)


DataOption = Annotated[Path, typer.Option(help="Labelled tweets: .jsonl or CoNLL .txt.")]
TrainOption = Annotated[
    Path | None, typer.Option(help="Where surface forms count as seen; by default train beside the data.")
]


@app.command()
def compare(
    baseline: Annotated[str, typer.Option(help="<dataset>/<system>, or a folder: what the others are held against.")],
    checkpoint: Annotated[list[str], typer.Option(help="<dataset>/<system>, or a folder. Give several to compare.")],
    data: DataOption,
    images: ImagesOption = None,
    train: TrainOption = None,
    corrections: Annotated[
        str, typer.Option(help=f"{STORE_OR_DEFAULT}. Compares a second time, on the corrected labels.")
    ] = "",
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
    device: Device = "auto",
) -> None:
    """What systems fix and break of a baseline, span by span, and whether that is more than chance."""
    from umt_core.analysis.before_after import before_after
    from umt_core.corrections.gold import corrected_gold

    if json_out:
        check_place(json_out)
    name = f"{data.resolve().parent.name}/{data.stem}"
    store = corrections_url(corrections)
    labels = corrected_gold(store, name) if store else {}
    found = _predictions(data, images, train, [baseline, *checkpoint], device)
    systems = list(dict.fromkeys(found.run_of(name) for name in checkpoint))
    compared = [before_after(found, found.run_of(baseline), system, labels) for system in systems]
    if rows := {one.new: one.original for one in compared if one.original is not None}:
        out.print(comparison_table(f"against {baseline} on {data}", rows))
    if store:
        _say_corrected(baseline, data, compared)
    if json_out:
        write_json(json_out, {one.new: one.to_dict() for one in compared})


def _say_corrected(baseline: str, data: Path, compared: Sequence[BeforeAfter]) -> None:
    """The second table of ``compare``: on corrected labels."""
    for line in compared[0].complaints:
        say(line)
    rows = {one.new: one.corrected for one in compared if one.corrected is not None}
    if not rows:
        say(f"{data}: none of its labels is another in the store of corrections")
        return
    changes = ", ".join(f"{count} labels {what}" for what, count in compared[0].labels.items())
    title = f"against {baseline} on {data} as corrected: {len(compared[0].tweets)} tweets, {changes}"
    out.print(comparison_table(title, rows))


@sets_app.command("run")
def sets_run(
    checkpoint: Annotated[list[str], typer.Option(help="<dataset>/<system>, or a folder. Give several.")],
    data: DataOption,
    images: ImagesOption = None,
    train: TrainOption = None,
    device: Device = "auto",
) -> None:
    """Predict a data set and keep it; after Ctrl-C or a kill the same command goes on where it was."""
    found = _predictions(data, images, train, checkpoint, device)
    out.print(f"{found.name}: {', '.join(found.runs)}, in {found.folder}", markup=False, highlight=False)


@sets_app.command("list")
def sets_list() -> None:
    """Prediction sets that are there, and what is wrong with them."""
    from umt_core.analysis.sets import prediction_sets, sets_folder

    sets, complaints = prediction_sets()
    table = TextTable("set", "key", "tweets", "entities", "predictions of", title=str(sets_folder()))
    for found in sets:
        info = found.info
        table.add_row(info.name, info.key, str(info.tweets), str(info.gold), ", ".join(found.runs))
    out.print(table)
    for found in sets:
        complaints += [*found.complaints, *found.changed().values()]
    for line in complaints:
        say(line)


@sets_app.command("export")
def sets_export(
    name: Annotated[str, typer.Argument(metavar="SET", help="As `sets list` has it: <dataset>/<split>.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
    form: Annotated[str, typer.Option("--format", help="csv, jsonl or conll")] = "jsonl",
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="NAME=VALUE as in a link of the browser, e.g. outcome=fixed")
    ] = None,
) -> None:
    """Write the tweets that a filter finds."""
    from umt_core.analysis.browse import write_export
    from umt_core.analysis.query import Query
    from umt_core.analysis.sets import find_set

    params = pairs(filter_ or [], "--filter")
    if unknown := sorted(params.keys() - Query.__dataclass_fields__.keys()):
        raise ConfigError(f"--filter: unknown filter {unknown}; known: {list(Query.__dataclass_fields__)}")
    write_export(find_set(name), Query.from_params(params), form, output)


@sets_app.command("share")
def sets_share(
    name: Annotated[str, typer.Argument(metavar="SET", help="As `sets list` has it: <dataset>/<split>.")],
    output: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Copy a set without its tweets: ids, labels, spans and figures, but no text."""
    from umt_core.analysis.building import share_set
    from umt_core.analysis.sets import find_set

    out.print(f"{share_set(find_set(name), output)}: without the tweets", markup=False, highlight=False)


@sets_app.command("adopt")
def sets_adopt(
    folder: Annotated[Path, typer.Argument(help="A set that was shared.")],
    data: Annotated[Path | None, typer.Option(help="The tweets, if they are at hand; they are joined by id.")] = None,
    images: ImagesOption = None,
) -> None:
    """Take in a set that was shared."""
    from umt_core.analysis.building import add_texts, adopt_set

    found = adopt_set(folder)
    if data:
        found = add_texts(found, data, images)
    texts = "with" if found.has_texts else "without"
    out.print(f"{found.name} {texts} tweets, in {found.folder}", markup=False, highlight=False)


@data_app.command("stats")
def data_stats(
    path: Annotated[Path, typer.Argument(help="A data file, or a folder of them.")],
    images: ImagesOption = None,
    tokenisation: Annotated[bool, typer.Option(help="How raw text would be split, against the file.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """Tweets and entities by type, beside the paper's Table 1 where the file is one of its splits."""
    from umt_core.data import stats

    files = stats.read_files(path)
    if tokenisation:
        rows = stats.tokenisation_rows(files)
        for row in rows:
            pairs = "; ".join(f"{a} | {b} ({count})" for (a, b), count in row.pop("differences"))
            out.print(f"{row['file']}, split in the file | by us (times): {pairs}", markup=False, highlight=False)
        tables = {"tokenisation": rows}
    else:
        tables = {"statistics": stats.statistics_rows(files, image_index(images))}
        tables |= {"Table 1 of the paper": rows} if (rows := stats.table1_rows(files)) else {}
    for title, rows in tables.items():
        out.print(rows_table(title, rows))
    explanations = [] if tokenisation else stats.table1_explanations(files)
    for line in explanations:
        out.print(line, markup=False, highlight=False)
    if json_out:
        write_json(json_out, {**tables, "explanations": explanations})


@data_app.command("doctor")
def data_doctor(
    path: Annotated[Path, typer.Argument(help="A data file, or a folder of them.")],
    images: ImagesOption = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="File to write the whole lists to.")] = None,
) -> None:
    """What is wrong with tweets and pictures: counts, and the first few of each."""
    from umt_core.data import stats

    with progress_bar() as bar:
        rows = stats.doctor(
            stats.read_files(path),
            image_index(images),
            progress=lambda paths: bar.track(paths, description="pictures"),
        )
    table = TextTable("check", "count", "of", "for example", title=str(path))
    for row in rows:
        table.add_row(row["check"], str(row["count"]), str(row["of"]), "; ".join(row["items"][:3]))
    out.print(table)
    if json_out:
        write_json(json_out, rows)


def _tweets(path: Path) -> list[Example]:
    from umt_core.data.jsonl import read_examples

    if not (examples := read_examples(path)):
        raise DataError(f"{path}: wanted at least one tweet, got none")
    return examples


def _predictions(
    data: Path, images: Path | None, train: Path | None, checkpoints: Sequence[str], device: str
) -> PredictionSet:
    """The prediction set of a data file, with these checkpoints run over it."""
    from umt_core.analysis.building import build_set
    from umt_core.analysis.run_set import run_set
    from umt_core.registry import find_checkpoint

    for checkpoint in checkpoints:
        find_checkpoint(checkpoint)  # says what is missing before any work is done
    with progress_bar() as bar:
        report = reporter(bar)
        return run_set(
            build_set(data, images, train=train, progress=report), checkpoints, device=device, progress=report
        )


def _score_row(table: TextTable, name: str, scores: dict[str, Any]) -> None:
    figures = (f"{100 * scores[key]:.2f}" for key in ("precision", "recall", "f1"))
    table.add_row(name, *figures, str(scores["support"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0, 2 after one line that says what went wrong, or 130 after Ctrl-C."""
    try:
        code = int(app(args=arguments, standalone_mode=False) or 0)
        if code == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            raise Stopped("stopped")
        return code
    except UmtError as error:
        say(f"error: {error}")
        return 2
    except (Stopped, KeyboardInterrupt, typer.Abort) as stop:  # Abort: Ctrl-C or Ctrl-D where something is asked for
        say(str(stop) or "stopped")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left; say no more
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # the command line itself was wrong
            if message := error.format_message():  # empty where help was shown instead
                say(f"error: {message}")
            return 2
        if os.environ.get("UMT_DEBUG"):
            raise
        say(f"error: {type(error).__name__}: {error} (a fault of ours; UMT_DEBUG=1 shows where)")
        return 2


if __name__ == "__main__":
    sys.exit(main())
