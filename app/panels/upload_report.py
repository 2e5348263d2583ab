"""What became of an upload, row by row."""

from __future__ import annotations

import streamlit as st

from app import access, markup, state, tables
from app.panels import upload_job
from app.panels.upload_job import Upload
from umt_core.access.users import Role
from umt_core.data.own import data_name
from umt_core.upload import OK, REFUSED, WARNING, Report

NOTES = 10  # lines on the upload as a whole that are drawn; the rest is counted
CORRECT, ERRORS = "views/correct.py", "views/errors.py"


def show(last: Upload) -> None:
    """Draws the counts and the rows of an upload that is over, or why it came to nothing."""
    with st.container(border=True):
        if last.found is None:
            st.error(f"**{markup.plain(last.table_name)}**: {markup.plain(last.error or 'nothing was added')}")
            st.button("Close", on_click=access.guarded(Role.ANNOTATE, upload_job.forget))
            return
        _counts(last.found)
        for line in last.found.notes[:NOTES]:
            st.caption(markup.plain(line))
        if len(last.found.notes) > NOTES:
            st.caption(f"… and {len(last.found.notes) - NOTES:,} more")
        _rows(last.found)
        with st.container(horizontal=True, vertical_alignment="center"):
            if last.found.count(OK, WARNING):
                query = {"data": data_name(last.name)}
                st.page_link(CORRECT, label="Label these tweets", icon=":material/edit_note:", query_params=query)
                st.page_link(ERRORS, label="Let the taggers read them", icon=":material/rule:", query_params=query)
            st.download_button(
                "Report as CSV",
                last.found.to_csv().encode(),
                file_name=f"{last.name}-report.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
            st.button("Close", on_click=access.guarded(Role.ANNOTATE, upload_job.forget))


def _counts(found: Report) -> None:
    said = st.success if not found.count(REFUSED, WARNING) else st.warning if found.count(OK, WARNING) else st.error
    said(markup.plain(found.line))


def _rows(found: Report) -> None:
    wrong = found.count(REFUSED, WARNING)
    if not wrong:
        return
    shown = st.segmented_control(
        "Rows",
        ["wrong", "all"],
        default="wrong",
        format_func={"wrong": f"{wrong:,} to look at", "all": f"All {len(found.rows):,}"}.__getitem__,
        key=state.Key.OWN_SHOWN,
        label_visibility="collapsed",
        required=True,
    )
    rows = [row for row in found.rows if shown == "all" or row.outcome != OK]
    columns = {name: st.column_config.TextColumn(width="small") for name in ("Line", "Tweet", "Outcome")}
    columns["Reason"] = st.column_config.TextColumn(width="large")
    st.dataframe(tables.report_table(rows), hide_index=True, column_config=columns, alt="What became of each row")
