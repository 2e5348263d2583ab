"""Another share of ESD, another conversion matrix: the tweet decoded again at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from app import markup, provenance_tables, state, tables
from app.explaining import Case
from app.panels import tracks, what_if_set
from umt_core.analysis.agreement import differences
from umt_core.errors import ConfigError, UmtError
from umt_core.explain.what_if import (
    AS_TRAINED,
    MOST_SHARE,
    WhatIf,
    conversion_csv,
    conversion_of,
    decode,
    train_split,
    uniform_conversion,
)
from umt_core.model.chain import Scoring
from umt_core.registry import dataset_of
from umt_core.schema import RawScores
from umt_core.spans import tags_to_spans

MATRICES = {"trained": "As trained", "uniform": "Uniform", "estimated": "Estimated from train"}
FILE = "conversion.csv"
UNIFORM = (
    "This matrix treats all four types alike, so ESD can move an entity's boundaries, add it or remove it, but never "
    "choose its type."
)
FAVOURS = (
    "This matrix gives up to {:.3f} more to one type than to another, for each point of an ESD score: "
    "ESD can favour a type."
)
ONLY_EQ_7 = (
    "Only equation 7 changes. The rest was trained with ESD's full share; a tagger trained with another share would be "
    "different."
)


def show(case: Case, checkpoint: str, scoring: Scoring, raw: RawScores) -> None:
    """Slider and matrix; the tweet under them; the same for a whole data set."""
    st.subheader("What if ESD had another share, or another matrix?", anchor=False)
    share = state.esd_share(MOST_SHARE)
    left, right = st.columns(2, gap="large")
    with left:
        st.slider(
            "Share of ESD (1 is as trained)",
            0.0,
            MOST_SHARE,
            step=0.05,
            key=state.Key.ESD_SHARE,
            persist_state="session",
        )
    with right:
        state.one_of(state.Key.MATRIX, list(MATRICES))
        name = st.segmented_control(
            "Conversion matrix",
            list(MATRICES),
            format_func=MATRICES.__getitem__,
            key=state.Key.MATRIX,
            required=True,
            persist_state="session",
        )
    assert name is not None  # required
    matrix, name = _matrix(checkpoint, scoring, name)
    what = WhatIf(share, matrix)
    try:
        _tweet(case, scoring, raw, what)
        what_if_set.show(case, checkpoint, what, name)
    except UmtError as error:
        st.error(markup.plain(str(error)))


def _matrix(checkpoint: str, scoring: Scoring, name: str) -> tuple[np.ndarray | None, str]:
    """The matrix as the reader has edited it (``None``: as trained), and what the command line calls it."""
    try:
        named = _named(name, scoring, dataset_of(checkpoint))
    except UmtError as error:
        st.warning(f"{markup.plain(str(error))}. This is the matrix as trained.")
        named = None
    shown = scoring.conversion if named is None else named
    assert shown is not None  # the panel is shown for systems that have one
    edited = st.data_editor(
        provenance_tables.matrix_table(shown, scoring),
        key=f"matrix_{checkpoint}_{name}",
        column_config={tag: st.column_config.NumberColumn(format="%.3f", required=True) for tag in scoring.tags},
        num_rows="fixed",
    )
    values = edited.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        st.warning("A cell of the matrix holds no number: this is the matrix before it was edited.")
        values = shown
    spread = tables.type_spread(values, scoring.tags)
    st.caption(UNIFORM if spread < tables.UNIFORM_WITHIN else FAVOURS.format(spread))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Cells can be edited: each is what one point of an ESD tag's score adds to a tag's.")
        st.download_button("Matrix as CSV", conversion_csv(values, scoring), FILE, "text/csv", type="tertiary")
    if not np.array_equal(values, shown):
        return values, FILE
    return named, name


def _named(name: str, scoring: Scoring, dataset: str) -> np.ndarray | None:
    if name == "estimated":
        path = train_split(dataset)
        return _estimated(path, path.stat().st_mtime_ns, dataset, scoring.tags, _scoring=scoring)
    return uniform_conversion(scoring) if name == "uniform" else None


@st.cache_data(max_entries=8, show_spinner="Counting the train split's tags …")
def _estimated(path: Path, changed: int, dataset: str, tags: tuple[str, ...], _scoring: Scoring) -> np.ndarray:
    matrix = conversion_of("estimated", _scoring, dataset)
    if matrix is None:
        raise ConfigError(f"{path}: wanted a matrix from it, got none")
    return matrix


def _tweet(case: Case, scoring: Scoring, raw: RawScores, what: WhatIf) -> None:
    """As trained and what-if under each other."""
    found = {
        "as trained": tags_to_spans(decode(scoring, raw, AS_TRAINED)),
        "what-if": tags_to_spans(decode(scoring, raw, what)),
    }
    tracks.show(
        case.doc,
        case.example.tokens,
        found,
        gold=case.gold,
        esd=[],
        differences=differences(found),
        read=len(raw.starts),
        chosen=state.word(len(case.example.tokens), 0),
        shares=None,
        key=state.Key.WHAT_IF,
    )
    same = set(found["as trained"]) == set(found["what-if"])
    st.caption(f"{'Nothing changes in this tweet.' if same else 'The entities of this tweet change.'} {ONLY_EQ_7}")
