"""The page in place of all others until somebody has signed in, and in the sidebar who has."""

from __future__ import annotations

import streamlit as st

from app import access, markup
from app.state import Key
from umt_core.access.door import Door
from umt_core.access.users import LONGEST_NAME
from umt_core.errors import AccessError

# Only a script in the page can set a cookie here; Streamlit hands it back when the page is loaded again.
_KEEP = st.components.v2.component(
    "mner_session",
    html="<div></div>\n",
    js="""
export default function ({ data }) {
  const safe = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${data.name}=${data.token}; path=/; max-age=${data.seconds}; samesite=strict${safe}`;
}
""",
)


def show(line: str = "") -> None:
    """The form, or in its place why nobody can come in.

    ``line``: why somebody who has signed in at the provider may not come in.
    """
    try:
        door = access.the_door()
    except AccessError as error:
        _closed(str(error))
    else:
        _keep()
        _form(door, line)


def _closed(line: str) -> None:
    with _middle():
        st.title("This workbench is closed", anchor=False)
        st.error(markup.plain(line))
        st.caption("It is open without a login on 127.0.0.1 alone. docs/access.md tells how to let people in.")


def _form(door: Door, line: str) -> None:
    with _middle():
        st.title("MNER workbench", anchor=False)
        st.caption("Named entities in tweets and their pictures. Sign in to go on to the page that you asked for.")
        if door.passwords:
            with st.form("sign_in"):
                st.text_input("Name", key=Key.SIGN_IN_NAME, max_chars=LONGEST_NAME, autocomplete="username")
                st.text_input(
                    "Password",
                    type="password",
                    key=Key.SIGN_IN_PASSWORD,
                    autocomplete="current-password",
                )
                st.form_submit_button("Sign in", type="primary", on_click=_sign_in, width="stretch")
        if problem := st.session_state.pop(Key.SIGN_IN_PROBLEM, line):
            st.error(markup.plain(problem))
        if door.provider:
            if line:
                st.button("Sign out at the provider", on_click=st.logout, width="stretch")
            else:
                st.button(
                    "Sign in with your organisation",
                    icon=":material/login:",
                    type="secondary" if door.passwords else "primary",
                    on_click=st.login,
                    width="stretch",
                )
        st.caption("No account, or a password lost? Ask who runs this workbench.")


def account() -> None:
    """In the sidebar: who is signed in, and the way out; nothing where the app is open."""
    who = access.person()
    if who is None or not who.name:
        return
    with st.sidebar:
        with st.container(horizontal=True, vertical_alignment="center", key="account"):
            st.markdown(f":material/person: **{markup.plain(who.name)}** · {who.role}")
            st.button("Sign out", type="tertiary", on_click=access.sign_out)
        if not who.by_provider:
            _keep()


def _keep() -> None:
    token, seconds = access.cookie()
    with st.container(height=1, border=False):
        _KEEP(key=Key.SESSION_COOKIE, data={"name": access.COOKIE, "token": token, "seconds": seconds})


def _middle() -> st.delta_generator.DeltaGenerator:
    _, middle, _ = st.columns([1, 2, 1])
    return middle


def _sign_in() -> None:
    name, password = (st.session_state.get(key) or "" for key in (Key.SIGN_IN_NAME, Key.SIGN_IN_PASSWORD))
    st.session_state[Key.SIGN_IN_PASSWORD] = ""
    try:
        access.sign_in(name, password)
    except AccessError as error:
        st.session_state[Key.SIGN_IN_PROBLEM] = str(error)
