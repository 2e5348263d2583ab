"""``docs/licences.md`` names each package that the app runs on, each with a licence that is known or explained."""

from __future__ import annotations

import doctest
import re
import sys
from email.message import Message
from importlib.metadata import PackageNotFoundError, version

import pytest

from tools import licences
from umt_core.encoders.catalog import TEXT_ENCODERS, VISION_ENCODERS
from umt_core.registry import checkpoints

PAGE = licences.PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([\w.-]+) \| (\d[\w.]*) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)


def test_the_page_names_each_pinned_package_in_its_version():
    pinned = []
    for name in licences.PINS:
        lines = (licences.ROOT / name).read_text(encoding="utf-8").splitlines()
        pinned += [tuple(line.split()[0].split("==")) for line in lines if "==" in line and line[0] not in " #"]
    assert {(name, version) for name, version, _ in ROWS} == set(pinned), "make licences"


@pytest.mark.parametrize(("name", "licence"), [(name, licence) for name, _, licence in ROWS])
def test_a_licence_is_known_or_explained(name, licence):
    assert licences.doubts(licence) == []


def test_what_is_explained_is_needed_and_said_on_the_page():
    used = {name for _, _, licence in ROWS for name in licences.EXPLAINED if name in licence}
    assert used == licences.EXPLAINED.keys()
    assert all(f"| {name} | {why} |" in PAGE for name, why in licences.EXPLAINED.items())
    assert licences.READ.keys() <= {name for name, _, _ in ROWS}
    assert licences.USES.keys() <= {name for name, _, _ in ROWS}


def test_what_is_proprietary_is_nvidias_alone():
    owned = {name for name, _, licence in ROWS if "NVIDIA" in licence}
    assert {name.split("-")[0] for name in owned} == {"nvidia", "cuda"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems install other packages")
def test_the_page_is_what_the_command_writes():
    for name, pinned, _ in ROWS:
        try:
            if version(name) != pinned:
                pytest.skip(f"{name} {version(name)} is installed, {pinned} is pinned")
        except PackageNotFoundError:
            if name not in licences.READ:
                pytest.skip(f"{name} is not installed")
    assert licences.page() == PAGE, "make licences"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"License-Expression": "MIT", "License": "GPL"}, "MIT"),
        ({"License": "Apache 2.0 License"}, "Apache-2.0"),
        ({"License": "MPL-2.0 AND MIT"}, "MPL-2.0 AND MIT"),
        ({"License": "Copyright (c) them\nAll rights", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD"),
        ({"License": "GPL"}, ""),
        ({"Classifier": "Programming Language :: Python"}, ""),
        ({}, ""),
    ],
)
def test_a_licence_is_what_the_metadata_say(fields, said):
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    assert licences.stated(metadata) == said


@pytest.mark.parametrize(
    "said", ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "GNU General Public License v3 (GPLv3)", "?"]
)
def test_what_would_bind_our_own_code_is_doubted(said):
    metadata = Message()
    metadata["Classifier"] = f"License :: OSI Approved :: {said}"
    assert licences.doubts(licences.stated(metadata))
    assert licences.doubts(said)


def test_a_package_that_does_not_tell_is_no_row():
    with pytest.raises(LookupError, match="no-such-package"):
        licences.licence("no-such-package")


def test_the_page_tells_of_all_weights():
    for name in TEXT_ENCODERS.keys() | VISION_ENCODERS.keys():
        assert f"\n| `{name}` |" in PAGE
    for info in checkpoints():
        assert re.search(rf"^\| {info.manifest.name} \| `{info.manifest.model.text_encoder}` \|", PAGE, re.MULTILINE)


def test_its_examples_run():
    results = doctest.testmod(licences)
    assert results.attempted
    assert not results.failed
