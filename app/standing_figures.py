"""The Benchmark page's charts: DataFrames of ``standings`` in, plotly figures out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import pandas as pd
import plotly.graph_objects as go

from app.figures import ESD_COLOUR, MAIN_COLOUR
from app.markup import escape
from app.standings import PICTURE, TEXT

LABEL_HEIGHT = 21  # pixels from one label to the next
_MARKS = {  # of what a system reads, and whether a part is left out: told apart without colour
    (TEXT, False): (MAIN_COLOUR, "circle"),
    (TEXT, True): (MAIN_COLOUR, "circle-open"),
    (PICTURE, False): (ESD_COLOUR, "square"),
    (PICTURE, True): (ESD_COLOUR, "square-open"),
}
_SEED_SYMBOLS = ("circle", "square", "diamond", "cross", "x")
_GREY = "#808890"


def f1_by_cost(table: pd.DataFrame, cost: str) -> go.Figure:
    """F1 against one of the ``COSTS``: a mark a system, its name at the right, the seeds' extremes as a whisker.

    ``table``: ``standings.cost_table``.
    """
    figure = go.Figure()
    for (reads, ablated), rows in table.groupby(["Reads", "Part left out"], sort=False):
        colour, symbol = _MARKS[reads, ablated]
        figure.add_scatter(
            name=f"reads {reads}{', a part left out' if ablated else ''}",
            x=rows[cost],
            y=rows["F1"],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 1.5, "color": colour}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows["Highest"] - rows["F1"],
                "arrayminus": rows["F1"] - rows["Lowest"],
                "thickness": 1.2,
                "width": 3,
            },
            customdata=[escape(name) for name in rows["System"]],
            hovertemplate="%{customdata}: F1 %{y:.2f} at %{x:,.2f}<extra></extra>",
        )
    highest = float(table[cost].max())
    height = max(380, LABEL_HEIGHT * len(table) + 110)
    _name_at_the_right(figure, table, cost, 1.12 * highest, (height - 110) / LABEL_HEIGHT)
    figure.update_xaxes(title=cost, range=[0, 1.75 * highest], tickvals=_ticks(highest), fixedrange=True)
    figure.update_yaxes(title="F1, percent", fixedrange=True)
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, showlegend=True)
    return _calm(figure, height)


def _name_at_the_right(figure: go.Figure, table: pd.DataFrame, cost: str, x: float, room: float) -> None:
    """Writes the systems' names below each other, each with a line to its mark: near marks leave no room beside them.

    ``room``: how many names the height holds.
    """
    values = [float(value) for value in table["F1"]]
    low, high = float(table["Lowest"].min()), float(table["Highest"].max())
    gap = max(high - low, 1.0) / max(room - 1, 1)
    places = spread_out(values, gap)
    for name, value, at, place in zip(table["System"], values, table[cost], places, strict=True):
        figure.add_annotation(
            text=escape(name),
            x=at,
            y=value,
            ax=x,
            ay=place,
            axref="x",
            ayref="y",
            xanchor="left",
            showarrow=True,
            arrowhead=0,
            arrowwidth=0.8,
            arrowcolor=_GREY,
            standoff=7,
            font={"size": 12},
        )
    figure.update_yaxes(range=[min(low, *places) - gap, max(high, *places) + gap])


def spread_out(values: Sequence[float], gap: float) -> list[float]:
    """Places as near to the values as can be (least squares), in their order, and none nearer than ``gap`` to another.

    >>> spread_out([5.0, 1.0, 5.0], 2.0)
    [4.0, 1.0, 6.0]
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    blocks: list[list[float]] = []  # of neighbours that touch: where each would have the first one stand
    for rank, i in enumerate(order):
        block = [values[i] - rank * gap]
        while blocks and fmean(blocks[-1]) > fmean(block):
            block = blocks.pop() + block
        blocks.append(block)
    starts = [fmean(block) for block in blocks for _ in block]
    places = {i: starts[rank] + rank * gap for rank, i in enumerate(order)}
    return [places[i] for i in range(len(values))]


def _ticks(highest: float) -> list[float]:
    """Some five round numbers from 0 to the highest."""
    raw = max(highest, 1e-9) / 5
    power: float = 10 ** math.floor(math.log10(raw))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= raw)
    return [step * i for i in range(int(highest / step) + 1)]


def seed_strip(table: pd.DataFrame) -> go.Figure:
    """F1 of the seeds: a line a system, a mark a seed, a bar at the mean. ``table``: ``standings.seed_table``."""
    systems = list(dict.fromkeys(table["System"]))
    figure = go.Figure()
    for place, (seed, rows) in enumerate(table.groupby("Seed")):
        figure.add_scatter(
            name=f"seed {seed}",
            x=rows["F1"],
            y=[escape(name) for name in rows["System"]],
            mode="markers",
            marker={"symbol": _SEED_SYMBOLS[place % len(_SEED_SYMBOLS)], "size": 10, "color": MAIN_COLOUR},
            hovertemplate="%{y}: %{x:.2f}<extra>%{fullData.name}</extra>",
        )
    means = table.drop_duplicates("System")
    figure.add_scatter(
        name="mean",
        x=means["Mean"],
        y=[escape(name) for name in means["System"]],
        mode="markers",
        marker={"symbol": "line-ns", "size": 24, "line": {"width": 3, "color": ESD_COLOUR}},
        hovertemplate="%{y}: mean %{x:.2f}<extra></extra>",
    )
    order = [escape(name) for name in reversed(systems)]
    figure.update_xaxes(title="F1, percent", fixedrange=True)
    figure.update_yaxes(fixedrange=True, categoryorder="array", categoryarray=order)
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, showlegend=True)
    return _calm(figure, 110 + 44 * len(systems))


def _calm(figure: go.Figure, height: int) -> go.Figure:
    return figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, dragmode=False)
