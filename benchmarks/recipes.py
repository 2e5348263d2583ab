"""Which means make a tagger better: each is held against the recipe as it stands, by dev F1 over seeds.

    python -m benchmarks.recipes --data DATA/twitter2017 --system bert-crf --change longer --seeds 0 1 2 --output RUNS
    python -m benchmarks.recipes --show

``CHANGES`` names them; ``a+b`` is both at once. A run that was broken off goes on, one that is done is not run again. A
baseline that ``reproduce`` has trained (``UMT_RESULTS``), with the same settings and data, counts. Test is never read.

    results/recipes/<data set>/<system>/<change>/seed-<n>.json    what came of a run: settings, sums, dev F1 by epoch
    <output>/<data set>/<system>/<change>/seed-<n>/               its checkpoint, a teacher for the next perhaps

It takes hours, so it is no part of ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from umt_core.analysis.reproduction import BASE, Row, read_rows, results_folder
from umt_core.commands.console import progress_bar
from umt_core.commands.training import Interrupts, TrainingView, assignments
from umt_core.config import TrainSettings, default_recipe, settings_of
from umt_core.data.datasets import DataSet, data_sets_in
from umt_core.data.files import locked, write_json
from umt_core.errors import ConfigError, DataError, UmtError
from umt_core.manifest import MANIFEST, Manifest, read_manifest
from umt_core.train.distillation import teachers_of
from umt_core.train.reproduce import BASE_ENCODER, is_of
from umt_core.train.run import LATER, Job, completed, encoder_sum, identity_of, run_job
from umt_core.train.watcher import Watcher

RESULTS = Path(__file__).parent / "results" / "recipes"
BASELINE = "baseline"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done otherwise than by the recipe."""

    about: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    times_epochs: float = 1
    uses: tuple[str, ...] = ()  # fields of ``Inputs`` that must be given


FLOAT32 = "float32"
CHANGES: dict[str, Change] = {
    FLOAT32: Change("products in float32, not in 16 bits", {"precision": FLOAT32}),
    "longer": Change("twice the epochs", times_epochs=2),
    "shorter": Change("half the epochs", times_epochs=0.5),
    "warmup": Change("the rates rise over a quarter of the steps", {"warmup": 0.25}),
    "layer-decay": Change("each layer of the encoder learns 0.8 times as fast as the one above", {"layer_decay": 0.8}),
    "no-layer-decay": Change("all layers of the encoder learn as fast", {"layer_decay": 1.0}),
    "no-word-shape": Change("words have no shape", {"word_shape": False}),
    "spelling": Change("filters over a word's characters join its embeddings", {"word_spelling": True}),
    "no-averaging": Change("the last weights in place of their running average", {"average_decay": 0.0}),
    "word-dropout": Change("one word in ten is hidden", {"word_dropout": 0.1}),
    "more-dropout": Change("dropout 0.2 in place of 0.1 on what the encoder gives", {"dropout": 0.2}),
    "consistency": Change("two passes with other dropout shall agree", {"consistency": 1.0}),
    "pretrained": Change("the encoder was trained on tweets before", uses=("encoder",)),
    "both-sets": Change("the other data set's train split joins in", uses=("also",)),
    "both-sets-marked": Change("the same, its tweets marked by a learned vector", {"other_set": True}, uses=("also",)),
    "as-split": Change("tweets of elsewhere stay split as they were published", {"restyle": False}),
    "several-teachers": Change("several teachers' mean marginals", {"teacher_weight": 1.0}, uses=("teachers",)),
    "distil": Change("teachers' marginals beside the labels", {"teacher_weight": 1.0}, uses=("teachers",)),
    "distil-unlabelled": Change(
        "teachers' marginals beside the labels and on unlabelled tweets",
        {"teacher_weight": 1.0},
        uses=("teachers", "unlabelled"),
    ),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What changes may need."""

    teachers: tuple[str, ...] = ()  # checkpoints
    unlabelled: Path | None = None
    unlabelled_images: Path | None = None
    encoder: Path | None = None  # that ``pretrain`` wrote
    also: Path | None = None  # labelled tweets of another data set
    also_images: Path | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all runs."""

    data: DataSet
    system: str
    output: Path
    inputs: Inputs = field(default_factory=Inputs)
    text_encoder: str = "minilm"
    about_images: str = ""
    device: str = "auto"
    overrides: tuple[tuple[str, Any], ...] = ()  # settings of the baseline too, in place of the recipe's
    results: Path = RESULTS

    @property
    def name(self) -> str:
        """The rows' own name: those on an encoder of the paper's size stand apart, as the reproduction's do."""
        return self.data.name + (BASE if self.text_encoder == BASE_ENCODER else "")

    def file(self, change: str, seed: int) -> Path:
        return self.results / self.name / self.system / change / f"seed-{seed}.json"

    def job(self, change: str, seed: int) -> Job:
        """What is trained.

        Raises:
            ConfigError: there is no such change, or it needs what was not given.
        """
        chosen = changes_of(change)
        recipe = default_recipe(self.system, self.text_encoder)
        settings: Values = {"text_encoder": self.text_encoder, "seed": seed, **dict(self.overrides)}
        usual = settings_of(recipe, **settings)[1].epochs
        for each in chosen:
            settings |= each.settings
            if each.times_epochs != 1:
                epochs = ceil(each.times_epochs * usual)
                settings |= {"epochs": epochs, "patience": epochs}
        model, train = settings_of(recipe, **settings)
        used = {name for each in chosen for name in each.uses}
        for name in sorted(used):
            if not getattr(self.inputs, name):
                raise ConfigError(f"{change}: wanted --{name.removesuffix('s')}, got none")
        more: Values = {}
        if "teachers" in used:
            more["teachers"] = tuple(name.replace("{seed}", str(seed)) for name in self.inputs.teachers)
        if "encoder" in used:
            more["init_encoder"] = self.inputs.encoder
        if "also" in used:
            more |= {"also": self.inputs.also, "also_images": self.inputs.also_images}
        if "unlabelled" in used:
            more |= {"unlabelled": self.inputs.unlabelled, "unlabelled_images": self.inputs.unlabelled_images}
        test = self.data.splits.get("test")
        return Job(
            system=self.system,
            train=self.data.splits["train"],
            valid=self.data.splits["valid"],
            output=self.output / self.name / self.system / change / f"seed-{seed}",
            model=model,
            settings=train,
            recipe=recipe,
            images=self.data.images(),
            dataset=self.data.name,
            set_name=self.name if self.name != self.data.name else "",
            about_images=self.about_images,
            device=self.device,
            exclude=(test,) if test and {"also", "unlabelled"} & used else (),
            **more,
        )


def changes_of(name: str) -> list[Change]:
    """The changes of a name: none for the baseline, several joined by ``+`` (``ConfigError``: one is unknown)."""
    names = [] if name == BASELINE else name.split("+")
    if unknown := sorted(set(names) - CHANGES.keys()):
        raise ConfigError(f"unknown change {unknown}; known changes: {sorted(CHANGES)}")
    return [CHANGES[each] for each in names]


def run(setup: Setup, change: str, seed: int, watcher: Watcher) -> Values | None:
    """What came of a run, now or before; ``None`` if the watcher stopped it.

    Raises:
        DataError: it was run before with other settings or data.
        UmtError: as ``run_job``.
    """
    job, file = setup.job(change, seed), setup.file(change, seed)
    about = _about(job)
    if file.exists():
        values: Values = json.loads(file.read_text(encoding="utf-8"))
        if completed(values["about"], about, "train") != about:
            raise DataError(f"{file}: is of other settings or data; remove it to run it again")
        return values
    values = (_reproduced(setup, job, seed) if change == BASELINE else None) or {}
    if not values:
        manifest = _trained(job) or run_job(job, watcher)
        if manifest is None:
            return None
        values = _of_manifest(manifest)
    values = {"change": change, "seed": seed, **values, "about": about}
    write_json(file, values)
    return values


def _about(job: Job) -> Values:
    """All that decides what comes of a run (errors as ``identity_of``)."""
    found = identity_of(job)
    return {
        "model": found["model"],
        "train": found["settings"],
        "data": {name: found[name] for name in ("train", "valid", "also", "unlabelled") if name in found},
        "teachers": found.get("teachers", []),
        "encoder": found.get("init_encoder"),
        **{name: value for name, value in found.items() if name in LATER},
    }


def _trained(job: Job) -> Manifest | None:
    """The checkpoint that an earlier call has trained, whose result was removed or not yet written."""
    if not (job.output / MANIFEST).exists():
        return None
    manifest = read_manifest(job.output)
    taught = (manifest.teachers, (manifest.init_encoder or {}).get("weights_sha256"))
    wanted = (teachers_of(job.teachers), encoder_sum(job))
    if not is_of(job, manifest.model, manifest.train, manifest.data) or taught != wanted:
        raise DataError(f"{job.output}: wanted a checkpoint of these settings and data, got another; remove it")
    return manifest


def _of_manifest(manifest: Manifest) -> Values:
    return {
        "f1": manifest.scores["valid"]["f1"],
        "epoch": manifest.epoch,
        "epochs": [row["dev_f1"] for row in manifest.history],
        "seconds": manifest.seconds,
        "precision": manifest.precision,
    }


def _reproduced(setup: Setup, job: Job, seed: int) -> Values | None:
    """What ``reproduce`` found on dev, if it trained the same."""
    row = read_rows(results_folder()).get(Row(setup.name, setup.system, seed))
    if row is None:
        return None
    model, train = job.model.from_dict(row["model"]), TrainSettings.from_dict(row["train"])
    if not is_of(job, model, train, row["data"]):
        return None
    return {
        "f1": row["dev"]["f1"],
        "epoch": row["epoch"],
        "epochs": [epoch["dev_f1"] for epoch in row["history"]],
        "seconds": row["seconds"],
        "precision": row.get("precision", "unknown"),
    }


# --- what came of them --------------------------------------------------------------------------


def read_results(results: Path = RESULTS) -> dict[tuple[str, str], dict[str, dict[int, Values]]]:
    """All runs: by data set and system, by change, by seed; the baseline first."""
    found: dict[tuple[str, str], dict[str, dict[int, Values]]] = {}
    for file in sorted(results.glob("*/*/*/seed-*.json"), key=lambda f: (f.parent.name != BASELINE, f)):
        dataset, system, change = file.parts[-4:-1]
        values = json.loads(file.read_text(encoding="utf-8"))
        found.setdefault((dataset, system), {}).setdefault(change, {})[values["seed"]] = values
    return found


def baselines(changes: Mapping[str, Mapping[int, Values]], change: str) -> Mapping[int, Values]:
    """What a change is held against, by seed: the recipe as it stands; in float32, where all of both ran in it."""
    runs, in_float32 = changes[change], changes.get(FLOAT32, {})
    same = change != FLOAT32 and all(values["precision"] == FLOAT32 for values in runs.values())
    return in_float32 if same and runs.keys() <= in_float32.keys() else changes.get(BASELINE, {})


def summary(runs: Mapping[int, Values], baseline: Mapping[int, Values]) -> Values:
    """Mean and spread of dev F1 in percent, and the difference to the baseline over the seeds that both have."""
    scores = [100 * values["f1"] for values in runs.values()]
    paired = [100 * (runs[seed]["f1"] - baseline[seed]["f1"]) for seed in sorted(runs.keys() & baseline.keys())]
    return {
        "seeds": len(scores),
        "f1": mean(scores),
        "spread": stdev(scores) if len(scores) > 1 else None,
        "difference": mean(paired) if paired else None,
        "difference_spread": stdev(paired) if len(paired) > 1 else None,
        "better": sum(difference > 0 for difference in paired),
        "paired": len(paired),
        "minutes": mean(values["seconds"] for values in runs.values()) / 60,
        "products": ", ".join(sorted({values["precision"] or "unknown" for values in runs.values()})),
    }


def table(found: Mapping[tuple[str, str], Mapping[str, Mapping[int, Values]]]) -> str:
    """The results in Markdown, for ``docs/training.md``."""
    lines = [
        "| data set, system | change | what it is | seeds | dev F1 | difference | better | minutes | products |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (dataset, system), changes in found.items():
        for change, runs in changes.items():
            s = summary(runs, baselines(changes, change))
            against = ["", ""]
            if change != BASELINE and s["paired"]:
                against = [
                    _with_spread(s["difference"], s["difference_spread"], "+"),
                    f"{s['better']} of {s['paired']}",
                ]
            about = "; ".join(each.about for each in changes_of(change)) or "the recipe as it stands"
            cells = [
                f"{dataset}, {system}",
                change,
                about,
                str(s["seeds"]),
                _with_spread(s["f1"], s["spread"]),
                *against,
            ]
            lines.append(f"| {' | '.join(cells)} | {s['minutes']:.0f} | {s['products']} |")
    return "\n".join(lines)


def _with_spread(value: float, spread: float | None, sign: str = "") -> str:
    return f"{value:{sign}.2f}" + ("" if spread is None else f" ± {spread:.2f}")


# --- the command --------------------------------------------------------------------------------


def _data_set(folder: Path) -> DataSet:
    found = {of.name: of for of in data_sets_in(folder.resolve().parent)}.get(folder.resolve().name)
    if found is None or not {"train", "valid"} <= found.splits.keys():
        raise DataError(f"{folder}: wanted a data set's folder with train and valid, got none")
    return found


def _also(given: Path | None, data: Path) -> tuple[Path | None, Path | None]:
    """The other data set's train split and pictures: that of the folder given, else the only one beside ours."""
    if given is None:
        beside = [of for of in data_sets_in(data.resolve().parent) if of.name != data.resolve().name]
        with_train = [of for of in beside if "train" in of.splits]
        if len(with_train) != 1:
            return None, None
        return with_train[0].splits["train"], with_train[0].images()
    other = _data_set(given)
    return other.splits["train"], other.images()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of a data set; the other one is looked for beside it")
    parser.add_argument("--system", default="bert-crf")
    parser.add_argument("--change", nargs="+", default=[], help=f"of {', '.join(CHANGES)}; a+b is both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, help="folder of the checkpoints and of what is under way")
    parser.add_argument("--teacher", nargs="+", default=[], help="checkpoints; {seed} in a name is the run's seed")
    parser.add_argument("--unlabelled", type=Path)
    parser.add_argument("--unlabelled-images", type=Path)
    parser.add_argument("--encoder", type=Path, help="folder that pretrain wrote")
    parser.add_argument("--also", type=Path, help="folder of the other data set")
    parser.add_argument("--text-encoder", default="minilm")
    parser.add_argument("--about-images", default="")
    parser.add_argument("--set", nargs="+", default=[], help="settings of all runs, NAME=VALUE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true", help="print the table of all results, train nothing")
    return parser.parse_args(words)


def _setup(given: argparse.Namespace) -> Setup:
    if not given.data or not given.output:
        raise ConfigError("wanted --data and --output, or --show")
    also, also_images = _also(given.also, given.data)
    inputs = Inputs(tuple(given.teacher), given.unlabelled, given.unlabelled_images, given.encoder, also, also_images)
    return Setup(
        data=_data_set(given.data),
        system=given.system,
        output=given.output,
        inputs=inputs,
        text_encoder=given.text_encoder,
        about_images=given.about_images,
        device=given.device,
        overrides=tuple(assignments(given.set).items()),
        results=given.results,
    )


def _run_all(setup: Setup, changes: Iterable[str], seeds: Sequence[int]) -> bool:
    """Trains seed by seed, so that each has its baseline first; whether all is done."""
    names = list(dict.fromkeys([BASELINE, *changes]))
    for name in names:
        _about(setup.job(name, seeds[0]))  # says what is missing before any work is done
    with locked(setup.output), Interrupts() as interrupted:
        for seed in seeds:
            for name in names:
                if interrupted():
                    return False
                with progress_bar() as bar:
                    view = TrainingView(bar, setup.job(name, seed).settings.epochs, interrupted)
                    view.note(f"{setup.name}/{setup.system}, {name}, seed {seed}")
                    done = run(setup, name, seed, view)
                if done is None:
                    return False
                print(f"{name}, seed {seed}: dev F1 {100 * done['f1']:.2f}", flush=True)
    return True


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0, 2 where something was wrong, 130 after Ctrl-C."""
    given = _arguments(words)
    try:
        if not given.show and not _run_all(_setup(given), given.change, given.seeds):
            print("stopped; the same command goes on from the last whole epoch", file=sys.stderr)
            return 130
        print(table(read_results(given.results)))
    except UmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
