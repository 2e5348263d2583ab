"""Patterns: what holds of a system's explanations over a whole test set, and whether they explain it at all."""

from importlib import import_module
from importlib.util import find_spec

import streamlit as st

from app import markup, sets, state
from app.panels import building, data_set
from app.patterns import Asked
from umt_core.errors import UmtError

SECTIONS = {
    "gate": "Gate and attention",
    "faithfulness": "Faithfulness",
    "bias": "Visual bias",
    "relevance": "Relevance",
}

here = [name for name in SECTIONS if find_spec(f"app.panels.patterns_{name}")]
state.follow_patterns_link()
st.caption(
    "One tweet may be a coincidence. Here: gate and attention, faithfulness of the maps, the effect of other pictures, "
    "and relevance, over a whole data set; every figure opens its tweets."
)
chosen = data_set.choose()
if chosen.found is None or building.is_first(chosen):
    for line in state.link_complaints():
        st.warning(markup.plain(line))
    state.keep_data_address(chosen.name, key=state.Key.PATTERNS_ADDRESS)
    building.empty(chosen)
    st.stop()
try:
    asked = Asked(chosen.found, *data_set.choose_pair(chosen.found))
    for line in state.link_complaints():
        st.warning(markup.plain(line))
    if note := sets.picture_note(asked.found):
        st.caption(f"{note}. So nothing here says anything about the tweets' own pictures.")
    if here:
        part = state.part(here, state.Key.PATTERNS_PART)
        st.segmented_control(
            "What to look at",
            here,
            format_func=SECTIONS.__getitem__,
            key=state.Key.PATTERNS_PART,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        import_module(f"app.panels.patterns_{part}").show(asked)
except UmtError as error:
    st.error(markup.plain(str(error)))
state.keep_patterns_address(chosen.name)
