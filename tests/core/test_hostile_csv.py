"""No cell of a table for people is a formula to a spreadsheet, whoever writes the table."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from tests.ui import tiny_set
from umt_core.analysis.browse import export
from umt_core.analysis.query import Query
from umt_core.corrections.exchange import write_tweets
from umt_core.data.files import as_written, harmless
from umt_core.schema import Example, Span
from umt_core.upload import REFUSED, Outcome, Report

ROOT = Path(__file__).resolve().parents[2]
FORMULAS = (
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    " =1",
    "＝1",
    "'=1",
    "\n=1",
    "\u00a0=1",
    "\ufeff=1",
)


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) for cell in row]


def is_formula(cell: str) -> bool:
    """Whether some spreadsheet would compute a cell: what is not seen at its start is passed over."""
    return re.match(r"[\s\ufeff\u200b]*[=+\-@＝＋－＠]", cell) is not None and not re.fullmatch(r"-?[\d.]+", cell)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_made_harmless_and_read_back(formula):
    assert not is_formula(harmless(formula))
    assert as_written(harmless(formula)) == formula


def test_an_export_of_tweets_holds_none(tmp_path):
    words = tuple(word for word in FORMULAS if word.strip() == word)
    tweets = [Example(word, (word, *words), image=word, spans=(Span(0, 1, "PER"),)) for word in words]
    write_tweets(tmp_path / "a.csv", tweets)
    found = cells((tmp_path / "a.csv").read_bytes().decode())
    assert len(found) > 8 * len(words)
    assert not list(filter(is_formula, found))


def test_an_export_of_what_was_found_holds_none(tmp_path, monkeypatch):
    rows = tuple((word, f"{word} x", "PER 0 1", "", "", "LOC 0 1") for word in FORMULAS if not re.search(r"\s", word))
    monkeypatch.setattr(tiny_set, "TWEETS", rows)
    found = tiny_set.write_set(tiny_set.write_data(tmp_path / "data"), tmp_path / "predictions")
    exported = cells("".join(export(found, Query(), "csv")))
    assert len(exported) > 10 * len(rows)
    assert not list(filter(is_formula, exported))


def test_the_report_of_an_upload_holds_none():
    report = Report("own", tuple(Outcome("2", formula, REFUSED, formula) for formula in FORMULAS))
    assert not list(filter(is_formula, cells(report.to_csv())))


def test_one_function_writes_all_tables():
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("umt_core", "app")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)", path.read_text(encoding="utf-8"))
    }
    assert found == {"umt_core/data/files.py"}
