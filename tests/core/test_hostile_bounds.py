"""The bounds that ``docs/security.md`` promises are those of the code, and a slow pattern ends."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.browse import make_set
from umt_core.analysis.browse import browse
from umt_core.analysis.query import Query

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"\| ([\d,]+) \| `([\w.]+)`(?: in `([\w./]+)`)? \|", (ROOT / "docs" / "security.md").read_text("utf-8")
)


@pytest.mark.parametrize(("value", "constant", "file"), ROWS)
def test_a_bound_of_the_table_is_that_of_the_code(value, constant, file):
    if file:
        found = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))
        for part in constant.split("."):
            found = found[part]
    else:
        module, _, name = constant.rpartition(".")
        found = getattr(import_module(module), name)
    assert found == int(value.replace(",", ""))


def test_the_table_leaves_out_no_bound_of_what_reads_uploads():
    named = {constant for _, constant, _ in ROWS}
    for module in (
        "umt_core.data.images",
        "umt_core.data.archive",
        "umt_core.upload",
        "umt_core.data.own",
        "umt_core.manifest",
    ):
        bounds = {name for name in vars(import_module(module)) if name.startswith(("MOST_", "MAX_", "LONGEST"))}
        own = {
            name for name in bounds if f"\n{name} = " in (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
        }
        assert {f"{module}.{name}" for name in own} <= named


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_takes_for_ever_elsewhere_ends_here(tmp_path, pattern):
    found = make_set(tmp_path / "set", 200)
    assert found.column("SELECT regexp_matches(?, ?)", "a" * 5_000 + "!", pattern).tolist() == [False]
    assert browse(found, Query(regex=pattern)).tweets >= 0
