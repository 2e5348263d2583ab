"""What all tests share: the development data, and browser tests that may not be skipped in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BROWSER_REQUIRED = os.environ.get("UMT_REQUIRE_BROWSER") == "1"

# Weights come from packages or from files that a test makes, never from the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tweets for development; skips the test where it is missing."""
    folder = Path(os.environ.get("UMT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            item.user_properties.append(("browser", "yes"))  # read by .ci/run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if BROWSER_REQUIRED and skipped and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"a browser is required (UMT_REQUIRE_BROWSER=1), but: {report.longrepr[2]}"
    return report
