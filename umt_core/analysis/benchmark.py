"""What the results of ``reproduce`` say, as rows: the paper's tables, ours beside its figures. Free of torch.

``reproduction_document`` writes the rows down, ``reproduce --show`` and the Benchmark page show them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from umt_core.analysis.paper import FIGURES, PAPER_TABLE_2, PAPER_TABLE_3, TEXT_ALONE
from umt_core.analysis.reproduction import (
    ABLATIONS,
    BASE,
    RESULTS,
    SEEDS,
    Row,
    Values,
    data_of,
    plan,
    read_cost,
    read_rows,
    read_values,
)
from umt_core.config import ModelSettings, default_recipe, settings_of
from umt_core.errors import ConfigError, DataError
from umt_core.labels import LABELS
from umt_core.manifest import AS_GIVEN

UMT = "umt-bert-crf"
SPLITS = ("test", "dev")
PAPERS_ENCODER = "bert-base-cased"
OWN_RUNS = Path("runs/own")  # the results of who runs again what is done
YOUR_PICTURES = "what your pictures are"  # to be filled in: nobody else can say
TOLD_ELSEWHERE = ("text_encoder", "vision_encoder", "word_shape", "seed")  # the tokenizer decides on word shapes


@dataclass(frozen=True, eq=False)
class Results:
    """A folder of results, as far as they have come."""

    folder: Path
    done: Mapping[Row, Values]
    cost: Values = field(default_factory=dict)  # as ``read_cost``

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The results of a folder; of one that is not there: none (``DataError``: a file is damaged)."""
        return cls(folder, read_rows(folder), read_cost(folder))

    def of(self, dataset: str, system: str) -> dict[int, Values]:
        """What has come of a system, by seed."""
        wanted = dataset, system
        return {row.seed: v for row, v in sorted(self.done.items()) if (row.dataset, row.system) == wanted}


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of several seeds, in percent.

    >>> Spread((84.0, 85.0)).text, Spread((84.0,)).text, Spread((84.0,)).deviation
    ('84.50 ± 0.71', '84.00', None)
    """

    values: tuple[float, ...]  # at least one, in the order of the seeds

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the seeds; ``None``: there is one seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def text(self) -> str:
        return f"{self.mean:.2f}" + ("" if self.deviation is None else f" ± {self.deviation:.2f}")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a system is worth on a split, ours beside the paper's."""

    dataset: str  # the rows' own name, like twitter2017-base
    system: str
    seeds: tuple[int, ...]  # that are done
    wanted: int  # seeds that the plan has, of those that are looked at
    ours: Mapping[str, Spread]  # by ``FIGURES``; {}: not run
    paper: Mapping[str, float]  # by ``FIGURES``, as far as the paper prints them for this split
    pictures: str  # what they were that the system was trained with; "": it reads none, or is not run
    encoder: str  # of text; "": not run
    weights: str  # their sum, of the first seed, whose predictions are kept; "": that one is not run

    @property
    def stands_in(self) -> bool:
        """Whether it read pictures that are not the tweets' own."""
        return "stand-in" in self.pictures.lower()


@dataclass(frozen=True, slots=True)
class Count:
    """A cell of Table 1."""

    split: str  # twitter2017/train
    name: str  # a type, ``total`` or ``tweets``
    ours: int
    paper: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system costs, of its first seed, beside what it is worth."""

    dataset: str
    system: str
    trained: int  # parameters
    published: int  # parameters that stay as they were published
    seconds: float  # of training
    epochs: int
    milliseconds: float  # that predicting a tweet takes, in batches, the regions of its picture computed before
    by_turns: bool  # it was taken of all systems by turns; else when this one was trained, beside other work perhaps
    device: str
    pictures: str  # as in ``Standing``
    f1: Mapping[str, Spread]  # by split

    @property
    def parameters(self) -> int:
        return self.trained + self.published


# --- which rows there are ------------------------------------------------------------------------


def row_sets(data: str | None = None) -> list[str]:
    """The names that rows go by, in the order of the plan: of one data set, or all."""
    names = dict.fromkeys(row.dataset for row in plan())
    return [name for name in names if data in (None, data_of(name))]


def benchmark_data() -> list[str]:
    """The data sets that the rows are of."""
    return list(dict.fromkeys(map(data_of, row_sets())))


def systems_of(dataset: str) -> list[str]:
    """The systems that the plan has under a name, in the order of the paper's tables."""
    planned = {row.system for row in plan() if row.dataset == dataset}
    return [system for system in (*PAPER_TABLE_2["twitter2015"], *ABLATIONS) if system in planned]


# --- the tables ----------------------------------------------------------------------------------


def table_1(results: Results, data: str) -> list[Count] | None:
    """The data set's counts; ``None``: nobody has counted yet (``DataError``: the file is damaged)."""
    if not (file := results.folder / data / "data.json").exists():
        return None
    try:
        return [Count(r["split"], r["count"], r["ours"], r["paper"]) for r in read_values(file)["table_1"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: wanted counts of the data set, got something else; remove it") from error


def table_2(results: Results, dataset: str, split: str = "test") -> list[Standing]:
    """The systems of Table 2 that the plan has under a name."""
    return [_standing(results, dataset, system, split) for system in systems_of(dataset) if system not in ABLATIONS]


def table_3(results: Results, dataset: str, split: str = "test") -> list[Standing]:
    """UMT, then UMT without each of its parts; [] where the plan leaves none out. All are of the first seed.

    The paper prints precision, recall and F1 of them. The parts are left out with one seed: beside a mean over three
    seeds each would differ by the luck of its seed, too.
    """
    ablations = [system for system in systems_of(dataset) if system in ABLATIONS]
    return [_standing(results, dataset, system, split, SEEDS[:1]) for system in (UMT, *ablations) if ablations]


def _standing(results: Results, dataset: str, system: str, split: str, seeds: Sequence[int] = SEEDS) -> Standing:
    done = {seed: values for seed, values in results.of(dataset, system).items() if seed in seeds}
    figures = [figures_of(values, split) for values in done.values()]
    first = done.get(SEEDS[0])
    return Standing(
        dataset,
        system,
        seeds=tuple(done),
        wanted=sum((row.dataset, row.system) == (dataset, system) and row.seed in seeds for row in plan()),
        ours={name: Spread(tuple(f[name] for f in figures)) for name in FIGURES if figures},
        paper=_printed(data_of(dataset), system) if split == "test" else {},
        pictures=next(map(_pictures, done.values()), ""),
        encoder=next((v["model"]["text_encoder"] for v in done.values()), ""),
        weights=first["weights_sha256"] if first else "",
    )


def _pictures(values: Values) -> str:
    return str(values["pictures"]) if values["channels"] else ""


def _printed(data: str, system: str) -> dict[str, float]:
    if whole := PAPER_TABLE_2.get(data, {}).get(system):
        return dict(zip(FIGURES, whole, strict=True))
    return dict(zip(FIGURES[4:], PAPER_TABLE_3.get(data, {}).get(system, ()), strict=False))


def figures_of(values: Values, split: str = "test") -> dict[str, float]:
    """The seven figures of Table 2, in percent."""
    found = values[split]
    by_type = {label: 100 * found["by_type"][label]["f1"] for label in LABELS}
    return by_type | {name: 100 * found[name] for name in ("precision", "recall", "f1")}


def costs(results: Results, names: Iterable[str]) -> list[Cost]:
    """Of the systems whose first seed is done, those under these names."""
    found, timed = [], results.cost.get("ms_per_tweet", {})
    for dataset in names:
        for system in systems_of(dataset):
            done = results.of(dataset, system)
            if (first := done.get(SEEDS[0])) is None:
                continue
            f1 = {split: Spread(tuple(100 * v[split]["f1"] for v in done.values())) for split in SPLITS}
            parameters = first["parameters"]
            found.append(
                Cost(
                    dataset,
                    system,
                    trained=parameters["trained"],
                    published=parameters["frozen"],
                    seconds=first["seconds"],
                    epochs=len(first["history"]),
                    milliseconds=timed.get(f"{dataset}/{system}", first["ms_per_tweet"]),
                    by_turns=f"{dataset}/{system}" in timed,
                    device=results.cost["device"] if f"{dataset}/{system}" in timed else first["device"],
                    pictures=_pictures(first),
                    f1=f1,
                )
            )
    return found


# --- what a reader must know ---------------------------------------------------------------------


def facts(results: Results) -> dict[str, list[str]]:
    """What the rows that are done were made with; of pictures only those rows that read them."""
    every = list(results.done.values())
    looking = [values for values in every if values["channels"]]
    return {
        "text encoder": _each(values["model"]["text_encoder"] for values in every),
        "vision encoder": _each(values["model"]["vision_encoder"] for values in looking),
        "pictures": _each(values["pictures"] for values in looking),
        "recipes": _each(values["recipe"] for values in every),
        "set otherwise than by the recipe": [
            text if len(rows) == len(every) else f"{text} ({', '.join(rows)})"
            for text, rows in _set_otherwise(results).items()
        ],
        "products in training": _each(values.get("precision", "not told") for values in every),
        "package version": _each(values["code"] for values in every),
    }


def _each(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _set_otherwise(results: Results) -> dict[str, list[str]]:
    """Settings that are not the recipe's, each with the names of the rows that were trained so."""
    by_text: dict[str, list[str]] = {}
    for row, values in results.done.items():
        for name, value in otherwise(values).items():
            by_text.setdefault(f"{name}={json.dumps(value)}", []).append(row.name)
    return by_text


def otherwise(values: Values) -> Values:
    """Settings of a row that are not its recipe's; {} where there is no such recipe here."""
    try:
        model, train = settings_of(values["recipe"])
    except ConfigError:
        return {}
    usual = model.to_dict() | train.to_dict()
    found = values["model"] | values["train"]
    return {k: v for k, v in found.items() if k not in TOLD_ELSEWHERE and v != usual.get(k, v)}


def made_by(
    results: Results,
    data: str = "FOLDER",
    *,
    on_base: bool = False,
    about_images: str | None = None,
    output: Path | None = None,
) -> list[str]:
    """The words of the command that makes these rows, by what the rows say; ``data``: the folder of data sets.

    Args:
        on_base: of the rows at the paper's size, which have an encoder and a recipe of their own.
        about_images: what the pictures are, where they may be others than those of the rows.
        output: the folder of results, where it is another than that of the rows.
    """
    words = ["python", "-m", "umt_core", "reproduce", "--data", data]
    output = output or results.folder
    # Named where it is not the command's own, so that it does not depend on UMT_RESULTS.
    words += ["--output", str(output)] if output.resolve() != RESULTS else []
    usual = {row: values for row, values in results.done.items() if not row.on_base}
    if not (rows := usual or dict(results.done)):
        return words
    own = on_base or not usual
    these, first = Results(results.folder, rows), next(iter(rows.values()))
    found = facts(these)
    text_encoder = str(first["model"]["text_encoder"])
    for option, values, default in (
        ("--text-encoder", [] if own else [text_encoder], ModelSettings().text_encoder),
        ("--vision-encoder", found["vision encoder"], ModelSettings().vision_encoder),
        ("--about-images", found["pictures"] if about_images is None else [about_images], AS_GIVEN),
    ):
        words += [option, values[0]] if values and values[0] not in ("", default) else []
    if not own and any(v["recipe"] != default_recipe(row.system, text_encoder) for row, v in rows.items()):
        words += ["--recipe", str(first["recipe"])]
    for text, of in _set_otherwise(these).items():
        words += ["--set", text] if len(of) == len(rows) else []
    return words


def how_timed(found: Sequence[Cost], results: Results) -> str:
    """How the milliseconds were taken, in a sentence."""
    if not found or not all(cost.by_turns for cost in found):
        return "Timed when each row was trained, while other work may have run on the machine: they hardly compare."
    of = results.cost
    return (
        f"Timed by turns in one process ({of['threads']} threads): the quickest of {of['rounds']} rounds over "
        f"{of['tweets']} tweets."
    )


def stand_ins(results: Results) -> bool:
    """Whether a row read pictures that are not the tweets' own."""
    return any("stand-in" in _pictures(values).lower() for values in results.done.values())


def other_encoders(results: Results) -> list[str]:
    """Text encoders of the rows that are not the paper's."""
    return sorted({values["model"]["text_encoder"] for values in results.done.values()} - {PAPERS_ENCODER})


def run_words(results: Results, dataset: str, system: str, data: str = "FOLDER") -> list[str]:
    """The words of the command that runs a system's rows as those that are there; ``data``: the folder of data sets.

    A row that is done is run elsewhere, as no row is run twice; its pictures are the reader's.
    """
    output = OWN_RUNS if any((row.dataset, row.system) == (dataset, system) for row in results.done) else None
    about = "" if system in TEXT_ALONE else YOUR_PICTURES
    words = made_by(results, data, on_base=dataset.endswith(BASE), about_images=about, output=output)
    return [*words, *only(dataset, system)]


def only(dataset: str, system: str) -> list[str]:
    """What limits ``reproduce`` to a system's rows."""
    return ["--only", f"{dataset}/{system}"]
