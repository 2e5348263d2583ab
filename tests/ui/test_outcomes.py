"""What the Errors page says of a tweet: cells and cards, by hand."""

from __future__ import annotations

from typing import Any

from app import outcomes
from tests.ui.tiny_set import spans

BASELINE, SYSTEM = "twitter2017/bert-crf", "twitter2017/umt-bert-crf"
TITLES = {BASELINE: "BERT-CRF", SYSTEM: "UMT"}


def row(gold: str, baseline: str, system: str, *lines: dict[str, Any]) -> dict[str, Any]:
    """The tweet "Jordan visits New York" as ``umt_core.analysis.browse`` gives it."""

    def rows(text: str) -> list[dict[str, Any]]:
        return [
            {"start": s.start, "end": s.end, "label": s.label, "score": 0.9, "seen": "no", "error": None}
            for s in spans(text)
        ]

    return {
        "id": "1",
        "tokens": ["Jordan", "visits", "New", "York"],
        "words": 4,
        "entities": len(spans(gold)),
        "gold": rows(gold),
        "predictions": {BASELINE: rows(baseline), SYSTEM: rows(system)},
        "lines": list(lines),
        "image": "missing",
    }


def table(tweet: dict[str, Any]) -> list[list[str]]:
    entries = outcomes.entries_of(tweet, BASELINE, SYSTEM)
    shown = outcomes.ledger_table(tweet, entries, BASELINE, SYSTEM, TITLES)
    return shown[["Entity", "Gold", "Outcome", "BERT-CRF", "UMT"]].to_numpy().tolist()


def test_a_wrong_entity_that_stands_for_a_gold_one_is_one_line_of_the_table():
    of_type = row("PER 0 1", "LOC 0 1", "PER 0 1")
    assert table(of_type) == [["Jordan", "PER", "✓ fixed", "LOC 0.90 (type)", "PER 0.90"]]
    of_boundary = row("LOC 2 4", "LOC 2 4", "LOC 3 4")
    assert table(of_boundary) == [["New York", "LOC", "✗ broken", "LOC 0.90", "LOC “York” 0.90 (boundary)"]]


def test_the_table_says_nothing_only_where_there_is_nothing():
    assert table(row("", "PER 0 1", "")) == [
        ["Jordan", "nothing", "− spurious removed", "PER 0.90 (spurious)", "nothing"]
    ]
    # Of two halves of a gold entity one stands for it; the other stands beside gold all the same.
    assert table(row("LOC 2 4", "LOC 2 3, LOC 3 4", "LOC 2 4"))[1] == [
        "York", "LOC “New York”", "− spurious removed", "LOC 0.90 (spurious)", "LOC “New York” 0.90",
    ]  # fmt: skip
    # One entity over two gold ones stands for one of them.
    (_, missed) = table(row("LOC 2 3, LOC 3 4", "LOC 2 4", "LOC 2 3, LOC 3 4"))
    assert missed == ["York", "LOC", "✓ fixed", "LOC “New York” 0.90 (missed)", "LOC 0.90"]


def test_a_card_of_a_wrong_entity_says_what_the_other_has_there():
    line = {"start": 0, "end": 1, "label": "LOC", "outcome": "spurious_removed"}
    tweet = row("PER 0 1", "LOC 0 1", "PER 0 1", line)
    (entry,) = outcomes.matching(tweet, outcomes.entries_of(tweet, BASELINE, SYSTEM))
    assert outcomes.reading(entry.system, entry, tweet["tokens"], outcomes.scored_of(tweet, SYSTEM)) == "PER"
    (shown,) = outcomes.card(tweet, BASELINE, SYSTEM, TITLES, None)["lines"]
    assert shown["label"] == "not gold"
    assert shown["readings"] == [["BERT-CRF", "LOC"], ["UMT", "PER"]]
