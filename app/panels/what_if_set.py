"""What-if over a whole prediction set: the ledger against the run as trained, and the tweets that change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from app import keeping, markup, provenance_tables, services, sets, state, tables
from app.explaining import Case
from app.panels import keeping as keeping_panel
from app.panels import linked
from umt_core.analysis.sets import PredictionSet
from umt_core.explain.emissions import KIND, Change, Redecoding, set_emissions
from umt_core.explain.kept import kept_file
from umt_core.explain.what_if import WhatIf

EXPLAIN_PAGE = "views/explain.py"
SHOWN = 50  # tweets that are listed
WHY = (
    "The tagger first reads all tweets of the data set once more, and keeps what its layers say before anything is "
    "decoded. After that, every share and matrix is decoded in a moment."
)


def show(case: Case, checkpoint: str, what: WhatIf, matrix: str) -> None:
    """The change over a data set that this checkpoint has predictions of. ``matrix``: its name for the command."""
    st.subheader("The same over a whole data set", anchor=False)
    weights = next(info.manifest.weights_sha256 for info in case.chosen if info.name == checkpoint)
    runs = _runs(weights)
    if not runs:
        st.text("There are no predictions of this tagger yet: run it over a data set on the Errors page.")
        return
    name = state.one_of(state.Key.WHAT_IF_SET, list(runs), case.data if case.data in runs else None)
    st.selectbox(
        "Data set",
        list(runs),
        format_func=tables.data_set_title,
        key=state.Key.WHAT_IF_SET,
        persist_state="session",
    )
    found, run = runs[name]
    if keeping_panel.table(found, run, _recipe(found, run), WHY) is None:
        return
    if what.is_as_trained:
        differing = _redecoding(found, run).differing
        st.text("As trained: nothing changes. Move the slider, or choose another matrix.")
        _check(found, differing)
        return
    with st.spinner("Decoding all tweets again …", show_time=True):
        change, differing = _changed(found, run, what)
    _ledger(found, change, differing)
    _tweets(found, change)
    _command(found, run, what, matrix)


def _runs(weights: str) -> dict[str, tuple[PredictionSet, str]]:
    """Sets with a run of these weights, by name."""
    folders, _ = sets.folders()
    opened = {name: sets.opened(folder) for name, folder in folders.items()}
    return {
        name: (found, run)
        for name, found in opened.items()
        for run, info in found.runs.items()
        if info.weights_sha256 == weights
    }


def _recipe(found: PredictionSet, run: str) -> keeping.Recipe:
    command = markup.command("sets", "emissions", found.name, "--run", run)
    what = "The tagger's scores before decoding"
    return keeping.Recipe(KIND, services.Lazy.KEEP_EMISSIONS, what, command)


def _stamp(found: PredictionSet, run: str) -> tuple[Path, int]:
    path = kept_file(found, run, KIND)
    return path, path.stat().st_mtime_ns


def _redecoding(found: PredictionSet, run: str) -> Redecoding:
    return _read(*_stamp(found, run), found.folder, run)


@st.cache_resource(max_entries=2, show_spinner="Reading the kept scores …")
def _read(path: Path, changed: int, folder: Path, run: str) -> Redecoding:
    found = sets.opened(folder)
    emissions = set_emissions(found, run, keeping.table(found, run, KIND))
    assert emissions is not None  # the panel is shown where they are kept
    return Redecoding(found, run, emissions)


def _changed(found: PredictionSet, run: str, what: WhatIf) -> tuple[Change, int]:
    matrix = None if what.conversion is None else what.conversion.tobytes()
    return _change(*_stamp(found, run), found.folder, run, what.esd_share, matrix, what.conversion)


@st.cache_data(max_entries=32, show_spinner=False)
def _change(
    path: Path, changed: int, folder: Path, run: str, share: float, matrix: bytes | None, _conversion: np.ndarray | None
) -> tuple[Change, int]:
    redecoding = _read(path, changed, folder, run)
    return redecoding.change(WhatIf(share, _conversion)), redecoding.differing


def _ledger(found: PredictionSet, change: Change, differing: int) -> None:
    if change.row is None:
        st.text("No tweet of this set is labelled: there is nothing to hold the change against.")
    else:
        facts, verdict = provenance_tables.change_facts(change.row), provenance_tables.verdict(change.row)
        st.dataframe(facts, hide_index=True, alt="What the change fixes and breaks")
        st.markdown(f"**{verdict}** Fixed and broken are gold entities; the baseline is the run as trained.")
    _check(found, differing)


def _check(found: PredictionSet, differing: int) -> None:
    st.caption(
        f"Check: decoded again as trained, **{differing:,}** of {found.info.tweets:,} tweets differ from what the run "
        "found."
    )


def _tweets(found: PredictionSet, change: Change) -> None:
    if not change.tweets:
        st.text("No tweet changes.")
        return
    shown = change.tweets[:SHOWN]
    words = _words(found, [of.tweet for of in shown])
    first = f", the first {SHOWN} of them here" if len(change.tweets) > SHOWN else ""
    columns, rows = provenance_tables.changed_cells(Change(None, shown), found.name, words, state.what_if_link())
    caption = f"{len(change.tweets):,} of {found.info.tweets:,} tweets change{first}. A click explains one."
    linked.show("what_if_tweets", columns, rows, caption, page=EXPLAIN_PAGE)


def _words(found: PredictionSet, tweets: Sequence[int]) -> dict[int, tuple[str, list[str]]]:
    """Id and words of tweets; of a set that came without them, the words' numbers."""
    tokens, join = "NULL", ""
    if found.has_texts:
        tokens, join = "tokens", f"JOIN {found.table('texts')} x USING (tweet)"
    sql = f"""SELECT tweet, id, words, {tokens} AS tokens FROM {found.table("tweets")} t {join}
        WHERE tweet IN (SELECT unnest(?))"""
    return {
        row["tweet"]: (
            row["id"],
            [markup.visible(token) for token in row["tokens"] or map(str, range(1, row["words"] + 1))],
        )
        for row in found.query(sql, list(tweets))
    }


def _command(found: PredictionSet, run: str, what: WhatIf, matrix: str) -> None:
    line = ["sets", "what-if", found.name, "--run", run]
    line += ["--esd-share", f"{what.esd_share:g}"]
    line += [] if what.conversion is None else ["--conversion", matrix]
    st.caption("The same in a shell; a matrix that you have edited is a CSV file there:")
    st.code(markup.command(*line), language="bash", wrap_lines=True)
