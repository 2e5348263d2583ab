"""Explain, Attribution: what each word and each block adds to the score of one entity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import streamlit as st

from app import asking, figures, markup, services, state, tables
from app.explaining import Case
from app.panels import asking as asking_panel
from app.panels import charts
from app.services import Lazy
from umt_core.explain.attributions import METHODS, SPELLING, STEPS, Ablation, Attribution, add, pieces
from umt_core.schema import Span

STEP_CHOICES = (STEPS, 10, 20, 100, 200)
MEANINGS = {
    "integrated_gradients": (
        "Gradients summed on the way from an empty tweet ([PAD] words without shape, no picture) to this one (Captum). "
        "They should add up to the difference of the two scores; the delta is what is missing. Another empty tweet "
        "would give other values."
    ),
    "occlusion": (
        "By how much the score falls when one word is replaced by [PAD], or one block by zeros, and all else stays "
        "(Captum). What two parts hold in common is counted twice or not at all, so the parts need not add up."
    ),
}
SCORE = (
    "Score: the log-odds of the probability shown for the entity, in nats; 0 stands for 0.5. [CLS], [SEP] and the "
    "order of the words are never taken away. An attribution explains this score, not anybody's reasons."
)


def show(case: Case) -> None:
    titles = {tables.checkpoint_title(name): name for name in case.inspections}
    left, right = st.columns(2)
    with left:
        title = _tagger(list(titles))
    checkpoint = titles[title]
    read = len(case.inspections[checkpoint].marginals)
    spans = {name: text for name, text in _spans(case, title).items() if state.parse_span(name).end <= read}
    if not spans:
        st.text("No tagger found an entity here, and no gold one is known: there is no score to attribute.")
        return
    with right:
        name = state.choice(state.Key.SPAN, list(spans))
        st.selectbox("Entity", list(spans), format_func=spans.__getitem__, key=state.Key.SPAN, persist_state="session")
    method, steps = _method()
    found = _computed(case, checkpoint, state.parse_span(name), method, steps)
    if found is None:
        return
    st.markdown(_sum_line(found))
    if found.doubtful:
        st.warning(
            "The delta is more than 5 % of the difference: take more steps before you believe single values.",
            icon=":material/warning:",
        )
    if found.spelling_stays:
        st.caption(SPELLING)
    _words(case, found)
    _blocks(case, found)
    _sources(case, checkpoint, found.span)
    st.caption(SCORE)


def _tagger(titles: list[str]) -> str:
    chosen = state.choice(state.Key.ATTRIBUTED, titles[::-1])
    st.segmented_control("Tagger", titles, key=state.Key.ATTRIBUTED, required=True, persist_state="session")
    return chosen


def _method() -> tuple[str, int]:
    left, right = st.columns(2)
    with left:
        method = state.choice(state.Key.METHOD, list(METHODS))
        st.segmented_control(
            "Method",
            list(METHODS),
            format_func=METHODS.__getitem__,
            key=state.Key.METHOD,
            required=True,
            persist_state="session",
        )
    with right:
        steps = state.choice(state.Key.STEPS, STEP_CHOICES)
        if method == "integrated_gradients":
            st.selectbox("Steps", sorted(STEP_CHOICES), key=state.Key.STEPS, persist_state="session")
    st.caption(MEANINGS[method])
    return method, steps


def _spans(case: Case, title: str) -> dict[str, str]:
    """Entities that can be asked about, by ``span_name``: the tagger's own first, then gold, then the others'."""
    finders: dict[Span, list[str]] = {}
    for name, found in sorted(case.inspections.items(), key=lambda row: tables.checkpoint_title(row[0]) != title):
        for scored in found.prediction.spans:
            finders.setdefault(scored.span, []).append(f"{tables.checkpoint_title(name)} {scored.score:.2f}")
    for span in case.gold or ():
        finders.setdefault(span, []).append("gold")
    own = [span for span, who in finders.items() if who[0].startswith(f"{title} ")]
    gold = [span for span in case.gold or () if span not in own]
    rest = [span for span in finders if span not in own and span not in gold]
    return {
        state.span_name(span): f"{_text(case, span)} · {span.label} ({', '.join(finders[span])})"
        for span in (*own, *gold, *rest)
    }


def _text(case: Case, span: Span) -> str:
    return markup.shown_words(case.example.tokens[span.start : span.end])


def _computed(case: Case, checkpoint: str, span: Span, method: str, steps: int) -> Attribution | None:
    """The attribution, piece by piece; ``None``: it goes on, or the reader has stopped it. What is done is kept."""
    count = pieces(method, steps)

    def all_pieces(report: asking.Report) -> Attribution:
        found: list[Attribution] = []
        for number in range(count):
            report("attributing, in parts", number, count)
            found.append(_ask(case, Lazy.WORKBENCH_PIECE, checkpoint, span, method, number, steps))
        return reduce(add, found)

    answer: Attribution | None = asking_panel.answer(
        f"attribution_{case.doc}_{case.weights}_{checkpoint}_{span}_{method}_{steps}", all_pieces
    )
    return answer


def _ask(case: Case, function: Lazy, checkpoint: str, *arguments: Any) -> Any:
    return services.explained(case.chosen, function, checkpoint, case.example, case.picture, *arguments)


def _sum_line(found: Attribution) -> str:
    """What the parts add up to, and by how much they miss."""
    blocks = 0.0 if found.blocks is None else float(found.blocks.sum())
    line = (
        f"Score **{found.score:+.2f}** (probability {_probability(found.score):.3f}), of the empty tweet "
        f"**{found.baseline:+.2f}**. Words add **{found.words.sum():+.2f}**, blocks of the picture **{blocks:+.2f}**."
    )
    if found.delta is None:
        return f"{line} Together {found.total:+.2f} of a difference of {found.difference:+.2f}."
    share = abs(found.delta) / max(abs(found.difference), 1e-6)
    return f"{line} Check: convergence delta **{found.delta:+.4f}**, {share:.2%} of the difference."


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def _words(case: Case, found: Attribution) -> None:
    st.subheader("Words", anchor=False)
    labels = [markup.visible(word) for word in case.example.tokens[: len(found.words)]]
    inside = range(found.span.start, found.span.end)
    st.plotly_chart(
        charts.built(figures.signed_bars, labels, found.words.tolist(), inside, "adds (nats)"),
        config={"displayModeBar": False},
        key="attribution_words",
        alt="What each word adds to the score; the table below has the numbers",
    )
    st.caption("Up: speaks for the entity; down and hatched: against it. Bold: the entity's own words.")
    with st.expander("Words as a table"):
        _table(tables.attribution_words(labels, found.words), {"Adds": "%+.3f", "Share": "percent"})


def _blocks(case: Case, found: Attribution) -> None:
    st.subheader("Blocks of the picture", anchor=False)
    if found.blocks is None:
        looks = case.inspections[found.checkpoint].gate is not None or case.picture is None
        st.text("The tweet has no picture." if looks else "This tagger reads text only.")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        picture = case.picture
        uri = None if picture is None else services.picture_uri(case.image or "", picture)
        ratio = 1.5 if picture is None else picture.width / picture.height
        st.html(markup.signed_blocks(uri, ratio, found.blocks.tolist()))
        st.caption("Values of a tenth of the largest and more; striped: against the entity. The model saw 224 × 224.")
    with right:
        _table(tables.attribution_blocks(found.blocks), {"Adds": "%+.4f"})
    share = np.abs(found.blocks).sum() / max(np.abs(found.blocks).sum() + np.abs(found.words).sum(), 1e-12)
    st.caption(
        f"Blocks have {share:.1%} of all that parts add or take, signs aside. The colours are scaled to the largest "
        "block, so that a picture which hardly matters looks as bright as one that decides."
    )


def _sources(case: Case, checkpoint: str, span: Span) -> None:
    """The score without each of the tagger's sources."""
    score, found = _ask(case, Lazy.WORKBENCH_ABLATIONS, checkpoint, span)
    _sources_table(score, found)


def _sources_table(score: float, found: tuple[Ablation, ...]) -> None:
    if not found:
        return
    st.subheader("Without one of its sources", anchor=False)
    formats = {"Log-odds left": "%+.2f", "Falls by": "%+.2f", "Probability left": "%.3f"}
    _table(tables.ablation_table(score, found), formats)


def _table(table: object, formats: Mapping[str, str]) -> None:
    columns = {name: st.column_config.NumberColumn(format=form) for name, form in formats.items()}
    st.dataframe(table, hide_index=True, column_config=columns)
