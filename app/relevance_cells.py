"""What the Patterns page shows of relevance and the router: values in, cells, lines and DataFrames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.outcomes import Cells, cell, p_value
from umt_core.analysis.paper import percent
from umt_core.analysis.significance import Interval, PairedTest, is_significant
from umt_core.explain.router import Part, Routed, Trend

BINS = 20


def histogram(relevance: np.ndarray) -> pd.DataFrame:
    """How many tweets have a relevance from ``Low`` to ``High``. ``relevance``: of tweets with a picture."""
    counts, edges = np.histogram(relevance, bins=BINS, range=(0, 1))
    return pd.DataFrame({"Low": edges[:-1], "High": edges[1:], "Tweets": counts})


def part_cells(parts: Sequence[Part], baseline: str, system: str) -> tuple[Cells, Cells]:
    """A line for each part of the tweets, by relevance."""
    titles = ("Tweets", "Fixed", "Broken", f"F1 {baseline}", f"F1 {system}", "Difference", "p")
    columns: Cells = [{"title": "Relevance", "words": True}, *({"title": title} for title in titles)]
    rows: Cells = []
    for part in parts:
        where = "no picture" if part.low is None or part.high is None else f"{part.low:.2f} to {part.high:.2f}"
        texts = (where, f"{part.tweets:,}", str(part.outcomes["fixed"]), str(part.outcomes["broken"]))
        figures = (percent(part.baseline), percent(part.system))
        rows.append(
            {
                "cells": [
                    *map(cell, (*texts, *figures)),
                    _difference(part.test),
                    cell(p_value(part.test.p_randomisation)),
                ]
            }
        )
    return columns, rows


def router_cells(routed: Routed, baseline: str, system: str) -> tuple[Cells, Cells]:
    """F1 of both systems, of the router, and of what to hold it against."""
    columns: Cells = [{"title": "Answers of", "words": True}, {"title": "F1 on dev"}, {"title": "F1 on test"}]
    names = {
        "baseline": f"{baseline} always",
        "system": f"{system} always",
        "router": "the router",
        "oracle": "the oracle router, which knows the gold labels",
    }
    rows: Cells = [
        {"cells": [cell(shown), cell(percent(routed.dev[key])), _interval(routed.test[key])]}
        for key, shown in names.items()
    ]
    by_chance = "routers that go by other tweets' relevance"
    rows.insert(3, {"cells": [cell(by_chance), cell(""), _interval(routed.shuffled)], "quiet": True})
    return columns, rows


def rule_line(routed: Routed, baseline: str, system: str) -> str:
    """What the router does, in a sentence."""
    if not 0 <= routed.threshold <= 1:
        always = system if routed.threshold < 0 else baseline
        return (
            f"On dev no threshold does better than to take {always}'s answer always, so that is what the router does."
        )
    return (
        f"Dev chose relevance {routed.threshold:.3f}: from there on the router takes {system}'s answer "
        f"({routed.to_system['test']:.1%} of the test tweets), below it and without a picture {baseline}'s."
    )


def verdict_line(routed: Routed, baseline: str, system: str) -> str:
    """Whether the router pays, in a sentence that may say no."""
    told = [_against(routed.against_system, system), _against(routed.against_baseline, baseline)]
    against = routed.against_system
    better = against.significant and against.difference.value > 0 and is_significant(routed.p_shuffled)
    end = (
        "So relevance tells where to look."
        if better
        else "So on these tweets relevance does not tell where looking pays."
    )
    as_good = f"Of routers by other tweets' relevance {routed.p_shuffled:.1%} do as well on test."
    return f"The router is {told[0]}, and {told[1]}. {as_good} {end}"


def trend_line(trend: Trend, system: str) -> str:
    return (
        f"Spearman's correlation of relevance with what {system} fixes less what it breaks, over {trend.tweets:,}"
        f" tweets with a picture and an entity: {trend.correlation:+.3f} (p {p_value(trend.p)}, by shuffling)."
    )


def _against(test: PairedTest, other: str) -> str:
    found = test.difference
    by = f"{100 * found.value:+.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f}) points against {other}"
    return f"{by}, p {p_value(test.p_randomisation)}"


def _difference(test: PairedTest) -> Mapping[str, object]:
    found = test.difference
    return cell(f"{100 * found.value:+.2f}", sub=f"{100 * found.low:+.2f} to {100 * found.high:+.2f}")


def _interval(found: Interval) -> Mapping[str, object]:
    return cell(percent(found.value), sub=f"{percent(found.low)} to {percent(found.high)}")
