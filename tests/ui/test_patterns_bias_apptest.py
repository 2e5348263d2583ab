"""Patterns, Visual bias: the offer to compute it, its figures, and where they lead."""

from __future__ import annotations

import pytest

from tests.ui.reading import component_data, opened, said
from umt_core.analysis.building import table
from umt_core.analysis.sets import find_set
from umt_core.explain.bias import FOREIGN, KIND, NONE, OWN, SCHEMA
from umt_core.explain.kept import write_kept

UMT = "twitter2017/umt-bert-crf"
PER, LOC = ("PER", 0, 1), ("LOC", 3, 4)


def row(tweet: int, kind: str, of: int | None, *spans: tuple[str, int, int]) -> tuple[object, ...]:
    found = [{"start": start, "end": end, "label": label, "score": 0.9} for label, start, end in spans]
    return tweet, kind, of, found, [0.9 if spans else 0.1] * (2 if tweet == 0 else 1)


# Of tweet 0 (fixed) one of two foreign pictures turns the person round; nothing moves tweet 6 (right).
ROWS = [
    row(0, OWN, 0, PER, LOC),
    row(0, NONE, None, LOC),
    row(0, FOREIGN, 2, LOC),
    row(0, FOREIGN, 6, PER, LOC),
    *(row(6, kind, of, ("LOC", 4, 5)) for kind, of in [(OWN, 6), (NONE, None), (FOREIGN, 0), (FOREIGN, 2)]),
]


def keep() -> None:
    write_kept(find_set("tiny/test"), UMT, KIND, table(ROWS, SCHEMA), {"pictures": "2", "seed": "0", "pool": "3"})


@pytest.fixture
def page(made):
    return lambda: opened("patterns", baseline="twitter2017/bert-crf", system=UMT, part="bias")


def test_where_nothing_is_kept_the_page_offers_to_compute_it(page):
    shown = page()
    assert "8 other tweets' pictures" in said(shown)
    assert any(button.label == "Compute" for button in shown.button)
    assert any(f"sets bias tiny/test --run {UMT}" in code.value for code in shown.code)


def test_figures_are_shown_with_their_counts_and_intervals(page):
    keep()
    shown = page()
    assert "**25.0 % (" in said(shown)  # 1/2 and 0 of two tweets
    assert "2 tweets, 2 of 3 different pictures" in said(shown)
    by_outcome = component_data(shown, "bias_table_outcome")
    fixed = next(cells for cells in (r["cells"] for r in by_outcome["rows"]) if cells[0]["text"] == "fixed")
    assert fixed[1]["text"] == "1"
    assert fixed[2]["text"].startswith("50.0 %")
    assert fixed[3]["text"].startswith("100.0 %")
    assert fixed[4]["text"] == "wrong again"


def test_counts_lead_to_their_tweets_and_moved_tweets_to_explain(page):
    keep()
    shown = page()
    by_type = component_data(shown, "bias_table_type")
    person = next(cells for cells in (r["cells"] for r in by_type["rows"]) if cells[0]["text"] == "PER")
    assert person[1]["link"]["predicted_type"] == "PER"
    assert person[1]["link"]["system"] == UMT
    moved = component_data(shown, "bias_tweets")["rows"]
    assert [cells["cells"][0]["link"]["tweet"] for cells in moved] == ["fixed"]
    assert moved[0]["cells"][1]["text"] == "1 of 2"
    assert moved[0]["cells"][0]["href"].startswith("explain?")
