"""One version of a tagger: what it is, how it was trained, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import access, figures, lineage, markup, models
from app.panels import charts
from app.state import Key
from umt_core.access.users import Role
from umt_core.encoders.needs import lacking
from umt_core.errors import AccessError, CheckpointError
from umt_core.manifest import CARD
from umt_core.promotions import ORIGINAL, records
from umt_core.registry import CheckpointInfo, Damaged, parent_of
from umt_core.versions import before_served, promote, remove, rename, roll_back


def said() -> None:
    """What became of the last click."""
    if (done := st.session_state.pop(Key.MODELS_SAID, None)) is not None:
        (st.success if done[0] else st.error)(markup.plain(done[1]))


def damaged(found: Damaged, author: str) -> None:
    """A folder that cannot be read."""
    st.subheader(markup.plain(lineage.title(found.name)), anchor=False)
    st.error(markup.plain(found.why))
    with st.container(horizontal=True):
        if not found.name.endswith(f"@{ORIGINAL}"):
            _remove(found.name, author)


def show(info: CheckpointInfo, author: str) -> None:
    """A version: facts, curve, card, and what can be done."""
    now = models.served_version(info.family)
    st.subheader(markup.plain(lineage.title(info.name)), anchor=False)
    if line := lacking(info.manifest.model):
        st.warning(markup.plain(line))
    _actions(info, now, author)
    parent = parent_of(info)
    left, right = st.columns(2, gap="large")
    left.html(markup.facts("About it", lineage.facts(info, info.version == now, parent)))
    with right:
        st.markdown("**F1 on dev, by epoch**")
        if info.manifest.history:
            before = None if parent is None else lineage.dev_before(parent.manifest, info.manifest)
            epochs = max(int(row["epoch"]) for row in info.manifest.history)
            st.plotly_chart(charts.built(figures.f1_curve, info.manifest.history, before, epochs), key="models_f1")
        else:
            st.caption("Its manifest holds no history.")
    with st.expander("Settings"):
        st.dataframe(lineage.setting_rows(info.manifest), hide_index=True)
    with st.expander("Card"):
        st.code(_card(info), language="markdown", wrap_lines=True)


def _card(info: CheckpointInfo) -> str:
    try:
        return (info.folder / CARD).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{CARD}: {error.strerror}"


def log() -> None:
    """Who promoted what, of all families."""
    st.subheader("What was done", anchor=False)
    if found := records():
        st.dataframe(lineage.log_rows(found), hide_index=True)
    else:
        st.caption("Nothing was promoted yet: the originals are served.")


# --- what can be done ----------------------------------------------------------------------------


def _actions(info: CheckpointInfo, now: str, author: str) -> None:
    if why_not := access.why_not(Role.PROMOTE):
        st.info(markup.plain(f"Nothing can be changed here: {why_not}."))
    elif not author:
        st.info("Give your name in the sidebar to promote, roll back, rename or remove.")
    command: tuple[str, ...] = ()
    with st.container(horizontal=True, vertical_alignment="center"):
        if info.version != now:
            command = ("promote", info.name)
            with st.popover("Promote", icon=":material/publish:", type="primary", disabled=not author):
                st.text(f"From the next request on, all pages answer from {info.name}, without a restart.")
                _button("Promote it", _promote, info.name, author, now, primary=True)
        elif (before := before_served(info.family)) is not None:
            command = ("rollback", info.family)
            with st.popover("Roll back", icon=":material/undo:", disabled=not author):
                st.text(f"Serves {before.name} again, which was served before.")
                _button("Roll back", _roll_back, info.family, author, now, primary=True)
        if info.version != ORIGINAL:
            with st.popover("Rename", icon=":material/edit:", disabled=not author):
                key = f"{Key.MODELS_NAME}_{info.name}"
                st.text_input(
                    "New name", key=key, max_chars=40, placeholder=info.version, help="a-z, 0-9, dots, hyphens"
                )
                _button("Rename it", _rename, info.name, author, key)
            if info.version != now:
                _remove(info.name, author)
    if command:
        st.caption("The same in a shell:")
        st.code(markup.command("checkpoints", *command), language="bash", wrap_lines=True)


def _remove(name: str, author: str) -> None:
    with st.popover("Remove", icon=":material/delete:", disabled=not author):
        st.text(f"Removes {name} and its weights for good.")
        _button("Remove it", _removed, name, author)


def _button(label: str, act: Callable[..., None], *arguments: str, primary: bool = False) -> None:
    why_not = access.why_not(Role.PROMOTE)
    st.button(
        label,
        disabled=bool(why_not),
        type="primary" if primary else "secondary",
        on_click=_act,
        args=(act, *arguments),
        key=f"{act.__name__}_{arguments[0]}",
    )


def _act(act: Callable[..., None], *arguments: str) -> None:
    try:
        access.require(Role.PROMOTE)
        act(*arguments)
    except (CheckpointError, AccessError) as error:  # somebody else was quicker
        st.session_state[Key.MODELS_SAID] = (False, str(error))


def _done(line: str, model: str) -> None:
    st.session_state[Key.MODELS_SAID] = (True, line)
    st.query_params["model"] = model


def _promote(name: str, author: str, now: str) -> None:
    promote(name, author, expected=now)
    _done(f"{name} is served from now on.", name)


def _roll_back(family: str, author: str, now: str) -> None:
    found = roll_back(family, author, expected=now)
    _done(f"{family} is its version {found.version} again.", f"{family}@{found.version}")


def _rename(name: str, author: str, key: str) -> None:
    found = rename(name, (st.session_state.get(key) or "").strip(), author)
    _done(f"{name} is {found.name} now.", found.name)


def _removed(name: str, author: str) -> None:
    remove(name, author)
    _done(f"{name} is removed.", f"{name.partition('@')[0]}@{ORIGINAL}")
