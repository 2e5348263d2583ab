"""What pages show as charts: DataFrames of ``tables`` in, plotly figures out."""

from __future__ import annotations

import html

import pandas as pd
import plotly.graph_objects as go

CHOSEN, OTHERS = 1.0, 0.45  # opacity of the chosen word's bar and of the others'
MAIN_COLOUR, ESD_COLOUR = "#0072B2", "#E69F00"


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


def _calm(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.3, dragmode=False)
    return figure
