"""One job: how far it is, its curves, its log, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import access, figures, markup
from app.jobs import result
from app.panels.train_jobs import EVERY, ICONS, open_job
from app.state import Key
from umt_core.access.users import Role
from umt_core.errors import AccessError, JobError
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
    TAIL,
    Status,
)
from umt_core.train.telling import STATES, clock, event_line, facts, no_better, standing, without_repeats


def show(identity: str) -> None:
    """A job (``JobError`` if there is none of this id)."""
    job = jobs.status(identity)
    st.button("All jobs", icon=":material/arrow_back:", on_click=open_job, args=(None,))
    st.subheader(f"Job {identity}", anchor=False)
    if line := st.session_state.pop(Key.TRAIN_COMPLAINT, None):
        st.error(markup.plain(line))
    if job.state in OPEN_STATES:
        jobs.ensure_runner()
        _live(identity)
    else:
        _draw(job)


@st.fragment(run_every=EVERY)
def _live(identity: str) -> None:
    access.stay()
    try:
        job = jobs.status(identity)
    except JobError:  # it was removed, here or in another window
        st.rerun()
    if job.state not in OPEN_STATES or Key.TRAIN_COMPLAINT in st.session_state:
        st.rerun()  # what is told here would be gone with the next look
    _draw(job)


def _draw(job: Status) -> None:
    st.progress(job.fraction, text=f"{ICONS[job.state]} {markup.plain(_headline(job))}")
    if job.line and job.state in (FAILED, INTERRUPTED):
        st.error(markup.plain(job.line))
    _actions(job)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Loss**")
        if job.losses or job.history:
            st.plotly_chart(figures.loss_curve(job.losses, job.history, job.plan.epochs), key="train_loss")
        else:
            st.caption("No step yet.")
    with right:
        st.markdown("**F1 on dev, by epoch**")
        if job.history:
            st.plotly_chart(figures.f1_curve(job.history, job.before, job.plan.epochs), key="train_f1")
        else:
            st.caption("No epoch yet.")
    asked, log = st.columns(2, gap="large")
    asked.html(markup.facts("What was asked for", facts(job)))
    with log:
        st.markdown("**Log**")
        lines = [event_line(event) for event in without_repeats(job.events)[-TAIL:]]
        st.code("\n".join(reversed(lines)) or "nothing yet", language=None, height=300, wrap_lines=True)
        if said := jobs.log_text(job.id).strip():
            with st.expander("What the process printed"):
                st.code(said[-8000:], language=None, wrap_lines=True)


def _headline(job: Status) -> str:
    if job.state in (RUNNING, STOPPING):
        left = job.seconds_left
        rest = "" if left is None else f"; about {clock(left)} left"
        stopping = " (stops after this step)" if job.state == STOPPING else ""
        return f"{standing(job)}{rest}{stopping}"
    return f"It {STATES[job.state]}."


def _actions(job: Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.state in OPEN_STATES:
            label = "Take it out of the queue" if job.state == QUEUED else "Cancel"
            _button(label, ":material/stop:", jobs.cancel, job, disabled=job.state == STOPPING)
            st.caption("You can leave this page, or close the app. What is done is kept.")
        if job.state in (INTERRUPTED, CANCELLED, FAILED):
            _button("Resume", ":material/play_arrow:", jobs.resume, job, primary=True)
        if job.state == DONE and job.checkpoint:
            if (version := result(job)) is None:
                st.info(markup.plain(f"The new version was {job.checkpoint}; it is not here any more."))
            else:
                st.success(markup.plain(f"The new version is {version}."))
                if st.button("Before and after", icon=":material/compare_arrows:", type="primary"):
                    st.switch_page("views/models.py", query_params={"model": version})
            if line := no_better(job):
                st.warning(markup.plain(line))
        if job.state not in (RUNNING, STOPPING):
            with st.popover("Remove", icon=":material/delete:"):
                st.markdown("Removes the job, its data and its log. What came out of it stays.")
                _button("Remove the job", ":material/delete:", _remove, job)


def _button(
    label: str, icon: str, act: Callable[[str], None], job: Status, *, primary: bool = False, disabled: bool = False
) -> None:
    why_not = access.why_not(Role.TRAIN)
    st.button(
        label,
        icon=icon,
        type="primary" if primary else "secondary",
        disabled=disabled or bool(why_not),
        help=why_not or None,
        on_click=_act,
        args=(act, job.id),
        key=f"{act.__name__}_{job.id}",
    )


def _act(act: Callable[[str], None], identity: str) -> None:
    try:
        access.require(Role.TRAIN)
        act(identity)
    except (JobError, AccessError) as error:  # it has moved on since the page was drawn
        st.session_state[Key.TRAIN_COMPLAINT] = str(error)


def _remove(identity: str) -> None:
    jobs.remove(identity)
    open_job(None)
