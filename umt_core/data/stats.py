"""What is in data files: counts beside the paper's Table 1, and what is wrong with them.

Functions return plain rows (dictionaries) for a command or a page to show.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from umt_core.data.agreement import agreement
from umt_core.data.conll import TAG_SPELLINGS, gold_spans
from umt_core.data.datasets import DataSet
from umt_core.data.duplicates import near_duplicates
from umt_core.data.images import ImageIndex, need_folder
from umt_core.data.jsonl import read_examples
from umt_core.data.pictures import PictureFacts, look_alikes, picture_facts, placeholders
from umt_core.data.tokenize import DEFAULT_STYLE, STYLES
from umt_core.errors import DataError, ImageError
from umt_core.labels import LABELS, is_allowed
from umt_core.schema import Example

Row = dict[str, Any]
Files = Mapping[str, Sequence[Example]]  # tweets by file, named <folder>/<stem>: twitter2017/test

# Yu et al., ACL 2020, Table 1: entities by type, and tweets.
PAPER_TABLE_1: dict[str, dict[str, int]] = {
    "twitter2015/train": {"PER": 2217, "LOC": 2091, "ORG": 928, "MISC": 940, "total": 6176, "tweets": 4000},
    "twitter2015/valid": {"PER": 552, "LOC": 522, "ORG": 247, "MISC": 225, "total": 1546, "tweets": 1000},
    "twitter2015/test": {"PER": 1816, "LOC": 1697, "ORG": 839, "MISC": 726, "total": 5078, "tweets": 3257},
    "twitter2017/train": {"PER": 2943, "LOC": 731, "ORG": 1674, "MISC": 701, "total": 6049, "tweets": 3373},
    "twitter2017/valid": {"PER": 626, "LOC": 173, "ORG": 375, "MISC": 150, "total": 1324, "tweets": 723},
    "twitter2017/test": {"PER": 621, "LOC": 178, "ORG": 395, "MISC": 157, "total": 1351, "tweets": 723},
}


def read_files(path: str | Path) -> dict[str, list[Example]]:
    """The tweets of a file, or of all data files in a folder and its direct subfolders.

    Raises:
        DataError: there is no such place, no data file in it, or one that is not in its form.
    """
    path = Path(path).absolute()
    if path.is_dir():
        kinds = ("txt", "conll", "jsonl")
        found = sorted(file for kind in kinds for depth in ("", "*/") for file in path.glob(f"{depth}*.{kind}"))
        if not found:
            raise DataError(f"{path}: wanted a folder with files .txt, .conll or .jsonl, got none in it")
    else:
        found = [path]
    stems = Counter(file.with_suffix("") for file in found)  # train.txt beside train.jsonl: each by its whole name
    named = {file: file.stem if stems[file.with_suffix("")] == 1 else file.name for file in found}
    return {f"{file.parent.name}/{name}": read_examples(file) for file, name in named.items()}


def entity_statistics(examples: Sequence[Example], index: ImageIndex | None = None, *, strict: bool = False) -> Row:
    """Tweets, tokens, entities by type, orphan ``I-`` tags, and tweets whose picture is there.

    ``strict`` counts only entities that begin with a ``B-`` tag, as the paper's Table 1 does.
    """
    counts = Counter(span.label for example in examples for span in gold_spans(example, strict=strict))
    row: Row = {"tweets": len(examples), "tokens": sum(len(example.tokens) for example in examples)}
    row |= {label: counts[label] for label in LABELS}
    row |= {"total": counts.total(), "orphans": sum(len(_orphans(example)) for example in examples)}
    row["not_labelled"] = sum(example.spans is None for example in examples)
    if index is not None:
        row["with_picture"] = sum(index.path(example.image) is not None for example in examples)
    return row


def statistics_rows(files: Files, index: ImageIndex | None = None) -> list[Row]:
    """One row of ``entity_statistics`` for each file."""
    return [{"file": name} | entity_statistics(examples, index) for name, examples in files.items()]


def data_set_rows(of: DataSet) -> list[Row]:
    """One row for each split of a data set: how many tweets, labels and pictures, and where it is.

    Raises:
        DataError: a file of it is damaged.
        ImageError: the samples' pictures cannot be made.
    """
    images = of.images()
    index = None if images is None else ImageIndex.open(images)
    rows = []
    for split, path in of.splits.items():
        examples = read_examples(path)
        counts = entity_statistics(examples, index)
        # Tweets that name pictures have some, somewhere: how many is not known without their folder.
        unknown = index is None and any(example.image for example in examples)
        rows.append(
            {
                "name": f"{of.name}/{split}",
                "own": of.own,
                "tweets": counts["tweets"],
                "labelled": counts["tweets"] - counts["not_labelled"],
                "entities": counts["total"],
                **{label: counts[label] for label in LABELS},
                "pictures": None if unknown else counts.get("with_picture", 0),
                "where": str(path),
            }
        )
    return rows


def _orphans(example: Example) -> list[int]:
    """Tokens with an ``I-`` tag that continues nothing."""
    tags = [TAG_SPELLINGS[tag] for tag in example.tags or ()]
    return [i for i, tag in enumerate(tags) if not is_allowed(tags[i - 1] if i else None, tag)]


def table1_rows(files: Files) -> list[Row]:
    """Each split of the paper's Table 1: our count (lenient), the strict one, and the paper's."""
    rows = []
    for name, paper in PAPER_TABLE_1.items():
        if name not in files:
            continue
        ours = entity_statistics(files[name])
        strict = entity_statistics(files[name], strict=True)
        for key, count in paper.items():
            rows.append(
                {
                    "split": name,
                    "count": key,
                    "ours": ours[key],
                    "strict": strict[key],
                    "paper": count,
                    "ours_minus_paper": ours[key] - count,
                    "strict_minus_paper": strict[key] - count,
                }
            )
    return rows


def table1_explanations(files: Files) -> list[str]:
    """For each split of ``table1_rows`` one sentence: where its differences come from."""
    rows_of: dict[str, list[Row]] = defaultdict(list)
    for row in table1_rows(files):
        rows_of[row["split"]].append(row)
    return [f"{name}: {_explanation(rows)}" for name, rows in rows_of.items()]


def _explanation(rows: list[Row]) -> str:
    orphans = {row["count"]: row["ours"] - row["strict"] for row in rows}
    rest = {row["count"]: row["strict_minus_paper"] for row in rows}
    said = []
    if orphans["total"]:
        said.append(
            f"{orphans['total']} entities begin with an I- that continues nothing ({_by_type(orphans)});"
            " we count them, as the paper's scorer does, while its Table 1 counts B- tags"
        )
    if any(rest.values()):
        said.append(
            f"its B- tags are otherwise those of the table but for {_by_type(rest)}: no reading of the published"
            " tags gives the table's count there, so it was made on another state of the annotation"
        )
    return "; ".join(said) or "no difference"


def _by_type(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {counts[label]:+d}" for label in LABELS if counts[label])


def tokenisation_rows(files: Files) -> list[Row]:
    """How our tokeniser agrees with each file, in the style of its data set (see ``agreement``)."""
    rows = []
    for name, examples in files.items():
        folder = name.split("/")[0]
        style = folder if folder in STYLES else DEFAULT_STYLE
        rows.append({"file": name, "style": style} | agreement(examples, style))
    return rows


def doctor(
    files: Files,
    index: ImageIndex | None = None,
    *,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> list[Row]:
    """What is wrong with the tweets and their pictures: ``{"check", "count", "of", "items"}`` each.

    Each picture is opened once; ``progress`` wraps the list of them (a progress bar, say). An
    item names the tweet as ``<file>:<id>``.
    """
    tweets = [(f"{name}:{example.id}", example) for name, examples in files.items() for example in examples]
    rows = [
        _row("orphan I- tags", [f"{name} token {i}" for name, example in tweets for i in _orphans(example)]),
        _row("tweets with the same words", _groups((name, example.tokens) for name, example in tweets)),
        _row("tweets nearly the same in another file", _nearly_same(files)),
        _row("tweets with the same id", _groups((name, example.id) for name, example in tweets)),
        _row("tokens without a visible character", list(_unseen(tweets))),
    ]
    if index is not None:
        rows += _picture_rows(tweets, index, progress)
    for row in rows:
        row["of"] = len(tweets)
    return rows


def _row(check: str, items: list[str]) -> Row:
    return {"check": check, "count": len(items), "items": items}


def _groups(named: Iterable[tuple[str, Any]]) -> list[str]:
    """Names that share a value, one text for each value that several share."""
    names = defaultdict(list)
    for name, value in named:
        names[value].append(name)
    return [" = ".join(group) for group in names.values() if len(group) > 1]


def _nearly_same(files: Files) -> list[str]:
    tweets = ((f"{file}:{e.id}", file, e.tokens) for file, examples in files.items() for e in examples)
    return [f"{a} ~ {b} ({share:.0%} of the words)" for a, b, share in near_duplicates(tweets)]


def _unseen(tweets: Iterable[tuple[str, Example]]) -> Iterable[str]:
    for name, example in tweets:
        for i, token in enumerate(example.tokens):
            if all(unicodedata.category(character)[0] in "CMZ" for character in token):
                yield f"{name} token {i} ({token!a})"


def _picture_rows(
    tweets: Sequence[tuple[str, Example]],
    index: ImageIndex,
    progress: Callable[[Sequence[Path]], Iterable[Path]],
) -> list[Row]:
    missing, tweets_of = [], defaultdict(list)
    for name, example in tweets:
        path = index.path(example.image)
        if path is None:
            missing.append(name)
        else:
            tweets_of[path].append(name)
    unreadable = []
    facts: dict[Path, PictureFacts] = {}
    for path in progress(list(tweets_of)):
        try:
            facts[path] = picture_facts(path)
        except ImageError as error:
            need_folder(path)
            unreadable.append(f"{tweets_of[path][0]}: {error}")
    hashes = ((path.name, fact.digest) for path, fact in facts.items())
    blank = [f"{path.name}: {len(tweets_of[path])} tweets" for path in sorted(placeholders(facts))]
    alike = [f"{a.name} ~ {b.name}" for a, b in look_alikes(facts)]
    shared = [f"{path.name}: {len(names)} tweets" for path, names in tweets_of.items() if len(names) > 1]
    return [
        _row("tweets without a picture", missing),
        _row("pictures that cannot be read", unreadable),
        _row("pictures that several tweets share", shared),
        _row("pictures with the same bytes under several names", _groups(hashes)),
        _row("pictures that look alike", alike),
        _row("pictures of one colour, or copied so often that they seem to stand for a missing one", blank),
    ]
