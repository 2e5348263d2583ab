"""Opens pages of a prediction set as Streamlit runs them, and reads off what they show."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ENTRY = Path(__file__).resolve().parents[2] / "app" / "streamlit_app.py"


def opened(view: str, **params: str) -> AppTest:
    """The page behind a link."""
    page = AppTest.from_file(str(ENTRY), default_timeout=300)
    page.switch_page(f"views/{view}.py")
    for name, value in ({"data": "tiny/test"} | params).items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def component_data(page: AppTest, key: str) -> dict[str, Any]:
    """What a component of ours was given to draw; empty: it is not there."""
    found = [json.loads(e.proto.json) for e in page.get("bidi_component") if key in e.proto.id]
    return found[0] if found else {}


def cards(page: AppTest) -> dict[str, dict[str, Any]]:
    """The tweets of the list, in their order."""
    return {item["id"]: item for item in component_data(page, "errors_tweets").get("items", [])}


def said(page: AppTest) -> str:
    """All lines of text, without the backslashes that keep Markdown away."""
    kinds = ("subheader", "caption", "markdown", "info", "warning", "error", "text")
    return "\n".join(e.value.replace("\\", "") for kind in kinds for e in page.get(kind))


def address(page: AppTest) -> dict[str, str]:
    return {name: "".join(value) for name, value in page.query_params.items()}


def wait_until(true: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def button(page: AppTest, label: str) -> Any:
    return next(b for b in page.button if b.label == label)
