"""An answer that takes a while: in its place, until it is there, how far it is and a stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import asking, markup


def answer(key: str, steps: Callable[[asking.Report], Any]) -> Any:
    """What ``steps`` gives; ``None`` while there is nothing: it goes on, was stopped or has failed."""
    job = asking.job(key) or asking.start(key, steps)
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
    asking.start(key, steps)


@st.fragment(run_every=0.5)
def _progress(key: str) -> None:
    job = asking.job(key)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.fraction, text=markup.plain(job.line))
    st.button("Stop", icon=":material/stop:", on_click=job.stop, disabled=job.stopping, key=f"stop_{key}")
