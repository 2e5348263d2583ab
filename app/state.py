"""What a session remembers, by name, and the part of it that a link carries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

import streamlit as st

from umt_core.analysis.query import OPEN, PAGE, SORTS, Query
from umt_core.errors import DataError
from umt_core.explain.attention import MAPS, AttentionMap, get_map, heads, maps_of
from umt_core.schema import REGIONS, Example, Inspection, Span

T = TypeVar("T")


class Key(StrEnum):
    """Keys of ``st.session_state``."""

    # Ours
    REQUEST = "request"  # Request
    ASKED = "asked"  # id of a sample to show from the next run on
    ACTED = "acted"  # the reader gave a text or a picture: this run is about that, whatever the address says
    LINKED = "linked"  # the address, and the view it stands for (None: not drawn yet)
    UNDRAWN = "undrawn"  # whether the page that the reader has turned to has not been drawn to its end yet
    OWN = "own"  # Request: the reader's tweet, while the address shows a sample in its place
    PAGE = "page"  # title of the page that ran last
    TURNED = "turned"  # whether the reader has just come to it
    COMPLAINT = "complaint"  # what the link asked for and did not get; shown once
    UPLOADS = "uploads"  # a new number makes a new, empty uploader
    WORD = "word"
    BLOCK = "block"  # 0 to 48; None: none chosen
    TOKEN = "token"  # of who is signed in
    SIGNED_OUT = "signed_out"  # in this window: the cookie that the page was loaded with is out of date
    REFUSED = "refused"  # why the last click did nothing; shown once
    SIGN_IN_NAME = "sign_in_name"
    SIGN_IN_PASSWORD = "sign_in_password"
    SIGN_IN_PROBLEM = "sign_in_problem"  # shown once
    SESSION_COOKIE = "session_cookie"
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
    DATASET = "dataset"  # name of the checkpoint set
    SET = "checkpoint_set"  # the same, for the link: None where it need not name one
    SYSTEMS = "systems"
    # Explain
    PART = "explain_part"  # name of the section that is shown
    ATTRIBUTED = "explain_attributed"  # title of the tagger that Attribution and Provenance are about
    SPAN = "explain_span"  # ``span_name`` of the entity whose score it is
    METHOD = "explain_method"
    STEPS = "explain_steps"
    STOPPED = "explain_stopped"  # keys of the questions that this reader has stopped
    OCCLUSION = "explain_occlusion"  # how a block is taken out
    PICTURES = "explain_pictures"  # how many foreign ones
    SEED = "explain_seed"  # they are drawn by
    WORDING = "explain_wording"  # name of the edit that is shown word by word
    REWRITTEN = "explain_rewritten"  # the reader's own wording; it never goes into a link
    GIVEN = "explain_given_picture"  # the reader's own picture, for picture what-if
    ESD_SHARE = "explain_esd_share"
    MATRIX = "explain_matrix"  # name of the conversion matrix
    WHAT_IF = "explain_what_if"  # the tracks of what-if
    WHAT_IF_SET = "explain_what_if_set"  # name of the set that is decoded again
    # Errors and Scores; ``errors_<field>`` are the widgets of a ``Query``'s fields, see ``field_key``
    TWEET = "errors_tweet"  # id of the tweet that is open; None: the list is shown
    ERRORS_WORD = "errors_word"
    ERRORS_TRACKS = "errors_tracks"
    MORE_FILTERS = "errors_more"  # whether they are open
    ADDRESS = "errors_address"  # parameters that we wrote last: any others are a link to follow
    BAD_LINK = "errors_bad_link"  # lines about the link, shown until another filter is chosen
    ENDS = "errors_ends"  # of each range, by field: (what the reader wanted, what its widget was given) at either end
    TWEETS = "errors_tweets"
    BARS = "errors_bars"
    SHARE = "errors_share"  # of gold spans instead of counts
    BY_TYPE = "errors_by_type"
    CONFUSION = "scores_confusion"
    SCORES_ADDRESS = "scores_address"
    AGAINST = "scores_against"  # the run that all others are compared with, or EVERY_PAIR
    # Benchmark
    BENCHMARK_DATA = "benchmark_data"
    BENCHMARK_SPLIT = "benchmark_split"
    BENCHMARK_COST = "benchmark_cost"  # what F1 is drawn against
    BENCHMARK_CHANCE = "benchmark_chance"  # whether all pairs are tested
    BENCHMARK_ADDRESS = "benchmark_address"  # parameters that we wrote last
    BENCHMARK_BAD_LINK = "benchmark_bad_link"  # what a link came to, and lines about what it asked for in vain
    # Patterns
    REPORT_METHOD = "report_method"  # attributions in a case report
    REPORT_AUTHORS = "report_authors"  # whether it names people
    PATTERNS_PART = "patterns_part"  # name of the section that is shown
    PATTERNS_FIGURE = "patterns_figure"
    PATTERNS_BY = "patterns_by"
    PATTERNS_GROUP = "patterns_group"  # whose tweets are listed
    PATTERNS_MAP = "patterns_map"
    PATTERNS_BLOCK = "patterns_block"  # 0 to 48
    PATTERNS_MATTERS = "patterns_matters"  # only entities that some block of the picture moves
    PATTERNS_ADDRESS = "patterns_address"  # parameters that we wrote last
    # Data
    OWN_NAME = "own_name"  # of the data set that tweets are added to
    OWN_PICTURES = "own_pictures"  # how pictures come: none, an archive, a folder
    OWN_BIO = "own_bio"  # what to do about labels that are not in order
    OWN_SHOWN = "own_shown"  # all rows of the report, or those that are not in order
    OWN_UPLOADS = "own_uploads"  # a new number makes new, empty uploaders
    OWN_UPLOAD = "own_upload"  # the last one of this session, under way or over
    OWN_SAID = "own_said"  # Said: a line on what was done, shown once
    # Train
    TRAIN_BASE = "train_base"
    TRAIN_MODE = "train_mode"
    TRAIN_DATA = "train_data"  # and the next three: of each data set that checkpoints are of
    TRAIN_SHARE = "train_share"
    TRAIN_VALID = "train_valid"
    TRAIN_TEST = "train_test"
    TRAIN_CORRECTED = "train_corrected"
    TRAIN_UNCORRECTED = "train_uncorrected"  # corrections cannot be read: whether to do without
    TRAIN_REPEAT = "train_repeat"
    TRAIN_CORRECT_VALID = "train_correct_valid"
    TRAIN_TAUGHT = "train_taught"  # whether teachers are open to be chosen
    TRAIN_TEACHERS = "train_teachers"
    TRAIN_UNLABELLED = "train_unlabelled"
    TRAIN_MORE = "train_more"  # whether the settings that seldom change are open
    TRAIN_EPOCHS = "train_epochs"
    TRAIN_PATIENCE = "train_patience"
    TRAIN_LAYERS = "train_layers"
    TRAIN_SEED = "train_seed"
    TRAIN_VERSION = "train_version"
    TRAIN_DEVICES = "train_devices"
    TRAIN_START = "train_start"
    TRAIN_FORM = "train_form"  # how many jobs were asked for by it
    TRAIN_SUBMITTED = "train_submitted"  # id of the last one
    MODELS_DATA = "models_data"  # split of before and after, one for each data set that versions are of
    MODELS_AGAINST = "models_against"  # exact name of the other version
    MODELS_NAME = "models_name"  # new name of a version
    MODELS_SET = "models_set"  # name of the set that a system is to be trained for
    MODELS_SYSTEM = "models_system"  # that is to be trained; one for each set
    MODELS_SAID = "models_said"  # (whether it was done, a line) of the last click; shown once
    TRAIN_COMPLAINT = "train_complaint"  # why the last click did nothing; shown once
    TRAIN_EVERY = "train_every"  # all jobs are listed
    # Correct
    DESK = "correct_desk"  # the queue in hand, and the place in it
    ANSWERS = "correct_answers"  # what became of the editor's actions
    CORRECT_DATA = "correct_data"
    CORRECT_ADDRESS = "correct_address"  # parameters that we wrote last
    CORRECT_QUERY = "correct_query"  # the Errors page's filters, for the queue of them
    CORRECT_TWEET = "correct_tweet"  # id of a tweet to open from the next run on
    EDITOR = "correct_editor"
    AUTHOR = "correct_author"
    CORRECT_COMPLAINTS = "correct_complaints"  # lines, shown once
    AUTHOR_CHOSEN = "correct_author_chosen"  # typed: the browser is to remember it
    QUEUE = "correct_queue"
    SHOWN = "correct_shown"  # all of the queue, or what is open, done or skipped
    HISTORY = "correct_history"
    AGREEMENT = "correct_agreement"


LINK = {"word": Key.WORD, "map": Key.MAP, "head": Key.HEAD, "system": Key.SYSTEM, "set": Key.SET}
# Of Explain's sections too: a number comes as a float, all else as text. A section checks what is at its key before it
# draws the widget.
EXPLAIN_LINK = (
    LINK
    | {"part": Key.PART, "block": Key.BLOCK, "tagger": Key.ATTRIBUTED}
    | {"span": Key.SPAN, "method": Key.METHOD, "steps": Key.STEPS}
    | {"occlusion": Key.OCCLUSION, "pictures": Key.PICTURES, "seed": Key.SEED, "wording": Key.WORDING}
    | {"esd_share": Key.ESD_SHARE, "matrix": Key.MATRIX}
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the reader gave it: the only large thing that a session holds."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """What became of something that the reader asked for."""

    line: str
    wrong: bool  # it tells of something that went wrong
    tweet: str | None  # id of the own tweet that it is about


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
    given: Example | None = None  # a tweet that another page handed over, with its tokens and gold labels
    data: str = ""  # name of the data set that the given tweet is of, with its own picture; "": nothing to link to
    lost: str = ""  # why the given tweet's own picture could not be had; "": it is here, or there is none


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
    return {"sample": sample} | parse_view(params), None


def parse_view(params: Mapping[str, str]) -> dict[str, Any]:
    """What a link asks to be shown of its tweet, as far as it can be had.

    >>> parse_view({"word": "2", "head": "-1", "block": "49", "map": "x", "part": "attention", "other": "1"})
    {'word': 2, 'part': 'attention'}
    """
    view: dict[str, Any] = {}
    for name in ("word", "head", "block"):
        if (number := params.get(name, "")).isascii() and number.isdigit() and len(number) < 6:
            view[name] = int(number)
    if view.get("block", 0) >= REGIONS:  # words and heads are checked against the tweet and the tagger
        del view["block"]
    if params.get("map") in [attention_map.name for attention_map in MAPS]:
        view["map"] = params["map"]
    if "set" in params:
        view["set"] = params["set"]  # a set may be called 2015
    others = EXPLAIN_LINK.keys() - {"word", "head", "block", "map", "set"}
    return view | {name: _value(params[name]) for name in EXPLAIN_LINK if name in others and name in params}


def _value(text: str) -> float | str:
    """A number where it is one."""
    return float(text) if re.fullmatch(r"\d{1,5}(\.\d{1,5})?", text, re.ASCII) else text


def start(
    samples: Mapping[str, str],
    opening: str,
    find: Callable[[str, str], Request],
    names: Mapping[str, Key] = LINK,
) -> None:
    """At the top of a page: the sample that was asked for, else what the address says where it is new.

    It is at a session's first run, and when the reader goes back or forward in the browser. A page that is
    opened anew from the menu has an empty address and keeps its view. ``samples`` goes from ids to texts;
    ``find`` gives the tweet of a data set by its id (``DataError``: there is none); ``names`` are the page's own.
    """
    params, acted = st.query_params.to_dict(), st.session_state.pop(Key.ACTED, False)
    if (asked := st.session_state.pop(Key.ASKED, None)) is not None:
        _keep_own()
        _show_sample(asked, samples[asked])
    elif Key.REQUEST not in st.session_state:
        _follow(params, samples, opening, find, names)
    elif params != _linked()[0] and not acted and (params or not st.session_state.get(Key.TURNED)):
        _follow(params, samples, opening, find, names)
        st.session_state[Key.LINKED] = params, None
    elif not params and st.session_state.get(Key.TURNED):
        # Should this run be broken off before it writes an address, the next must not take the empty one for a link.
        st.session_state[Key.LINKED] = {}, {}
        st.session_state[Key.UNDRAWN] = True
    if st.session_state.get(Key.UNDRAWN):
        for key in names.values():  # Streamlit forgets a widget's value where two runs end before they draw it
            if key in st.session_state:
                st.session_state[key] = st.session_state[key]


def _follow(
    params: Mapping[str, str],
    samples: Mapping[str, str],
    opening: str,
    find: Callable[[str, str], Request],
    names: Mapping[str, Key],
) -> None:
    """Shows what an address says.

    One that names no tweet, but perhaps a set or a section, is of the reader's own tweet if there is one, else of the
    opening sample.
    """
    names_tweet = bool(params.keys() & {"sample", "tweet"})
    _keep_own()
    view, st.session_state[Key.COMPLAINT] = parse_link(params, samples)
    own: Request | None = st.session_state.get(Key.OWN)
    given = None if "sample" in params else _found(params, find)
    if given is not None:
        view = parse_view(params)
        _show(given)
    elif own is not None and not names_tweet:
        view = parse_view(params)
        _show(own)
    else:
        if not names_tweet:
            view = parse_view(params)
        sample = view.pop("sample", opening)
        _show_sample(sample, samples[sample])
    for name, key in names.items():
        st.session_state[key] = view.get(name)
    if given is None or "set" in view:
        st.session_state[Key.DATASET] = view.get("set")


def _keep_own() -> None:
    """Keeps the reader's own tweet, which no address names, before another one takes its place."""
    before: Request | None = st.session_state.get(Key.REQUEST)
    if before is not None and before.sample is None and not before.data and before.text.strip():
        st.session_state[Key.OWN] = before


def _found(params: Mapping[str, str], find: Callable[[str, str], Request]) -> Request | None:
    """The tweet of a data set that a link names; what is wrong with it is kept as the complaint."""
    if "data" not in params or "tweet" not in params:
        return None
    try:
        return find(params["data"], params["tweet"])
    except DataError as error:
        st.session_state[Key.COMPLAINT] = str(error)
        return None


def turn_to(page: str) -> None:
    """Notes which page runs."""
    st.session_state[Key.TURNED] = st.session_state.get(Key.PAGE) != page
    st.session_state[Key.PAGE] = page


def ask_for_sample(sample: str) -> None:
    """Shows a sample from the next run on: a widget's text can change only before it is drawn."""
    st.session_state[Key.ASKED] = sample


def sample_is_asked_for() -> bool:
    return Key.ASKED in st.session_state


def hand_over(request: Request) -> None:
    """Gives Inspect and Explain a tweet to show."""
    _keep_own()
    _show(request)


def found_again(request: Request) -> None:
    """What was lost of the tweet that is shown has come back."""
    st.session_state[Key.REQUEST] = request


def choose_checkpoints(dataset: str) -> None:
    """Chooses the set of checkpoints, before its widget is drawn."""
    st.session_state[Key.DATASET] = dataset


def chosen_checkpoints() -> str | None:
    """The set of checkpoints that the reader has chosen; ``None``: not yet."""
    chosen: str | None = st.session_state.get(Key.DATASET)
    return chosen


def checkpoint_set(names: Sequence[str]) -> str:
    """Before its widget is drawn: has one of these sets chosen; a line if another was asked for, else ""."""
    asked = st.session_state.get(Key.DATASET)
    if asked in names:
        return ""
    st.session_state[Key.DATASET] = names[0]
    return "" if asked is None else f"There are no checkpoints {asked!r} here; these are those of {names[0]}."


def keep_checkpoint_set(name: str, usual: str) -> None:
    """Notes the chosen set for the link, which names it where it is not the usual one.

    A link to a tweet of a data set always does: without a set it means that data set's own, see ``explaining.find``.
    """
    st.session_state[Key.SET] = None if name == usual and not request().data else name


def say_once(line: str, *, wrong: bool = False, tweet: str | None = None) -> None:
    """Keeps a line for the next run of the Data page, or of Inspect."""
    st.session_state[Key.OWN_SAID] = Said(line, wrong, tweet)


def said_once() -> Said | None:
    """The line, the first time that it is asked for."""
    said: Said | None = st.session_state.pop(Key.OWN_SAID, None)
    return said


def own_uploader_key(what: str) -> str:
    return f"own_upload_{what}_{st.session_state.get(Key.OWN_UPLOADS, 0)}"


def empty_own_uploaders() -> None:
    st.session_state[Key.OWN_UPLOADS] = st.session_state.get(Key.OWN_UPLOADS, 0) + 1


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
    _show(Request(text, sample=sample, picture_of=sample))


def _show(request: Request) -> None:
    st.session_state[Key.REQUEST] = request
    st.session_state[Key.TEXT] = request.text
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
    st.session_state[Key.ACTED] = True
    _forget_choice()


def take_upload() -> None:
    upload = st.session_state.get(uploader_key())
    take_picture(None if upload is None else Picture(upload.name, upload.getvalue()))


def take_picture(picture: Picture | None) -> None:
    """The reader gave a picture, or took theirs away."""
    st.session_state[Key.REQUEST] = Request(request().text, own_picture=picture, given=request().given)
    st.session_state[Key.BLOCK] = None
    st.session_state[Key.ACTED] = True


def remove_picture() -> None:
    take_picture(None)
    _empty_uploader()


def _forget_choice() -> None:
    """What was chosen of the tweet before; an edit's name holds its words, which must not get into the next address."""
    for key in (Key.WORD, Key.BLOCK, Key.SPAN, Key.WORDING):
        st.session_state.pop(key, None)


def word(words: int, default: int, key: Key = Key.WORD) -> int:
    """The chosen word, as long as it is one of the tweet's."""
    chosen = st.session_state.get(key)
    return chosen if isinstance(chosen, int) and 0 <= chosen < words else default


def block() -> int | None:
    chosen: int | None = st.session_state.get(Key.BLOCK)
    return chosen


def clear_block() -> None:
    st.session_state[Key.BLOCK] = None


def one_of(key: Key, names: Sequence[str], usual: str | None = None) -> str:
    """What is chosen at a key if it is one of these, else the usual one or the first; its widget starts from that."""
    if st.session_state.get(key) not in names:
        st.session_state[key] = names[0] if usual is None else usual
    chosen: str = st.session_state[key]
    return chosen


def part(names: Sequence[str], key: Key = Key.PART) -> str:
    """The section of Explain or Patterns that is shown: the chosen one, else the first."""
    return one_of(key, names)


def choice(key: Key, options: Sequence[T]) -> T:
    """What is chosen at a key, before its widget is drawn: the first option where it is none of them."""
    asked = st.session_state.get(key)
    chosen = options[options.index(asked)] if asked in options else options[0]  # a link's 50.0 is the option 50
    st.session_state[key] = chosen
    return chosen


def span_name(span: Span) -> str:
    """A span as a link has it.

    >>> span_name(Span(0, 2, "PER")), parse_span("0-2-PER") == Span(0, 2, "PER")
    ('0-2-PER', True)
    """
    return f"{span.start}-{span.end}-{span.label}"


def parse_span(name: str) -> Span:
    """The span of a ``span_name``."""
    start, end, label = name.split("-")
    return Span(int(start), int(end), label)


def show_wording(name: str) -> None:
    """Shows a wording word by word."""
    st.session_state[Key.WORDING] = name


def esd_share(most: float) -> float:
    """The share of ESD that is asked for, 0 to ``most``; as trained where a link has none that can be."""
    share = st.session_state.get(Key.ESD_SHARE)
    if not (isinstance(share, float) and 0 <= share <= most):
        share = st.session_state[Key.ESD_SHARE] = 1.0
    return share


def what_if_link() -> dict[str, str]:
    """The parameters of a link to another tweet under the same what-if."""
    chosen = {"part": Key.PART, "set": Key.DATASET, "tagger": Key.ATTRIBUTED}
    chosen |= {"esd_share": Key.ESD_SHARE, "matrix": Key.MATRIX}
    return {name: str(st.session_state[key]) for name, key in chosen.items() if st.session_state.get(key) is not None}


def attention_choice(lookers: Mapping[str, Inspection]) -> tuple[AttentionMap, int | None, str] | None:
    """The chosen map, head (``None``: mean) and system's title; ``None`` where no system looks.

    What is not to be had, in a link or after the taggers changed, falls back to the last
    system, its first map and the mean. The widgets drawn later start from the same values.
    """
    if not lookers:
        return None
    if st.session_state.get(Key.SYSTEM) not in lookers:
        st.session_state[Key.SYSTEM] = list(lookers)[-1]
    system: str = st.session_state[Key.SYSTEM]
    names = [attention_map.name for attention_map in maps_of(lookers[system])]
    if st.session_state.get(Key.MAP) not in names:
        st.session_state[Key.MAP] = names[0]
    head = st.session_state.get(Key.HEAD)
    if not (isinstance(head, int) and 0 <= head <= heads(lookers[system])):
        head = st.session_state[Key.HEAD] = 0
    return get_map(st.session_state[Key.MAP]), head - 1 if head else None, system


def take_choice(component: Key, name: str, target: Key, doc: str) -> None:
    """Takes a word or block that was chosen in a component, unless it speaks of another tweet.

    The component sends it as a trigger. Streamlit keeps a component's state, and is silent where the same is sent
    again: a block that was chosen, cleared elsewhere and chosen once more would not arrive.
    """
    payload = getattr(st.session_state.get(component), name, None)
    if not isinstance(payload, Mapping) or payload.get("doc") != doc:
        return
    index = payload.get("index")
    highest = REGIONS - 1 if target is Key.BLOCK else math.inf  # ``word`` checks the words
    if index is None or (type(index) is int and 0 <= index <= highest):
        st.session_state[target] = index


def remember_in_link(names: Mapping[str, Key] = LINK) -> None:
    """Writes the view into the address, for a sample or a tweet of a data set; an own tweet never goes there.

    An address that the browser went back to stays as it is until the view changes: to write another, were
    it only fuller, would take the reader forward again, and there would be no way out by going back.
    """
    view = {"sample": sample} if (sample := request().sample) else {}
    if (given := request().given) is not None and request().data:
        view = {"data": request().data, "tweet": given.id}
    if view:
        chosen = {name: st.session_state.get(key) for name, key in names.items()}
        view |= {k: _in_address(v) for k, v in chosen.items() if v is not None}
    address, stands_for = _linked()
    st.session_state[Key.UNDRAWN] = False
    if stands_for is not None and view != stands_for:
        address = view
    st.session_state[Key.LINKED] = address, view
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)


def _in_address(value: object) -> str:
    """A choice as a link has it: a number that came as 8.0 is the 8 that it was.

    >>> _in_address(8.0), _in_address(0.85), _in_address("added")
    ('8', '0.85', 'added')
    """
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _linked() -> tuple[dict[str, str], dict[str, str] | None]:
    linked: tuple[dict[str, str], dict[str, str] | None] = st.session_state.get(Key.LINKED, ({}, {}))
    return linked


# --- Errors: a query, in widgets and in the address -----------------------------------------------

CHOICES = ("outcome", "type", "gold_type", "predicted_type", "error", "baseline_error", "seen", "image")
RANGES = ("score", "words", "entities", "gate")
_FILTERS = (*CHOICES, *RANGES, "text", "regex")
_IN_ADDRESS = frozenset(field.name for field in fields(Query)) | {"tweet", "share", "by_type"}


def field_key(name: str) -> str:
    """The key of the widget of one of a query's fields; its page counts from 1."""
    return f"errors_{name}"


def follow_link() -> None:
    """Puts into the widgets what the address asks for, where that is not what we wrote ourselves.

    Who comes back to the page may have chosen another data set on one that shares the choice: then it is followed
    in any case. A value that is none is named in a line and left out; the rest of the link holds.
    """
    params = {name: value for name, value in st.query_params.to_dict().items() if name in _IN_ADDRESS}
    if not params or (params == st.session_state.get(Key.ADDRESS) and not st.session_state.get(Key.TURNED)):
        return
    query, st.session_state[Key.BAD_LINK] = parse_query(params)
    show_query(query)
    st.session_state[Key.TWEET] = params.get("tweet")
    st.session_state[Key.SHARE] = "share" in params
    st.session_state[Key.BY_TYPE] = "by_type" in params


def is_a_link(key: Key) -> bool:
    """Whether the address is one that somebody gave us, not what the page wrote last, which ``key`` keeps."""
    return "data" in st.query_params and st.query_params.to_dict() != st.session_state.get(key)


def follow_data_link() -> None:
    """``follow_link`` for a page that shows a data set as a whole."""
    asked, key = st.query_params.to_dict(), field_key("data")
    is_ours = asked == st.session_state.get(Key.SCORES_ADDRESS) and not st.session_state.get(Key.TURNED)
    if "data" not in asked or is_ours:
        return
    if asked["data"] != st.session_state.get(key):
        first_page()
    st.session_state[key] = asked["data"]
    if "against" in asked:
        st.session_state[Key.AGAINST] = asked["against"]


def keep_data_address(data: str, against: str | None = None, key: Key = Key.SCORES_ADDRESS) -> None:
    """Writes the data set into the address, and where it has many systems what they are compared with.

    ``key`` is where the page keeps what it wrote last. One that has nothing to show of a data set writes this too:
    else the link to it would be followed again and again, and nobody could choose another.
    """
    write_address(key, {"data": data} | ({"against": against} if against else {}))


def write_address(key: Key, wanted: dict[str, str]) -> None:
    """Writes an address, and notes that it is ours: any other is a link to follow."""
    st.session_state[key] = wanted
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


BENCHMARK_LINK = {"data": Key.BENCHMARK_DATA, "split": Key.BENCHMARK_SPLIT, "cost": Key.BENCHMARK_COST}


def follow_benchmark_link(choices: Mapping[str, Collection[str]]) -> list[str]:
    """Puts into the Benchmark page's widgets what the address asks for.

    A line for each value that is no choice; they stay until the reader chooses something else.
    """
    for name, key in BENCHMARK_LINK.items():
        st.session_state.setdefault(key, next(iter(choices[name])))
    params = {name: st.query_params[name] for name in BENCHMARK_LINK if name in st.query_params}
    if params != st.session_state.get(Key.BENCHMARK_ADDRESS):
        lines = []
        for name, value in params.items():
            if value in choices[name]:
                st.session_state[BENCHMARK_LINK[name]] = value
            else:
                lines.append(f"{name}: wanted one of {', '.join(choices[name])}, got {value!r}")
        st.session_state[Key.BENCHMARK_BAD_LINK] = benchmark_view(), lines
    view, lines = st.session_state.get(Key.BENCHMARK_BAD_LINK, (None, []))
    return lines if view == benchmark_view() else []


def benchmark_view() -> tuple[str, str, str]:
    """The data set, split and cost that the Benchmark page shows; ``follow_benchmark_link`` has set them."""
    data, split, cost = (str(st.session_state[key]) for key in BENCHMARK_LINK.values())
    return data, split, cost


def keep_benchmark_address() -> None:
    """Writes what the Benchmark page shows into the address."""
    wanted = dict(zip(BENCHMARK_LINK, benchmark_view(), strict=True))
    write_address(Key.BENCHMARK_ADDRESS, wanted)


# Of Patterns' sections too: a number comes as a float, all else as text. A section checks what is at its key before it
# draws the widget.
PATTERNS_LINK = {
    "baseline": field_key("baseline"),
    "system": field_key("system"),
    "part": Key.PATTERNS_PART,
    "figure": Key.PATTERNS_FIGURE,
    "by": Key.PATTERNS_BY,
    "group": Key.PATTERNS_GROUP,
    "map": Key.PATTERNS_MAP,
    "block": Key.PATTERNS_BLOCK,
    "matters": Key.PATTERNS_MATTERS,
}


def follow_patterns_link() -> None:
    """Puts into the Patterns page's widgets what the address asks for, where that is not what we wrote ourselves."""
    params = {name: st.query_params[name] for name in ("data", *PATTERNS_LINK) if name in st.query_params}
    ours = params == st.session_state.get(Key.PATTERNS_ADDRESS) and not st.session_state.get(Key.TURNED)
    if not params or ours:
        return
    first_page()
    if "data" in params:
        st.session_state[field_key("data")] = params.pop("data")
    for name, value in params.items():
        st.session_state[PATTERNS_LINK[name]] = _value(value)


def keep_patterns_address(data: str) -> None:
    """Writes what the Patterns page shows into the address."""
    chosen = {name: st.session_state.get(key) for name, key in PATTERNS_LINK.items()}
    wanted = {"data": data} | {name: str(value) for name, value in chosen.items() if value is not None}
    write_address(Key.PATTERNS_ADDRESS, wanted)


def parse_query(params: Mapping[str, str]) -> tuple[Query, list[str]]:
    """The query of a link as far as it holds, and a line for each value that does not.

    >>> query, lines = parse_query({"outcome": "fixed", "words": "many"})
    >>> query.outcome, lines
    (('fixed',), ["words: wanted a range like 3..7, got 'many'"])
    """
    sound, lines = {}, []
    for field in fields(Query):
        if field.name in params:
            try:
                Query.from_params({field.name: params[field.name]})
                sound[field.name] = params[field.name]
            except DataError as error:
                lines.append(str(error))
    return Query.from_params(sound), lines


def show_query(query: Query) -> None:
    """Sets all widgets to a query; a set and runs that it does not name stay as they are."""
    for name in CHOICES:
        st.session_state[field_key(name)] = list(getattr(query, name))
    st.session_state.pop(Key.ENDS, None)
    for name in RANGES:
        st.session_state[field_key(name)] = getattr(query, name)
    for name in ("text", "regex", "sort", "descending"):
        st.session_state[field_key(name)] = getattr(query, name)
    for name in ("data", "baseline", "system"):
        if wanted := getattr(query, name):
            st.session_state[field_key(name)] = wanted
    st.session_state[field_key("page")] = query.page + 1


def take_page(key: str) -> None:
    """Another page of the list was chosen."""
    st.session_state[field_key("page")] = st.session_state[key]


def clear_filters() -> None:
    """Takes all filters away; the sort order stays."""
    for name in _FILTERS:
        st.session_state[field_key(name)] = [] if name in CHOICES else OPEN if name in RANGES else ""
    first_page()


def filter_by(**values: Any) -> None:
    """Sets some fields of the query and takes the other filters away: what a click on a bar does."""
    clear_filters()
    for name, value in values.items():
        st.session_state[field_key(name)] = list(value) if name in CHOICES else value


def first_page() -> None:
    """Another filter or order: back to the list's first page."""
    st.session_state[field_key("page")] = 1
    st.session_state[Key.TWEET] = None
    st.session_state[Key.BAD_LINK] = []


def complain(line: str) -> None:
    """Adds a line about the link."""
    st.session_state[Key.BAD_LINK] = [*st.session_state.get(Key.BAD_LINK, ()), line]


def link_complaints() -> list[str]:
    lines: list[str] = st.session_state.get(Key.BAD_LINK) or []
    return lines


def component_state(key: Key) -> Any:
    """What a component of ours said last."""
    return st.session_state.get(key)


def complain_of_correction(line: str) -> None:
    """Keeps a line for the Correct page."""
    st.session_state[Key.CORRECT_COMPLAINTS] = [*st.session_state.get(Key.CORRECT_COMPLAINTS, ()), line]


def correction_complaints() -> list[str]:
    """The lines for the Correct page, the first time that they are asked for."""
    lines: list[str] = st.session_state.pop(Key.CORRECT_COMPLAINTS, [])
    return lines


def clamp(name: str, low: float, high: float) -> None:
    """Gives a range's widget values that it can hold: an open end is its limit.

    An end that the reader has left as it was given stays what they wanted, within the limits of another data set too.
    """
    kept = st.session_state.setdefault(Key.ENDS, {})
    ends = st.session_state.get(field_key(name)) or OPEN
    wanted = [
        was if end == given else end for end, (was, given) in zip(ends, kept.get(name, (OPEN, OPEN)), strict=True)
    ]
    if None not in wanted:
        wanted.sort()
    kind, limits = type(low), (low, high)
    given = [limit if e is None else kind(min(max(e, low), high)) for e, limit in zip(wanted, limits, strict=True)]
    wanted = [None if end == limit else end for end, limit in zip(wanted, limits, strict=True)]
    kept[name] = list(zip(wanted, given, strict=True))
    st.session_state[field_key(name)] = tuple(given)


def chosen_query(data: str, baseline: str, system: str, limits: Mapping[str, tuple[float, float]]) -> Query:
    """The query that the widgets say. ``limits``: of the ranges that can be chosen; an end at its limit is open."""
    values: dict[str, Any] = {name: tuple(st.session_state.get(field_key(name)) or ()) for name in CHOICES}
    for name, (low, high) in limits.items():
        first, last = st.session_state[field_key(name)]
        values[name] = (float(first) if first > low else None, float(last) if last < high else None)
    values |= {name: (st.session_state.get(field_key(name)) or "").strip() for name in ("text", "regex")}
    sort = st.session_state.get(field_key("sort"))
    return Query(
        data=data,
        baseline=baseline,
        system=system,
        sort=sort if sort in SORTS else "tweet",
        descending=bool(st.session_state.get(field_key("descending"))),
        page=max(0, (st.session_state.get(field_key("page")) or 1) - 1),
        **values,
    )


def open_tweet(identity: str | None) -> None:
    """Shows a tweet, or the list again."""
    st.session_state[Key.TWEET] = identity
    st.session_state[Key.ERRORS_WORD] = None
    st.session_state[Key.BAD_LINK] = []


def tweet() -> str | None:
    """The id of the tweet that is open; ``None``: the list is shown."""
    identity: str | None = st.session_state.get(Key.TWEET)
    return identity


def last_page(query: Query, tweets: int) -> Query:
    """The query at its last page, where a link asked for one beyond."""
    last = max(0, (tweets - 1) // PAGE)
    st.session_state[field_key("page")] = last + 1
    return replace(query, page=last)


def keep_address(query: Query) -> None:
    """Writes filters, order and tweet into the address."""
    wanted = query.to_params()
    wanted |= {"tweet": identity} if (identity := tweet()) else {}
    wanted |= {"share": "1"} if st.session_state.get(Key.SHARE) else {}
    wanted |= {"by_type": "1"} if st.session_state.get(Key.BY_TYPE) else {}
    write_address(Key.ADDRESS, wanted)
