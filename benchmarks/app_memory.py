"""The app's memory with three taggers at work, above what its imports take, against the bytes of the weights.

Both are served by Streamlit and asked by a browser: the app until **Inspect** has shown what three taggers read in its
opening sample and in a tweet that was typed, and a page that imports the same and shows a heading. What is compared is
the most that each server's process has held.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Measure, status
from benchmarks.pages import BERLIN, browser_of, opened
from benchmarks.serving import APP, LONGEST, serving
from benchmarks.start import run
from benchmarks.warm_inspect import NAMES
from umt_core.errors import UmtError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from torch import nn

AIM = 2.0  # times the weights
DONE = "Imports are done"
# What the page Inspect and its taggers import; the page itself does so when it is run.
IMPORTS = f"""
import streamlit as st
import torch
import umt_core.predict
from app import figures, services, tables
from app.panels import findings, reader, sidebar, sign_in, tweet_form, word_detail
from transformers import AutoConfig, AutoModel, BertModel
st.title({DONE!r})
"""
WEIGHTS = f"""
from benchmarks.app_memory import weight_bytes
from umt_core.predict import Workbench
predictors = Workbench.load({NAMES!r}, "cpu").predictors.values()
print(weight_bytes(module for p in predictors for module in (p.loaded.tagger, p.vision) if module is not None))
"""


def measure() -> Iterator[Measure]:
    weights = int(run("-c", WEIGHTS)) / 2**20
    with tempfile.TemporaryDirectory() as folder, browser_of() as browser:
        environment = {name: str(Path(folder) / name) for name in ("UMT_HOME", "UMT_DATA", "UMT_PREDICTIONS")}
        environment |= {"UMT_STORE": "", "UMT_BACKEND": "", "OMP_WAIT_POLICY": "PASSIVE"}
        script = Path(folder) / "imports.py"
        script.write_text(IMPORTS, encoding="utf-8")
        imports = _peak(browser, str(script), environment, _see_heading)
        app = _peak(browser, APP, environment, _inspect)
    yield Measure("app_memory", (app - imports) / weights, "times the weights' bytes, above the imports", 1.0, aim=AIM)
    yield Measure("app_memory_above_imports", app - imports, "MiB (weights)", weights)
    yield Measure("app_memory_peak", app, "MiB (imports)", imports)


def weight_bytes(modules: Iterable[nn.Module]) -> int:
    """Bytes of the weights and buffers of several modules as they are held; what modules share counts once."""
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def _peak(browser: Browser, script: str, environment: dict[str, str], use: Callable[[Page], None]) -> float:
    """The most memory that a script's server has held when it has been used, in MiB."""
    with serving(script, environment) as (url, server), opened(browser, url) as watched:
        use(watched.page)
        peak = status("VmHWM", server.pid)
        if peak is None:
            raise UmtError("app_memory: wanted /proc to say how much memory a process has held, which Linux does")
        return peak / 1024


def _see_heading(page: Page) -> None:
    page.goto("/")
    page.get_by_role("heading", name=DONE).wait_for(timeout=1000 * LONGEST)


def _inspect(page: Page) -> None:
    page.goto("/")
    page.locator(".word").first.wait_for(timeout=1000 * LONGEST)
    box = page.get_by_role("textbox", name="Tweet", exact=True)
    box.fill(BERLIN)
    box.press("Control+Enter")
    page.get_by_role("radio", name="Berlin; word 5").wait_for()
