"""Checkpoint set and taggers to run; what runs, where, and how much memory it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import markup, services, state, tables
from umt_core.analysis.paper import MAIN_SYSTEMS, place_in_paper
from umt_core.encoders.needs import lacking
from umt_core.promotions import ORIGINAL
from umt_core.registry import CheckpointInfo

FIRST_SET = "twitter2017"  # the one that comes with the project
# Of the released code's transform: pages draw the 49 blocks over the whole picture, which is not what was read.
WINDOW = "{}: reads a window of 224 × 224 of each picture, perhaps mirrored. Its maps say how much, but not where."


def choose() -> list[CheckpointInfo]:
    """Lets the reader choose a checkpoint set and the taggers of it that run."""
    found, complaints = services.checkpoints()
    with st.sidebar:
        st.markdown("**MNER workbench**")
        for complaint in complaints:
            st.error(markup.plain(complaint))
        if not found:
            return []
        sets = set_names(found)
        if complaint := state.checkpoint_set(sets):
            st.warning(markup.plain(complaint))
        dataset = st.selectbox(
            "Checkpoint set",
            sets,
            format_func=_titles(found).__getitem__,
            help="Taggers of one name on encoders of other sizes, trained on other tweets, or taught by others.",
            key=state.Key.DATASET,
            persist_state="session",
        )
        state.keep_checkpoint_set(dataset, sets[0])
        of_set = {_tagger(c): c for c in sorted((c for c in found if _set(c) == dataset), key=_place)}
        names = list(of_set)
        wanted = st.pills(
            "Taggers",
            names,
            selection_mode="multi",
            default=[name for name in names if name in MAIN_SYSTEMS] or names[:3],
            format_func=tables.system_title,
            key=f"{state.Key.SYSTEMS}_{dataset}",
            persist_state="session",
        )
    chosen = [c for name, c in of_set.items() if name in (wanted or ())]
    for line in dict.fromkeys(lacking(c.manifest.model) for c in chosen):
        if line:
            st.warning(markup.plain(line))
    if cropped := [tables.checkpoint_title(c.name) for c in chosen if c.manifest.model.image_transform == "released"]:
        st.warning(markup.plain(WINDOW.format(", ".join(cropped))))
    return [c for c in chosen if not lacking(c.manifest.model)]


def set_names(found: Sequence[CheckpointInfo]) -> list[str]:
    """The checkpoint sets that these taggers are of, the usual one first."""
    # By the folders' names, which are one each: a copy's manifest names the checkpoint it was copied from.
    return sorted({_set(info) for info in found}, key=lambda name: (name != FIRST_SET, name))


def any_picked() -> bool:
    """Whether the reader has chosen taggers, though perhaps none that can run here."""
    return bool(st.session_state.get(f"{state.Key.SYSTEMS}_{state.chosen_checkpoints()}"))


def _titles(found: Sequence[CheckpointInfo]) -> dict[str, str]:
    """Each set's name with the text encoders in it."""
    encoders: dict[str, list[str]] = {}
    for info in found:
        encoders.setdefault(_set(info), []).append(info.manifest.model.text_encoder)
    return {name: f"{name} · {', '.join(dict.fromkeys(of))}" for name, of in encoders.items()}


def _set(info: CheckpointInfo) -> str:
    return info.name.partition("/")[0]


def _tagger(info: CheckpointInfo) -> str:
    return info.name.partition("/")[2]


def _place(info: CheckpointInfo) -> tuple[int, str]:
    name = _tagger(info)
    return place_in_paper(name), name


def models(chosen: Sequence[CheckpointInfo], infos: Mapping[str, dict[str, Any]]) -> None:
    """What is loaded (``infos``, by checkpoint name): device, parameters, memory, and what it was trained with."""
    loaded = [c for c in chosen if c.name in infos]
    with st.sidebar:
        st.divider()
        st.html(markup.facts("Running", tables.run_facts(list(infos.values()))))
        for checkpoint in loaded:
            facts = tables.model_facts(infos[checkpoint.name])
            if checkpoint.version != ORIGINAL:
                facts = {"Version": checkpoint.version} | facts
            st.html(markup.facts(tables.checkpoint_title(checkpoint.name), facts))
        for pictures in dict.fromkeys(c.manifest.images for c in loaded if c.manifest.channels):
            st.caption(f"**Pictures in training:** {markup.plain(pictures)}")
