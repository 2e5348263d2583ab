"""Beside an attention map: whether it says what the model does when blocks of the picture are taken away."""

from __future__ import annotations

import streamlit as st

from app import markup, services, tables
from app.explaining import Case
from umt_core.explain.attention import AttentionMap
from umt_core.explain.faithfulness import EXPLAINS, MEAN, SpanFaithfulness
from umt_core.schema import ScoredSpan, Span

YARDSTICK = (
    "Each of the 49 blocks is set to zeros in turn, and the entity's log-odds are asked for again. Such a picture is "
    "nothing the tagger was trained on, so occlusion is a yardstick, no truth; the last line of the table has how well "
    "two ways of it agree. One entity proves little: Patterns has a whole data set."
)


def show(case: Case, title: str, attention_map: AttentionMap, head: int | None, word: int) -> None:
    """Says how the map agrees with occlusion for the entity that the tagger of this title found at a word."""
    checkpoint = next((name for name in case.inspections if tables.checkpoint_title(name) == title), "")
    if case.picture is None or not checkpoint:
        return
    st.subheader("Does this map say what the tagger does?", anchor=False)
    scored = _at(case.inspections[checkpoint].prediction.spans, word)
    if scored is None:
        st.text(f"{title} finds no entity at this word, so there is no score that could fall.")
        return
    with st.spinner("Taking blocks away …"):
        found = faithfulness(case, checkpoint, scored.span)
    if found is None:
        return
    st.markdown(line(found, attention_map, head, case.example.tokens))
    st.caption(YARDSTICK)
    with st.expander("Every map and head"):
        number = st.column_config.NumberColumn(format="%+.3f")
        st.dataframe(tables.faithfulness(found), hide_index=True, column_config={"ρ": number, "Area": number})


def faithfulness(case: Case, checkpoint: str, span: Span) -> SpanFaithfulness | None:
    """The tagger's maps for a span against occlusion; ``None``: it has none, or there is no picture."""
    function = services.Lazy.WORKBENCH_FAITHFULNESS
    found: SpanFaithfulness | None = services.explained(
        case.chosen, function, checkpoint, case.example, case.picture, span
    )
    return found


def line(found: SpanFaithfulness, attention_map: AttentionMap, head: int | None, tokens: tuple[str, ...]) -> str:
    """What a sceptic wants to know of the map."""
    check = found.check(attention_map.name, head)
    name = markup.plain(f"“{markup.shown_words(tokens[found.span.start : found.span.end])}”")
    rho = None if check is None else check.rho
    if rho is None and not found.effect:
        return f"No single block moves the score of {name}: there is no order to agree with."
    if rho is None:
        return f"The map is even: it orders no blocks for {name}."
    agrees = "agrees with" if rho >= EXPLAINS else "hardly agrees with" if rho > -EXPLAINS else "contradicts"
    said = (
        f"For {name} this map **{agrees}** what happens when blocks are taken away "
        f"(Spearman's ρ **{rho:+.2f}** over 49 blocks; no single block moves the log-odds by more than "
        f"{found.effect:.3f})."
    )
    mean = found.check(attention_map.name)
    if mean is not None and mean.area is not None:
        side = "below" if mean.area > 0 else "above"
        said += (
            f" Taken away in the order of the heads' mean, the score lies {abs(mean.area):.3f} {side} random orders."
        )
    others = [c.rho for c in found.checks if c.map == attention_map.name and c.head != MEAN and c.rho is not None]
    return said + (f" Heads: {min(others):+.2f} to {max(others):+.2f}." if others else "")


def _at(spans: tuple[ScoredSpan, ...], word: int) -> ScoredSpan | None:
    return next((s for s in spans if s.span.start <= word < s.span.end), None)
