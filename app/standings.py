"""What the Benchmark page says of the results: rows of ``umt_core.analysis.benchmark`` in, words and cells out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app import markup, tables
from app.outcomes import RANDOMISATION, Cells, cell, errors_behind, p_value, pair_cells
from umt_core.analysis.benchmark import UMT, Cost, Count, Results, Standing, made_by, only
from umt_core.analysis.benchmark_pairs import BASELINE, Against, Moved
from umt_core.analysis.claims import HOLDS, NOT_RUN, SIGNS, TURNED, Finding, points
from umt_core.analysis.ledger import GOLD_OUTCOMES
from umt_core.analysis.paper import FIGURES, PAPER_DAGGERS
from umt_core.analysis.reproduction import ABLATIONS, BASE, data_of
from umt_core.labels import LABELS

SPLIT_TITLES = {"test": "Test", "dev": "Dev"}
COSTS = {"parameters": "Parameters, M", "time": "Milliseconds a tweet"}
TEXT, PICTURE = "text", "text and picture"
_FIGURE_TITLES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


@dataclass(frozen=True, slots=True)
class Browser:
    """Where the tweets behind figures can be looked at: on Errors, in a data set's predictions."""

    data: str  # twitter2017/test
    runs: Mapping[str, str]  # of systems, the run that is their first seed's

    def link(self, system: str, query: Mapping[str, str]) -> dict[str, str] | None:
        """A link to a query on a system's run, beside that of BERT-CRF; ``None``: its predictions are not here."""
        if system not in self.runs:
            return None
        beside = {"baseline": self.runs[BASELINE]} if BASELINE in self.runs and system != BASELINE else {}
        return {"data": self.data} | beside | dict(query) | {"system": self.runs[system]}


NOWHERE = Browser("", {})


def stand_in_line(found: Iterable[Standing]) -> str:
    """That pictures stand in for others, where a row reads some; with a space before it, to end a caption."""
    line = "The pictures are stand-ins: nothing here is a finding about the tweets' own."
    return f" {line}" if any(standing.stands_in for standing in found) else ""


def set_title(dataset: str) -> str:
    """The name that rows go by, in words.

    >>> set_title("twitter2017"), set_title("twitter2017-base")
    ('TWITTER-2017', 'TWITTER-2017, base')
    """
    data = data_of(dataset)
    title = tables.data_set_title(f"{data}/").strip()
    return title if data == dataset else f"{title}, {dataset.removeprefix(data).strip('-')}"


def row_title(dataset: str, system: str) -> str:
    """A system among those of several row sets.

    >>> row_title("twitter2017", "umt-bert-crf"), row_title("twitter2017-base", "umt-bert-crf")
    ('UMT', 'UMT, base')
    """
    return tables.system_title(system) + set_title(dataset).removeprefix(set_title(data_of(dataset)))


# --- tables 2 and 3 ------------------------------------------------------------------------------


def standing_cells(
    found: Sequence[Standing],
    where: Browser = NOWHERE,
    better: Sequence[str] = (),
    figures: Sequence[str] = FIGURES,
) -> tuple[Cells, Cells]:
    """Columns, and for each system our figures over the paper's.

    Args:
        better: UMT's figures that are marked by a †.
        figures: which columns there are.
    """
    columns: Cells = [{"title": "System", "words": True}]
    columns += [{"title": _FIGURE_TITLES.get(figure, f"F1 {figure}")} for figure in figures]
    lines: Cells = []
    for standing in found:
        marked = better if standing.system == UMT else ()
        cells = [_figure(standing, figure, where, figure in marked) for figure in figures]
        title = cell(tables.system_title(standing.system), sub=_about(standing), title=standing.pictures)
        lines.append({"cells": [title, *cells], "quiet": not standing.seeds, "goes_on": bool(standing.paper)})
        if standing.paper:
            of_table_2 = standing.system == UMT and figures == FIGURES
            theirs = PAPER_DAGGERS.get(data_of(standing.dataset), ()) if of_table_2 else ()
            printed = [
                cell(f"{standing.paper[figure]:.2f}{' †' * (figure in theirs)}" if figure in standing.paper else "")
                for figure in figures
            ]
            lines.append({"cells": [cell("the paper"), *printed], "quiet": True})
    return columns, lines


def _about(standing: Standing) -> str:
    done = len(standing.seeds)
    if not done:
        return ""
    seeds = f"{done} seed{'s' * (done > 1)}" if done == standing.wanted else f"{done} of {standing.wanted} seeds"
    return f"{seeds} · stand-in pictures" if standing.stands_in else seeds


def _figure(standing: Standing, figure: str, where: Browser, marked: bool) -> dict[str, Any]:
    if not standing.ours:
        return cell(NOT_RUN)
    spread = standing.ours[figure]
    each = ", ".join(f"{value:.2f} (seed {seed})" for seed, value in zip(standing.seeds, spread.values, strict=True))
    link = where.link(standing.system, errors_behind("", figure))
    return cell(
        f"{spread.mean:.2f}{' †' * marked}",
        link=link,
        sub="" if spread.deviation is None else f"± {spread.deviation:.2f}",
        title=each + ("; opens the errors of the first seed" if link else ""),
    )


def missing_commands(results: Results, found: Iterable[Standing], data: str) -> list[str]:
    """The command that runs each system with seeds that are not done. ``data``: the folder of data sets."""
    missing = dict.fromkeys((s.dataset, s.system) for s in found if len(s.seeds) < s.wanted)
    if not missing:
        return []
    words = [made_by(results, data, on_base=on_base)[3:] for on_base in (False, True)]
    return [markup.command(*words[dataset.endswith(BASE)], *only(dataset, system)) for dataset, system in missing]


# --- what holds up, figures 3 and 4, and chance -----------------------------------------------------------------


def claim_cells(found: Sequence[Finding], where: Browser = NOWHERE) -> tuple[Cells, Cells]:
    """What the paper says, beside what came of it here."""
    columns: Cells = [
        {"title": "The paper says", "words": True},
        {"title": "Better", "words": True},
        {"title": "than", "words": True},
        {"title": "The paper", "help": "points of F1 between the two"},
        {"title": "Ours", "help": "the same of our first seeds, with its 95 % bootstrap interval over tweets"},
        {"title": "So", "words": True, "help": f"p by randomisation: {RANDOMISATION}"},
        {"title": "Means of seeds", "help": "the same of the means over seeds, where both systems have several"},
    ]
    lines: Cells = []
    for row in found:
        claim, sign = row.claim, SIGNS[row.verdict]
        cells = [cell(claim.about), *(cell(tables.system_title(name)) for name in (claim.better, claim.worse))]
        cells += [cell(points(row.paper)), _ours(row, where)]
        p = p_value(row.test.p_randomisation) if row.test else ""
        cells += [cell(f"{sign} {row.verdict}", sub=f"p {p}") if row.test else cell("")]
        cells += [cell("" if row.means is None else points(row.means))]
        lines.append({"cells": cells, "quiet": row.verdict not in (HOLDS, TURNED)})
    return columns, lines


def _ours(row: Finding, where: Browser) -> dict[str, Any]:
    """The difference with its interval, linked to what is fixed and broken where that can be looked at."""
    if row.test is None or row.ours is None:
        return cell(row.verdict)
    low, high = (points(100 * end) for end in (row.test.difference.low, row.test.difference.high))
    pair = {"baseline": row.claim.worse, "system": row.claim.better, "outcome": "fixed,broken"}
    found = _placed(cell(points(row.ours), link=pair, sub=f"{low} to {high}"), where)
    return found | ({"title": "opens what it fixes and breaks"} if "link" in found else {})


def moved_cells(rows: Sequence[Moved], where: Browser = NOWHERE) -> tuple[Cells, Cells]:
    """What each system fixes and breaks of BERT-CRF."""
    columns: Cells = [{"title": "System", "words": True}, {"title": "Fixed"}, {"title": "Broken"}, {"title": "Net"}]
    lines: Cells = []
    for row in rows:
        counts = [_count(row, name, where) for name in ("fixed", "broken")]
        net = "" if row.fixed is None or row.broken is None else f"{row.fixed - row.broken:+d}"
        lines.append({"cells": [cell(tables.system_title(row.system)), *counts, cell(net)]})
    return columns, lines


def _count(row: Moved, name: str, where: Browser) -> dict[str, Any]:
    count: int | None = getattr(row, name)
    if count is None:
        return cell(NOT_RUN)
    return cell(f"{count:,}", link=where.link(row.system, {"outcome": name}) if BASELINE in where.runs else None)


def moved_table(rows: Sequence[Moved], gold: int) -> pd.DataFrame:
    """The bars of ``figures.moved_bars``; of systems that are not run none. ``gold``: entities of the test set."""
    columns = ["title", "outcome", "count", "share", "gold"]
    bars = [
        (tables.system_title(row.system), name, count, count / gold, gold)
        for row in rows
        for name, count in (("fixed", row.fixed), ("broken", row.broken))
        if count is not None
    ]
    return pd.DataFrame(bars, columns=columns)


def against_cells(rows: Sequence[Against], where: Browser = NOWHERE) -> tuple[Cells, Cells]:
    """Each pair with its tests, as the Scores page has them."""
    systems = dict.fromkeys(name for row in rows for name in (row.system, row.baseline))
    pairs = [
        {
            "system": row.system,
            "baseline": {"name": row.baseline},
            "fixed": row.fixed,
            "broken": row.broken,
            "paired_test": row.test.to_dict(),
        }
        for row in rows
    ]
    columns, lines = pair_cells(pairs, {system: tables.system_title(system) for system in systems})
    return columns, [{**line, "cells": [_placed(c, where) for c in line["cells"]]} for line in lines]


def _placed(found: dict[str, Any], where: Browser) -> dict[str, Any]:
    """A cell whose link names systems, with one that names their runs, or without."""
    link = found.get("link")
    if link is None:
        return found
    bare = {name: value for name, value in found.items() if name not in ("link", "href")}
    if {link["baseline"], link["system"]} - where.runs.keys():
        return bare
    runs = {name: where.runs[link[name]] for name in ("baseline", "system")}
    return bare | cell(found["text"], link={"data": where.data} | link | runs)


# --- seeds, cost, counts -------------------------------------------------------------------------


def with_seeds(found: Iterable[Standing]) -> list[Standing]:
    """The systems with several seeds."""
    return [standing for standing in found if len(standing.seeds) > 1]


def seed_table(found: Sequence[Standing]) -> pd.DataFrame:
    """F1 of each seed of the systems with several, one row each."""
    rows = [
        (row_title(standing.dataset, standing.system), seed, round(value, 2), round(standing.ours["f1"].mean, 2))
        for standing in with_seeds(found)
        for seed, value in zip(standing.seeds, standing.ours["f1"].values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["System", "Seed", "F1", "Mean"])


def seed_cells(found: Sequence[Standing], where: Mapping[str, Browser]) -> tuple[Cells, Cells]:
    """A line for each system with several seeds: their F1, the mean, and how far they lie apart; ``where`` by row set.

    The first seed leads to its errors; of the others no predictions are kept.
    """
    several = with_seeds(found)
    seeds = sorted({seed for standing in several for seed in standing.seeds})
    columns: Cells = [{"title": "System", "words": True}, *({"title": f"Seed {seed}"} for seed in seeds)]
    columns += [{"title": "Mean"}, {"title": "Range", "help": "the highest less the lowest"}]
    lines: Cells = []
    for standing in several:
        f1 = dict(zip(standing.seeds, standing.ours["f1"].values, strict=True))
        first, *_ = standing.seeds
        each = [cell(f"{f1[seed]:.2f}" if seed in f1 else NOT_RUN) for seed in seeds]
        each[seeds.index(first)] = _errors_cell(f1[first], standing.dataset, standing.system, where)
        each += [cell(f"{standing.ours['f1'].mean:.2f}"), cell(f"{max(f1.values()) - min(f1.values()):.2f}")]
        lines.append({"cells": [cell(row_title(standing.dataset, standing.system)), *each]})
    return columns, lines


def _errors_cell(f1: float, dataset: str, system: str, where: Mapping[str, Browser]) -> dict[str, Any]:
    """F1 that leads to the errors of the system's first seed, where they can be looked at."""
    link = where.get(dataset, NOWHERE).link(system, errors_behind("", "f1"))
    return cell(f"{f1:.2f}", link=link, title="opens the errors of the first seed" if link else "")


def cost_table(found: Sequence[Cost], split: str) -> pd.DataFrame:
    """One row for each system: what it is worth, and what it costs."""
    columns = ["System", "Reads", "Part left out", "F1", "Lowest", "Highest", *COSTS.values()]
    columns += ["Trained, M", "Published, M", "Training, min", "Epochs"]
    rows = []
    for cost in found:
        f1 = cost.f1[split]
        figures = [round(figure, 2) for figure in (f1.mean, min(f1.values), max(f1.values))]
        of_weights = [round(count / 1e6, 2) for count in (cost.trained, cost.published)]
        rows.append(
            [
                row_title(cost.dataset, cost.system),
                PICTURE if cost.pictures else TEXT,
                cost.system in ABLATIONS,
                *figures,
                round(cost.parameters / 1e6, 2),
                cost.milliseconds,
                *of_weights,
                round(cost.seconds / 60, 1),
                cost.epochs,
            ]
        )
    return pd.DataFrame(rows, columns=columns)


def cost_cells(found: Sequence[Cost], split: str, by: str, where: Mapping[str, Browser]) -> tuple[Cells, Cells]:
    """``cost_table`` for readers, the cheapest ``by`` one of the ``COSTS`` first.

    F1 leads to the errors; the extremes of the seeds, where there are several, are below it.
    """
    table = cost_table(found, split)
    hidden = ["Part left out", "Lowest", "Highest"]
    columns: Cells = [{"title": name, "words": name in ("System", "Reads")} for name in table.drop(columns=hidden)]
    lines: Cells = []
    for i in table[COSTS[by]].sort_values(kind="stable").index:
        row = table.loc[i]
        cells = [cell(_shown(row[column["title"]])) for column in columns]
        cells[2] = _errors_cell(row["F1"], found[i].dataset, found[i].system, where)
        if row["Lowest"] < row["Highest"]:
            cells[2]["sub"] = f"{row['Lowest']:.2f} – {row['Highest']:.2f}"
        lines.append({"cells": cells})
    return columns, lines


def _shown(value: object) -> str:
    """A cell of ``cost_table``."""
    if isinstance(value, float):
        return NOT_RUN if math.isnan(value) else f"{value:,.2f}"
    return str(value)


def count_cells(counts: Sequence[Count], where: Browser = NOWHERE) -> tuple[Cells, Cells]:
    """Table 1, ours over the paper's; of the split that predictions are of, each count leads to its gold entities."""
    columns: Cells = [{"title": "Split", "words": True}]
    columns += [{"title": name} for name in (*LABELS, "total", "tweets")]
    by_split: dict[str, dict[str, Count]] = {}
    for count in counts:
        by_split.setdefault(count.split, {})[count.name] = count
    lines: Cells = []
    for split, of in by_split.items():
        cells = [_count_cell(of[column["title"]], where) for column in columns[1:]]
        lines.append({"cells": [cell(tables.data_set_title(split)), *cells]})
    return columns, lines


def _count_cell(count: Count, where: Browser) -> dict[str, Any]:
    off = f"{count.ours - count.paper:+d}" if count.ours != count.paper else ""
    link = None
    if count.split == where.data and where.runs:
        query = {"type": count.name} if count.name in LABELS else {}
        query |= {} if count.name == "tweets" else {"outcome": ",".join(GOLD_OUTCOMES)}
        link = where.link([*where.runs][-1], query)
    return cell(f"{count.ours:,} / {count.paper:,}", link=link, sub=off)
