"""Results over a whole prediction set: in place of those that are not there yet, the button that computes them."""

from __future__ import annotations

import pyarrow as pa
import streamlit as st

from app import access, keeping, markup
from umt_core.access.users import Role
from umt_core.analysis.sets import PredictionSet


def table(found: PredictionSet, run: str | None, recipe: keeping.Recipe, why: str) -> pa.Table | None:
    """The kept results; where there are none, says so and offers to compute them.

    ``why`` tells in a sentence what they are good for. Errors as ``read_kept``.
    """
    kept = keeping.table(found, run, recipe.kind)
    if kept is not None:
        return kept
    with st.container(border=True):
        st.markdown(why)
        job = keeping.job(found, run, recipe.kind)
        if job is not None and job.running:
            progress(found, run, recipe.kind)
            return None
        if job is not None and job.error:
            st.warning(markup.plain(job.error))
        why_not = access.why_not(Role.ANNOTATE)
        st.button(
            "Compute",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(why_not),
            help=why_not or None,
            on_click=access.guarded(Role.ANNOTATE, keeping.start),
            args=(found, run, recipe),
            key=f"keep_{recipe.kind}_{run}",
        )
        st.caption("It runs in the background, and the pages stay usable. The same in a shell:")
        st.code(recipe.command, language="bash", wrap_lines=True)
    return None


@st.fragment(run_every=1.0)
def progress(found: PredictionSet, run: str | None, kind: str) -> None:
    job = keeping.job(found, run, kind)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.fraction, text=markup.plain(job.line))
    st.button("Stop", on_click=access.guarded(Role.ANNOTATE, job.stop), disabled=job.stopping, key=f"stop_{kind}_{run}")
