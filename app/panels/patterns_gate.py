"""Patterns, Gate and attention: how both are spread over a data set, by type, outcome, part of the tweet, position."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import figures, markup, outcomes, state
from app.keeping import Recipe
from app.panels import charts, keeping, linked
from app.patterns import Asked, aggregate, extreme_cells, group_title, spread_cells, spreads
from app.services import Lazy
from umt_core.explain import aggregates
from umt_core.explain.aggregates import BLOCKS, FIGURES, KIND, Position
from umt_core.explain.attention import EVEN_SHARE, get_map
from umt_core.schema import GRID, REGIONS

BYS = {
    "type": "Type",
    "outcome": "Outcome",
    "part": "Part of the tweet",
    "position": "Position in the picture",
}
MEANINGS = {
    "type": "Entities that the system found, each the mean of its words; and the words in none.",
    "outcome": "Gold entities and wrong ones, each the mean of its words, by what became of the baseline's answer.",
    "part": "Words of all tweets that have a picture.",
}
WHY = (
    "The tagger reads all tweets once more and keeps gate, attention's evenness and shares of each word. "
    "After that every figure here is immediate."
)
PAST_THE_GATE = "A closed gate does not remove the picture, which still comes through A."
READ_WITH_CARE = (
    "Box: the middle half; whiskers: the middle 90 %; diamond: the mean. Tweets without a picture are left out. "
    "A difference between groups says that they differ, not why: capitals, place in the sentence and the tagger's "
    "certainty differ between them too."
)


def show(asked: Asked) -> None:
    if not asked.run.uses_image:
        st.info(f"{asked.title} reads text only. Choose a system that looks at pictures in the sidebar.")
        return
    command = markup.command("sets", "patterns", asked.found.name, "--run", asked.system)
    recipe = Recipe(KIND, Lazy.KEEP_PATTERNS, "reading gate and attention", command)
    if keeping.table(asked.found, asked.system, recipe, WHY) is None:
        return
    by = state.choice(state.Key.PATTERNS_BY, list(BYS))
    st.segmented_control(
        "By", list(BYS), format_func=BYS.__getitem__, key=state.Key.PATTERNS_BY, required=True, persist_state="session"
    )
    if by == "position":
        _positions(asked)
    elif by == "outcome" and not asked.found.info.labelled:
        st.info(outcomes.unlabelled_line(asked.found.info))
    else:
        _spread(asked, by)


def _spread(asked: Asked, by: str) -> None:
    names = aggregate(asked, KIND, aggregates.figures_of)
    if not names:
        st.text("No tweet of this data set has a picture and a word: there is nothing to spread.")
        return
    name = state.choice(state.Key.PATTERNS_FIGURE, names)
    st.segmented_control(
        "Figure",
        names,
        format_func=lambda name: FIGURES[name].title,
        key=state.Key.PATTERNS_FIGURE,
        required=True,
        persist_state="session",
    )
    baseline = asked.baseline if by == "outcome" else None
    boxes = aggregate(asked, KIND, aggregates.boxes, name, by, baseline)
    past = name == "gate" and "entropy_word_to_image_aware_block" in names
    st.caption(" ".join((MEANINGS[by], FIGURES[name].meaning, *([PAST_THE_GATE] if past else []))))
    if not boxes:
        st.text("No group has any.")
        return
    st.plotly_chart(
        charts.built(figures.spread_boxes, spreads(by, boxes), FIGURES[name].unit),
        config={"displayModeBar": False},
        key="patterns_boxes",
        alt=f"{FIGURES[name].title} by {BYS[by].lower()}; the table below has the numbers",
    )
    linked.show(f"patterns_spread_{by}", *spread_cells(asked, by, boxes))
    leads = by != "type" or not asked.found.info.unlabelled
    st.caption(READ_WITH_CARE + (" A group leads to its tweets on Errors." if leads else ""))
    _ends(asked, name, by, [box.group for box in boxes], baseline)


def _ends(asked: Asked, name: str, by: str, groups: list[str], baseline: str | None) -> None:
    """The tweets at both ends of a group."""
    st.subheader("Tweets at both ends", anchor=False)
    group = state.choice(state.Key.PATTERNS_GROUP, groups)
    st.segmented_control(
        "Group",
        groups,
        format_func=lambda group: group_title(by, group),
        key=state.Key.PATTERNS_GROUP,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    for column, title in zip(st.columns(2, gap="large"), ("Highest", "Lowest"), strict=True):
        rows = aggregate(asked, KIND, aggregates.extremes, name, by, group, baseline, title == "Highest")
        with column:
            linked.show(f"patterns_{title.lower()}", *extreme_cells(asked, title, rows))


def _positions(asked: Asked) -> None:
    found: list[Position] = aggregate(asked, BLOCKS, aggregates.positions)
    if not found:
        st.text("No tweet of this data set has a picture: there is no place to look at.")
        return
    by_map = {position.map: position for position in found}
    name = state.choice(state.Key.PATTERNS_MAP, list(by_map))
    st.segmented_control(
        "Map",
        list(by_map),
        format_func=lambda name: get_map(name).title,
        key=state.Key.PATTERNS_MAP,
        required=True,
        persist_state="session",
    )
    block = state.choice(state.Key.PATTERNS_BLOCK, range(REGIONS))
    position, rows_are_words = by_map[name], get_map(name).rows_are_words
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            charts.built(figures.block_shares, position.mean.tolist(), block),
            config={"displayModeBar": False},
            key="patterns_blocks",
            alt="Mean share of each block; the table beside has the numbers",
        )
        st.caption(
            f"Mean over the words, heads and {position.tweets:,} tweets with a picture, in percent; an even map has "
            f"{100 * EVEN_SHARE:.2f} everywhere."
            if rows_are_words
            else f"Of each block's attention, in percent, what goes to words and not to [CLS] or [SEP]; mean over the "
            f"heads and {position.tweets:,} tweets with a picture."
        )
        with st.expander("As a table"):
            _position_table(position)
    with right:
        st.selectbox(
            "Tweets whose map has most at",
            range(REGIONS),
            format_func=lambda block: f"row {block // GRID + 1}, column {block % GRID + 1}",
            key=state.Key.PATTERNS_BLOCK,
            persist_state="session",
        )
        rows = aggregate(asked, BLOCKS, aggregates.block_extremes, name, block)
        linked.show("patterns_block_tweets", *extreme_cells(asked, "Tweet", rows))


def _position_table(position: Position) -> None:
    table = pd.DataFrame(
        {
            "Row": [block // GRID + 1 for block in range(REGIONS)],
            "Column": [block % GRID + 1 for block in range(REGIONS)],
            "Mean": position.mean,
            "25 %": position.low,
            "75 %": position.high,
        }
    )
    number = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(table, hide_index=True, height=260, column_config=dict.fromkeys(("Mean", "25 %", "75 %"), number))
