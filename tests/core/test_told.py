"""The history of a tweet's labels in a case report."""

from __future__ import annotations

from umt_core.corrections.events import BLIND, Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.corrections.told import told
from umt_core.schema import Span

KEY = TweetKey("tiny/test", "1")
PER, ORG = (Span(0, 1, "PER"),), (Span(0, 1, "ORG"),)


def test_a_report_without_names_has_none_in_its_reasons_either(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        first = store.append(Edit(KEY, "set", "Ann", (), PER, 0, reason="a person"))
        store.append(Edit(KEY, "set", "Kim", PER, ORG, first.number))
        store.append(Edit(KEY, "set", "Kim", (), PER, 0, track=BLIND))
        assert store.undo("Ann", keep=True).reason == "left as Kim has it"
        history = store.history(KEY)
    named, nameless = told(history, authors=True), told(history, authors=False)
    assert [(c.author, c.reason) for c in named] == [("Ann", "a person"), ("Kim", ""), ("Ann", "left as Kim has it")]
    assert [(c.author, c.reason) for c in nameless] == [
        ("", "a person"),
        ("", ""),
        ("", "left as somebody else has it"),
    ]
