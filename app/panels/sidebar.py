"""Checkpoint set and taggers to run; what runs, where, and how much memory it holds."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import markup, services, state, tables
from umt_core.registry import CheckpointInfo

FIRST_SET = "twitter2017"  # the one that comes with the project
ORDER = ("bert-crf", "mt-bert-crf", "umt-bert-crf")  # the paper's, from plain to full


def choose() -> list[CheckpointInfo]:
    """Lets the reader choose a checkpoint set and the taggers of it that run."""
    found, complaints = services.checkpoints()
    with st.sidebar:
        st.markdown("**MNER workbench**")
        for complaint in complaints:
            st.error(markup.plain(complaint))
        if not found:
            return []
        sets = sorted({info.manifest.dataset for info in found}, key=lambda name: (name != FIRST_SET, name))
        dataset = st.selectbox("Checkpoint set", sets, key=state.Key.DATASET, persist_state="session")
        of_set = sorted((c for c in found if c.manifest.dataset == dataset), key=_place)
        names = [c.manifest.system for c in of_set]
        wanted = st.pills(
            "Taggers",
            names,
            selection_mode="multi",
            default=[name for name in names if name in ORDER] or names[:3],
            format_func=tables.system_title,
            key=f"{state.Key.SYSTEMS}_{dataset}",
            persist_state="session",
        )
    return [c for c in of_set if c.manifest.system in (wanted or ())]


def _place(info: CheckpointInfo) -> tuple[int, str]:
    system = info.manifest.system
    return (ORDER.index(system) if system in ORDER else len(ORDER), system)


def models(chosen: Sequence[CheckpointInfo]) -> None:
    """What is loaded: device, parameters, memory, and what the checkpoints were trained with."""
    infos = services.model_infos(chosen)
    with st.sidebar:
        st.divider()
        st.html(markup.facts("Running", tables.run_facts(infos)))
        for checkpoint, info in zip(chosen, infos, strict=True):
            st.html(markup.facts(tables.system_title(checkpoint.manifest.system), tables.model_facts(info)))
        for pictures in dict.fromkeys(c.manifest.images for c in chosen if c.manifest.channels):
            st.caption(f"**Pictures in training:** {markup.plain(pictures)}")
