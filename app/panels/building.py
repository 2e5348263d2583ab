"""Runs taggers over a data set: what is shown before there are predictions, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import access, lineage, markup, services, sets, state, tables
from app.panels import sidebar
from app.panels.data_set import Chosen
from umt_core.access.users import Role
from umt_core.analysis.paper import place_in_paper
from umt_core.encoders.needs import lacking
from umt_core.registry import CheckpointInfo

_MORE = "Run more taggers over this data set"


def empty(chosen: Chosen) -> None:
    """In place of figures: that no tagger has run over the data set yet, and the button that does it."""
    with st.container(border=True):
        title = tables.data_set_title(chosen.name)
        running = (job := sets.job(chosen.name)) is not None and job.running
        st.subheader(f"Taggers read: {title}" if running else f"No predictions for {title} yet", anchor=False)
        st.markdown(
            "The taggers first read all of its tweets, once. Their predictions are kept, "
            "so that every figure and filter after that is immediate."
        )
        _offer(chosen)


def is_first(chosen: Chosen) -> bool:
    """Whether there is nothing to compare yet: no tagger has run, or the second one is at it."""
    runs = chosen.found.runs if chosen.found else {}
    job = sets.job(chosen.name)
    return not runs or (len(runs) < 2 and job is not None and job.running)


def more(chosen: Chosen) -> None:
    """Under the figures: taggers that have not run over the data set, or have changed since."""
    job = sets.job(chosen.name)
    if _missing(chosen) or (job is not None and job.running):
        changed = _has_changed(chosen)
        title = "Run the taggers again, over the data set as it is now" if changed else _MORE
        with st.expander(title, expanded=changed or (job is not None and job.running)):
            _offer(chosen)


def _missing(chosen: Chosen) -> list[CheckpointInfo]:
    runs = chosen.found.runs.values() if chosen.found and not _has_changed(chosen) else ()
    sums = {run.weights_sha256 for run in runs}
    found, _ = services.checkpoints()
    missing = [info for info in found if info.manifest.weights_sha256 not in sums]
    return sorted(missing, key=lambda info: (info.name.partition("/")[0], place_in_paper(info.manifest.system)))


def _has_changed(chosen: Chosen) -> bool:
    """Whether the data file has other tweets than the ones that were predicted."""
    return chosen.found is not None and sets.other_data(chosen.found, chosen.source) is not None


def _offer(chosen: Chosen) -> None:
    if chosen.source is None:
        st.text("Its data file is not here: set UMT_DATA to the folder that holds it.")
        return
    job = sets.job(chosen.name)
    if job is not None and job.running:
        progress(chosen.name)
        return
    if job is not None and job.error:
        st.warning(markup.plain(job.error))
    infos = _able(_missing(chosen))
    if not infos:
        return
    names = [info.name for info in infos]
    titles = {info.name: lineage.title(info.name) for info in infos}
    wanted = st.pills(
        "Taggers",
        names,
        selection_mode="multi",
        default=_usual(chosen, infos),
        format_func=lambda name: titles[name],
        key=f"build_{chosen.name}",
    )
    why_not = access.why_not(Role.ANNOTATE)
    st.button(
        "Run the taggers",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not wanted or bool(why_not),
        help=why_not or None,
        on_click=access.guarded(Role.ANNOTATE, sets.start_job),
        args=(chosen.source, tuple(wanted or ())),
    )
    st.caption("It runs in the background: the pages stay usable, and a stop keeps what is done. The same in a shell:")
    st.code(sets.command(chosen.source, wanted or names), language="bash", wrap_lines=True)


def _able(missing: list[CheckpointInfo]) -> list[CheckpointInfo]:
    """Those of the missing taggers that can run here; says why others cannot, and where there are none."""
    for line in dict.fromkeys(lacking(info.manifest.model) for info in missing):
        if line:
            st.info(markup.plain(line))
    able = [info for info in missing if not lacking(info.manifest.model)]
    if not missing:
        st.info(f"No tagger is here. Train one: `{markup.command('train', '--help')}`.")
    elif not able:
        st.info("The taggers left need packages that are not installed (see above).")
    return able


def _usual(chosen: Chosen, infos: Sequence[CheckpointInfo]) -> list[str]:
    """Names of the taggers that were trained on this data set, else of those in the sidebar's checkpoint set."""
    dataset = chosen.name.partition("/")[0]
    usual = state.chosen_checkpoints() or sidebar.set_names(infos)[0]
    trained = [info.name for info in infos if info.manifest.dataset == dataset]
    return trained or [info.name for info in infos if info.name.partition("/")[0] == usual]


@st.fragment(run_every=1.0)
def progress(name: str) -> None:
    job = sets.job(name)
    if job is None or not job.running:
        st.rerun()
    st.progress(job.fraction, text=markup.plain(job.line))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", on_click=access.guarded(Role.ANNOTATE, job.stop), disabled=job.stopping, key=f"stop_{name}")
        st.caption("You can leave this page meanwhile.")
