"""Fabricated models and a data set by hand for tests of pages; a browser, and the app served to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from app import asking
from tests.ui.tiny_set import write_data, write_set
from umt_core.analysis.sets import PredictionSet

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("UMT_CHROMIUM", "/usr/bin/chromium"))
WAIT = 120_000  # ms; a busy machine takes seconds where an idle one takes none
START, END = 300, 120  # seconds that a server may take to answer, and to end
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Puts ``__main__`` back: AppTest leaves a page there, which processes that a later test spawns would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest never runs a fragment again by the clock: a page waits for an answer, as long as a busy machine needs."""
    monkeypatch.setattr(asking, "QUICK", 60.0)


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., str]]:
    """Serves the app with fabricated models and these environment variables; its address."""
    with ExitStack() as stack:
        yield lambda **environment: stack.enter_context(serving(environment))[0]


@contextmanager
def serving(
    environment: dict[str, str], port: int = 0, *, headless: bool = True
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The app's address and process, at any free port or at this one; ``headless``: it opens no browser by itself."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that a killed server has just left
        free.bind(("127.0.0.1", port))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/streamlit_app.py"]
    options = [
        "--server.port",
        str(port),
        "--server.headless",
        str(headless).lower(),
        "--server.showEmailPrompt",
        "false",
    ]
    environment = os.environ | {"UMT_BACKEND": "tests.ui.fake"} | environment
    process = subprocess.Popen([*command, *options], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START
        while not answers(url):
            assert process.poll() is None, "the server ended before it answered"
            assert time.monotonic() < until, f"the server did not answer in {START} s"
            time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        urlopen(f"{url}/_stcore/health", timeout=10).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        reason = f"no Chromium at {CHROMIUM}; UMT_CHROMIUM says where else it is"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=WAIT)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def context(browser: Browser, server: str) -> Iterator[BrowserContext]:
    """One for all pages of a module's ``server``, so that Streamlit's scripts are fetched once."""
    context = browser.new_context(base_url=server, viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: str) -> Iterator[Page]:
    """A page; what it asked of other hosts and what went wrong in it fails the test."""
    page = context.new_page()
    page.set_default_timeout(WAIT)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((server, "data:", "blob:")) else problems.append(r.url))
    page.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    yield page
    page.close()
    assert not problems


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the data set ``tiny/test``, which the pages offer, without predictions."""
    monkeypatch.setenv("UMT_BACKEND", "tests.ui.fake")
    monkeypatch.setenv("UMT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UMT_PREDICTIONS", str(tmp_path / "predictions"))
    return write_data(tmp_path / "data")


@pytest.fixture
def made(data: Path, tmp_path: Path) -> PredictionSet:
    """The prediction set of ``data``."""
    return write_set(data, tmp_path / "predictions")
