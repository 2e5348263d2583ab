"""Patterns, Relevance: does it pay to look at a picture that fits, and a router that asks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import streamlit as st

from app import figures, keeping, markup, relevance_cells, routing, services
from app.panels import charts, linked
from app.panels import keeping as keeping_panel
from app.patterns import Asked
from umt_core.analysis.paper import percent
from umt_core.analysis.sets import PredictionSet
from umt_core.explain.kept import about_kept
from umt_core.explain.router import KIND

TRAIN = "relevance train --data TRAIN.txt --images PICTURES --valid VALID.txt --valid-images PICTURES"
WHY = (
    "Relevance: the share of other tweets' pictures that fit the words less well than the tweet's own. Learned without "
    "labels, from which picture came with which tweet."
)
NO_PROOF = "Use it to rank tweets; for a single tweet it proves nothing."


def show(asked: Asked) -> None:
    """The section."""
    if not asked.found.info.images_sha256:
        st.info("This set was built without pictures: there is nothing whose relevance could be told.")
        return
    table = _kept(asked.found)
    if table is None:
        return
    _distribution(table)
    found = routing.found(asked.found, asked.baseline, asked.system)
    st.subheader("Fixed and broken by relevance", anchor=False)
    columns, rows = relevance_cells.part_cells(found.parts, asked.baseline_title, asked.title)
    linked.show(f"relevance_parts_{asked.key}", columns, rows)
    st.caption(
        f"Fifths of the tweets with a picture, from the least relevant on. Differences are {asked.title} less "
        f"{asked.baseline_title} in F1, with 95 % bootstrap intervals over tweets. Of five such tests one falls below "
        "p = 0.05 by chance in about one set in four."
    )
    st.markdown(markup.plain(relevance_cells.trend_line(found.trend, asked.title)))
    _router(asked)


def _kept(found: PredictionSet) -> pa.Table | None:
    info = routing.model()
    kept = keeping.table(found, None, KIND)
    if kept is None and info is None:
        st.markdown(f"{WHY} {NO_PROOF}")
        st.info("Nobody has trained that score here yet. A few thousand tweets with pictures take some minutes:")
        st.code(markup.command(*TRAIN.split()), language="bash", wrap_lines=True)
        return None
    recipe = keeping.Recipe(
        KIND,
        services.Lazy.KEEP_RELEVANCE,
        "Relevance of each picture",
        markup.command("sets", "relevance", found.name),
    )
    kept = keeping_panel.table(found, None, recipe, f"{WHY} {NO_PROOF}")
    if kept is not None and info is not None and about_kept(kept).get("model") != info.weights_sha256:
        st.warning("These scores are of other projections than those that are here now. To compute them again:")
        st.code(recipe.command, language="bash", wrap_lines=True)
    return kept


def _distribution(table: pa.Table) -> None:
    about = about_kept(table)
    scores = table["relevance"].drop_null().to_numpy()
    st.subheader("How well pictures fit", anchor=False)
    counts = relevance_cells.histogram(scores)
    st.plotly_chart(
        charts.built(figures.relevance_bars, counts),
        config={"displayModeBar": False},
        key="relevance_histogram",
        alt="Tweets by relevance; the table below has the numbers",
    )
    mean = float(np.mean(scores)) if len(scores) else float("nan")
    learned = f" It was learned from {markup.plain(about['images'])}." if about.get("images") else ""
    st.caption(
        f"{WHY} {NO_PROOF} Compared with {about['others']} others. Mean here **{mean:.3f}**, by chance 0.5; on the"
        f" tweets that chose its epoch {float(about['dev']):.3f}.{learned}"
    )
    with st.expander("As a table"):
        st.dataframe(counts, hide_index=True, alt="Tweets by relevance")


def _router(asked: Asked) -> None:
    st.subheader("A router", anchor=False)
    dev = routing.dev_of(asked.found, asked.baseline, asked.system)
    if isinstance(dev, str):
        st.info(markup.plain(dev))
        name = f"{asked.found.info.dataset}/{routing.DEV}"
        command = markup.command("sets", "relevance", name)
        st.code(command, language="bash", wrap_lines=True)
        return
    routed = routing.routed(dev, asked.found, asked.baseline, asked.system)
    st.markdown(markup.plain(relevance_cells.rule_line(routed, asked.baseline_title, asked.title)))
    columns, rows = relevance_cells.router_cells(routed, asked.baseline_title, asked.title)
    linked.show(f"router_{asked.key}", columns, rows)
    st.markdown(markup.plain(relevance_cells.verdict_line(routed, asked.baseline_title, asked.title)))
    st.caption(
        f"The oracle takes {percent(routed.oracle_to_system)} % of the answers from {asked.title}, by the"
        " gold labels: no router of these two can do better. Below a figure: its 95 % interval over tweets; of the"
        " routers by other tweets' relevance the middle 95 %."
    )
