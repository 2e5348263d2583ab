"""An answer that takes a while: in its place, until it is there, how far it is and a stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import asking, markup
from app.state import Key


def answer(key: str, steps: Callable[[asking.Report], Any]) -> Any:
    """What ``steps`` gives; ``None`` while there is nothing: it goes on, was stopped or has failed.

    Sessions that ask the same share the answer. Who has stopped it has stopped it for themselves.
    """
    stopped: set[str] = st.session_state.setdefault(Key.STOPPED, set())
    job = asking.job(key)
    if job is None or (job.error == job.STOPPED and key not in stopped):
        job = asking.start(key, steps)
    job.over.wait(asking.QUICK)
    if job.running:
        _progress(key)
        return None
    if job.error:
        st.warning(markup.plain(job.error))
        st.button("Go on", icon=":material/play_arrow:", on_click=_go_on, args=(key, steps), key=f"go_on_{key}")
        return None
    return job.answer


def _go_on(key: str, steps: Callable[[asking.Report], Any]) -> None:
    st.session_state[Key.STOPPED].discard(key)
    asking.start(key, steps)


def _stop(key: str, job: asking.Asking) -> None:
    st.session_state[Key.STOPPED].add(key)
    job.stop()


@st.fragment(run_every=0.5)
def _progress(key: str) -> None:
    job = asking.job(key)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.fraction, text=markup.plain(job.line))
    st.button("Stop", icon=":material/stop:", on_click=_stop, args=(key, job), disabled=job.stopping, key=f"stop_{key}")
