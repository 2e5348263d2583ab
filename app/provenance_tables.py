"""What provenance and what-if show as tables: values in, DataFrames out. An empty table has a full one's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.outcomes import Cells, cell, p_value
from app.tables import GOLD
from umt_core.analysis.paper import percent
from umt_core.analysis.significance import is_significant
from umt_core.explain.emissions import Change
from umt_core.explain.provenance import ESD, MAIN, TRANSITIONS, Provenance, SpanNeeds, deciders
from umt_core.model.chain import Scoring
from umt_core.schema import Span
from umt_core.showing import shown_words, visible
from umt_core.spans import spans_to_tags

RULED_OUT = -50.0  # transitions below this are held out and not weighed: their score is -100
TOLD = ("fixed", "broken", "spurious_removed", "spurious_added")  # outcomes of what changes
PART_TITLES = {MAIN: "main emissions", ESD: "ESD", TRANSITIONS: "transitions"}
ERRORS = {"missed": "gone", "type": "another type", "boundary": "other words", "type and boundary": "both others"}


def words(tokens: Sequence[str], found: Provenance, gold: Sequence[Span] | None) -> pd.DataFrame:
    """Word by word, what each part alone would have said, and who decided."""
    n = len(found.decoded)
    columns: dict[str, Sequence[str]] = {"Word": [visible(token) for token in tokens[:n]]}
    if gold is not None:
        columns[GOLD] = spans_to_tags(gold, len(tokens))[:n]
    columns |= {"Decoded": found.decoded, "Main alone": found.main_alone}
    if found.esd_alone:
        columns["ESD alone"] = found.esd_alone
    columns |= {"Largest emission": found.highest, "Who decided": ["; ".join(deciders(found, i)) for i in range(n)]}
    return pd.DataFrame(columns)


def of_word(found: Provenance, word: int) -> pd.DataFrame:
    """The parts of each tag of one word; ``Behind``: how far its sum is below the decoded tag's."""
    transitions = found.arriving[word] + found.leaving[word]
    total = found.total[word]
    return pd.DataFrame(
        {
            "Tag": list(found.tags),
            "Main": found.main[word],
            "From ESD": np.zeros(len(total)) if found.converted is None else found.converted[word],
            "Tag before": found.arriving[word],
            "Tag after": found.leaving[word],
            "Sum": total,
            "Behind": total.max() - total,
            "Ruled out": transitions < RULED_OUT,
        }
    )


def needs(tokens: Sequence[str], found: Provenance) -> pd.DataFrame:
    """What becomes of each decoded entity without each part."""
    parts = list(found.parts)
    lines = [
        [named(tokens, needed.span), *(_becomes(tokens, needed, part) for part in parts), _needed(needed)]
        for needed in found.spans
    ]
    return pd.DataFrame(lines, columns=["Entity", *(f"Without {PART_TITLES[part]}" for part in parts), "Needs"])


def held_back(tokens: Sequence[str], found: Provenance) -> pd.DataFrame:
    """Entities that are not decoded, and would be without a part."""
    lines = [(named(tokens, span), PART_TITLES[part]) for part, spans in found.held_back.items() for span in spans]
    return pd.DataFrame(lines, columns=["Entity", "Held back by"])


def named(tokens: Sequence[str], span: Span) -> str:
    """A span as its type and words."""
    return f"{span.label} {shown_words(tokens[span.start : span.end])}"


def _becomes(tokens: Sequence[str], needed: SpanNeeds, part: str) -> str:
    error, instead = needed.without[part], needed.instead[part]
    return ERRORS.get(error, "the same") + (f": {named(tokens, instead)}" if error in ERRORS and instead else "")


def _needed(needed: SpanNeeds) -> str:
    return ", ".join(PART_TITLES[part] for part in needed.needed) or "none of them by itself"


def check_line(found: Provenance) -> str:
    """The parts of the whole path, their sum, and the score that the tagger's own CRF gives."""
    parts = " + ".join(f"{PART_TITLES[part]} {value:.3f}" for part, value in found.parts.items())
    return (
        f"{parts} = **{found.path_score:.4f}**; the tagger's own CRF gives this path **{found.own_score:.4f}**, "
        f"a difference of {found.difference:.1e}"
    )


def matrix_table(matrix: np.ndarray, scoring: Scoring) -> pd.DataFrame:
    """A conversion matrix: a row for each ESD tag, a column for each tag."""
    return pd.DataFrame(matrix, index=pd.Index(scoring.esd_tags, name="ESD tag"), columns=list(scoring.tags))


# --- a whole set ----------------------------------------------------------------------------------


def change_facts(row: Mapping[str, Any]) -> pd.DataFrame:
    """What a change fixes and breaks of the run as trained, with the paired test; F1 in percent."""
    test, before = row["paired_test"], row["baseline"]["f1"]
    difference = test["difference"]
    facts = {
        "F1 as trained": f"{100 * before:.2f}",
        "F1 what-if": f"{100 * row['f1']:.2f}",
        "Difference (95 %)": "{value:+.2f} ({low:+.2f} to {high:+.2f})".format(
            **{end: 100 * value for end, value in difference.items()}
        ),
        "Fixed": f"{row['fixed']:,}",
        "Broken": f"{row['broken']:,}",
        "Spurious removed": f"{row['spurious_removed']:,}",
        "Spurious added": f"{row['spurious_added']:,}",
        "p, randomisation": f"{test['p_randomisation']:.4f}",
        "p, McNemar": f"{test['p_mcnemar']:.4f}",
        "Significant from": percent(test["significant_from"]),
    }
    return pd.DataFrame([facts])


def verdict(row: Mapping[str, Any]) -> str:
    """Whether the difference is more than chance, in a sentence."""
    p = row["paired_test"]["p_randomisation"]
    told = "More than chance" if is_significant(p) else "Not to be told from chance"
    return f"{told}: answers swapped at random in half of the tweets differ as much with p {p_value(p)}."


def changed_cells(
    change: Change, data: str, tweets: Mapping[int, tuple[str, Sequence[str]]], link: Mapping[str, str]
) -> tuple[Cells, Cells]:
    """The tweets that changed, each with a link that explains it. ``tweets``: id and words by number."""
    columns: Cells = [{"title": title, "words": True} for title in ("Tweet", "As trained", "What-if", "Against gold")]
    lines = []
    for of in change.tweets:
        identity, tokens = tweets[of.tweet]
        gone, new = _less(of.before, of.after), _less(of.after, of.before)
        told = dict.fromkeys(entry.outcome.replace("_", " ") for entry in of.entries if entry.outcome in TOLD)
        cells = [
            cell(identity, link={"data": data, "tweet": identity, **link}, page="explain"),
            *(cell("; ".join(named(tokens, span) for span in spans) or "–", wrap=True) for spans in (gone, new)),
            cell(", ".join(told) or ("wrong before and after" if of.entries else "not labelled"), wrap=True),
        ]
        lines.append({"cells": cells})
    return columns, lines


def _less(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span not in others]
