"""Label Studio's JSON: one task a tweet, with its entities as an annotation.

The project's labelling interface is ``INTERFACE``. Offsets are code points: so Label Studio stores them, whatever
JavaScript counts (its own test: "Should calculate offsets by code points in text"). Versions before that counted UTF-16
units; where an entity's own text tells that it did, it is read so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from umt_core.corrections.exchange.rows import Care, Known, Reading, Words, read_words, words_of
from umt_core.data.files import iter_lines, write_pieces
from umt_core.errors import DataError
from umt_core.labels import LABELS
from umt_core.schema import Example, Span

INTERFACE = """<View>
  <Labels name="label" toName="text">
{labels}
  </Labels>
  <Text name="text" value="$text"/>
  <Style>.htx-text {{ white-space: pre-wrap; }}</Style>
</View>
""".format(labels="\n".join(f'    <Label value="{label}"/>' for label in LABELS))


def write(path: Path, examples: Iterable[Example], split: str) -> None:
    """One file."""
    write_pieces(path, _pieces(examples))


def _pieces(examples: Iterable[Example]) -> Iterator[str]:
    before = "[\n"
    for example in examples:
        yield before + json.dumps(_task(example), ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _task(example: Example) -> dict[str, Any]:
    words = words_of(example)
    data = {"text": words.text, "id": example.id, "tokens": example.tokens, "image": example.image}
    if example.spans is None:
        return {"data": data}
    results = [_result(i, span, words) for i, span in enumerate(sorted(example.spans), 1)]
    return {"data": data, "annotations": [{"result": results}]}


def _result(number: int, span: Span, words: Words) -> dict[str, Any]:
    start, end = words.offsets[span.start][0], words.offsets[span.end - 1][1]
    return {
        "id": f"e{number}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": start, "end": end, "text": words.text[start:end], "labels": [span.label]},
    }


def read(path: Path, bio: str, known: Known) -> Iterator[Reading]:
    """The tasks of a file, as we write them or as Label Studio exports them ("JSON")."""
    try:
        tasks = json.loads("".join(iter_lines(path)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: wanted JSON, got: {error}") from error
    if not isinstance(tasks, list):
        raise DataError(f"{path}: wanted a list of tasks, got {type(tasks).__name__}")
    for number, task in enumerate(tasks, 1):
        where = f"{path}: task {number}"
        try:
            found = _tweet(task, number, where, Care(bio), known)
            yield replace(found, nameless=task["data"].get("id") is None)
        except DataError as error:
            yield Reading(where, None, (str(error),))


def _tweet(task: Any, number: int, where: str, care: Care, known: Known) -> Reading:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise DataError(f"wanted a task with data and its text, got {str(task)[:60]!r}")
    name = f"line-{number}" if data.get("id") is None else str(data["id"])
    tokens, image = data.get("tokens"), data.get("image")
    if tokens is not None and not (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)):
        raise DataError(f"wanted a list of text as tokens, got {str(tokens)[:60]!r}")
    words = read_words(data["text"], tuple(tokens) if tokens else None, known.get(name))
    image = None if image is None else str(image)
    answers = [_entities(answer, words.text, care) for answer in _answers(task)]
    if not answers:
        return care.reading(where, words.example(name, image, None))
    if any(answer != answers[-1] for answer in answers):
        care.complaints.append(f"wanted one annotation, got {len(answers)} that differ; repair: the last one")
    spans = care.spans(care.placed(answers[-1], words.text, words.offsets), len(words.tokens))
    return care.reading(where, words.example(name, image, spans))


def _answers(task: dict[str, Any]) -> list[list[Any]]:
    """The results of each annotation but of those that were skipped."""
    found = task.get("annotations") or []
    if not isinstance(found, list) or not all(isinstance(answer, dict) for answer in found):
        raise DataError(f"wanted a list of annotations, got {str(found)[:60]!r}")
    results = [answer.get("result") or [] for answer in found if not answer.get("was_cancelled")]
    if wrong := next((result for result in results if not isinstance(result, list)), None):
        raise DataError(f"wanted a list of results, got {str(wrong)[:60]!r}")
    return results


def _entities(results: list[Any], text: str, care: Care) -> list[tuple[int, int, str]]:
    found = []
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict) or "labels" not in value:
            continue  # a relation, a choice about the whole tweet
        start, end = value.get("start"), value.get("end")
        if type(start) is not int or type(end) is not int or not isinstance(value["labels"], list):
            raise DataError(f"wanted an entity with start, end and labels, got {str(value)[:60]!r}")
        start, end = care.agreed(start, end, text, value.get("text"))
        found += [(start, end, str(label)) for label in value["labels"]]
    return sorted(found)
