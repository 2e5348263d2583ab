"""The jobs that are there: running, waiting, ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import access, markup
from app.state import Key
from umt_core.train import jobs
from umt_core.train.jobs import (
    CANCELLED,
    DONE,
    FAILED,
    INTERRUPTED,
    OPEN_STATES,
    QUEUED,
    RUNNING,
    STOPPING,
    Status,
)
from umt_core.train.telling import STATES, clock, standing

ICONS = {
    QUEUED: ":material/hourglass_empty:",
    RUNNING: ":material/play_circle:",
    STOPPING: ":material/stop_circle:",
    DONE: ":material/check_circle:",
    FAILED: ":material/error:",
    CANCELLED: ":material/cancel:",
    INTERRUPTED: ":material/power_off:",
}
SHOWN = 12  # jobs that have ended; more on request
EVERY = 2.0  # seconds between two looks at what is running


def show(found: Sequence[Status]) -> None:
    st.subheader("Jobs", anchor=False)
    for line in jobs.complaints():
        st.warning(markup.plain(line))
    if not found:
        st.caption(
            "None yet. A job trains in the background, one at a time, the others wait; its result is a new version."
        )
        return
    if any(job.state in OPEN_STATES for job in found):
        jobs.ensure_runner()  # the machine may have been off
        _live([job.id for job in found if job.state in OPEN_STATES])
    ended = [job for job in reversed(found) if job.state not in OPEN_STATES]
    every = len(ended) <= SHOWN or st.session_state.get(Key.TRAIN_EVERY, False)
    for job in ended if every else ended[:SHOWN]:
        _row(job)
    if not every:
        st.button(f"Show all {len(ended)}", on_click=_show_every)


def _show_every() -> None:
    st.session_state[Key.TRAIN_EVERY] = True


@st.fragment(run_every=EVERY)
def _live(before: Sequence[str]) -> None:
    access.stay()
    found = [job for job in jobs.jobs() if job.state in OPEN_STATES]
    if [job.id for job in found] != list(before):
        st.rerun()
    for job in sorted(found, key=lambda job: (job.state == QUEUED, job.created)):
        _row(job)


def _row(job: Status) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container():
            st.markdown(
                f"{ICONS[job.state]} **{markup.plain(job.plan.base)}**, {job.request.mode}, {STATES[job.state]}"
            )
            st.caption(markup.plain(_summary(job)))
        if st.button("Open", key=f"open_{job.id}", width="content"):
            open_job(job.id)
            st.rerun()  # of the page: a click on a job that is going on runs its fragment alone


def _summary(job: Status) -> str:
    words = [job.created[:16].replace("T", " ") + " UTC"]
    if job.state in (RUNNING, STOPPING):
        words.append(standing(job))
        if (left := job.seconds_left) is not None:
            words.append(f"about {clock(left)} left")
    if rows := job.history:
        words.append(f"dev F1 {100 * max(row['dev_f1'] for row in rows):.2f}")
    words += [word for word in (job.checkpoint, job.line) if word]
    return " · ".join(words)


def open_job(identity: str | None) -> None:
    """Shows a job, or the list again: the address says which."""
    st.query_params.from_dict({} if identity is None else {"job": identity})
