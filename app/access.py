"""Who is signed in, and what they may do: asked by the frame before a page runs, and by every action again."""

from __future__ import annotations

import datetime
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.state import Key
from umt_core.access.door import Door, door
from umt_core.access.passwords import AT_ONCE, check_password
from umt_core.access.sessions import Sessions
from umt_core.access.throttle import Throttle
from umt_core.access.users import Role, User, key_of, read_users, with_email
from umt_core.errors import AccessError

COOKIE = "mner_session"
_DOES = {
    Role.VIEW: "look at pages",
    Role.ANNOTATE: "correct labels, add tweets and let taggers read a data set",
    Role.TRAIN: "start, stop and remove retrainings",
    Role.PROMOTE: "promote, rename and remove versions, and remove data sets",
}

# Of the process and not in Streamlit's caches: a browser may ask for these to be cleared.
_sessions = Sessions()
_throttle = Throttle()
_checking = threading.BoundedSemaphore(AT_ONCE)
_admitted: OrderedDict[str, None] = OrderedDict()  # Streamlit's ids of the sessions last seen of people who are in
_MOST_ADMITTED = 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks at the pages."""

    name: str  # the author of what they do; "": the app is open, and they say who they are
    role: Role
    by_provider: bool = False  # signed in at the OpenID provider


def the_door() -> Door:
    """How people come in (``AccessError``: not at all)."""
    return door(st.get_option("server.address"))


def person() -> Person | None:
    """Who this session is of; ``None``: nobody has signed in.

    Raises:
        AccessError: as ``the_door``; or somebody has come from the provider whom the users' file does not know.
    """
    way = the_door()
    if not way.login:
        return Person("", Role.PROMOTE)
    if (token := _token()) and (user := _sessions.user(token, read_users())) is not None:
        return Person(user.name, user.role)
    if way.provider and st.user.is_logged_in:
        user = _by_provider()
        return Person(user.name, user.role, by_provider=True)
    return None


def _by_provider() -> User:
    email = st.user.get("email")
    if not isinstance(email, str) or not email or st.user.get("email_verified") is False:
        raise AccessError("wanted a verified e-mail address from the provider, got none")
    if (user := with_email(read_users(), email)) is None:
        raise AccessError(f"{email} may not come in: ask who runs this workbench to add you")
    return user


def arrived() -> tuple[Person | None, str]:
    """Who this session is of; and where it is nobody's, a line on why, if there is more to say than that."""
    who, line = None, ""
    try:
        who = person()
    except AccessError as error:
        line = str(error)
    if (context := get_script_run_ctx(suppress_warning=True)) is not None:
        _admitted.pop(context.session_id, None)
        if who is not None:
            _admitted[context.session_id] = None
            while len(_admitted) > _MOST_ADMITTED:
                _admitted.popitem(last=False)
    return who, line


def is_admitted(session: str) -> bool:
    """Whether a session of Streamlit's is of somebody who is in: asked of files, which no page looks at first."""
    return session in _admitted


def stay() -> None:
    """For a piece of a page that is drawn again by itself: back to signing in where nobody is signed in any more."""
    if arrived()[0] is None:
        st.rerun()


def why_not(needed: Role) -> str:
    """A line on why who looks may not do something; "": they may."""
    try:
        who = person()
    except AccessError as error:
        return str(error)
    if who is None:
        return "you are not signed in any more: load the page again"
    if who.role.may(needed):
        return ""
    return f"{who.name} has the role {who.role}; {needed} is needed to {_DOES[needed]}"


def require(needed: Role) -> None:
    """
    Raises:
        AccessError: who looks may not do that.
    """
    if line := why_not(needed):
        raise AccessError(line)


def guarded(needed: Role, act: Callable[..., Any]) -> Callable[..., None]:
    """A callback that does something only for who may; a line on the page for who may not.

    Their role may have changed since the control was drawn.
    """

    @wraps(act)
    def guard(*arguments: Any) -> None:
        if line := why_not(needed):
            st.session_state[Key.REFUSED] = line
        else:
            act(*arguments)

    return guard


def refused() -> str:
    """Why the last click did nothing, once; "": it did."""
    return str(st.session_state.pop(Key.REFUSED, ""))


def author() -> str:
    """The signed-in name, which nobody can choose; "": the app is open, or nobody is signed in."""
    try:
        who = person()
    except AccessError:
        return ""
    return who.name if who else ""


# --- signing in ----------------------------------------------------------------------------------


def sign_in(name: str, password: str) -> None:
    """Signs this session in.

    Raises:
        AccessError: name and password do not fit, or too many did not before.
    """
    address = _text(st.context.ip_address)
    if wait := _throttle.admit(name, address):
        at = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=wait)
        raise AccessError(f"Too many tries: wait {math.ceil(wait)} seconds, until {at:%H:%M:%S %Z}.")
    user = read_users().get(key_of(name))
    with _checking:
        right = check_password(password, user.password if user else None)
    if not right or user is None:
        raise AccessError("Name and password do not fit.")
    _throttle.right(name, address)
    st.session_state.clear()  # what somebody else had in this window
    st.session_state[Key.TOKEN] = _sessions.begin(user)


def sign_out() -> None:
    """Signs out in all windows of this browser."""
    who = person()
    if token := _token():
        _sessions.end(token)
    st.session_state.clear()
    st.session_state[Key.SIGNED_OUT] = True
    if who is not None and who.by_provider:
        st.logout()


def cookie() -> tuple[str, int]:
    """The token that the browser is to keep, and for how many seconds; 0: it is to forget it."""
    token = _token()
    left = _sessions.seconds_left(token) if token else 0
    return (token, left) if left else ("", 0)


def _token() -> str:
    token = st.session_state.get(Key.TOKEN)
    if token is None and not st.session_state.get(Key.SIGNED_OUT):
        token = st.context.cookies.get(COOKIE)
    return _text(token)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""  # AppTest has stand-ins for cookies and address
