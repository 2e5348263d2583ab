"""Where a tweet and its picture come in: tweet box, upload, clipboard, sample tweets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress

import streamlit as st

from app import access, markup, services, state, tables
from app.panels import gallery
from app.panels.component import component
from umt_core.access.users import Role
from umt_core.data.images import MAX_BYTES
from umt_core.data.own import MY_TWEETS, add_tweet, data_name
from umt_core.errors import ImageError, UmtError

_PASTE = component("paste")
PREVIEW_WIDTH = 150  # pixels
TYPES = ["jpg", "jpeg", "png", "webp", "gif"]


def show() -> None:
    """Draws the form; what it asks for is then ``state.request()``."""
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _tweet()
        with right:
            _picture()


def _tweet() -> None:
    st.text_area(
        "Tweet",
        key=state.Key.TEXT,
        height=104,
        placeholder="Type or paste a tweet",
        on_change=state.take_text,
        persist_state="session",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Analyse", type="primary", help="Ctrl + Enter in the tweet box does the same")
        if st.button("Sample tweets", icon=":material/grid_view:"):
            gallery.choose()
        why_not = access.why_not(Role.ANNOTATE)
        st.button(
            "Add to my tweets",
            icon=":material/bookmark_add:",
            on_click=access.guarded(Role.ANNOTATE, _add),
            disabled=bool(why_not),
            help=why_not or "To label it later, and to train on it",
        )
    _said()
    sample = services.samples().get(state.request().sample or "")
    if sample is not None:
        kinds = ", ".join(tables.kind_title(kind) for kind in sample.kind)
        st.caption(f"**Sample tweet: {markup.plain(kinds)}.** {markup.plain(sample.note)}")
    elif (given := state.request().given) is not None:
        gold = "with its own words" if given.spans is None else "with its own words and gold labels"
        st.caption(f"**Tweet {markup.plain(given.id)} of a data set**, {gold}.")


def _add() -> None:
    """Adds the tweet that is shown to the reader's own."""
    try:
        example = services.example(state.request())
        if not example.tokens:
            state.say_once("There is no tweet to add yet: type or paste one.", wrong=True)
            return
        identity, new = add_tweet(example, services.picture_bytes(state.request()))
    except UmtError as error:
        state.say_once(str(error), wrong=True)
        return
    state.say_once("Added to my tweets." if new else "It is among my tweets already.", tweet=identity)


def _said() -> None:
    """What became of the tweet that was to be added, and the way to it."""
    if (said := state.said_once()) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/{'error' if said.wrong else 'bookmark_added'}: {markup.plain(said.line)}")
        if said.tweet is not None:
            query = {"data": data_name(MY_TWEETS), "tweet": said.tweet}
            st.page_link("views/correct.py", label="Label it", icon=":material/edit_note:", query_params=query)


def _picture() -> None:
    request = state.request()
    name = services.picture_name(request)
    preview, give = st.columns([2, 3], gap="small")
    with give:
        st.file_uploader(
            "Picture",
            type=TYPES,
            key=state.uploader_key(),
            on_change=state.take_upload,
            max_upload_size=MAX_BYTES // 1_000_000,
            help="JPEG, PNG, WEBP or GIF, at most 20 MB and 40 million pixels; an animation's first frame",
        )
        _PASTE(key=state.Key.PASTE, data={"limit": MAX_BYTES}, on_pasted_change=_take_pasted)
    if name is None:
        preview.caption("No picture")
        return
    with suppress(ImageError):  # the page says what is wrong with it
        picture = services.picture(request)
        if picture is not None:
            preview.image(services.picture_uri(name, picture), alt="The tweet's picture", width=PREVIEW_WIDTH)
    shown = services.samples().get(request.picture_of or "")
    if shown is not None and shown.credit:
        preview.caption(markup.plain(shown.credit))
    if request.sample is not None:
        st.checkbox("Keep this picture when I edit the text", key=state.Key.KEEP, persist_state="session")
    else:
        st.button("Remove picture", on_click=state.remove_picture)


def _take_pasted() -> None:
    payload = getattr(st.session_state.get(state.Key.PASTE), "pasted", None)
    if not isinstance(payload, Mapping) or not isinstance(payload.get("data"), str):
        return
    try:
        data = base64.b64decode(payload["data"], validate=True)
    except binascii.Error:
        return
    state.take_picture(state.Picture("pasted picture", data))
