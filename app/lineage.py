"""What the Models page says of versions, their promotions, and of before and after: values in, words and cells out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app import markup, tables
from app.outcomes import OUTCOMES, RANDOMISATION, Cells, cell, outcome_title, p_value, verdict
from umt_core.analysis.before_after import BeforeAfter, ChangedTweet
from umt_core.analysis.paper import percent
from umt_core.analysis.significance import Interval
from umt_core.labels import LABELS
from umt_core.manifest import Manifest, needs_line
from umt_core.promotions import ORIGINAL, Record
from umt_core.registry import CheckpointInfo, Damaged
from umt_core.schema import Span

CHANGES = ("fixed", "broken", "spurious_removed", "spurious_added")
SPLITS = {"valid": "Dev F1", "test": "Test F1"}
PUBLISHED, CORRECTED = "as published", "as corrected"
ACTIONS = {"promote": "promoted", "roll back": "went back to", "rename": "renamed", "remove": "removed"}


@dataclass(frozen=True, slots=True)
class Line:
    """A version as the overview shows it."""

    found: CheckpointInfo | Damaged
    served: bool
    size: int  # bytes of its folder's files
    intervals: Mapping[str, Interval]  # of F1, by split, where there are predictions


def dev_before(parent: Manifest, child: Manifest) -> float | None:
    """The parent's dev F1, if the child's epochs were chosen by the same tweets and labels."""
    f1: float | None = parent.scores.get("valid", {}).get("f1")
    return f1 if judged_alike(parent, child, "valid") else None


def judged_alike(parent: Manifest, child: Manifest, split: str) -> bool:
    """Whether a retrained version's scores on a split are of the same tweets and labels as the parent's."""
    theirs, ours = (_mapping(manifest.data.get(split)) for manifest in (parent, child))
    made_from = ours.get("from")
    if not isinstance(made_from, list) or not made_from:
        made_from = [ours]
    source = _mapping(made_from[0])
    if len(made_from) > 1 or source.get("corrected"):
        return False
    if not theirs:  # some of ours do not say what they were tested on
        return source.get("data") in (None, f"{parent.dataset}/{split}")
    return source.get("sha256") == theirs.get("sha256") and ours.get("tweets") == theirs.get("tweets")


def _mapping(value: Any) -> Mapping[str, Any]:
    """A part of a manifest, which may have been written by anyone."""
    return value if isinstance(value, Mapping) else {}


def title(name: str) -> str:
    """A version's name in words.

    >>> title("twitter2017/umt-bert-crf@original"), title("tiny/bert-crf")
    ('UMT · twitter2017 · original', 'BERT-CRF · tiny')
    """
    family, _, version = name.partition("@")
    dataset, _, system = family.partition("/")
    return " · ".join(part for part in (tables.system_title(system), dataset, version) if part)


def day(time: str) -> str:
    """A time of a manifest or a log, to the minute.

    >>> day("2026-11-24T04:53:15+00:00")
    '2026-11-24 04:53'
    """
    return time[:16].replace("T", " ")


def size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


# --- the overview --------------------------------------------------------------------------------


def overview_cells(lines: Sequence[Line], chosen: str) -> tuple[Cells, Cells]:
    """All versions, a line each; the names lead to their details."""
    columns: Cells = [{"title": "Version", "words": True}, {"title": "State", "words": True}]
    columns += [{"title": "Retrained from", "words": True}, {"title": "Made (UTC)"}]
    columns += [{"title": "Tweets trained on"}, {"title": "Corrected of them"}]
    about = "percent; small: 95 % interval, where predictions are kept, or that the original's figure is of others"
    columns += [{"title": name, "help": about} for name in SPLITS.values()]
    columns += [{"title": "Size"}]
    originals = {
        line.found.family: line.found.manifest
        for line in lines
        if isinstance(line.found, CheckpointInfo) and line.found.version == ORIGINAL
    }
    rows: Cells = []
    for line in lines:
        name = line.found.name
        shown = "shown below" if name == chosen else ""
        first = cell(title(name), link={"model": name}, page="models", sub=shown, title=name)
        if isinstance(line.found, Damaged):
            state = cell("damaged", sub="open it to see why", title=line.found.why)
            rows.append({"cells": [first, state, *[cell("–")] * 6, cell(size(line.size))], "quiet": True})
            continue
        m = line.found.manifest
        state = cell("● served" if line.served else "kept")
        parent = (m.parent or {}).get("name", "")
        cells = [first, state, cell(title(parent) if parent else "–"), cell(day(m.created)), cell(_trained_on(m))]
        cells += [cell(_count(m.corrections))]
        cells += [_f1(line, m, split, originals.get(line.found.family, m)) for split in SPLITS]
        rows.append({"cells": [*cells, cell(size(line.size))]})
    return columns, rows


def _trained_on(manifest: Manifest) -> str:
    return _count(manifest.data.get("train"))


def _count(of: Any) -> str:
    """How many tweets a part of a manifest is of."""
    tweets = _mapping(of).get("tweets")
    return f"{tweets:,}" if isinstance(tweets, int) else "–"


def _f1(line: Line, manifest: Manifest, split: str, original: Manifest) -> dict[str, Any]:
    interval = line.intervals.get(split)
    noted = manifest.scores.get(split, {}).get("f1")
    if interval is None:
        alike = noted is None or manifest is original or judged_alike(original, manifest, split)
        return cell(percent(noted), sub="" if alike else "other tweets or labels")
    return cell(percent(interval.value), sub=f"{100 * interval.low:.1f} – {100 * interval.high:.1f}")


def facts(info: CheckpointInfo, served: bool, parent: CheckpointInfo | None) -> dict[str, str]:
    """A version in full."""
    m = info.manifest
    rows = {"Name": info.name, "State": "served under its family's name" if served else "kept, not served"}
    if m.parent:
        rows["Retrained from"] = m.parent.get("name", "?") + ("" if parent else " (not here any more)")
    elif m.init:
        rows["Started from"] = m.init
    rows |= {"Made": f"{day(m.created)} UTC, in {m.seconds / 60:.0f} min, package {m.code}"}
    rows["Kept epoch"] = f"{m.epoch} of {len(m.history)}"
    rows |= {f"Data, {split}": _data(about) for split, about in m.data.items() if isinstance(about, Mapping)}
    if m.corrections:
        digest = str(m.corrections.get("digest", ""))[:12]
        counts = [f"{m.corrections[k]:,} {k}" for k in ("tweets", "changed", "events") if k in m.corrections]
        rows["Corrections"] = ", ".join([*counts, f"SHA-256 {digest}"])
    if m.teachers:
        rows["Taught by"] = ", ".join(teacher.get("name", "?") for teacher in m.teachers)
    rows["Pictures in training"] = m.images
    rows["Text encoder"] = m.model.text_encoder + (f", adapters of rank {r}" if (r := m.model.adapter_rank) else "")
    rows["Weights"] = f"{m.parameters['trained']:,} trained, {m.parameters['frozen']:,} as published"
    rows["Needs"] = needs_line(m).replace("`", "")
    rows["Weights, SHA-256"] = m.weights_sha256[:12]
    return rows


def _data(about: Mapping[str, Any]) -> str:
    sha256 = str(about.get("sha256", ""))[:12]
    return f"{about.get('tweets', '?')} tweets of {about.get('file', 'several files')}, SHA-256 {sha256}"


def setting_rows(manifest: Manifest) -> pd.DataFrame:
    """All settings of model and training."""
    values = {"recipe": manifest.recipe, **manifest.model.to_dict(), **manifest.train.to_dict()}
    return pd.DataFrame([(name, str(value)) for name, value in values.items()], columns=["Setting", "Value"])


def log_rows(records: Sequence[Record]) -> pd.DataFrame:
    """The log of promotions, the latest first."""
    rows = [
        (day(r.time), r.author, ACTIONS.get(r.action, r.action), f"{r.family}@{r.version}", r.before)
        for r in reversed(records)
    ]
    return pd.DataFrame(rows, columns=["Time (UTC)", "Author", "What", "Version", "Before"])


# --- before and after ----------------------------------------------------------------------------


def side_cells(found: BeforeAfter, data: str, new: str) -> tuple[Cells, Cells]:
    """Both sides, a line each; counts on the published labels lead to their tweets."""
    columns: Cells = [
        {"title": "Labels", "words": True},
        {"title": "F1 before"},
        {"title": "F1 after"},
        {"title": "Difference", "help": "points, with its 95 % bootstrap interval over tweets"},
        {"title": "p, randomisation", "help": RANDOMISATION},
    ]
    columns += [{"title": OUTCOMES[o][1].capitalize(), "help": OUTCOMES[o][2]} for o in CHANGES]
    columns += [
        {"title": "p, McNemar", "help": "exact, two-sided, of fixed against broken"},
        {"title": "So", "words": True},
    ]
    rows: Cells = []
    for side, row in _sides(found):
        test = row["paired_test"]
        difference = test["difference"]
        interval = f"{100 * difference['low']:+.2f} to {100 * difference['high']:+.2f}"
        cells = [
            cell(side, sub=f"{row['spans']:,} entities"),
            cell(percent(row["baseline"]["f1"])),
            cell(percent(row["f1"])),
        ]
        cells += [cell(f"{100 * difference['value']:+.2f}", sub=interval), cell(p_value(test["p_randomisation"]))]
        cells += [cell(str(row[o]), link=_link(found, data, side, o)) for o in CHANGES]
        rows.append({"cells": [*cells, cell(p_value(test["p_mcnemar"])), cell(verdict(test, new), wrap=True)]})
    return columns, rows


def type_cells(found: BeforeAfter, data: str) -> tuple[Cells, Cells]:
    """What is fixed and broken by type, the sides beside each other."""
    sides = _sides(found)
    columns: Cells = [{"title": "Type", "words": True}]
    columns += [
        {
            "title": f"{OUTCOMES[o][1].capitalize()}, {side}" if len(sides) > 1 else OUTCOMES[o][1].capitalize(),
            "help": OUTCOMES[o][2],
        }
        for side, _ in sides
        for o in CHANGES
    ]
    rows: Cells = []
    for label in LABELS:
        counts = [
            cell(str(row["by_type"][label][o]), link=_link(found, data, side, o, label))
            for side, row in sides
            for o in CHANGES
        ]
        rows.append({"cells": [cell(label), *counts]})
    return columns, rows


def _sides(found: BeforeAfter) -> list[tuple[str, Mapping[str, Any]]]:
    sides = ((PUBLISHED, found.original), (CORRECTED, found.corrected))
    return [(side, row) for side, row in sides if row is not None]


def _link(found: BeforeAfter, data: str, side: str, outcome: str, label: str = "") -> dict[str, str] | None:
    """The tweets of a count; the Errors page knows the published labels alone."""
    if side != PUBLISHED:
        return None
    link = {"data": data, "baseline": found.parent, "system": found.new, "outcome": outcome}
    return link | ({"type": label} if label else {})


def label_line(found: BeforeAfter) -> str:
    """How much of the gold was corrected.

    >>> label_line(BeforeAfter("a", "b", {}, {}, {"added": 1, "removed": 0, "changed": 2}, ()))
    '0 tweets have other labels now: 1 added, 0 removed, 2 changed.'
    """
    changes = ", ".join(f"{count:,} {what}" for what, count in found.labels.items())
    count = len(found.tweets)
    return f"{count:,} {'tweet has' if count == 1 else 'tweets have'} other labels now: {changes}."


def tweet_cells(
    tweets: Sequence[ChangedTweet], words: Mapping[str, Sequence[str]], found: BeforeAfter, data: str
) -> tuple[Cells, Cells]:
    """The tweets whose labels were corrected, with what became of their entities. ``words``: by id, where known."""
    columns: Cells = [
        {"title": name, "words": True} for name in ("Tweet", "Labels as published", "As corrected", "Outcome")
    ]
    rows: Cells = []
    for tweet in tweets:
        link = {"data": data, "baseline": found.parent, "system": found.new, "tweet": tweet.id}
        counts = {o: sum(entry.outcome == o for entry in tweet.entries) for o in OUTCOMES}
        outcome = " · ".join(f"{outcome_title(o)} {n}" for o, n in counts.items() if n) or "no entity, and none found"
        labels = [cell(_spans(spans, words.get(tweet.id)), wrap=True) for spans in (tweet.before, tweet.after)]
        rows.append({"cells": [cell(markup.visible(tweet.id), link=link), *labels, cell(outcome, wrap=True)]})
    return columns, rows


def _spans(spans: Sequence[Span], words: Sequence[str] | None) -> str:
    return ", ".join(_span(span, words) for span in spans) or "none"


def _span(span: Span, words: Sequence[str] | None) -> str:
    if words is None:
        return f"{span.label} words {span.start + 1} to {span.end}"
    return f"{span.label} “{' '.join(markup.visible(word) for word in words[span.start : span.end])}”"
