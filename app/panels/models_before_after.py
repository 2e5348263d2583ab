"""What a version fixes and breaks of another one, on the labels as published and as corrected."""

from __future__ import annotations

import streamlit as st

from app import access, lineage, markup, models, sets, tables
from app.panels import building, linked
from app.state import Key
from umt_core.access.users import Role
from umt_core.analysis.sets import PredictionSet
from umt_core.corrections.queues import trained_on
from umt_core.errors import DataError, UmtError
from umt_core.registry import CheckpointInfo, parent_of, versions


def show(info: CheckpointInfo) -> None:
    """Lets the reader choose what to compare on and with, and shows it."""
    st.subheader("Before and after", anchor=False)
    others = [other for other in versions(info.family) if other.name != info.name]
    parent = parent_of(info)
    if parent is not None and parent.name not in {other.name for other in others} and parent.name != info.name:
        others.append(parent)
    if not others:
        st.caption("There is no other version to compare with yet. Train one on the Train page.")
        return
    left, right = st.columns(2)
    with left:
        other = _other(info, others, parent)
    with right:
        name = _data(info)
    source, folders = sets.sources().get(name), sets.folders()[0]
    try:
        found = sets.opened(folders[name]) if name in folders else None
        runs = [models.run_of(found, one) if found else None for one in (other, info)]
        if found is None or None in runs:
            _build(name, source, [one.name for one, run in zip((other, info), runs, strict=True) if run is None])
        else:
            for one, run in zip((other, info), runs, strict=True):
                _known(found, one.name, str(run))
            _figures(found, str(runs[0]), str(runs[1]), info)
    except UmtError as error:
        st.error(markup.plain(str(error)))


def _other(info: CheckpointInfo, others: list[CheckpointInfo], parent: CheckpointInfo | None) -> CheckpointInfo:
    by_name = {other.name: other for other in others}
    usual = parent.name if parent is not None and parent.name in by_name else next(iter(by_name))
    name = st.selectbox(
        "Compared with",
        list(by_name),
        index=list(by_name).index(usual),
        format_func=lambda name: lineage.title(name) + (" (its parent)" if parent and name == parent.name else ""),
        key=f"{Key.MODELS_AGAINST}_{info.name}",
    )
    return by_name[name]


def _data(info: CheckpointInfo) -> str:
    names = list(dict.fromkeys([*sets.sources(), *sets.folders()[0]]))
    usual = f"{info.manifest.dataset}/test"
    place = names.index(usual) if usual in names else 0
    key = f"{Key.MODELS_DATA}_{info.manifest.dataset}"  # another data set's versions are compared on theirs
    name: str = st.selectbox("On", names, index=place, format_func=tables.data_set_title, key=key)
    return name


def _build(name: str, source: sets.Source | None, missing: list[str]) -> None:
    """Offers to run the versions that have not read the split yet."""
    job = sets.job(name)
    if job is not None and job.running:
        building.progress(name)
        return
    if source is None:
        st.text("Its data file is not here: set UMT_DATA to the folder that holds it.")
        return
    if job is not None and job.error:
        st.warning(markup.plain(job.error))
    titles = " and ".join(lineage.title(one) for one in missing)
    st.text(f"{titles} {'has' if len(missing) == 1 else 'have'} not read {tables.data_set_title(name)} yet.")
    why_not = access.why_not(Role.ANNOTATE)
    st.button(
        "Read it now",
        type="primary",
        icon=":material/play_arrow:",
        disabled=bool(why_not),
        help=why_not or None,
        on_click=access.guarded(Role.ANNOTATE, sets.start_job),
        args=(source, tuple(missing)),
    )
    st.caption("It runs in the background: the pages stay usable, and a stop keeps what is done. The same in a shell:")
    st.code(sets.command(source, missing), language="bash", wrap_lines=True)


def _known(found: PredictionSet, version: str, run: str) -> None:
    """Says so if a version has seen what it is judged by: such figures flatter it."""
    if (how := trained_on(found, run)) is not None:
        st.warning(markup.plain(f"{lineage.title(version)}: {how}. Compare on tweets that it has not seen."))


def _figures(found: PredictionSet, parent: str, new: str, info: CheckpointInfo) -> None:
    try:
        with st.spinner("Comparing …"):
            compared, complaint = models.compared(found, parent, new)
    except DataError as error:
        st.info(markup.plain(str(error)))
        return
    for line in [*([complaint] if complaint else []), *compared.complaints]:
        st.warning(markup.plain(line))
    linked.show("models_sides", *lineage.side_cells(compared, found.name, info.version))
    st.caption("Percent and counts of gold entities. Figures with a line below them open their tweets in Errors.")
    if compared.corrected is None:
        st.caption("Nobody has corrected a label of this split: the second line appears when somebody has.")
    else:
        st.caption(lineage.label_line(compared))
    st.markdown("**By type**")
    linked.show("models_types", *lineage.type_cells(compared, found.name))
    if compared.tweets:
        shown = compared.tweets[: models.SHOWN]
        st.markdown(f"**Corrected tweets** ({len(shown):,} of {len(compared.tweets):,})")
        words = models.words(found, shown)
        linked.show("models_tweets", *lineage.tweet_cells(shown, words, compared, found.name))
