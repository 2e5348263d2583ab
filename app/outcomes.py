"""What the Errors and Scores pages say of a prediction set: rows of ``umt_core.analysis`` in, words and cells out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from app import markup, tables
from umt_core.analysis.ledger import GOLD_OUTCOMES, Entry, Match, ledger
from umt_core.analysis.paper import percent
from umt_core.analysis.query import NONE, Query
from umt_core.analysis.sets import RunInfo, SetInfo
from umt_core.analysis.significance import is_significant
from umt_core.labels import LABELS
from umt_core.schema import PICTURED, ScoredSpan, Span

Row = Mapping[str, Any]
# Of an outcome: a sign that is told apart without colour, its name, what it means.
OUTCOMES: Mapping[str, tuple[str, str, str]] = {
    "fixed": ("✓", "fixed", "gold entities that the baseline gets wrong and the system right"),
    "broken": ("✗", "broken", "gold entities that the baseline gets right and the system wrong"),
    "both_right": ("=", "both right", "gold entities that both get right"),
    "both_wrong": ("≠", "both wrong", "gold entities that both get wrong"),
    "spurious_removed": ("−", "spurious removed", "wrong entities of the baseline that the system does not have"),
    "spurious_added": ("+", "spurious added", "wrong entities of the system that the baseline does not have"),
    "spurious_shared": ("±", "spurious in both", "wrong entities that both have"),
}
ERROR_MEANINGS: Mapping[str, str] = {
    "type": "the words of a gold entity, another type",
    "boundary": "a gold entity's type, other words",
    "type and boundary": "overlaps a gold entity, with other words and another type",
    "missed": "a gold entity that nothing stands for",
    "spurious": "an entity that stands for no gold one",
}
IMAGE_TITLES: Mapping[str, str] = {
    "present": "picture",
    "missing": "no picture",
    "unreadable": "unreadable picture",
    "placeholder": "placeholder picture",
}
SORT_TITLES: Mapping[str, str] = {
    "tweet": "Order of the data file",
    "id": "Id",
    "words": "Number of words",
    "entities": "Number of gold entities",
    "score": "System's probability, of the matching entities",
    "lowest_score": "System's probability, lowest in the tweet",
    "baseline_lowest_score": "Baseline's probability, lowest in the tweet",
    "margin": "System's margin, of its least certain word",
    "baseline_margin": "Baseline's margin, of its least certain word",
    "gate_mean": "Gate, mean over words",
    "gate_std": "Gate, spread",
    "gate_lowest": "Gate, lowest word",
    "gate_highest": "Gate, highest word",
    "entropy_word_to_block": "Entropy of word → block",
    "entropy_block_to_word": "Entropy of block → word",
    "entropy_word_to_image_aware_block": "Entropy of word → text-aware block",
}
NOTHING = "nothing"
RANDOMISATION = "how often they differ as much where answers change places in half of the tweets, by chance; two-sided"


def outcome_title(outcome: str) -> str:
    sign, name, _ = OUTCOMES[outcome]
    return f"{sign} {name}"


def run_titles(runs: Mapping[str, RunInfo]) -> dict[str, str]:
    """Short names of a set's runs, by their full ones: each has one of its own, as figures and tables know it by that.

    >>> run_titles({})
    {}
    """
    plain = [run.system for name, run in runs.items() if "@" not in name]
    titles = {
        name: _run_title(name, run.system)
        if "@" in name or plain.count(run.system) > 1
        else tables.system_title(run.system)
        for name, run in runs.items()
    }
    given = list(titles.values())
    return {
        name: title if given.count(title) == 1 else f"{title} ({name.rpartition('/')[0]})"
        for name, title in titles.items()
    }


def _run_title(name: str, system: str) -> str:
    """Of one of several runs of a system.

    >>> _run_title("twitter2017/umt-bert-crf@v1", "umt-bert-crf"), _run_title("mine/umt-2", "umt-bert-crf")
    ('UMT @v1', 'UMT (mine/umt-2)')
    """
    family, at, version = name.partition("@")
    title = tables.system_title(system)
    if at and family.rpartition("/")[2] == system:
        return f"{title} @{version}"
    return f"{title} ({name.replace(system, '').strip('/') or name})"


# --- a tweet -------------------------------------------------------------------------------------


def words_of(row: Row) -> tuple[str, ...]:
    """The tweet's words; of a set that came without its tweets their numbers."""
    return tuple(row["tokens"] or (f"[{i + 1}]" for i in range(row["words"])))


def labelled(row: Row) -> bool:
    return row["entities"] is not None


def gold_of(row: Row) -> list[Span]:
    return [Span(span["start"], span["end"], span["label"]) for span in row["gold"]]


def scored_of(row: Row, run: str) -> list[ScoredSpan]:
    return [ScoredSpan(Span(s["start"], s["end"], s["label"]), s["score"]) for s in row["predictions"][run]]


def entries_of(row: Row, baseline: str, system: str) -> tuple[Entry, ...]:
    """The tweet's lines of the ledger; none without labels to hold them against."""
    if not labelled(row):
        return ()
    return ledger(gold_of(row), *([s.span for s in scored_of(row, run)] for run in (baseline, system)))


def matching(row: Row, entries: Sequence[Entry]) -> list[Entry]:
    """The lines that the filters found; where none speaks of spans, all that not both get right.

    A wrong span that stands for a gold one is then told with that one, and not again.
    """
    found = {(line["start"], line["end"], line["label"], line["outcome"]) for line in row["lines"]}
    if found:
        return [e for e in entries if (e.span.start, e.span.end, e.span.label, e.outcome) in found]
    return [e for e in entries if e.outcome != "both_right" and (e.is_gold or not _stands_for_gold(e))]


def _stands_for_gold(entry: Entry) -> bool:
    matches = [match for match in (entry.baseline, entry.system) if match is not None and match.predicted == entry.span]
    return bool(matches) and all(match.gold is not None for match in matches)


def reading(match: Match | None, entry: Entry, words: Sequence[str], found: Sequence[ScoredSpan]) -> str:
    """What a system, which found these spans, has in the place of a line's: types, and the words where they are others.

    That is what stands for the span, or else whatever overlaps it.
    """
    return ", ".join(_named(s.span, entry, words) for s in _there(match, entry, found)) or NOTHING


def _there(match: Match | None, entry: Entry, found: Sequence[ScoredSpan]) -> list[ScoredSpan]:
    if match is not None and match.predicted is not None:
        return [s for s in found if s.span == match.predicted]
    return [s for s in found if s.span.overlaps(entry.span)]


def _named(span: Span, entry: Entry, words: Sequence[str]) -> str:
    same = (span.start, span.end) == (entry.span.start, entry.span.end)
    return span.label if same else f"{span.label} “{_surface(span, words)}”"


def _surface(span: Span, words: Sequence[str]) -> str:
    return markup.shown_words(words[span.start : span.end])


def card(row: Row, baseline: str, system: str, titles: Mapping[str, str], thumbnail: str | None) -> dict[str, Any]:
    """A tweet of the list, as its component draws it."""
    words = words_of(row)
    entries = entries_of(row, baseline, system)
    found = {run: scored_of(row, run) for run in (baseline, system)}
    lines = [
        _card_line(
            entry,
            words,
            [
                [titles[run], reading(match, entry, words, found[run])]
                for run, match in ((baseline, entry.baseline), (system, entry.system))
            ],
        )
        for entry in matching(row, entries)
    ]
    note = _note(entries) if labelled(row) else _finds(row, {run: titles[run] for run in (baseline, system)})
    return {
        "id": row["id"],
        "words": [markup.visible(word) for word in words],
        "gold": [{"start": s.start, "end": s.end, "label": s.label} for s in gold_of(row)],
        "lines": lines,
        "note": "" if lines else note,
        "thumbnail": thumbnail,
        "image": "picture not here" if not thumbnail and row["image"] in PICTURED else IMAGE_TITLES[row["image"]],
        "facts": f"{row['id']} · {row['words']} words",
    }


def _note(entries: Sequence[Entry]) -> str:
    return f"= both right, {len(entries)} of {len(entries)}" if entries else "= no entity, and none found"


def _finds(row: Row, titles: Mapping[str, str]) -> str:
    """What systems find in a tweet without labels."""
    counts = ", ".join(f"{title} finds {len(row['predictions'][run])}" for run, title in titles.items())
    return f"not labelled; {counts}"


def _card_line(entry: Entry, words: Sequence[str], readings: list[list[str]]) -> dict[str, Any]:
    sign, name, _ = OUTCOMES[entry.outcome]
    return {
        "outcome": entry.outcome,
        "sign": sign,
        "name": name,
        "surface": _surface(entry.span, words),
        "label": entry.span.label if entry.is_gold else "not gold",
        "readings": readings,
    }


def ledger_table(
    row: Row, entries: Iterable[Entry], baseline: str, system: str, titles: Mapping[str, str]
) -> pd.DataFrame:
    """One line of the ledger a row: what it is about, what became of it, how both read it.

    A wrong span that stands for a gold one is told with that one, and not again.
    """
    words = words_of(row)
    spans = [*row["predictions"][baseline], *row["predictions"][system], *row["gold"]]
    seen = {Span(s["start"], s["end"], s["label"]): s["seen"] for s in spans}
    found = {run: scored_of(row, run) for run in (baseline, system)}
    rows = []
    for entry in entries:
        if not entry.is_gold and _stands_for_gold(entry):
            continue
        gold = [entry.span] if entry.is_gold else [span for span in gold_of(row) if span.overlaps(entry.span)]
        line: dict[str, object] = {
            "Entity": _surface(entry.span, words),
            "Gold": ", ".join(_named(span, entry, words) for span in gold) or NOTHING,
            "Outcome": outcome_title(entry.outcome),
        }
        for run, match in ((baseline, entry.baseline), (system, entry.system)):
            line[titles[run]] = _reading_with_facts(match, entry, words, found[run])
        rows.append(line | {"In training": seen[entry.span] or "not known"})
    columns = ["Entity", "Gold", "Outcome", *dict.fromkeys((titles[baseline], titles[system])), "In training"]
    return pd.DataFrame(rows, columns=columns)


def _reading_with_facts(match: Match | None, entry: Entry, words: Sequence[str], found: Sequence[ScoredSpan]) -> str:
    there = [f"{_named(s.span, entry, words)} {s.score:.2f}" for s in _there(match, entry, found)]
    return (", ".join(there) or NOTHING) + (f" ({match.error})" if match and match.error else "")


def tweet_facts(row: Row, system: str) -> dict[str, str]:
    """Figures of a tweet, for its detail view."""
    figures = row["figures"][system]
    gold = str(row["entities"]) if labelled(row) else "not labelled"
    facts = {"Words": str(row["words"]), "Gold entities": gold, "Picture": IMAGE_TITLES[row["image"]]}
    facts["Margin of the least certain word"] = f"{figures['margin']:.2f}"
    if figures["gate_mean"] is not None:
        facts["Gate, mean over words"] = f"{figures['gate_mean']:.3f}"
        facts["Gate, lowest to highest word"] = f"{figures['gate_lowest']:.3f} to {figures['gate_highest']:.3f}"
        facts["Gate, quantile among tweets"] = f"{figures['gate_quantile']:.2f}"
    for name in ("entropy_word_to_block", "entropy_block_to_word", "entropy_word_to_image_aware_block"):
        if figures[name] is not None:
            facts[SORT_TITLES[name]] = f"{figures[name]:.2f} nats"
    return facts


def unlabelled_line(info: SetInfo) -> str:
    """That some tweets are without labels, and what follows; "": all are labelled."""
    if not info.unlabelled:
        return ""
    if not info.labelled:
        return "None of these tweets is labelled: what the taggers find can be looked at, but not scored."
    return f"{info.unlabelled:,} of the {info.tweets:,} tweets are not labelled: no figure counts them."


def filter_line(query: Query) -> str:
    """The filters that are on, in a line.

    >>> filter_line(Query(outcome=("fixed",), words=(10, None), text="rays"))
    '✓ fixed · words 10 or more · “rays”'
    """
    parts = [" or ".join(map(outcome_title, query.outcome)), " or ".join(query.type)]
    parts += [f"error {' or '.join(query.error)}" if query.error else ""]
    parts += [f"baseline's error {' or '.join(query.baseline_error)}" if query.baseline_error else ""]
    parts += [f"gold {_types(query.gold_type)}" if query.gold_type else ""]
    parts += [f"predicted {_types(query.predicted_type)}" if query.predicted_type else ""]
    parts += [f"in training {' or '.join(query.seen)}" if query.seen else ""]
    parts += [" or ".join(IMAGE_TITLES[state] for state in query.image)]
    parts += [_range(name, getattr(query, name)) for name in ("words", "entities", "score", "gate")]
    parts += [f"“{query.text}”" if query.text else "", f"/{query.regex}/" if query.regex else ""]
    return " · ".join(part for part in parts if part)


def _types(labels: Sequence[str]) -> str:
    return " or ".join(NOTHING if label == NONE else label for label in labels)


def _range(name: str, ends: tuple[float | None, float | None]) -> str:
    low, high = ends
    if low is None:
        return "" if high is None else f"{name} {high:g} or less"
    return f"{name} {low:g} or more" if high is None else f"{name} {low:g} to {high:g}"


# --- figures 3 and 4 -----------------------------------------------------------------------------


def bar_table(rows: Sequence[Row], titles: Mapping[str, str]) -> pd.DataFrame:
    """Counts of the gold outcomes as ``figures.outcome_bars`` draws them. ``rows``: ``ledger_rows``."""
    columns = ["system", "title", "place", "outcome", "type", "count", "share", "gold"]
    places = {run: place for place, run in enumerate(titles)}  # a system keeps its colour, whichever others are shown
    kept = [
        {**row, "title": titles[row["system"]], "place": places[row["system"]]}
        for row in rows
        if row["outcome"] in GOLD_OUTCOMES
    ]
    return pd.DataFrame(kept, columns=columns)


# --- scores --------------------------------------------------------------------------------------


def cell(text: str, *, link: Mapping[str, str] | None = None, page: str = "errors", **more: Any) -> dict[str, Any]:
    """One cell of a linked table: ``sub`` is a second line, ``title`` a tooltip, ``shade`` 0 to 1, ``muted``."""
    return {"text": text} | ({"href": f"{page}?{urlencode(link)}", "link": dict(link)} if link else {}) | more


Cells = list[dict[str, Any]]
# Outcomes of what a system has wrong: gold entities that it lacks, and its entities that are not gold. A wrong
# entity that stands for a gold one is two lines of the ledger, so that links which count name one of them.
_LACKED, _NOT_GOLD = "broken,both_wrong", "spurious_added,spurious_shared"


def score_cells(rows: Sequence[Row], titles: Mapping[str, str]) -> tuple[Cells, Cells]:
    """Table 2 of the paper: columns, and for each run our figures over the paper's. ``rows``: ``score_rows``."""
    columns: Cells = [{"title": "System", "words": True}]
    columns += [{"title": f"F1 {label}"} for label in LABELS]
    columns += [{"title": name} for name in ("Precision", "Recall", "F1")]
    by_run: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_run.setdefault(row["run"], {})[row["type"]] = row
    lines: Cells = []
    for run, by_type in by_run.items():
        overall, system = by_type["all"], titles[run]
        figures = [(by_type[label], "f1", errors_behind(run, label)) for label in LABELS]
        figures += [(overall, name, errors_behind(run, name)) for name in ("precision", "recall", "f1")]
        ours = [_figure_cell(row, name, link, system) for row, name, link in figures]
        lines.append({"cells": [cell(system), *ours]})
        if any(row[f"paper_{name}"] is not None for row, name, _ in figures):
            reasons = overall["paper_differences"]
            about = "does not compare" if reasons else "compares"
            paper = [cell(percent(row[f"paper_{name}"]), title="; ".join(reasons)) for row, name, _ in figures]
            lines.append(
                {"cells": [cell("as in the paper", sub=about, title="; ".join(reasons)), *paper], "quiet": True}
            )
    return columns, lines


def errors_behind(run: str, figure: str) -> dict[str, str]:
    """A link to the errors of a run that a figure of Table 2 suffers from: a type's F1, or an overall figure.

    >>> errors_behind("a/bert-crf", "recall")
    {'system': 'a/bert-crf', 'outcome': 'broken,both_wrong'}
    """
    wrong = {"precision": _NOT_GOLD, "recall": _LACKED}.get(figure, f"{_LACKED},{_NOT_GOLD}")
    return {"system": run, "outcome": wrong} | ({"type": figure} if figure in LABELS else {})


def _figure_cell(row: Row, name: str, link: Mapping[str, str], system: str) -> dict[str, Any]:
    of = {"precision": row["predicted"], "recall": row["gold"]}.get(name, row["predicted"] + row["gold"])
    if not of:
        return cell("–", title="nothing to take a share of")
    interval = f"{100 * row[f'{name}_low']:.1f} – {100 * row[f'{name}_high']:.1f}"
    about = f"{row['correct']} right, {row['predicted']} predicted, {row['gold']} gold; opens the errors of {system}"
    return cell(percent(row[name]), link=link, sub=interval, title=about)


def comparison_lines(rows: Sequence[Row], titles: Mapping[str, str]) -> list[str]:
    """Why the paper's figures do not compare with ours, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["type"] == "all" and row["paper_f1"] is not None:
            for reason in row["paper_differences"]:
                reasons.setdefault(reason, []).append(titles[row["run"]])
    return [f"{', '.join(runs)}: {reason}" for reason, runs in reasons.items()]


def orphan_cells(lenient: Sequence[Row], strict: Sequence[Row], titles: Mapping[str, str]) -> tuple[Cells, Cells]:
    """Lenient beside strict counts, a line a run."""
    columns: Cells = [
        {"title": "System", "words": True},
        {"title": "Orphan I-, gold"},
        {"title": "Orphan I-, predicted"},
        {"title": "F1 lenient"},
        {"title": "F1 strict"},
    ]
    lines: Cells = []
    for row, other in zip(lenient, strict, strict=True):
        if row["type"] == "all":
            counts = [cell(str(row["gold_orphans"])), cell(str(row["predicted_orphans"]))]
            figures = [
                cell(percent(r["f1"]), sub=f"{r['correct']} right of {r['predicted']} and {r['gold']}")
                for r in (row, other)
            ]
            lines.append({"cells": [cell(titles[row["run"]]), *counts, *figures]})
    return columns, lines


def pair_cells(rows: Sequence[Row], titles: Mapping[str, str]) -> tuple[Cells, Cells]:
    """Each pair of runs with its tests. ``rows``: ``pair_rows``."""
    columns: Cells = [
        {"title": "System", "words": True},
        {"title": "against", "words": True},
        {"title": "Difference in F1", "help": "points, with its 95 % bootstrap interval over tweets"},
        {"title": "So", "words": True},  # before what it rests on: a table this wide is cut off on a small screen
        {"title": "p, randomisation", "help": RANDOMISATION},
        {"title": "Fixed"},
        {"title": "Broken"},
        {"title": "p, McNemar", "help": "exact, two-sided, of fixed against broken"},
        {
            "title": "Significant from",
            "help": "points of F1; a smaller difference cannot be told from chance here",
        },
        {
            "title": "Found in 8 of 10 from",
            "help": "points of F1: a difference of this size would be found in 8 of 10 such test sets",
        },
    ]
    lines: Cells = []
    for row in rows:
        test, baseline = row["paired_test"], row["baseline"]["name"]
        difference = test["difference"]
        interval = f"{100 * difference['low']:+.2f} to {100 * difference['high']:+.2f}"
        cells = [cell(titles[row["system"]]), cell(titles[baseline])]
        cells += [cell(f"{100 * difference['value']:+.2f}", sub=interval)]
        cells += [cell(verdict(test, titles[row["system"]]), wrap=True), cell(p_value(test["p_randomisation"]))]
        cells += [
            cell(str(row[name]), link={"baseline": baseline, "system": row["system"], "outcome": name})
            for name in ("fixed", "broken")
        ]
        cells += [cell(p_value(test["p_mcnemar"]))]
        cells += [cell(percent(test[name])) for name in ("significant_from", "smallest_difference")]
        lines.append({"cells": cells})
    return columns, lines


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def verdict(test: Row, system: str) -> str:
    if not is_significant(test["p_randomisation"]):
        return "no more than chance would give"
    words = f"{system} is {'better' if test['difference']['value'] > 0 else 'worse'}, more than chance would give"
    return words if is_significant(test["p_mcnemar"]) else f"{words}; fixed against broken alone does not show it"


def error_cells(rows: Sequence[Row], titles: Mapping[str, str]) -> tuple[Cells, Cells]:
    """Errors of each class, a line a run. ``rows``: ``error_rows``."""
    errors = list(dict.fromkeys(row["error"] for row in rows))
    columns: Cells = [{"title": "System", "words": True}]
    columns += [{"title": error.capitalize(), "help": ERROR_MEANINGS[error]} for error in errors]
    lines: Cells = []
    highest = max((row["count"] for row in rows), default=0) or 1
    for run in dict.fromkeys(row["run"] for row in rows):
        counts = [
            cell(f"{row['count']:,}", link=_lines_of(row), shade=row["count"] / highest, off=True)
            for row in rows
            if row["run"] == run
        ]
        lines.append({"cells": [cell(titles[run]), *counts]})
    return columns, lines


def _lines_of(row: Row) -> dict[str, str]:
    """A link to as many lines of the ledger as an error's count says."""
    return row["query"] | {"outcome": _NOT_GOLD if row["error"] == "spurious" else _LACKED}


def confusion_cells(rows: Sequence[Row]) -> tuple[Cells, Cells]:
    """Gold types down, predicted ones across. ``rows``: ``confusion_rows``."""
    types = list(dict.fromkeys(row["gold"] for row in rows))
    columns: Cells = [{"title": "Gold ↓  predicted →", "words": True}]
    columns += [{"title": NOTHING if label == NONE else label} for label in types]
    counts = {(row["gold"], row["predicted"]): row for row in rows}
    totals = {gold: sum(row["count"] for row in rows if row["gold"] == gold) or 1 for gold in types}
    lines: Cells = []
    for gold in types:
        cells = [cell(NOTHING if gold == NONE else gold)]
        for predicted in types:
            row = counts.get((gold, predicted))
            if row is None:
                cells.append(cell(""))
                continue
            off = gold != predicted
            other = row["count"] - row["right"]
            sub = f"{other} with other words" if not off and other else ""
            shade = row["count"] / totals[gold]
            link = row["query"] | {"outcome": _NOT_GOLD if gold == NONE else ",".join(GOLD_OUTCOMES)}
            cells.append(cell(f"{row['count']:,}", link=link, shade=shade, off=off, sub=sub))
        lines.append({"cells": cells})
    return columns, lines


def slice_cells(rows: Sequence[Row], titles: Mapping[str, str]) -> tuple[Cells, Cells]:
    """F1 in each part of the test set, a line a part. ``rows``: ``slice_rows``."""
    runs = list(dict.fromkeys(row["run"] for row in rows))
    columns: Cells = [{"title": "Part", "words": True}, {"title": "Tweets"}, {"title": "Gold entities"}]
    columns += [{"title": f"F1 {titles[run]}"} for run in runs]
    lines: Cells = []
    for part in dict.fromkeys(row["slice"] for row in rows):
        of_part = {row["run"]: row for row in rows if row["slice"] == part}
        first = of_part[runs[0]]
        if not first["tweets"]:
            continue
        cells = [cell(IMAGE_TITLES.get(part, part)), cell(f"{first['tweets']:,}"), cell(f"{first['support']:,}")]
        cells += [
            cell(percent(of_part[run]["f1"] if first["support"] else None), link=of_part[run]["query"]) for run in runs
        ]
        lines.append({"cells": cells})
    return columns, lines


def with_data(lines: Sequence[Mapping[str, Any]], data: str) -> Cells:
    """The lines with every link naming the data set."""
    return [
        {
            **line,
            "cells": [
                {**c, **cell(c["text"], link={"data": data} | c["link"])} if "link" in c else c for c in line["cells"]
            ],
        }
        for line in lines
    ]
