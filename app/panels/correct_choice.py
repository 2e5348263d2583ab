"""What is corrected, in which order, and by whom: in the sidebar and in the address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields

import streamlit as st

from app import access, corrections, markup, outcomes, sets, state, tables
from app.panels.correct_desk import IN_FILE_ORDER, Desk
from umt_core.analysis.query import Query
from umt_core.analysis.sets import PredictionSet
from umt_core.corrections.events import BLIND, COMMON
from umt_core.corrections.queues import QUEUES, build_queue
from umt_core.corrections.second_opinion import ADJUDICATION
from umt_core.corrections.store import Store
from umt_core.errors import DataError

ALL, OPEN, DONE, SKIPPED = "all", "open", "done", "skipped"
_SHOWN = {ALL: "All", OPEN: "Open", DONE: "Done", SKIPPED: "Skipped"}
BROWSER, UPLOADS, SECOND_OPINION = "browser", "uploads", "second-opinion"
_OURS = {
    IN_FILE_ORDER: ("All tweets", "in the order of the file"),
    ADJUDICATION: ("Answers that differ", "people have labelled it differently: which answer holds, or a third?"),
}
_QUERY = frozenset(field.name for field in fields(Query)) - {"data"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A split, the queue of its tweets, and who corrects them."""

    source: sets.Source
    found: PredictionSet | None  # None: no system has read the split
    queue: str
    shown: str
    author: str


def follow_link() -> None:
    """Takes what the address asks for, where that is not what we wrote ourselves."""
    params = st.query_params.to_dict()
    if not params or params == st.session_state.get(state.Key.CORRECT_ADDRESS):
        return
    st.session_state[state.Key.CORRECT_ADDRESS] = params
    for name, key in (("data", state.Key.CORRECT_DATA), ("queue", state.Key.QUEUE)):
        if name in params:
            st.session_state[key] = params[name]
    st.session_state[state.Key.CORRECT_TWEET] = params.get("tweet")
    st.session_state[state.Key.CORRECT_QUERY] = {name: params[name] for name in params if name in _QUERY}


def keep_address(desk: Desk, chosen: Chosen) -> None:
    """Writes data set, queue and tweet into the address."""
    wanted = {"data": chosen.source.name, "queue": chosen.queue}
    wanted |= {"tweet": desk.tweet} if desk.ids else {}
    wanted |= query_params() if chosen.queue == BROWSER else {}
    state.write_address(state.Key.CORRECT_ADDRESS, wanted)


def query_params() -> dict[str, str]:
    """The filters that came from the Errors page."""
    params: dict[str, str] = st.session_state.get(state.Key.CORRECT_QUERY) or {}
    return params


def choose() -> Chosen | None:
    """Lets the reader choose; ``None``: there is nothing to correct."""
    sources = sets.sources()
    folders, complaints = sets.folders()
    with st.sidebar:
        st.markdown("**MNER workbench**")
        source = _source(sources)
        queue = _queue(source)
        shown = st.pills(
            "Show",
            list(_SHOWN),
            default=ALL,
            format_func=_SHOWN.__getitem__,
            key=state.Key.SHOWN,
            required=True,
            persist_state="session",
        )
        author = author_box()
    found = None
    if source is not None and source.name in folders:
        try:
            found = sets.opened(folders[source.name])
        except DataError as error:
            complaints.append(str(error))
        else:
            complaints += [line for line in [sets.other_data(found, source)] if line]
    for line in complaints:
        st.warning(markup.plain(line))
    return None if source is None else Chosen(source, found, queue, shown or ALL, author)


def _source(sources: Mapping[str, sets.Source]) -> sets.Source | None:
    key = state.Key.CORRECT_DATA
    if (asked := st.session_state.get(key)) is not None and asked not in sources:
        st.warning(markup.plain(f"The link asks for the data set {asked!r}, which is not here; this is another one."))
        del st.session_state[key]
    name = st.selectbox("Data set", list(sources), format_func=tables.data_set_title, key=key, persist_state="session")
    return sources.get(name)


def _queue(source: sets.Source | None) -> str:
    key = state.Key.QUEUE
    titles = {name: title for name, (title, _) in _OURS.items()} | {name: info.title for name, info in QUEUES.items()}
    if not query_params():
        del titles[BROWSER]  # it has nothing to show that the order of the file has not
    if source is None or not source.of.own:
        del titles[UPLOADS]
    if (asked := st.session_state.get(key)) not in titles:
        if asked not in (None, BROWSER, UPLOADS):
            state.complain_of_correction(f"The link asks for the queue {asked!r}, which is none; this is another one.")
        st.session_state[key] = IN_FILE_ORDER
    name: str = st.selectbox("Queue", list(titles), format_func=titles.__getitem__, key=key, persist_state="session")
    st.caption(_OURS[name][1] if name in _OURS else QUEUES[name].why)
    return name


def author_box() -> str:
    """Asks for the name of who changes things, unless they are signed in; it is the same on all pages."""
    if name := access.author():
        return name
    key = state.Key.AUTHOR
    if key not in st.session_state:
        st.session_state[key] = corrections.default_author()
    st.text_input(
        "Your name",
        key=key,
        max_chars=corrections.LONGEST_AUTHOR,
        help="Stored with each of your changes. This browser remembers it.",
        on_change=lambda: st.session_state.update({state.Key.AUTHOR_CHOSEN: True}),
        persist_state="session",
    )
    name = " ".join((st.session_state[key] or "").split())
    if name and (complaint := corrections.author_complaint(name)):
        st.warning(markup.plain(complaint))
        return ""
    return name


# --- the queue -----------------------------------------------------------------------------------


def desk_for(chosen: Chosen, store: Store) -> Desk:
    """The desk with the chosen queue: the one that is there, or a new one at its first open tweet.

    Raises:
        UmtError: the tweets cannot be read, or the queue cannot be made.
    """
    tweets = corrections.tweets(chosen.source)
    asked = st.session_state.pop(state.Key.CORRECT_TWEET, None)
    desk: Desk | None = st.session_state.get(state.Key.DESK)
    name = _name(chosen)
    if desk is None or desk.name != name or desk.tweets is not tweets:
        desk = _new_desk(chosen, name, tweets, store)
        st.session_state[state.Key.DESK] = desk
    desk.author = chosen.author
    if asked in tweets.examples:
        desk.visit(asked)
    elif asked is not None:
        st.warning(markup.plain(f"The link asks for the tweet {asked!r}, which is not in this data set."))
    return desk


def _fill(desk: Desk, chosen: Chosen, store: Store) -> None:
    titles = outcomes.run_titles(chosen.found.runs) if chosen.found else {}
    queue = build_queue(
        chosen.queue,
        chosen.found,
        desk.tweets.ids,
        store,
        data=chosen.source.name,
        query=Query.from_params(query_params()) if chosen.queue == BROWSER else None,
        author=chosen.author,
        title=lambda run: titles.get(run, run),
    )
    items = [item for item in queue.items if item.tweet in desk.tweets.examples]
    desk.ids, desk.notes = [item.tweet for item in items], queue.notes
    desk.reasons = {item.tweet: item.reason for item in items}
    if queue.total > len(queue.items):
        desk.notes += (f"These are the first {len(queue.items):,} of {queue.total:,} tweets.",)


def _name(chosen: Chosen) -> str:
    parts = [chosen.source.name, chosen.queue, chosen.shown]
    parts += map(str, sorted(query_params().items())) if chosen.queue == BROWSER else []
    parts += [chosen.author] if chosen.queue == SECOND_OPINION else []
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def _new_desk(chosen: Chosen, name: str, tweets: corrections.Tweets, store: Store) -> Desk:
    track = BLIND if chosen.queue == SECOND_OPINION else COMMON
    desk = Desk(name, chosen.queue, tweets, list(tweets.ids), chosen.author, track)
    if chosen.queue == ADJUDICATION:
        desk.adjudicate(store)
    elif chosen.queue != IN_FILE_ORDER:
        with st.spinner("Putting the queue in order …"):
            _fill(desk, chosen, store)
    desk.refresh(store)
    tests = {OPEN: lambda i: not desk.done(i) and not desk.skipped(i), DONE: desk.done, SKIPPED: desk.skipped}
    if chosen.shown in tests:
        desk.ids = [identity for identity in desk.ids if tests[chosen.shown](identity)]
    desk.place = next((i for i, identity in enumerate(desk.ids) if tests[OPEN](identity)), 0)
    return desk
