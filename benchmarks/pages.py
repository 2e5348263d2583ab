"""Every page in a browser, as a reader meets it: first paint, first prediction, and each thing that one does there.

The floor is a bare Streamlit page with a heading and one radio, driven by the same browser in the same minutes: what
Streamlit, the browser and the driver take whatever a page does. The app is served with the shipped checkpoints and
folders of its own, so that nobody's corrections, jobs or predictions are touched.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.measure import Measure
from benchmarks.serving import APP, CHROMIUM, FLAGS, LONGEST, ROOT, serving, waiting
from benchmarks.start import run
from benchmarks.warm_inspect import NAMES
from umt_core.data.jsonl import write_jsonl
from umt_core.data.samples import load_samples, sample_file, sample_images_folder
from umt_core.errors import UmtError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

REPEATS = 3
LONGEST_RUN = 60  # seconds
# Times the floor: a page draws some forty elements where the bare one draws two; loading a tweet's picture, reading it
# with three taggers and drawing all anew is the most that one click asks for.
USUAL, SLOWEST = 5.0, 10.0
BARE = """
import streamlit as st
chosen = st.radio("Word", [str(i) for i in range(9)], key="chosen", horizontal=True)
st.title(f"Chosen {chosen}", anchor=False)
"""
# What loading takes that nobody can avoid, imports and all.
LOAD = f"""
from time import perf_counter; began = perf_counter()
from umt_core.predict import Workbench
Workbench.load({NAMES!r}, "cpu"); print(perf_counter() - began)
"""
SETTLED = "document.querySelector('[data-testid=\"stApp\"]')?.dataset.testScriptState === 'notRunning'"
HEADINGS = {
    "Inspect": "Inspect a tweet",
    "Explain": "Explain a tweet",
    **{name: name for name in ("Errors", "Scores", "Patterns", "Benchmark", "Data", "Correct", "Train", "Models")},
}
FLOOR = ("a bare page", "another choice")
BERLIN = "Anna saw Ajax in Berlin"

Place = tuple[str, str]  # page, and what is done there


class Watched:
    """A page of the browser, and what the server has sent it: runs of the script that have ended, and bytes."""

    def __init__(self, page: Page) -> None:
        self.page, self.runs, self.bytes = page, 0, 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, frame: bytes | str) -> None:
        self.bytes += len(frame)
        message = ForwardMsg.FromString(frame if isinstance(frame, bytes) else frame.encode())
        ended = message.WhichOneof("type") == "script_finished"
        self.runs += ended and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def settle(self, before: int) -> None:
        """Waits for a run after so many of them; the state in the page misses the short ones."""
        began = perf_counter()
        while self.runs <= before:
            if perf_counter() - began > LONGEST_RUN:
                raise UmtError(f"{self.page.url}: wanted the page to do something, and it does nothing")
            self.page.wait_for_timeout(1)
        self.page.evaluate(waiting(SETTLED))

    def took(self, act: Callable[[], object], awaited: Locator | None) -> tuple[float, int]:
        """Seconds from an action to the end of the run, with what was awaited in sight, and the bytes that came."""
        runs, sent, began = self.runs, self.bytes, perf_counter()
        act()
        if awaited is not None:
            awaited.wait_for()
        self.settle(runs)
        return perf_counter() - began, self.bytes - sent


class Clock:
    """Times what is done on the pages."""

    def __init__(self, app: Watched, bare: Watched) -> None:
        self.app, self._bare = app, bare
        self.times: dict[Place, list[tuple[float, int]]] = {FLOOR: []}

    @property
    def page(self) -> Page:
        return self.app.page

    def __call__(self, place: Place, act: Callable[[], object], awaited: Locator | None = None) -> None:
        self.times.setdefault(place, []).append(self.app.took(act, awaited))

    def without_run(self, place: Place, act: Callable[[], object], awaited: Locator) -> None:
        """What the browser does by itself."""
        began = perf_counter()
        act()
        awaited.wait_for()
        self.times.setdefault(place, []).append((perf_counter() - began, 0))

    def address(self, place: Place, act: Callable[[], object], part: str) -> None:
        """A choice that the address holds at the end."""

        def acted() -> None:
            act()
            self.page.evaluate(waiting("location.search.includes(value)"), part)

        self(place, acted)

    def floor(self) -> None:
        for _ in range(REPEATS):
            number = str((len(self.times[FLOOR]) + 1) % 9)
            radio = self._bare.page.get_by_role("radio", name=number, exact=True)
            heading = self._bare.page.get_by_role("heading", name=f"Chosen {number}")
            self.times[FLOOR].append(self._bare.took(partial(radio.click, force=True), heading))

    def medians(self) -> dict[Place, tuple[float, float]]:
        return {p: (median(t for t, _ in of), median(b for _, b in of)) for p, of in self.times.items() if of}


def measure() -> Iterator[Measure]:
    """Prints the table of all pages; the measures hold the worst of it against the floor."""
    with tempfile.TemporaryDirectory() as folder, browser_of() as browser:
        environment = _home(Path(folder))
        bare_script = Path(folder) / "bare.py"
        bare_script.write_text(BARE, encoding="utf-8")
        paints: dict[str, list[float]] = {"app": [], "bare": []}
        predictions, loads = [], []
        for _ in range(REPEATS):
            for which, script, heading in (
                ("bare", str(bare_script), "Chosen 0"),
                ("app", APP, HEADINGS["Inspect"]),
            ):
                with serving(script, environment) as (url, _), opened(browser, url) as watched:
                    page, began = watched.page, perf_counter()
                    page.goto("/")
                    page.get_by_role("heading", name=heading, exact=True).wait_for()
                    paints[which].append(perf_counter() - began)
                    if which == "app":
                        page.locator(".word").first.wait_for()
                        predictions.append(perf_counter() - began)
            loads.append(float(run("-c", LOAD)))
        with (
            serving(str(bare_script), environment) as (bare_url, _),
            serving(APP, environment) as (url, _),
            opened(browser, bare_url) as bare,
            opened(browser, url) as app,
        ):
            bare.page.goto("/")
            bare.settle(0)
            clock = Clock(app, bare)
            first = _walk(clock)
    found = clock.medians()
    floor, _ = found.pop(FLOOR)
    _print(found, first, floor)
    slowest = max(found, key=lambda place: found[place][0])
    yield Measure("first_paint", median(paints["app"]), "s", median(paints["bare"]), aim=1.0)
    yield Measure("first_prediction_in_browser", median(predictions), "s", median(loads))
    usual, most = (pick(t for t, _ in found.values()) / floor for pick in (median, max))
    where = f"times a bare page's ({', '.join(slowest)})"
    yield Measure("page_interaction", usual, "times a bare page's", 1.0, aim=USUAL)
    yield Measure("page_interaction_slowest", most, where, 1.0, aim=SLOWEST)


def _print(found: dict[Place, tuple[float, float]], first: dict[str, float], floor: float) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table("page", "what is done", "ms", "times the floor", "KiB sent", title=f"floor: {1000 * floor:.0f} ms")
    for name, seconds in first.items():
        table.add_row(name, "opened for the first time, to its heading", f"{1000 * seconds:.0f}", "", "")
    for (name, what), (seconds, sent) in found.items():
        table.add_row(name, what, f"{1000 * seconds:.0f}", f"{seconds / floor:.1f}", f"{sent / 1024:.0f}")
    console.print(table)


# --- what a reader does --------------------------------------------------------------------------


def _walk(clock: Clock) -> dict[str, float]:
    """Goes through all pages; seconds to the heading of each when it is opened for the first time."""
    page, first = clock.page, {}
    for name, heading in HEADINGS.items():
        runs, began = clock.app.runs, perf_counter()
        page.goto("/" if name == "Inspect" else f"/{name.lower()}")
        page.get_by_role("heading", name=heading, exact=True).wait_for()
        first[name] = perf_counter() - began
        clock.app.settle(runs)
        clock.floor()
    for _ in range(REPEATS):
        for name, heading in HEADINGS.items():
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
            clock((name, "from another page"), link.click, page.get_by_role("heading", name=heading, exact=True))
        clock.floor()
    for visit in (_inspect, _explain, _errors, _scores, _patterns, _benchmark, _data, _correct, _train, _models):
        visit(clock)
        clock.floor()
    return first


def _go(clock: Clock, name: str) -> None:
    page, runs = clock.page, clock.app.runs
    page.goto("/" if name == "Inspect" else f"/{name.lower()}")
    page.get_by_role("heading", name=HEADINGS[name], exact=True).wait_for()
    clock.app.settle(runs)


def _inspect(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Inspect")
    page.locator(".word").first.wait_for()
    for i in range(REPEATS):
        clock.address(("Inspect", "another word"), page.locator(".word").nth(i + 1).click, f"word={i + 1}")
    group = page.get_by_role("radiogroup")
    for title, name in (
        ("block → word", "block_to_word"),
        ("word → text-aware block", "word_to_image_aware_block"),
        ("word → block", "word_to_block"),
    ):
        clock.address(("Inspect", "another map"), group.get_by_text(title, exact=True).click, f"map={name}")
    for i in range(REPEATS):
        button = page.get_by_role("button", name=f"row 3, column {i + 1}")
        clock(("Inspect", "a block"), button.click, page.get_by_text(f"at the block in row 3, column {i + 1}"))
    for i in range(REPEATS):
        box = page.get_by_role("textbox", name="Tweet", exact=True)

        def type_tweet(box: Locator = box, i: int = i) -> None:
            box.fill(f"{BERLIN} {i}")
            box.press("Control+Enter")

        last = page.get_by_role("radio", name=f"{i}; word 6")
        clock(("Inspect", "a tweet typed and analysed"), type_tweet, last)
    for i in range(REPEATS):
        opens = page.get_by_role("button", name="Sample tweets")
        clock(("Inspect", "sample tweets opened"), opens.click, page.locator(".card").first)
        card = page.locator(".card").nth(i + 3)
        sample = card.get_attribute("data-id")
        clock.address(("Inspect", "a sample chosen"), card.click, f"sample={sample}")


def _explain(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Explain")
    page.locator(".word").first.wait_for()
    for i in range(REPEATS):
        clock.address(("Explain", "another word"), page.locator(".word").nth(i + 1).click, f"word={i + 1}")
    for _ in range(REPEATS):
        for title, part in (
            ("Provenance", "provenance"),
            ("Report", "report"),
            ("Attention", "attention"),
        ):
            radio = page.get_by_role("radio", name=title, exact=True)
            clock.address(("Explain", f"section {title}"), radio.click, f"part={part}")
    page.get_by_role("radio", name="Provenance", exact=True).click()
    slider = page.get_by_role("slider", name="Share of ESD")
    slider.focus()
    for share in ("0.95", "0.9", "0.85"):
        clock.address(("Explain", "the what-if's slider"), lambda: slider.press("ArrowLeft"), f"esd_share={share}")


def _errors(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Errors")
    sidebar = page.get_by_test_id("stSidebar")
    for kind in ("PER", "LOC", "ORG"):
        pill = sidebar.get_by_test_id("stButtonGroup").nth(1).get_by_text(kind, exact=True)
        clock.address(("Errors", "a filter by type"), pill.click, kind)
    page.get_by_role("button", name="Clear", exact=True).click()
    page.evaluate(waiting("!location.search.includes('type')"))
    for text in ("the", "in", "at"):
        box = page.get_by_role("textbox", name="Text", exact=True)

        def type_text(box: Locator = box, text: str = text) -> None:
            box.fill(text)
            box.press("Enter")

        clock.address(("Errors", "a text typed"), type_text, f"text={text}")
    page.get_by_role("button", name="Clear", exact=True).click()
    page.evaluate(waiting("!location.search.includes('text')"))
    for title in ("Number of words", "Order of the data file", "Number of words"):
        option = _option(page, "Sort by", title)
        clock(("Errors", "another order"), option.click, None)
    for i in range(REPEATS):
        card = page.locator(".card").nth(i)
        identity = card.get_attribute("data-id")
        clock.address(("Errors", "a tweet opened"), card.click, f"tweet={identity}")
        if i == 0:
            for _ in range(REPEATS):
                clock(("Errors", "the next tweet"), page.get_by_role("button", name="Next").click)
        every = page.get_by_role("button", name="All tweets")
        clock(("Errors", "back to all tweets"), every.click, page.locator(".card").first)


def _option(page: Page, label: str, title: str) -> Locator:
    """An option of a select box, which is opened."""
    page.get_by_role("combobox", name=label).click()
    option = page.get_by_role("option", name=title, exact=True)
    option.wait_for()
    return option


def _radios(clock: Clock, place: Place, group: Locator | Page, titles: list[str]) -> None:
    for title in titles:
        clock(place, group.get_by_role("radio", name=title, exact=True).click)


def _scores(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Scores")
    _radios(clock, ("Scores", "another system"), page, ["BERT-CRF", "UMT", "BERT-CRF"])


def _patterns(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Patterns")
    _radios(clock, ("Patterns", "by something else"), page, ["Outcome", "Part of the tweet", "Type"])
    _radios(clock, ("Patterns", "positions"), page, ["Position in the picture"])
    for _ in range(2):
        _radios(clock, ("Patterns", "another section"), page, ["Faithfulness", "Gate and attention"])


def _benchmark(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Benchmark")
    _radios(clock, ("Benchmark", "another split"), page, ["Dev", "Test", "Dev"])
    _radios(clock, ("Benchmark", "another cost"), page, ["Milliseconds a tweet"])


def _data(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Data")
    for title in ("BENCH test", "BENCH train", "BENCH test"):
        option = _option(page, "Data set", title)
        clock(("Data", "another data set"), option.click)


def _correct(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Correct")
    page.locator(".text .word").first.wait_for()
    for i in range(REPEATS):
        clock(("Correct", "a label by a key, until it is stored"), lambda: page.keyboard.press("4"))
        number, runs = page.locator(".place", has_text=f"Tweet {i + 2} of"), clock.app.runs
        clock.without_run(("Correct", "the next tweet by a key"), lambda: page.keyboard.press("Enter"), number)
        clock.app.settle(runs)
    for title in ("Open", "All", "Open"):
        clock(("Correct", "show others"), page.get_by_test_id("stSidebar").get_by_text(title, exact=True).click)


def _train(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Train")
    runs = clock.app.runs
    _option(page, "Train on", "BENCH train").click()
    page.keyboard.press("Escape")  # it stays open, and hides all else from roles
    clock.app.settle(runs)
    _radios(clock, ("Train", "another mode"), page, ["Full", "Quick", "Full"])


def _models(clock: Clock) -> None:
    page = clock.page
    _go(clock, "Models")
    for title, name in (
        ("BERT-CRF · twitter2017 · original", "twitter2017%2Fbert-crf"),
        ("MT · twitter2017 · original", "twitter2017%2Fmt-bert-crf"),
        ("UMT · twitter2017 · original", "twitter2017%2Fumt-bert-crf"),
    ):
        clock.address(("Models", "another version"), page.get_by_role("link", name=title, exact=True).click, name)


# --- the app, served -----------------------------------------------------------------------------


def _home(folder: Path) -> dict[str, str]:
    """Folders of its own, with a data set of the samples and what two taggers say of the samples; the environment."""
    data = folder / "data" / "bench"
    data.mkdir(parents=True)
    examples = [sample.example for sample in load_samples()]
    for sample in load_samples():
        sample_file(sample)  # made when it is first asked for, by whoever asks
    (data / "images").symlink_to(sample_images_folder())
    for split, part in (("train", examples[:100]), ("valid", examples[100:]), ("test", examples)):
        write_jsonl(data / f"{split}.jsonl", part)
    environment = {
        "UMT_HOME": str(folder / "home"),
        "UMT_DATA": str(folder / "data"),
        "UMT_PREDICTIONS": str(folder / "predictions"),
        "UMT_STORE": f"sqlite:///{folder / 'corrections.sqlite'}",
        "UMT_AUTHOR": "Ann",
        "UMT_BACKEND": "",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    samples = f"--data {ROOT / 'sample_data' / 'tweets.jsonl'} --images {sample_images_folder()}"
    taggers = "--checkpoint twitter2017/bert-crf --checkpoint twitter2017/umt-bert-crf --device cpu"
    for command in (f"run {samples} {taggers}", "patterns sample_data/tweets --device cpu"):
        done = subprocess.run(
            [sys.executable, "-m", "umt_core", "sets", *command.split()],
            cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=LONGEST,
        )  # fmt: skip
        if done.returncode:
            raise UmtError(f"sets {command[:30]!r} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return environment


@contextmanager
def browser_of() -> Iterator[Browser]:
    """Headless Chromium (``UmtError``: there is none, or nothing to drive it)."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UmtError("wanted playwright, which is not installed here (requirements-dev.txt)") from None
    if not CHROMIUM.exists():
        raise UmtError(f"wanted Chromium, found none at {CHROMIUM}; UMT_CHROMIUM says where else it is")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Watched]:
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(1000 * LONGEST_RUN)
    yield Watched(page)
    context.close()
