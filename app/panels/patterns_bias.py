"""Patterns, Visual bias: how often another tweet's picture changes what the system says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from app import figures, keeping, markup, outcomes, visual_bias
from app.panels import charts, linked
from app.panels import keeping as keeping_panel
from app.patterns import Asked
from app.services import Lazy
from app.visual_bias import BiasFigures
from umt_core.analysis.query import Query
from umt_core.analysis.significance import Interval
from umt_core.explain.aggregates import tweets_behind
from umt_core.explain.bias import ALL, FLIPS, KIND, Rate
from umt_core.explain.foreign import FOREIGN
from umt_core.schema import PICTURED

MOST_MOVED = 10  # tweets that are listed
WHY = (
    "Every tweet with a picture is read again beside its own, beside none, and beside "
    f"**{FOREIGN} other tweets' pictures**. Where the answer stays, it does not depend on which picture stands there."
)
COLUMNS = {"foreign": "beside another tweet's picture", "none": "without picture"}
OUTCOME_TITLES = {
    "fixed": "fixed",
    "broken": "broken",
    "both_right": "both right",
    "both_wrong": "both wrong",
    "spurious_added": "not gold, added",
}


def show(asked: Asked) -> None:
    command = markup.command("sets", "bias", asked.found.name, "--run", asked.system)
    recipe = keeping.Recipe(KIND, Lazy.KEEP_BIAS, "Reading tweets beside other pictures", command)
    kept = keeping_panel.table(asked.found, asked.system, recipe, WHY)
    if kept is None:
        return
    found = visual_bias.figures(asked, kept)
    _headline(asked, found)
    st.markdown(f"**By outcome** against {markup.plain(asked.baseline_title)}: how often the picture turns it round")
    _rates(asked, "outcome", found.by_outcome, OUTCOME_TITLES)
    st.caption(
        "A *fixed* entity is turned round where it is wrong beside the foreign picture: then this picture mattered to "
        "the repair. One that stays right would have been repaired by any of these pictures, or by none."
    )
    st.markdown("**By type**: how often an entity that is found beside the own picture is gone")
    _rates(asked, "type", found.by_type, {rate.group: rate.group for rate in found.by_type})
    _most_moved(asked, found)


def _headline(asked: Asked, found: BiasFigures) -> None:
    bias, changes = found.bias, found.bias.changes
    title, foreign, none = markup.plain(asked.title), _percent(changes.foreign), _percent(changes.none)
    st.markdown(
        f"A foreign picture changes what {title} says of a tweet in **{foreign}** of cases, no picture in **{none}** "
        f"({len(bias.tweets):,} tweets, {bias.pictures} of {bias.pool:,} different pictures beside each, "
        f"seed {bias.seed})."
    )
    if (scores := found.scores) is not None:
        st.markdown(
            f"F1 of these tweets: **{_percent(scores.own)}** beside their own pictures, **{_percent(scores.foreign)}** "
            f"beside foreign ones, **{_percent(scores.none)}** without. Own less foreign: "
            f"**{_points(scores.own_less_foreign)}** points, own less none: **{_points(scores.own_less_none)}**."
        )
    st.caption(
        "In brackets 95 % intervals: whole tweets drawn again. A reader of text alone has exactly 0 everywhere, and so "
        "has the tweet's own picture: a check that the program makes in its tests."
    )


def _rates(asked: Asked, by: str, rates: Sequence[Rate], titles: dict[str, str]) -> None:
    shown = [rate for rate in rates if rate.count]
    if not shown:
        st.text("There is no such entity.")
        return
    st.plotly_chart(
        charts.built(figures.rate_bars, _bars(shown, titles), COLUMNS),
        config={"displayModeBar": False},
        key=f"bias_{by}_{asked.key}",
        alt="The table below has the numbers",
    )
    columns: outcomes.Cells = [{"title": by.capitalize(), "words": True}, {"title": "Entities"}]
    columns += [{"title": title.capitalize()} for title in COLUMNS.values()]
    columns += [{"title": "Change of probability"}] if by == "type" else [{"title": "Turned round is", "words": True}]
    linked.show(f"bias_table_{by}", columns, [{"cells": _cells(asked, by, rate, titles)} for rate in shown])


def _bars(rates: Sequence[Rate], titles: dict[str, str]) -> pd.DataFrame:
    rows = []
    for rate in rates:
        row: dict[str, object] = {"title": f"{titles[rate.group]} ({rate.count})"}
        for name in COLUMNS:
            interval: Interval = getattr(rate, name)
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _cells(asked: Asked, by: str, rate: Rate, titles: dict[str, str]) -> outcomes.Cells:
    behind = Query(image=PICTURED) if rate.group == ALL else tweets_behind(by, rate.group)
    query = replace(behind, data=asked.found.name, baseline=asked.baseline, system=asked.system)
    # What is found in a tweet without labels no filter there finds by its type: that would lead to too few.
    link = None if query.predicted_type and asked.found.info.unlabelled else query.to_params()
    last = (
        outcomes.cell("" if rate.shift is None else _percent(rate.shift))
        if by == "type"
        else outcomes.cell(FLIPS[rate.group].removesuffix(" beside a foreign picture"))
    )
    return [
        outcomes.cell(titles[rate.group]),
        outcomes.cell(f"{rate.count:,}", link=link, title="their tweets, on Errors" if link else ""),
        *(outcomes.cell(_percent(getattr(rate, name))) for name in COLUMNS),
        last,
    ]


def _most_moved(asked: Asked, found: BiasFigures) -> None:
    moved = sorted((t for t in found.bias.tweets if t.changed), key=lambda t: (-t.changed, t.tweet))[:MOST_MOVED]
    st.markdown("**Tweets whose answer moves most**")
    if not moved:
        st.text("No foreign picture changed any answer.")
        return
    ids = asked.found.column(f"SELECT id FROM {asked.found.table('tweets')} ORDER BY tweet")
    columns: outcomes.Cells = [
        {"title": "Tweet", "words": True},
        {"title": "Other answer beside"},
        {"title": "Other answer without"},
    ]
    rows = []
    for t in moved:
        link = {"data": asked.found.name, "tweet": str(ids[t.tweet]), "part": "picture_what_if"}
        count = round(t.changed * len(t.foreign))
        cells = [
            outcomes.cell(markup.visible(str(ids[t.tweet])), link=link, page="explain", title="explain this tweet"),
            outcomes.cell(f"{count} of {len(t.foreign)}"),
            outcomes.cell("yes" if t.none.spans != t.spans else "no"),
        ]
        rows.append({"cells": cells})
    linked.show("bias_tweets", columns, rows, page="views/explain.py")


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} – {100 * share.high:.1f})"


def _points(difference: Interval) -> str:
    return f"{100 * difference.value:+.2f} ({100 * difference.low:+.2f} to {100 * difference.high:+.2f})"
