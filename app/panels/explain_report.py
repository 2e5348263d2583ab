"""Explain, Report: all of this in one file, to keep or to send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from app import asking, corrections, explaining, markup, routing, services, sets, state, tables
from app.explaining import Case
from app.panels import asking as asking_panel
from umt_core.corrections.events import TweetKey
from umt_core.corrections.told import told
from umt_core.errors import CheckpointError, StoreError
from umt_core.explain.attention import maps_of
from umt_core.explain.attributions import METHODS
from umt_core.explain.relevance_info import RelevanceInfo
from umt_core.explain.report import CaseReport, Correction, Fit, SystemParts, report_values
from umt_core.explain.report_html import report_html

FOREIGN = 4  # other tweets' pictures
WHAT_IT_IS = (
    "One HTML file with all that the taggers say of this tweet: it opens without network, runs no script, and holds no "
    "path, no address and nothing of the picture's file but its pixels. The text and the picture are in it: send it to "
    "nobody who must not see them."
)
UNASKED = "The report does not say whether the picture fits"
NO_METHOD = ""


def show(case: Case) -> None:
    st.subheader("A report of this tweet", anchor=False)
    st.caption(WHAT_IT_IS)
    method, authors = _choose()
    foreign, whose = explaining.other_pictures(case, FOREIGN)
    info = _relevance()
    key = f"report_{case.doc}_{_weights(case, info)}_{method}_{whose}"
    found = asking_panel.answer(key, _steps(case, method, foreign, info))
    if found is None:
        return
    parts, fit, complaint = found
    if complaint:
        st.warning(markup.plain(f"{UNASKED}: {complaint}"))
    report = CaseReport(case.example, case.picture, case.inspections, parts, fit, _history(case, authors))
    _downloads(case, report)
    st.dataframe(_contents(report), hide_index=True, alt="What the report holds")
    st.caption(f"Other pictures are {markup.plain(whose)}.")


def _choose() -> tuple[str, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = state.choice(state.Key.REPORT_METHOD, [NO_METHOD, *METHODS])
        st.selectbox(
            "Attributions",
            [NO_METHOD, *METHODS],
            format_func=lambda name: METHODS.get(name, "none"),
            key=state.Key.REPORT_METHOD,
            width=280,
            help="They take longest: seconds for each entity.",
        )
        authors = st.checkbox("Name who corrected the labels", key=state.Key.REPORT_AUTHORS)
    return method, authors


def _relevance() -> RelevanceInfo | None:
    """The relevance model; a damaged one counts as none."""
    try:
        return routing.model()
    except CheckpointError as error:
        st.warning(markup.plain(f"{UNASKED}: {error}"))
        return None


def _weights(case: Case, info: RelevanceInfo | None) -> str:
    sums = [info.manifest.weights_sha256[:8] for info in case.chosen]
    return "".join([*sums, *([] if info is None else [info.weights_sha256[:8]])])


def _steps(
    case: Case, method: str, foreign: Callable[[], Mapping[str, Image.Image]], info: RelevanceInfo | None
) -> Callable[[asking.Report], tuple[dict[str, SystemParts], Fit | None, str]]:
    """What asks for the report's parts, whether the picture fits, and why that could not be asked."""
    ask: Callable[[Callable[[Any], Any]], Any] = services.asker(case.chosen)

    def one(name: str, drawn: Mapping[str, Image.Image], bench: Any) -> SystemParts:
        parts: SystemParts = services.Lazy.SYSTEM_PARTS(bench, name, case.example, case.picture, drawn, method)
        return parts

    def steps(report: asking.Report) -> tuple[dict[str, SystemParts], Fit | None, str]:
        report("drawing other tweets' pictures", 0, 0)
        drawn = {f"another tweet's picture {i}": other for i, other in enumerate(foreign().values(), 1)}
        parts = {}
        for place, name in enumerate(case.inspections):
            report(f"asking {tables.checkpoint_title(name)}", place, len(case.inspections))
            parts[name] = ask(partial(one, name, drawn))
        fit, complaint = None, ""
        if info is not None and case.picture is not None:
            report("asking whether the picture fits", len(parts), len(parts))
            try:
                fit = services.fit(info.weights_sha256, case.example, case.picture)
            except CheckpointError as error:
                complaint = str(error)
        return parts, fit, complaint

    return steps


def _history(case: Case, authors: bool) -> tuple[Correction, ...]:
    """What was done to the tweet's labels; of one that the reader has typed nothing is kept."""
    data = case.data or (sets.SAMPLES if case.example.id in services.samples() else "")
    if not data:
        return ()
    try:
        store, _ = corrections.store()
        return told(store.history(TweetKey(data, case.example.id)), authors=authors)
    except StoreError as error:
        st.warning(markup.plain(f"The report tells no corrections: {error}"))
        return ()


def _downloads(case: Case, report: CaseReport) -> None:
    name = f"tweet-{case.doc[:8]}"
    with st.container(horizontal=True):
        st.download_button(
            "Save the report",
            report_html(report),
            f"{name}.html",
            "text/html",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            key="report_html",
        )
        values = json.dumps(report_values(report), indent=2, ensure_ascii=True)
        st.download_button(
            "The same as JSON", values, f"{name}.json", "application/json", on_click="ignore", key="report_json"
        )


def _contents(report: CaseReport) -> pd.DataFrame:
    """What the report holds, a line each."""
    picture = "none" if report.picture is None else "its pixels, at most 720 a side"
    rows = [("Words", f"{len(report.example.tokens)}"), ("Picture", picture)]
    rows.append(("Gold labels", "not known" if report.example.spans is None else str(len(report.example.spans))))
    for name, parts in report.parts.items():
        found = {
            "provenance": parts.provenance is not None,
            "attention": bool(maps_of(report.inspections[name])),
            "other pictures": parts.counterfactuals is not None,
            "attributions": bool(parts.attributions),
        }
        rows.append(
            (tables.checkpoint_title(name), ", ".join(["tags", *(what for what, there in found.items() if there)]))
        )
    fit = "not asked: see Patterns, Relevance" if report.fit is None else f"{report.fit.score:.0%} of others beaten"
    rows += [("Does the picture fit", fit), ("Corrections", str(len(report.history)))]
    return pd.DataFrame(rows, columns=["What", "In the report"])
