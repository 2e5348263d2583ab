"""What taggers say beside other pictures, or of another wording, as tables and escaped HTML. No Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app import markup
from umt_core.analysis.significance import Interval
from umt_core.explain.counterfactuals import Change, Counterfactuals
from umt_core.explain.text_what_if import TextWhatIf
from umt_core.schema import GRID, Span

_CARDS = "display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));gap:.8rem"
_LINE = "color-mix(in srgb,currentColor 22%,transparent)"
_CARD = f"margin:0;border:1px solid {_LINE};border-radius:.6rem;overflow:hidden;display:flex;flex-direction:column"
_NO_IMAGE = "display:flex;align-items:center;justify-content:center;opacity:.75;font-size:.85rem"
_FRAME = f"aspect-ratio:16/10;background:{_LINE};overflow:hidden"


def span_line(span: Span, tokens: Sequence[str]) -> str:
    """A span in words.

    >>> span_line(Span(0, 2, "LOC"), ("New", "York"))
    'New York (LOC)'
    """
    return f"{markup.shown_words(tokens[span.start : span.end])} ({span.label})"


def change_lines(change: Change, before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What became of the entities, a line each; none where nothing changed."""
    return [
        *(f"lost: {span_line(span, before)}" for span in change.lost),
        *(f"changed: {span_line(a, before)} → {span_line(b, after)}" for a, b in change.changed),
        *(f"gained: {span_line(span, after)}" for span in change.gained),
    ]


def reliance(found: Mapping[str, Counterfactuals]) -> pd.DataFrame:
    """Visual reliance of each entity of each tagger, by its title."""
    rows = []
    for title, of in found.items():
        tokens = of.factual.prediction.tokens
        for i, scored in enumerate(of.spans):
            if (reliance := of.reliance(i)) is None:
                continue
            rows.append(
                {
                    "Tagger": title,
                    "Entity": markup.shown_words(tokens[scored.span.start : scored.span.end]),
                    "Type": scored.span.label,
                    "Probability": scored.score,
                    "Mean change": reliance.change.value,
                    "95 % of it": _interval(reliance.change, 3),
                    "Gone beside": f"{round(reliance.gone.value * reliance.pictures)} of {reliance.pictures}",
                    "95 % of the share": _interval(reliance.gone, 2),
                }
            )
    columns = ["Tagger", "Entity", "Type", "Probability", "Mean change", "95 % of it", "Gone beside"]
    return pd.DataFrame(rows, columns=[*columns, "95 % of the share"])


def _interval(interval: Interval, digits: int) -> str:
    return f"{interval.low:.{digits}f} – {interval.high:.{digits}f}"


def variants(found: Counterfactuals) -> pd.DataFrame:
    """One row for each variant but the occluded blocks: what is found, what changed, each entity's probability."""
    tokens = found.factual.prediction.tokens
    columns = [f"P {line}" for line in _distinct([span_line(s.span, tokens) for s in found.spans])]
    rows = []
    for i, variant in enumerate(found.variants):
        if variant.kind == "block":
            continue
        said = [span_line(s.span, tokens) for s in found.answers[i].prediction.spans]
        lines = change_lines(found.change(i), tokens, tokens)
        probabilities = dict(zip(columns, found.answers[i].probabilities, strict=True))
        rows.append(
            {"Picture": variant.title, "Entities": "; ".join(said), "Change": "; ".join(lines) or "same"}
            | probabilities
        )
    return pd.DataFrame(rows, columns=["Picture", "Entities", "Change", *columns])


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made different by a number where they are not."""
    return [name if names.index(name) == i else f"{name} {i + 1}" for i, name in enumerate(names)]


def blocks(drops: np.ndarray) -> pd.DataFrame:
    """The 49 blocks by how far the probability falls without them."""
    order = np.argsort(-np.abs(drops), kind="stable")
    return pd.DataFrame(
        {
            "Row": order // GRID + 1,
            "Column": order % GRID + 1,
            "Drop of the probability": drops[order],
        }
    )


def cards(found: Counterfactuals, pictures: Sequence[str | None]) -> str:
    """A card for each variant but the occluded blocks: its picture (a data URI), what changed, probabilities."""
    tokens = found.factual.prediction.tokens
    shown = [i for i, variant in enumerate(found.variants) if variant.kind != "block"]
    pieces = [_card(found, i, pictures[i], tokens) for i in shown]
    return f'<div style="{_CARDS}">{"".join(pieces)}</div>'


def _card(found: Counterfactuals, i: int, picture: str | None, tokens: Sequence[str]) -> str:
    title = markup.escape(markup.visible(found.variants[i].title))
    image = (
        f'<div style="{_FRAME};{_NO_IMAGE}">nothing to show</div>'
        if picture is None
        else f'<div style="{_FRAME}"><img src="{markup.escape(picture)}" alt="{title}" '
        f'style="width:100%;height:100%;object-fit:cover;display:block"></div>'
    )
    lines = change_lines(found.change(i), tokens, tokens)
    verdict = (
        "what the tagger says"
        if i == 0
        else "<br>".join(f"<b>{markup.escape(line)}</b>" for line in lines)
        if lines
        else "the same entities"
    )
    bars = probability_bars(
        [span_line(s.span, tokens) for s in found.spans],
        [s.span.label for s in found.spans],
        found.answers[i].probabilities,
        found.answers[0].probabilities,
    )
    return (
        f'<figure style="{_CARD}">{image}<figcaption style="padding:.5rem .65rem .65rem;font-size:.83rem;'
        f'line-height:1.4"><div style="opacity:.75">{title}</div><div style="margin:.15rem 0 .35rem">{verdict}</div>'
        f"{bars}</figcaption></figure>"
    )


def probability_bars(
    names: Sequence[str], labels: Sequence[str], probabilities: Sequence[float], before: Sequence[float]
) -> str:
    """A bar for each entity; a notch stands where its probability was before, and the change is written out."""
    rows = []
    for name, label, p, was in zip(names, labels, probabilities, before, strict=True):
        shift = "" if p == was else f" ({p - was:+.3f})" if abs(p - was) >= 5e-4 else " (±&lt;0.001)"
        colour = markup.TYPE_COLOURS.get(label, "#777")
        rows.append(
            f'<div style="display:flex;justify-content:space-between;gap:.5rem"><span style="overflow:hidden;'
            f'text-overflow:ellipsis;white-space:nowrap">{markup.escape(name)}</span>'
            f'<span style="font-variant-numeric:tabular-nums;white-space:nowrap">{p:.3f}{shift}</span></div>'
            f'<div aria-hidden="true" style="position:relative;height:.42rem;border-radius:.2rem;background:{_LINE};'
            f'margin:.1rem 0 .3rem"><div style="width:{100 * p:.1f}%;height:100%;border-radius:.2rem;'
            f'background:{colour}"></div><div style="position:absolute;left:calc({100 * was:.1f}% - 1px);top:-.12rem;'
            f'bottom:-.12rem;border-left:2px solid currentColor"></div></div>'
        )
    return "".join(rows)


# --- other wordings --------------------------------------------------------------------------------


def wordings(found: Mapping[str, TextWhatIf]) -> pd.DataFrame:
    """One row for each wording: its words, and what becomes of each tagger's entities, by the tagger's title."""
    edits = [of.edit for of in next(iter(found.values())).reworded] if found else []
    rows = []
    for i, edit in enumerate(edits):
        row = {"Wording": markup.visible(edit.name)}
        for title, of in found.items():
            lines = change_lines(of.reworded[i].change, edit.before, edit.tokens)
            row[title] = "; ".join(lines) or "same"
        rows.append(row | {"Words": markup.shown_words(edit.tokens)})
    return pd.DataFrame(rows, columns=["Wording", *found, "Words"])


def moved(found: Mapping[str, TextWhatIf], place: int) -> pd.DataFrame:
    """One row for each entity of each tagger: its probability, that of what stands for it in a wording, the change."""
    rows = []
    for title, of in found.items():
        wording = of.reworded[place]
        for scored, p in zip(of.spans, wording.probabilities, strict=True):
            there = wording.edit.forward(scored.span)
            rows.append(
                {
                    "Tagger": title,
                    "Entity": span_line(scored.span, of.original.tokens),
                    "Now": "no words stand for it" if there is None else span_line(there, wording.edit.tokens),
                    "What became of it": _fate(wording.change, scored.span, wording.edit.tokens),
                    "Before": scored.score,
                    "After": p,
                    "Change": None if p is None else p - scored.score,
                }
            )
        rows += [
            {"Tagger": title, "Entity": "", "Now": span_line(span, wording.edit.tokens), "What became of it": "gained"}
            for span in wording.change.gained
        ]
    columns = ["Tagger", "Entity", "Now", "What became of it", "Before", "After", "Change"]
    return pd.DataFrame(rows, columns=columns)


def _fate(change: Change, span: Span, tokens: Sequence[str]) -> str:
    if span in change.kept:
        return "kept"
    into = next((b for a, b in change.changed if a == span), None)
    return "lost" if into is None else f"became {span_line(into, tokens)}"


def side_by_side(found: Mapping[str, TextWhatIf], place: int) -> str:
    """The tweet over a wording, once for each tagger, with its entities; words that changed are marked."""
    pieces = []
    for title, of in found.items():
        wording = of.reworded[place]
        edit = wording.edit
        gone = {i for start, end, _, _ in edit.blocks for i in range(start, end)}
        new = {j for _, _, start, end in edit.blocks for j in range(start, end)}
        before, after = ([s.span for s in said.spans] for said in (of.original, wording.prediction))
        pieces.append(
            f'<div style="margin:.4rem 0 .8rem"><b style="font-size:.85rem">{markup.escape(title)}</b>'
            f"{_line('as it is', edit.before, before, gone, 'line-through')}"
            f"{_line('reworded', edit.tokens, after, new, 'underline')}</div>"
        )
    return "".join(pieces)


def _line(name: str, tokens: Sequence[str], spans: Sequence[Span], marked: set[int], mark: str) -> str:
    words = [markup.escape(markup.visible(token)) for token in tokens]
    style = f"text-decoration:{mark} 2px;text-underline-offset:.2em"
    words = [f'<span style="{style}">{word}</span>' if i in marked else word for i, word in enumerate(words)]
    starts = {span.start: span for span in spans}
    pieces, i = [], 0
    while i < len(words):
        if (span := starts.get(i)) is None:
            pieces.append(words[i])
            i += 1
            continue
        colour = markup.TYPE_COLOURS.get(span.label, "#777")
        pieces.append(
            f'<span style="border-bottom:3px solid {colour};padding:0 .1em">{" ".join(words[i : span.end])}'
            f'<small style="opacity:.85;margin-left:.3em">{markup.escape(span.label)}</small></span>'
        )
        i = span.end
    direction = "rtl" if markup.right_to_left(tokens) else "ltr"
    return (
        f'<div style="display:flex;gap:.8rem;line-height:2"><span style="flex:0 0 5.2rem;opacity:.7;font-size:.8rem">'
        f'{name}</span><span dir="{direction}" style="flex:1;overflow-wrap:anywhere">{" ".join(pieces)}</span></div>'
    )
