"""What all tests share: the development data, and tests that may not be skipped in silence."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# What a test needs, and whether it may be skipped where that is missing.
REQUIRED = {name: os.environ.get(f"UMT_REQUIRE_{name.upper()}") == "1" for name in ("browser", "postgres")}

# How long an example takes tells of the machine: on a busy one the first, for which Hypothesis reads all our modules.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

# Weights come from packages or from files that a test makes, never from the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Nor does a test see or change what the developer has corrected, trained or promoted.
_home = tempfile.TemporaryDirectory(prefix="mner-home-")
os.environ["UMT_HOME"] = _home.name


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tweets for development; skips the test where it is missing."""
    folder = Path(os.environ.get("UMT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in REQUIRED:
            if item.get_closest_marker(name):
                item.user_properties.append((name, "yes"))  # read by .ci/run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        for name, required in REQUIRED.items():
            if required and item.get_closest_marker(name):
                report.outcome = "failed"
                report.longrepr = f"{name} is required (UMT_REQUIRE_{name.upper()}=1), but: {report.longrepr[2]}"
    return report
