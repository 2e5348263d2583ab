"""The tweets behind the Benchmark page's figures: predictions that go with the results are taken in, or why not."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import access, benchmark, markup, sets, tables
from app.standings import Browser
from umt_core.access.users import Role
from umt_core.analysis.benchmark import Standing
from umt_core.analysis.sets import PredictionSet


def show(dataset: str, standings: Sequence[Standing], where: Browser) -> None:
    """A line on where the cells lead, or what keeps them from it."""
    done = [standing for standing in standings if standing.weights]
    if not done:
        return
    found = benchmark.kept(dataset)
    if found is None:
        st.caption("No cell leads to its tweets: these results came without their predictions.")
    elif all(standing.system in where.runs for standing in done):
        _leads(where)
    elif benchmark.hidden(found):
        st.info(
            f"The predictions are here, but the pages show a newer set of {tables.data_set_title(found.name)}, of "
            "another data file, other pictures or another train split: no cell leads to its tweets."
        )
    else:
        _offer(found)


def _leads(where: Browser) -> None:
    st.caption("A figure leads to the errors of the first seed, on the Errors page; precision and recall to theirs.")
    st.page_link(
        "views/scores.py",
        label="Scores of these predictions: intervals, error classes, confusions",
        icon=":material/leaderboard:",
        query_params={"data": where.data},
    )


def _offer(found: PredictionSet) -> None:
    source = sets.sources().get(found.name)
    with st.container(border=True):
        if source is None:
            st.markdown(
                f"**To see the tweets behind these figures**, put the data set's files in a folder and start the app "
                f"with `UMT_DATA` set to it: {markup.plain(f'{found.info.dataset}/{found.info.split}.txt')} and its "
                "train split. The figures themselves need none of it."
            )
            return
        if other := sets.other_data(found, source):
            st.warning(markup.plain(f"No cell leads to its tweets. {other}"))
            return
        job = benchmark.adoption(found)
        if job is not None and job.running:
            progress(found)
            return
        if job is not None and job.error:
            st.warning(markup.plain(job.error))
        st.markdown(
            "**The tweets behind these figures** can be looked at once the predictions that go with the results are "
            "taken in: no tagger has to run."
        )
        why_not = access.why_not(Role.ANNOTATE)
        st.button(
            "Take in the predictions",
            type="primary",
            icon=":material/download:",
            disabled=bool(why_not),
            help=why_not or None,
            on_click=access.guarded(Role.ANNOTATE, benchmark.adopt),
            args=(found, source),
            key=f"adopt_{found.info.key}_{found.folder.parent.name}",
        )
        st.caption("The same in a shell:")
        st.code(benchmark.adopt_command(found, source), language="bash", wrap_lines=True)


@st.fragment(run_every=0.5)
def progress(found: PredictionSet) -> None:
    job = benchmark.adoption(found)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.fraction, text=markup.plain(job.line))
    st.button(
        "Stop",
        on_click=access.guarded(Role.ANNOTATE, job.stop),
        disabled=job.stopping,
        key=f"stop_adopt_{found.folder.parent.name}",
    )
