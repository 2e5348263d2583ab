"""Scores: what each system is worth on a data set, and how far apart two must be to differ."""

import streamlit as st

from app import markup, outcomes, sets, state
from app.panels import building, data_set, linked, pairs
from umt_core.analysis.browse import resolve
from umt_core.analysis.query import Query
from umt_core.analysis.significance import RESAMPLES
from umt_core.analysis.tables import SLICES, confusion_rows, error_rows, score_rows, slice_rows
from umt_core.errors import UmtError

SLICE_TITLES = {
    "seen": "Words of the entity in training data",
    "words": "Words of the tweet",
    "entities": "Gold entities of the tweet",
    "image": "Picture",
}

state.follow_data_link()
st.caption(
    "What each tagger is worth on a data set, how sure that is, and where it fails. Every figure opens its tweets."
)
chosen = data_set.choose()
against = pairs.against(chosen.found) if chosen.found else None
state.keep_data_address(chosen.name, against)
for line in state.link_complaints():
    st.warning(markup.plain(line))
found = chosen.found
if found is None or building.is_first(chosen):
    building.empty(chosen)
    st.stop()
if line := outcomes.unlabelled_line(found.info):
    st.info(markup.plain(line))
if not found.info.labelled:
    building.more(chosen)
    st.stop()
titles, data = outcomes.run_titles(found.runs), found.name


def table(key: str, columns: outcomes.Cells, lines: outcomes.Cells) -> None:
    linked.show(f"scores_{key}", columns, outcomes.with_data(lines, data))


try:
    st.subheader("Precision, recall and F1", anchor=False)
    with st.spinner("Drawing tweets again and again for the intervals …"):
        lenient = sets.rows(found, score_rows)
    table("scores", *outcomes.score_cells(lenient, titles))
    st.caption(
        f"Percent, over strict matches of words and type; {found.info.labelled:,} tweets, {found.info.gold:,} gold "
        f"entities. Small: 95 % intervals, tweets drawn {RESAMPLES:,} times."
    )
    if reasons := outcomes.comparison_lines(lenient, titles):
        lines = "\n".join(f"- {markup.plain(line)}" for line in reasons)
        st.info(f"**The paper's figures stand here for orientation and do not compare with ours:**\n{lines}")

    if len(found.runs) > 1:
        pairs.show(found, against)

    st.subheader("Errors by class", anchor=False)
    table("errors", *outcomes.error_cells(sets.rows(found, error_rows), titles))
    st.caption("Each wrong entity is in one class only; of several that overlap, the largest overlap decides.")

    st.subheader("Types taken for others", anchor=False)
    run = st.segmented_control(
        "System",
        list(titles),
        default=resolve(found, Query()).system,
        format_func=lambda name: titles[name],
        key=f"{state.Key.CONFUSION}_{found.info.key}",
        label_visibility="collapsed",
        required=True,
    )
    table("confusion", *outcomes.confusion_cells(sets.rows(found, confusion_rows, run)))
    st.caption("“nothing” down: predicted where nothing is gold; across: gold where nothing was predicted.")

    st.subheader("F1 by part of the data set", anchor=False)
    for by in SLICES:
        slices = sets.rows(found, slice_rows, by)
        if len({row["slice"] for row in slices}) > 1:
            st.markdown(f"**{SLICE_TITLES[by]}**")
            table(f"slices_{by}", *outcomes.slice_cells(slices, titles))

    st.subheader("Ill-formed tags", anchor=False)
    orphans = any(row["gold_orphans"] or row["predicted_orphans"] for row in lenient)
    strict = sets.rows(found, score_rows, strict=True) if orphans else lenient
    table("orphans", *outcomes.orphan_cells(lenient, strict, titles))
    st.caption("An orphan I- continues nothing. Lenient reading opens an entity with it, strict reading drops it.")
    building.more(chosen)
except UmtError as error:
    st.error(markup.plain(str(error)))
