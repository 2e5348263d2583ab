"""Explain, Text what-if: other wordings of the tweet beside the same picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import streamlit as st

from app import asking, markup, services, state, tables, variants
from app.explaining import Case
from app.panels import asking as asking_panel
from umt_core.data.images import content_hash
from umt_core.explain.text_edits import OWN, Edit, ready_edits, rewrite
from umt_core.explain.text_what_if import TextWhatIf, text_what_if
from umt_core.schema import Span

SEEDS = 10
NOTHING = "none"
MORE = 1_000  # characters by which a wording may be longer than the tweet
WHAT_IT_SAYS = (
    "Same picture, other words. Entities are matched by their words and compared with the tagger's answer for the "
    "original wording, not with gold labels: a change is not necessarily an error."
)


def show(case: Case) -> None:
    st.subheader("What if it were worded otherwise?", anchor=False)
    st.caption(WHAT_IT_SAYS)
    span, seed = _choose(case)
    edits = ready_edits(case.example.tokens, span, seed=seed)
    own = _own_wording(case)
    if own is not None:
        edits.insert(0, own)
    if not edits:
        st.text("There is nothing to change in this tweet.")
        return
    asked = content_hash("\0".join(" ".join(edit.tokens) for edit in edits).encode("utf-8", "replace"))[:16]
    found = asking_panel.answer(f"wordings_{case.doc}_{case.weights}_{asked}", _steps(case, edits))
    if found is None:
        return
    titled = {tables.checkpoint_title(name): of for name, of in found.items()}
    st.dataframe(variants.wordings(titled), hide_index=True, alt="What becomes of the entities in each wording")
    st.caption("Each row is one wording; “same” means the same entities of the same types.")
    names = [edit.name for edit in edits]
    place = names.index(state.choice(state.Key.WORDING, names))
    st.selectbox(
        "Word by word",
        names,
        format_func=markup.visible,
        key=state.Key.WORDING,
        persist_state="session",
    )
    st.html(variants.side_by_side(titled, place))
    number, change = st.column_config.NumberColumn(format="%.3f"), st.column_config.NumberColumn(format="%+.3f")
    st.dataframe(
        variants.moved(titled, place),
        hide_index=True,
        column_config={"Before": number, "After": number, "Change": change},
        alt="Each entity before and after",
    )
    st.caption(
        "Probability after: that the very words which stand for the entity now are one entity of its type (the CRF's "
        "marginal). Words that are struck out or underlined were changed."
    )


def _choose(case: Case) -> tuple[Span | None, int]:
    """The entity whose name is exchanged, and the seed that draws other names."""
    spans: dict[str, Span] = {}
    for inspection in reversed(list(case.inspections.values())):
        for scored in inspection.prediction.spans:
            spans.setdefault(state.span_name(scored.span), scored.span)
    names = [*spans, NOTHING]
    chosen, seed = state.choice(state.Key.SPAN, names), state.choice(state.Key.SEED, range(SEEDS))
    tokens = case.example.tokens
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Put other names in the place of",
            names,
            format_func=lambda name: variants.span_line(spans[name], tokens) if name in spans else "no entity",
            key=state.Key.SPAN,
            persist_state="session",
        )
        st.selectbox(
            "Names drawn by seed",
            range(SEEDS),
            key=state.Key.SEED,
            width=160,
            persist_state="session",
            help="Names are from a short list of ours: two of the entity's type, one of each other type.",
        )
    return spans.get(chosen), seed


def _own_wording(case: Case) -> Edit | None:
    """The reader's wording; ``None``: it is the tweet's own."""
    tokens = case.example.tokens
    shown = ["_".join(markup.visible(token).split()) for token in tokens]  # one word each, for ``_restored``
    words = " ".join(shown)
    text = st.text_area(
        "Your own wording",
        words,
        key=f"{state.Key.REWRITTEN}_{case.doc}",
        help="Words are told apart by spaces, as the taggers get them.",
        max_chars=len(words) + MORE,  # Streamlit would cut the tweet itself
        on_change=state.show_wording,
        args=(OWN,),
    )
    after = text.split()
    if not after or after == words.split():
        return None
    return rewrite(tokens, _restored(tokens, shown, after))


def _restored(tokens: Sequence[str], shown: Sequence[str], after: Sequence[str]) -> list[str]:
    """A wording with the tweet's own tokens where its words are those that were shown: not all of a token is seen.

    >>> _restored(("Os\\u200blo", "is"), ("Oslo", "is"), ("Oslo", "was"))
    ['Os\\u200blo', 'was']
    """
    restored = list(after)
    for i, j, size in SequenceMatcher(None, shown, after, autojunk=False).get_matching_blocks():
        restored[j : j + size] = tokens[i : i + size]
    return restored


def _steps(case: Case, edits: Sequence[Edit]) -> Callable[[asking.Report], dict[str, TextWhatIf]]:
    """All taggers of the case, one after the other."""
    ask: Callable[[Callable[[Any], Any]], Any] = services.asker(case.chosen)
    names = list(case.inspections)

    def one(name: str, bench: Any) -> TextWhatIf:
        predictor = bench.predictors[name]
        (regions,) = predictor.picture_regions([case.picture])
        return text_what_if(predictor, case.example, edits, regions)

    def steps(report: asking.Report) -> dict[str, TextWhatIf]:
        found = {}
        for place, name in enumerate(names):
            report(f"asking {tables.checkpoint_title(name)} about {len(edits)} wordings", place, len(names))
            found[name] = ask(partial(one, name))
        return found

    return steps
