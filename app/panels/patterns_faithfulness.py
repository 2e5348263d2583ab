"""Patterns, Faithfulness: which map, if any, says what the system does when blocks of the picture are taken away."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from app import figures, markup, state
from app.keeping import Recipe
from app.panels import charts, keeping, linked
from app.patterns import Asked, agreeing, extreme_cells, faithfulness_table, summary
from app.services import Lazy
from umt_core.explain.faithfulness import EXPLAINS, KIND, MATTERS, MapFaithfulness, verdict
from umt_core.explain.kept import about_kept

WHY = (
    "Every map is held against what happens when blocks of the picture are taken away, for the entities of 100 tweets "
    "drawn by a seed. It takes some seconds an entity; a stop keeps what is done."
)
METHOD = (
    "ρ: Spearman's correlation of a map's 49 values with the 49 drops of the entity's log-odds when one block is set "
    "to zeros; whiskers: 95 % when tweets are drawn again. Area: how far the score lies below that of random orders, "
    "in nats, while blocks are taken away in the map's order. Diamonds are no attention: they are for comparison. "
    "A block of zeros beside 48 others is nothing the tagger was trained on, so occlusion is a yardstick, no truth."
)


def show(asked: Asked) -> None:
    if not asked.run.uses_image:
        st.info(f"{asked.title} reads text only. Choose a system that looks at pictures in the sidebar.")
        return
    command = markup.command("sets", "faithfulness", asked.found.name, "--run", asked.system)
    recipe = Recipe(KIND, Lazy.KEEP_FAITHFULNESS, "holding maps against occlusion", command)
    table = keeping.table(asked.found, asked.system, recipe, WHY)
    if table is None:
        return
    about = about_kept(table)
    key = state.Key.PATTERNS_MATTERS
    st.session_state[key] = st.session_state.get(key) in (True, "True")
    st.toggle(
        f"Only entities whose score some block moves by {MATTERS} and more",
        key=key,
        persist_state="session",
        help="Where no block matters, the order of the drops is mostly noise, and no map can be blamed for missing it.",
    )
    least_effect = MATTERS if st.session_state[key] else 0.0
    found = summary(asked, table, least_effect)
    if not found:
        st.text("No entity of the sampled tweets is left: there is nothing to judge.")
        return
    st.subheader("Which map explains this system?", anchor=False)
    st.markdown(f"**{verdict(found)}**")
    left = table.filter((pc.field("effect") >= least_effect) & ~pc.field("rho").is_null(nan_is_null=True))
    tweets = len(pc.unique(left["tweet"]))
    st.caption(
        f"{asked.title}, {max(m.spans for m in found):,} entities of {tweets:,} tweets (at most {about['tweets']}, "
        f"seed {about['seed']}). We say “explains” from ρ = {EXPLAINS} on."
    )
    _chart(found)
    st.caption(METHOD)
    _tweets(asked, table, found, least_effect)


def _chart(found: list[MapFaithfulness]) -> None:
    table = faithfulness_table(found)
    st.plotly_chart(
        charts.built(figures.rho_intervals, table, EXPLAINS),
        config={"displayModeBar": False},
        key="patterns_rho",
        alt="Correlation of each map with occlusion; the table below has the numbers",
    )
    with st.expander("As a table"):
        number = st.column_config.NumberColumn(format="%+.3f")
        numbers = [name for name in table.columns if name not in ("Map", "Attention", "Entities")]
        st.dataframe(table, hide_index=True, column_config=dict.fromkeys(numbers, number))


def _tweets(asked: Asked, table: pa.Table, found: list[MapFaithfulness], least_effect: float) -> None:
    """Where a map agrees most and least, to be looked at."""
    st.subheader("Tweets where a map agrees most and least", anchor=False)
    by_title = {m.title: m for m in found}
    title = state.choice(state.Key.PATTERNS_MAP, list(by_title))
    st.selectbox("Map", list(by_title), key=state.Key.PATTERNS_MAP, persist_state="session")
    chosen = by_title[title]
    for column, most in zip(st.columns(2, gap="large"), (True, False), strict=True):
        rows = agreeing(asked, table, chosen.map, chosen.head, least_effect, most=most)
        name = "Agrees most" if most else "Agrees least"
        with column:
            linked.show(f"patterns_agrees_{most}", *extreme_cells(asked, name, rows))
