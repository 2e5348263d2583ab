"""What a session remembers, by name, and the part of it that a link carries."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import streamlit as st

from umt_core.explain.attention import MAPS, AttentionMap, get_map, heads
from umt_core.schema import REGIONS, Inspection


class Key(StrEnum):
    """Keys of ``st.session_state``."""

    # Ours
    REQUEST = "request"  # Request
    ASKED = "asked"  # id of a sample to show from the next run on
    COMPLAINT = "complaint"  # what the link asked for and did not get; shown once
    UPLOADS = "uploads"  # a new number makes a new, empty uploader
    DOC = "doc"  # the analysed tweet that WORD and BLOCK speak of
    WORD = "word"
    BLOCK = "block"  # 0 to 48; None: none chosen
    # Widgets
    TEXT = "tweet_text"
    KEEP = "keep_picture"
    PASTE = "paste"
    GALLERY = "gallery"
    KINDS = "gallery_kinds"
    TRACKS = "tracks"
    OVERLAY = "overlay"
    SYSTEM = "system"
    MAP = "map"
    HEAD = "head"  # 0: the mean over the heads
    DATASET = "dataset"
    SYSTEMS = "systems"


LINK = {"word": Key.WORD, "map": Key.MAP, "head": Key.HEAD, "system": Key.SYSTEM}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the reader gave it: the only large thing that a session holds."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What to analyse: a sample, or the reader's own tweet.

    An own tweet has the reader's picture, or that of a sample where the reader asked to
    keep it, or none.
    """

    text: str
    sample: str | None = None  # id; None: an own tweet
    own_picture: Picture | None = None
    picture_of: str | None = None  # id of the sample whose picture it is


def parse_link(params: Mapping[str, str], samples: Collection[str]) -> tuple[dict[str, Any], str | None]:
    """What a link asks for, as far as it can be had, and one line about what can't.

    >>> parse_link({"sample": "s1", "word": "2", "map": "x"}, ["s1"])
    ({'sample': 's1', 'word': 2}, None)
    """
    sample = params.get("sample")
    if sample is None:
        return {}, None
    if sample not in samples:
        return {}, "The link names a sample that is not here; this is the first one instead."
    view: dict[str, Any] = {"sample": sample}
    for name in ("word", "head"):
        if (number := params.get(name, "")).isascii() and number.isdigit() and len(number) < 6:
            view[name] = int(number)
    if params.get("map") in [attention_map.name for attention_map in MAPS]:
        view["map"] = params["map"]
    if "system" in params:
        view["system"] = params["system"]
    return view, None


def start(samples: Mapping[str, str], opening: str) -> None:
    """At the top of a page: the sample that was asked for; at a session's first run what the link says.

    ``samples`` goes from ids to texts.
    """
    if (asked := st.session_state.pop(Key.ASKED, None)) is not None:
        _show_sample(asked, samples[asked])
    if Key.REQUEST in st.session_state:
        return
    view, st.session_state[Key.COMPLAINT] = parse_link(st.query_params.to_dict(), samples)
    sample = view.pop("sample", opening)
    _show_sample(sample, samples[sample])
    for name, value in view.items():
        st.session_state[LINK[name]] = value


def ask_for_sample(sample: str) -> None:
    """Shows a sample from the next run on: a widget's text can change only before it is drawn."""
    st.session_state[Key.ASKED] = sample


def request() -> Request:
    found: Request = st.session_state[Key.REQUEST]
    return found


def complaint() -> str | None:
    """The line about the link, the first time that it is asked for."""
    line: str | None = st.session_state.pop(Key.COMPLAINT, None)
    return line


def uploader_key() -> str:
    return f"upload_{st.session_state.get(Key.UPLOADS, 0)}"


def _empty_uploader() -> None:
    st.session_state[Key.UPLOADS] = st.session_state.get(Key.UPLOADS, 0) + 1


def _show_sample(sample: str, text: str) -> None:
    st.session_state[Key.REQUEST] = Request(text, sample=sample, picture_of=sample)
    st.session_state[Key.TEXT] = text
    _forget_choice()
    _empty_uploader()


def take_text() -> None:
    """The tweet box changed: from now on it is the reader's own tweet.

    A sample's picture does not tacitly become the picture of another tweet: it stays only
    where the reader said so.
    """
    old, text = request(), st.session_state[Key.TEXT] or ""
    kept = old.picture_of if old.sample is None or st.session_state.get(Key.KEEP) else None
    st.session_state[Key.REQUEST] = Request(text, own_picture=old.own_picture, picture_of=kept)
    _forget_choice()


def take_upload() -> None:
    upload = st.session_state.get(uploader_key())
    take_picture(None if upload is None else Picture(upload.name, upload.getvalue()))


def take_picture(picture: Picture | None) -> None:
    """The reader gave a picture, or took theirs away."""
    st.session_state[Key.REQUEST] = Request(request().text, own_picture=picture)
    st.session_state[Key.BLOCK] = None


def remove_picture() -> None:
    take_picture(None)
    _empty_uploader()


def _forget_choice() -> None:
    for key in (Key.WORD, Key.BLOCK):
        st.session_state.pop(key, None)


def word(words: int, default: int) -> int:
    """The chosen word, as long as it is one of the tweet's."""
    chosen = st.session_state.get(Key.WORD)
    return chosen if isinstance(chosen, int) and 0 <= chosen < words else default


def block() -> int | None:
    chosen: int | None = st.session_state.get(Key.BLOCK)
    return chosen


def clear_block() -> None:
    st.session_state[Key.BLOCK] = None


def attention_choice(lookers: Mapping[str, Inspection]) -> tuple[AttentionMap, int | None, str] | None:
    """The chosen map, head (``None``: mean) and system's title; ``None`` where no system looks.

    What is not to be had, in a link or after the taggers changed, falls back to the last
    system, the first map and the mean. The widgets drawn later start from the same values.
    """
    if not lookers:
        return None
    if st.session_state.get(Key.SYSTEM) not in lookers:
        st.session_state[Key.SYSTEM] = list(lookers)[-1]
    system: str = st.session_state[Key.SYSTEM]
    if st.session_state.get(Key.MAP) is None:
        st.session_state[Key.MAP] = MAPS[0].name
    head = st.session_state.get(Key.HEAD)
    if not (isinstance(head, int) and 0 <= head <= heads(lookers[system])):
        head = st.session_state[Key.HEAD] = 0
    return get_map(st.session_state[Key.MAP]), head - 1 if head else None, system


def take_choice(component: Key, name: str, target: Key, doc: str) -> None:
    """Takes a word or block that was chosen in a component, unless it speaks of another tweet."""
    payload = getattr(st.session_state.get(component), name, None)
    if not isinstance(payload, Mapping) or payload.get("doc") != doc:
        return
    index = payload.get("index")
    highest = REGIONS - 1 if target is Key.BLOCK else math.inf  # ``word`` checks the words
    if index is None or (type(index) is int and 0 <= index <= highest):
        st.session_state[target] = index


def remember_in_link() -> None:
    """Writes the view into the address, for a sample; an own tweet never goes there."""
    wanted: dict[str, str] = {}
    if sample := request().sample:
        chosen = {name: st.session_state.get(key) for name, key in LINK.items()}
        wanted = {"sample": sample} | {k: str(v) for k, v in chosen.items() if v is not None}
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
