"""What pages show as charts: DataFrames of ``tables`` in, plotly figures out."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from umt_core.schema import GRID

CHOSEN, OTHERS = 1.0, 0.6  # opacity of the chosen word's bar and of the others'
# Of Okabe and Ito; a system's name always stands at its bar or in the legend.
SYSTEM_COLOURS = ("#56B4E9", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")
MAIN_COLOUR, ESD_COLOUR, TRANSITION_COLOUR = "#0072B2", "#D55E00", "#009E73"


def _label(text: str, limit: int = 14) -> str:
    """A word for an axis: plotly reads a subset of HTML, so it is escaped; long ones are cut."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(shown, quote=False)


def gate_bars(table: pd.DataFrame, labels: list[str], chosen: int) -> go.Figure:
    """Mean gate of each word, with the middle 80 % of its dimensions as a whisker. ``table``: ``gates``."""
    mean = table["Mean"]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(table))),
            y=mean,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": table["10 % above"] - mean,
                "arrayminus": mean - table["10 % below"],
                "thickness": 1.2,
                "width": 2,
                "color": "rgba(128,128,128,.9)",
            },
            marker={
                "color": MAIN_COLOUR,
                "opacity": [CHOSEN if i == chosen else OTHERS for i in range(len(table))],
            },
            customdata=[_label(label, 40) for label in labels],
            hovertemplate="%{customdata}: mean %{y:.2f}<extra></extra>",
        )
    )
    ticks = [f"<b>{_label(w)}</b>" if i == chosen else _label(w) for i, w in enumerate(labels)]
    figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=ticks, tickangle=-50, fixedrange=True)
    figure.update_yaxes(range=[0, 1], title="gate", tickvals=[0, 0.25, 0.5, 0.75, 1], fixedrange=True)
    return _calm(figure, height=250)


def signed_bars(labels: Sequence[str], values: Sequence[float], chosen: Collection[int], unit: str) -> go.Figure:
    """A bar a word, up where it adds and hatched down where it takes away; the words ``chosen`` are in bold."""
    colours = [MAIN_COLOUR if value >= 0 else ESD_COLOUR for value in values]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(values))),
            y=list(values),
            marker={"color": colours, "pattern": {"shape": ["" if value >= 0 else "/" for value in values], "size": 5}},
            customdata=[_label(label, 40) for label in labels],
            hovertemplate="%{customdata}: %{y:+.3f}<extra></extra>",
        )
    )
    ticks = [f"<b>{_label(w)}</b>" if i in chosen else _label(w) for i, w in enumerate(labels)]
    figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=ticks, tickangle=-50, fixedrange=True)
    figure.update_yaxes(title=unit, fixedrange=True, zeroline=True, tickformat="+.2~f")
    return _calm(figure, height=270)


def spread_boxes(table: pd.DataFrame, unit: str) -> go.Figure:
    """A box a group: whiskers hold the middle 90 %, the box the middle half, a diamond is the mean."""
    figure = go.Figure(
        go.Box(
            x=[_label(str(group), 30) for group in table["Group"]],
            lowerfence=table["5 %"],
            q1=table["25 %"],
            median=table["Median"],
            q3=table["75 %"],
            upperfence=table["95 %"],
            marker={"color": MAIN_COLOUR},
            line={"width": 1.5},
            hoverinfo="y",
            showlegend=False,
        )
    )
    figure.add_scatter(
        x=[_label(str(group), 30) for group in table["Group"]],
        y=table["Mean"],
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": ESD_COLOUR},
        hovertemplate="mean %{y:.3f}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(title=unit, fixedrange=True)
    return _calm(figure, height=330)


def block_shares(mean: Sequence[float], chosen: int) -> go.Figure:
    """A map's mean share of each of the 7 x 7 blocks, in percent, as numbers on shades; the chosen block is framed."""
    rows = [[100 * float(value) for value in mean[i : i + GRID]] for i in range(0, GRID * GRID, GRID)]
    places = list(range(1, GRID + 1))
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=places,
            y=places,
            colorscale="Blues",
            text=[[f"{value:.2f}" for value in row] for row in rows],
            texttemplate="%{text}",
            hovertemplate="row %{y}, column %{x}: %{z:.3f} %<extra></extra>",
            colorbar={"title": "%"},
        )
    )
    row, column = chosen // GRID + 1, chosen % GRID + 1
    figure.add_shape(
        type="rect",
        x0=column - 0.5,
        x1=column + 0.5,
        y0=row - 0.5,
        y1=row + 0.5,
        line={"color": ESD_COLOUR, "width": 3},
    )
    figure.update_xaxes(title="column", dtick=1, fixedrange=True)
    figure.update_yaxes(title="row", dtick=1, autorange="reversed", fixedrange=True, scaleanchor="x")
    return _calm(figure, height=380)


def rho_intervals(table: pd.DataFrame, explains: float) -> go.Figure:
    """Each map's mean rho with its interval; dotted: from where on we say that it explains. ``table``: faithfulness."""
    figure = go.Figure(
        go.Scatter(
            x=table["ρ"],
            y=[_label(str(title), 40) for title in table["Map"]],
            mode="markers",
            marker={
                "size": 9,
                "color": [MAIN_COLOUR if attention else ESD_COLOUR for attention in table["Attention"]],
                "symbol": ["circle" if attention else "diamond" for attention in table["Attention"]],
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": table["High"] - table["ρ"],
                "arrayminus": table["ρ"] - table["Low"],
                "thickness": 1.5,
                "width": 3,
            },
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": "#808890", "width": 1})
    figure.add_vline(x=explains, line={"color": "#808890", "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Spearman's ρ with occlusion, mean", range=[-1, 1.05], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    return _calm(figure, height=90 + 22 * len(table))


def relevance_bars(table: pd.DataFrame) -> go.Figure:
    """How many tweets have which relevance, beside what chance would give. ``table``: ``relevance_cells.histogram``."""
    middle = (table["Low"] + table["High"]) / 2
    figure = go.Figure(
        go.Bar(
            x=middle,
            y=table["Tweets"],
            marker={"color": MAIN_COLOUR},
            customdata=table[["Low", "High"]],
            hovertemplate="%{customdata[0]:.2f} to %{customdata[1]:.2f}: %{y} tweets<extra></extra>",
        )
    )
    even = table["Tweets"].sum() / max(len(table), 1)
    figure.add_hline(
        y=even,
        line={"dash": "dash", "color": "rgba(128,128,128,.9)"},
        annotation_text="by chance",
        annotation_position="top left",
    )
    figure.update_layout(bargap=0.05)
    figure.update_xaxes(range=[0, 1], title="relevance", fixedrange=True)
    figure.update_yaxes(title="tweets", fixedrange=True)
    return _calm(figure, height=260)


def contribution_bars(table: pd.DataFrame) -> go.Figure:
    """Main and converted ESD emission beside each other for each tag. ``table``: ``contributions``."""
    figure = go.Figure(
        [
            go.Bar(name="main tagger", x=table["Tag"], y=table["Main"], marker={"color": MAIN_COLOUR}),
            go.Bar(
                name="from the span detector",
                x=table["Tag"],
                y=table["From ESD"],
                marker={"color": ESD_COLOUR, "pattern": {"shape": "/", "size": 5}},
            ),
            go.Scatter(
                name="sum",
                x=table["Tag"],
                y=table["Sum"],
                mode="markers",
                marker={"symbol": "diamond", "size": 8, "color": "#808890"},
            ),
        ]
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(title="score", fixedrange=True, zeroline=True)
    figure.update_layout(barmode="group", legend={"orientation": "h", "y": 1.18, "x": 0})
    return _calm(figure, height=260)


def part_bars(table: pd.DataFrame) -> go.Figure:
    """What each part adds to each tag of a word, on top of each other. ``table``: ``provenance_tables.of_word``.

    Tags that a transition rules out are left out: their bar would dwarf all others.
    """
    table = table[~table["Ruled out"]]
    transitions = table["Tag before"] + table["Tag after"]
    figure = go.Figure()
    for name, values, colour, shape in (
        ("main emission", table["Main"], MAIN_COLOUR, ""),
        ("from ESD", table["From ESD"], ESD_COLOUR, "/"),
        ("transitions", transitions, TRANSITION_COLOUR, "."),
    ):
        pattern = {"shape": shape, "size": 5}
        figure.add_bar(name=name, x=table["Tag"], y=values, marker={"color": colour, "pattern": pattern})
    diamond = {"symbol": "diamond", "size": 8, "color": "#808890"}
    figure.add_scatter(name="sum", x=table["Tag"], y=table["Sum"], mode="markers", marker=diamond)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(title="score", fixedrange=True, zeroline=True)
    figure.update_layout(barmode="relative", legend={"orientation": "h", "y": 1.18, "x": 0})
    return _calm(figure, height=290)


def outcome_bars(table: pd.DataFrame, share: bool, highest: float, bright: Sequence[bool]) -> go.Figure:
    """One outcome as in the paper's figures 3 and 4: a bar a system, or by type a group of them a type.

    ``table`` has a bar a row (``outcomes.bar_table``), which a click gives back as its custom data;
    ``bright`` are the bars that do not stand back, ``highest`` is the end of the axis.
    """
    figure = go.Figure()
    by_type = table["type"].nunique() > 1
    value = "share" if share else "count"
    opacity = [CHOSEN if is_bright else OTHERS for is_bright in bright]
    for (title, place), rows in table.groupby(["title", "place"], sort=False):
        texts = [f"{100 * n:.1f}" if share else str(n) for n in rows[value]]
        figure.add_bar(
            name=_label(str(title), 30),
            x=rows["type"] if by_type else [_label(str(title), 30)] * len(rows),
            y=rows[value],
            text=texts,
            textposition="outside",
            cliponaxis=False,
            customdata=[[place] for place in rows.index],
            marker={
                "color": SYSTEM_COLOURS[place % len(SYSTEM_COLOURS)],
                "opacity": [opacity[table.index.get_loc(i)] for i in rows.index],
            },
            # Where opacities are a list plotly makes none of these up, and fails at a click.
            selected={"marker": {"opacity": CHOSEN}},
            unselected={"marker": {"opacity": OTHERS}},
            hovertext=[f"{n} of {gold} gold entities" for n, gold in zip(rows["count"], rows["gold"], strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.update_xaxes(fixedrange=True)
    ticks = ".0%" if share else ",d"
    figure.update_yaxes(range=[0, 1.15 * max(highest, 1e-9)], fixedrange=True, tickformat=ticks, nticks=5)
    legend = {"orientation": "h", "y": 1.16, "x": 0}
    figure.update_layout(barmode="group", showlegend=by_type, legend=legend)
    return _calm(figure, height=270).update_layout(bargap=0.45)


def moved_bars(table: pd.DataFrame, highest: float) -> go.Figure:
    """The paper's Figure 3 or 4 with all systems: a bar a row of the table, from the top; ``highest`` ends the axis."""
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        x=table["count"],
        y=[_label(str(title), 30) for title in table["title"]],
        text=[f"{count:,}" for count in table["count"]],
        textposition="outside",
        cliponaxis=False,
        marker={"color": MAIN_COLOUR},
        hovertext=[f"{n} of {gold} gold entities" for n, gold in zip(table["count"], table["gold"], strict=True)],
        hovertemplate="%{y}: %{hovertext}<extra></extra>",
    )
    figure.update_xaxes(range=[0, 1.15 * max(highest, 1e-9)], fixedrange=True, tickformat=",d", nticks=5)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    return _calm(figure, height=80 + 24 * len(table))


def rate_bars(table: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """Shares with their intervals, a group of bars for each row of the table.

    ``names`` goes from a column to what its bars are called; ``<column>_low`` and ``<column>_high`` are the intervals.
    A bar gives back the place of its row as custom data.
    """
    figure = go.Figure()
    for place, (column, name) in enumerate(names.items()):
        value = table[column]
        figure.add_bar(
            name=name,
            x=table["title"],
            y=value,
            customdata=[[row] for row in range(len(table))],
            error_y={"array": table[f"{column}_high"] - value, "arrayminus": value - table[f"{column}_low"]},
            marker={"color": SYSTEM_COLOURS[place], "pattern": {"shape": ("", "/")[place % 2]}},
            hovertemplate="%{x}: %{y:.2%}<extra>" + name + "</extra>",
        )
    highest = max((table[f"{column}_high"].max() for column in names), default=0) if len(table) else 0
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(range=[0, 1.2 * max(highest, 1e-3)], fixedrange=True, tickformat=".0%", nticks=5)
    figure.update_layout(barmode="group", showlegend=True, legend={"orientation": "h", "y": 1.16, "x": 0})
    return _calm(figure, height=280)


def loss_curve(losses: Sequence[tuple[float, float]], rows: Sequence[Mapping[str, Any]], epochs: int) -> go.Figure:
    """The loss while a job trains: as the log has it between epochs, and each epoch's mean. ``rows``: its history."""
    means = [(row["epoch"], row["loss_total"]) for row in rows]
    figure = go.Figure()
    for name, points, colour, mode in (
        ("last step", losses, MAIN_COLOUR, "lines"),
        ("mean of the epoch", means, ESD_COLOUR, "markers"),
    ):
        figure.add_scatter(
            name=name,
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode=mode,
            line={"color": colour, "width": 1.5},
            marker={"color": colour, "size": 9, "symbol": "diamond"},
            hovertemplate="%{y:.3f} after %{x:.2f} epochs<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(title="loss", fixedrange=True, rangemode="tozero")
    return _over_epochs(figure, 0, epochs)


def f1_curve(rows: Sequence[Mapping[str, Any]], before: float | None, epochs: int) -> go.Figure:
    """Dev F1 after each epoch, in percent, and that of the checkpoint that training started from."""
    figure = go.Figure(
        go.Scatter(
            name="after the epoch",
            x=[row["epoch"] for row in rows],
            y=[100 * row["dev_f1"] for row in rows],
            mode="lines+markers",
            line={"color": MAIN_COLOUR, "width": 2},
            marker={"size": 9},
            hovertemplate="%{y:.2f} after epoch %{x}<extra></extra>",
        )
    )
    if before is not None:
        figure.add_scatter(
            name=f"before: {100 * before:.2f}",
            x=[0, epochs],
            y=[100 * before] * 2,
            mode="lines",
            line={"color": "#808890", "dash": "dash"},
            hoverinfo="skip",
        )
    figure.update_yaxes(title="F1, percent", fixedrange=True)
    return _over_epochs(figure, 0, epochs)


def _over_epochs(figure: go.Figure, first: int, last: int) -> go.Figure:
    figure.update_xaxes(title="epochs", range=[first, last + 0.2], fixedrange=True, tick0=0, dtick=-(-last // 10))
    figure.update_layout(legend={"orientation": "h", "y": 1.16, "x": 0}, showlegend=True)
    return _calm(figure, height=260)


def _calm(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.3, dragmode=False)
    return figure
