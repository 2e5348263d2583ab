"""What pages show as tables: values in, DataFrames out. An empty table has a full one's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from umt_core.analysis.agreement import difference_lines as difference_lines
from umt_core.analysis.agreement import in_words
from umt_core.corrections.second_opinion import Agreement
from umt_core.data.datasets import OWN_SPLIT
from umt_core.data.files import harmless
from umt_core.explain.attention import Head, maps_of, row_sums
from umt_core.explain.attributions import Ablation
from umt_core.explain.faithfulness import MEAN, TITLES, SpanFaithfulness
from umt_core.labels import LABELS
from umt_core.schema import GRID, Inspection, ScoredSpan, Span
from umt_core.showing import shown_words, visible
from umt_core.upload import Outcome

UNIFORM_WITHIN = 1e-3  # of a matrix: half precision rounds its entries by less
SYSTEM_TITLES = {
    "mt-bert-crf": "MT",
    "umt-bert-crf": "UMT",
    "bilstm-crf": "BiLSTM-CRF",
    "cnn-bilstm-crf": "CNN-BiLSTM-CRF",
    "hbilstm-crf": "HBiLSTM-CRF",
    "gvatt-hbilstm-crf": "GVATT-HBiLSTM-CRF",
    "adacan-cnn-bilstm-crf": "AdaCAN-CNN-BiLSTM-CRF",
    "adacan-bert-crf": "AdaCAN-BERT-CRF",
    "umt-bert-crf-no-esd": "UMT w/o ESD",
    "umt-bert-crf-no-conversion": "UMT w/o conversion matrix",
    "umt-bert-crf-no-image-aware": "UMT w/o image-aware words",
    "umt-bert-crf-no-gate": "UMT w/o visual gate",
}
KIND_TITLES = {  # of sample tweets
    "ambiguous": "ambiguous names",
    "several": "several entities",
    "unrelated": "unrelated picture",
    "hashtag": "hashtags and mentions",
    "case": "all capitals or none",
    "none": "no entity",
    "rare": "rare names",
    "script": "other scripts",
    "long": "long names",
    "nested": "a name in a name",
    "plain": "nothing special",
    "no-picture": "no picture",
}
GOLD = "Gold"


def system_title(system: str) -> str:
    """A system's name as the paper writes it.

    >>> system_title("umt-bert-crf"), system_title("bert-crf")
    ('UMT', 'BERT-CRF')
    """
    return SYSTEM_TITLES.get(system, system.upper())


def checkpoint_title(name: str) -> str:
    """A checkpoint's name without its set; a folder of a name of its own keeps it.

    >>> checkpoint_title("twitter2017/mt-bert-crf"), checkpoint_title("mine/umt-2")
    ('MT', 'UMT-2')
    """
    return system_title(name.rpartition("/")[2])


def data_set_title(name: str) -> str:
    """A data set's split in words.

    >>> data_set_title("twitter2017/test"), data_set_title("sample_data/tweets"), data_set_title("my-tweets/tweets")
    ('TWITTER-2017 test', 'Sample tweets', 'my-tweets')
    """
    dataset, _, split = name.partition("/")
    if dataset == "sample_data":
        return "Sample tweets"
    if split == OWN_SPLIT:  # people's own data sets have no others, and are called as they were named
        return dataset
    return f"{dataset.upper().replace('TWITTER20', 'TWITTER-20')} {split}"


def kind_title(kind: str) -> str:
    """A sample's kind in words.

    >>> kind_title("case"), kind_title("emoji")
    ('all capitals or none', 'emoji')
    """
    return KIND_TITLES.get(kind, kind)


def entities(
    tokens: Sequence[str], found: Mapping[str, Sequence[ScoredSpan]], gold: Sequence[Span] | None = None
) -> pd.DataFrame:
    """One row for each entity that anyone found: its type, each system's probability, who agrees.

    ``found`` goes from a system's title to its spans; where a system has not found the entity
    its column is empty. With ``gold`` a column says whether the entity is labelled so.
    """
    scores = {system: {s.span: s.score for s in spans} for system, spans in found.items()}
    every = sorted({span for by_span in scores.values() for span in by_span} | set(gold or ()))
    rows = []
    for span in every:
        holders = [system for system, by_span in scores.items() if span in by_span]
        row: dict[str, object] = {
            "Entity": shown_words(tokens[span.start : span.end]),
            "Type": span.label,
            "Agreement": _agreement(len(holders), len(scores)),
            **{system: by_span.get(span) for system, by_span in scores.items()},
        }
        if gold is not None:
            row[GOLD] = "yes" if span in gold else "no"
        rows.append(row)
    columns = ["Entity", "Type", *([GOLD] if gold is not None else []), *scores, "Agreement"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(scores, float))


def _agreement(holders: int, systems: int) -> str:
    if holders == systems:
        return f"= all {systems}"
    return f"≠ {holders} of {systems}" if holders else "≠ none"


def notice_lines(inspections: Sequence[Inspection]) -> list[str]:
    """Each notice once, after the systems that give it."""
    systems: dict[str, list[str]] = {}
    for inspection in inspections:
        for notice in inspection.prediction.notices:
            systems.setdefault(notice, []).append(checkpoint_title(inspection.checkpoint))
    return [f"{in_words(titles)}: {notice}" for notice, titles in systems.items()]


def agreement(found: Sequence[Agreement]) -> pd.DataFrame:
    """One row for each two people who have labelled the same tweets."""
    rows = [(a.first, a.second, a.tweets, a.alike, a.tokens, a.kappa, 100 * a.spans.overall.f1) for a in found]
    columns = ["First", "Second", "Tweets", "The same labels", "Words", "Cohen's kappa", "Entity F1 (%)"]
    return pd.DataFrame(rows, columns=columns).astype({"Cohen's kappa": float}).round(3)


def top_blocks(row: np.ndarray, count: int = 10) -> pd.DataFrame:
    """The blocks with the largest weights of one word's row (49), largest first."""
    order = np.argsort(-row, kind="stable")[:count]
    return pd.DataFrame(
        {
            "Row": order // GRID + 1,
            "Column": order % GRID + 1,
            "Weight": row[order].astype(float),
            "Of an even share": row[order].astype(float) * len(row),
        }
    )


def heads_of_word(heads: Sequence[Head]) -> pd.DataFrame:
    """Mean and heads of a map at one word. ``heads``: ``attention.heads_of_word``."""
    return pd.DataFrame(
        {
            "Head": [head_title(head) for head in heads],
            "Entropy (bits)": [head.bits for head in heads],
            "Even (bits)": [head.most_bits for head in heads],
            "Strongest block": [block_title(head.block) for head in heads],
            "Weight there": [head.weight for head in heads],
        }
    )


def head_title(head: Head) -> str:
    return "Mean of the heads" if head.head is None else f"Head {head.head + 1}"


def block_title(block: int) -> str:
    """A block's place as people count.

    >>> block_title(0), block_title(48)
    ('row 1, column 1', 'row 7, column 7')
    """
    return f"row {block // GRID + 1}, column {block % GRID + 1}"


def map_checks(inspection: Inspection) -> pd.DataFrame:
    """A system's maps: what each makes, and the least and most that its rows sum to over all heads."""
    lines = []
    for of in maps_of(inspection):
        low, high = row_sums(inspection, of)
        over = "49 blocks" if of.rows_are_words else "words; the rest is [CLS]'s and [SEP]'s"
        lines.append((of.title, of.feeds, len(getattr(inspection, of.name)), over, low, high))
    columns = ["Map", "Gives", "Heads", "Each row is over", "Least row sum", "Largest row sum"]
    return pd.DataFrame(lines, columns=columns)


def words_of_block(tokens: Sequence[str], column: np.ndarray) -> pd.DataFrame:
    """The words by their weight at one block, largest first. ``column``: (words,)."""
    order = np.argsort(-column, kind="stable")
    return pd.DataFrame(
        {
            "Word": [visible(tokens[i]) for i in order],
            "Position": order + 1,
            "Weight": column[order].astype(float),
        }
    )


def gates(tokens: Sequence[str], gate: np.ndarray) -> pd.DataFrame:
    """Mean and spread of each word's gate over its dimensions. ``gate``: (words, hidden)."""
    values = gate.astype(float)
    low, high = np.quantile(values, (0.1, 0.9), axis=1) if len(values) else (np.empty(0), np.empty(0))
    return pd.DataFrame(
        {
            "Word": list(tokens[: len(values)]),
            "Mean": values.mean(axis=1),
            "Standard deviation": values.std(axis=1),
            "10 % below": low,
            "10 % above": high,
        }
    )


def contributions(inspection: Inspection, word: int) -> pd.DataFrame:
    """What each part of UMT gives to one word's tags (equation 7), and the CRF's marginals."""
    if inspection.main_emissions is None or inspection.converted_esd is None:
        return pd.DataFrame(columns=["Tag", "Main", "From ESD", "Sum", "Probability"])
    return pd.DataFrame(
        {
            "Tag": list(inspection.tags),
            "Main": inspection.main_emissions[word].astype(float),
            "From ESD": inspection.converted_esd[word].astype(float),
            "Sum": inspection.emissions[word].astype(float),
            "Probability": inspection.marginals[word].astype(float),
        }
    )


def esd(inspection: Inspection) -> list[tuple[str, float]]:
    """The span detector's tag of each word and its probability; empty for a system without one."""
    if inspection.esd_marginals is None:
        return []
    column = {tag: i for i, tag in enumerate(inspection.esd_tags)}
    return [(t, float(inspection.esd_marginals[i, column[t]])) for i, t in enumerate(inspection.esd_decoded)]


def type_spread(conversion: np.ndarray, tags: Sequence[str]) -> float:
    """The most that a conversion matrix gives to one type over another for an ESD tag; 0: it favours none.

    Args:
        conversion: (ESD tags, tags).
    """
    kinds = [[i for i, tag in enumerate(tags) if tag.startswith(f"{p}-")] for p in "BI"]
    return float(max(np.ptp(conversion[:, columns], axis=1).max() for columns in kinds))


def run_facts(infos: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the sidebar says of all loaded taggers. ``infos``: ``Predictor.info`` of each."""
    return {
        "Device": _each(infos, "device"),
        "Text encoder": _each(infos, "text_encoder"),
        "Vision encoder": _each(infos, "vision_encoder"),
    }


def _each(infos: Sequence[Mapping[str, Any]], field: str) -> str:
    return ", ".join(dict.fromkeys(str(info[field]) for info in infos if info[field])) or "not used"


def model_facts(info: Mapping[str, Any]) -> dict[str, str]:
    """What the sidebar says of one loaded tagger. ``info``: ``Predictor.info``."""
    test = info.get("scores", {}).get("test")
    return {
        "Parameters": f"{info['parameters'] / 1e6:.1f} M",
        "Memory": f"{info['memory_bytes'] / 2**20:.0f} MiB",
        **({"Test F1": f"{100 * test['f1']:.1f} %"} if test else {}),
    }


def data_set_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What is in each split: one row of ``stats.data_set_rows`` each."""
    columns = {"tweets": "Tweets", "labelled": "Labelled", "pictures": "With a picture", "entities": "Entities"}
    columns |= {label: label for label in LABELS} | {"where": "Where"}
    lines = [
        {"Data set": data_set_title(row["name"])} | {title: row[key] for key, title in columns.items()} for row in rows
    ]
    return pd.DataFrame(lines, columns=["Data set", *columns.values()])


def report_table(rows: Sequence[Outcome]) -> pd.DataFrame:
    """Rows of an upload's report; a table that is drawn can also be had as CSV, so that no id is left a formula."""
    signs = {"ok": "✓ added", "warning": "! added, but", "refused": "✗ refused"}
    lines = [(row.line, harmless(row.id), signs[row.outcome], row.reason) for row in rows]
    return pd.DataFrame(lines, columns=["Line", "Tweet", "Outcome", "Reason"])


def attribution_words(tokens: Sequence[str], values: np.ndarray) -> pd.DataFrame:
    """What each word adds to a span's score, and its share of all that words add or take; in the tweet's order."""
    whole = float(np.abs(values).sum()) or 1.0
    shares = np.abs(values) / whole
    return pd.DataFrame({"Word": list(tokens[: len(values)]), "Adds": values, "Share": shares})


def attribution_blocks(values: np.ndarray, count: int = 10) -> pd.DataFrame:
    """The blocks that add or take most, rows and columns from 1."""
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    return pd.DataFrame({"Row": order // GRID + 1, "Column": order % GRID + 1, "Adds": values[order]})


def ablation_table(score: float, found: Sequence[Ablation]) -> pd.DataFrame:
    """A span's score without each of a tagger's sources."""
    return pd.DataFrame(
        {
            "Without": [a.feature for a in found],
            "How": [a.meaning for a in found],
            "Log-odds left": [a.score for a in found],
            "Falls by": [a.drop(score) for a in found],
            "Probability left": [1 / (1 + np.exp(-a.score)) for a in found],
        }
    )


def faithfulness(found: SpanFaithfulness) -> pd.DataFrame:
    """Each map and head of one entity against occlusion."""
    checks = found.checks
    return pd.DataFrame(
        {
            "Map": [TITLES[check.map] for check in checks],
            "Head": ["Mean" if check.head == MEAN else f"Head {check.head + 1}" for check in checks],
            "ρ": [check.rho for check in checks],
            "Area": [check.area for check in checks],
        }
    )
