"""What a tagger says of other wordings of a tweet, beside the same picture. Free of torch; a ``Predictor`` computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from umt_core.errors import DataError
from umt_core.explain.counterfactuals import Change
from umt_core.explain.text_edits import Edit
from umt_core.schema import Answer, Example, Prediction, ScoredSpan, Span

if TYPE_CHECKING:
    from umt_core.predict import Predictor


@dataclass(frozen=True, slots=True)
class Reworded:
    """What a tagger says of one wording."""

    edit: Edit
    prediction: Prediction
    change: Change  # of the tweet's spans
    probabilities: tuple[float | None, ...]  # of the words that stand for each span of the tweet; None: there are none


@dataclass(frozen=True, slots=True)
class TextWhatIf:
    """What a tagger says of a tweet and of other wordings of it."""

    checkpoint: str
    system: str
    original: Prediction
    reworded: tuple[Reworded, ...]

    @property
    def spans(self) -> tuple[ScoredSpan, ...]:
        return self.original.spans


def text_what_if(
    predictor: Predictor, example: Example, edits: Sequence[Edit], regions: np.ndarray | None = None
) -> TextWhatIf:
    """Asks a tagger about wordings of a tweet, all in one batch. One that is the tweet's own is not asked again.

    Args:
        regions: of the tweet's picture, as ``predictor.picture_regions`` gives them; ``None``: no picture.

    Raises:
        DataError: the tweet, or a wording, has no word.
    """
    if not all(edit.tokens for edit in edits):
        raise DataError("wanted at least one word in each wording, got none")
    ((original,),) = predictor.with_pictures([example], [[regions]])
    spans = [scored.span for scored in original.prediction.spans]
    carried = [[edit.forward(span) for span in spans] for edit in edits]
    others = [i for i, edit in enumerate(edits) if not edit.changes_nothing]
    answers: dict[int, Answer] = {}
    if others:
        asked = [[span for span in carried[i] if span is not None] for i in others]
        wordings = [replace(example, tokens=edits[i].tokens, spans=None, text=None, offsets=None) for i in others]
        found = predictor.with_pictures(wordings, [[regions]] * len(others), asked)
        answers = {i: answer for i, (answer,) in zip(others, found, strict=True)}
    reworded = [_reworded(edit, spans, carried[i], answers.get(i, original)) for i, edit in enumerate(edits)]
    return TextWhatIf(predictor.name, predictor.system, original.prediction, tuple(reworded))


def _reworded(edit: Edit, spans: Sequence[Span], carried: Sequence[Span | None], answer: Answer) -> Reworded:
    probabilities = iter(answer.probabilities)
    return Reworded(
        edit,
        answer.prediction,
        edit.change(spans, [scored.span for scored in answer.prediction.spans]),
        tuple(None if span is None else next(probabilities) for span in carried),
    )


def text_what_if_json(found: TextWhatIf) -> dict[str, Any]:
    """The values as JSON."""

    def written(span: Span, tokens: tuple[str, ...]) -> dict[str, Any]:
        return {"start": span.start, "end": span.end, "label": span.label, "text": span.text(tokens)}

    before = found.original.tokens
    return {
        "checkpoint": found.checkpoint,
        "system": found.system,
        "spans": [{**written(s.span, before), "score": s.score} for s in found.spans],
        "wordings": [
            {
                "name": of.edit.name,
                "tokens": list(of.edit.tokens),
                "spans": [{**written(s.span, of.edit.tokens), "score": s.score} for s in of.prediction.spans],
                "probabilities": list(of.probabilities),
                "kept": [written(span, before) for span in of.change.kept],
                "lost": [written(span, before) for span in of.change.lost],
                "gained": [written(span, of.edit.tokens) for span in of.change.gained],
                "changed": [
                    {"from": written(a, before), "to": written(b, of.edit.tokens)} for a, b in of.change.changed
                ],
            }
            for of in found.reworded
        ],
    }
