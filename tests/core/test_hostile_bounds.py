"""The bounds that ``docs/security.md`` promises are those of the code, and a slow pattern ends."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.browse import make_set
from umt_core.analysis.browse import browse
from umt_core.analysis.query import Query
from umt_core.commands.serve import serve
from umt_core.service import limits

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
        "umt_core.corrections.exchange.docbin",
    ):
        bounds = {name for name in vars(import_module(module)) if name.startswith(("MOST_", "MAX_", "LONGEST"))}
        own = {
            name for name in bounds if f"\n{name} = " in (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
        }
        assert {f"{module}.{name}" for name in own} <= named


@pytest.mark.parametrize("package", ["service", "access"])
def test_the_table_leaves_out_no_number_of_the_service_and_of_signing_in(package):
    named = {constant for _, constant, _ in ROWS}
    numbers = set()
    for path in sorted((ROOT / "umt_core" / package).glob("*.py")):
        module = f"umt_core.{package}.{path.stem}"
        values = vars(import_module(module))
        targets = [t for node in ast.parse(path.read_text("utf-8")).body for t in getattr(node, "targets", ())]
        names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        numbers |= {
            f"{module}.{n}" for n in names if n.isupper() and n[0] != "_" and isinstance(values[n], int | float)
        }
    assert numbers - {"umt_core.access.users.VERSION"} <= named
    assert len(numbers) >= 10, "reads what it should"


def test_the_page_of_the_service_says_the_same_bounds():
    serving = (ROOT / "docs" / "serving.md").read_text("utf-8")
    for name in ("BODY_BYTES", "HELD_BYTES", "TWEETS", "CHECKPOINTS", "REQUEST_PIXELS", "HELD_PIXELS", "AT_ONCE"):
        assert f"{getattr(limits, name):,}" in serving, name
    assert f"| {limits.REQUESTS_A_MINUTE} a minute" in serving
    assert inspect.signature(serve).parameters["rate"].default == limits.REQUESTS_A_MINUTE


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_takes_for_ever_elsewhere_ends_here(tmp_path, pattern):
    found = make_set(tmp_path / "set", 200)
    assert found.column("SELECT regexp_matches(?, ?)", "a" * 5_000 + "!", pattern).tolist() == [False]
    assert browse(found, Query(regex=pattern)).tweets >= 0
