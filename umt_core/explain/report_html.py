"""A case report as one HTML file: opens without network, runs no script, and tells of nothing but its values.

Everything that is not made by ``el`` itself is escaped, so that no text of a tweet, no name and no label can become
markup. A policy in the file's head forbids whatever would load or run; its style is allowed by its sum alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from umt_core.data.images import webp_uri
from umt_core.explain.attention import EVEN_SHARE, MOST_ENTROPY, READ_AS
from umt_core.explain.attributions import METHODS, SPELLING
from umt_core.explain.counterfactuals import block_title
from umt_core.explain.report import AT_MOST, BITS, CaseReport, report_values
from umt_core.schema import GRID
from umt_core.showing import escape, printable, right_to_left, visible

SHOWN = 720  # pixels of the picture's longer side
QUALITY = 82
TOP = 5  # blocks that a map's table names
ATTENTION = "Attention shows where a layer looked, not why the tagger decided: it is a hint to check, no proof."
FOREIGN = "A change of answer says that the answer depends on the picture, not that the tagger understands it."


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def el(name: str, /, *content: str, **attributes: str | int | float | None) -> Html:
    """An element; text in it and its attributes is escaped, and an attribute of ``None`` left out.

    >>> str(el("p", "1 < 2", class_="a"))
    '<p class="a">1 &lt; 2</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(part if isinstance(part, Html) else escape(printable(part)) for part in content)
    return Html(f"<{name}{written}>" if name in ("meta", "br", "img") else f"<{name}{written}>{inside}</{name}>")


def join(parts: Iterable[str]) -> Html:
    return Html("".join(parts))


def report_html(case: CaseReport) -> str:
    """The whole file."""
    values = report_values(case)
    picture = None
    if case.picture is not None:
        small = case.picture.copy()
        small.thumbnail((SHOWN, SHOWN))
        picture = webp_uri(small, QUALITY)
    return _document(values, picture)


@cache
def _style() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _document(values: Mapping[str, Any], picture: str | None) -> str:
    style = _style()
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    title = f"Tweet {visible(values['tweet']['id'])}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        Html(f"<style>{style}</style>"),
    )
    sections = (
        _tweet(values, picture),
        _tracks(values),
        _relevance(values["relevance"]),
        *(_system(values, system) for system in values["systems"]),
        _history(values),
        _made_by(values),
    )
    body = el("body", el("h1", title), *(section for section in sections if section))
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _named(span: Mapping[str, Any]) -> str:
    return f"{span['label']} “{span['text']}”"


# --- the tweet and what is found in it -------------------------------------------------------------


def _tweet(values: Mapping[str, Any], picture: str | None) -> Html:
    words = [visible(token) for token in values["tweet"]["tokens"]]
    text = el("p", " ".join(words), class_="tweet", dir="rtl" if right_to_left(words) else "ltr")
    size = values["tweet"]["picture"]
    if picture is None or size is None:
        return join((text, el("p", "No picture: systems that look at one get 49 blocks of zeros.", class_="quiet")))
    image = Html(
        f'<svg width="0" height="0" aria-hidden="true"><symbol id="picture" viewBox="0 0 {size["width"]} '
        f'{size["height"]}" preserveAspectRatio="none"><image href="{picture}" width="{size["width"]}" '
        f'height="{size["height"]}" preserveAspectRatio="none"/></symbol></svg>'
    )
    caption = f"In its proportions ({size['width']} × {size['height']}){_read_as(values['systems'])}."
    shown = _svg(size, "The tweet's picture", Html('<use href="#picture"/>'))
    return join((text, image, el("figure", shown, el("figcaption", caption))))


def _svg(size: Mapping[str, int], label: str, *content: Html) -> Html:
    view = f"0 0 {size['width']} {size['height']}"
    return Html(f'<svg viewBox="{view}" role="img" aria-label="{escape(printable(label))}">{join(content)}</svg>')


def _read_as(systems: Sequence[Mapping[str, Any]]) -> str:
    """What became of the picture, for each way in which a system reads pictures."""
    ways = {way: [s["title"] for s in systems if s["image_transform"] == way] for way in READ_AS}
    given = {way: titles for way, titles in ways.items() if titles}
    return "".join(
        f"; {'the models' if len(given) == 1 else ' and '.join(titles)} {READ_AS[way]}" for way, titles in given.items()
    )


def _tracks(values: Mapping[str, Any]) -> Html:
    tokens = [visible(token) for token in values["tweet"]["tokens"]]
    rows = []
    if values["tweet"]["gold"] is not None:
        rows.append(_track("Gold", values["tweet"]["gold"], len(tokens)))
    rows += [_track(system["title"], system["spans"], len(tokens)) for system in values["systems"]]
    head = el("tr", el("th", "", scope="col"), *(el("th", token, scope="col") for token in tokens))
    caption = "An entity's cell covers its words; the figure is its probability (the CRF's marginal)."
    if bounded := [system["title"] for system in values["systems"] if system["tagging"] == "subword"]:
        caption += f" {AT_MOST.format(' and '.join(bounded))}"
    table = el("table", el("caption", caption), head, *rows)
    parts = [el("h2", "What each system finds"), el("div", table, class_="scroll", tabindex=0)]
    parts += [el("p", el("b", found["words"]), f" – {found['readings']}") for found in values["differences"]]
    for system in values["systems"]:
        parts += [el("p", f"{system['title']}: {notice}", class_="quiet") for notice in system["notices"]]
    return join(parts)


def _track(title: str, spans: Sequence[Mapping[str, Any]], words: int) -> Html:
    starts = {span["start"]: span for span in spans}
    cells, word = [], 0
    while word < words:
        if (span := starts.get(word)) is None:
            cells.append(el("td", "", class_="none"))
            word += 1
            continue
        probability = [el("small", f" {span['probability']:.2f}")] if "probability" in span else []
        of_type = f"entity {span['label']}"
        cells.append(el("td", span["label"], *probability, class_=of_type, colspan=span["end"] - word))
        word = span["end"]
    return el("tr", el("th", title, scope="row"), *cells)


def _relevance(found: Mapping[str, Any] | None) -> Html:
    if found is None:
        return Html()
    line = (
        f"Its own picture fits the words better than {found['score']:.0%} of {found['others']:,} other tweets'"
        " pictures, as a score sees it that was learned without labels. On tweets that it had not seen the mean was "
        f"{found['mean_on_dev']:.0%}, by chance it would be 50%: it orders tweets and proves nothing of one."
    )
    learned = f" Pictures that it was learned from: {found['learned_from']}." if found["learned_from"] else ""
    return join((el("h2", "Does the picture fit the tweet?"), el("p", line + learned)))


# --- one system ------------------------------------------------------------------------------------


def _system(values: Mapping[str, Any], system: Mapping[str, Any]) -> Html:
    tokens = [visible(token) for token in values["tweet"]["tokens"]]
    size = values["tweet"]["picture"]
    parts = [_provenance(system["provenance"], tokens, system["uses_esd"]), _attention(system, tokens, size)]
    parts += [_gate(system, tokens), _counterfactuals(system["counterfactuals"], size)]
    parts.append(_attributions(system["attributions"], size))
    about = f"{system['system']}; text encoder {system['text_encoder']}"
    if system["vision_encoder"]:
        about += f", vision encoder {system['vision_encoder']}; pictures in training: {system['images']}"
    heading = [el("h2", system["checkpoint"]), el("p", about, class_="quiet")]
    return join([*heading, *(part for part in parts if part)])


def _details(title: str, *content: Html) -> Html:
    return el("details", el("summary", title), *content)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str | float]], form: str = ".3f") -> Html:
    """A table; figures are numbers written in ``form``."""
    head = el("tr", *(el("th", text, scope="col") for text in heads))

    def cell(value: str | float) -> Html:
        return el("td", value) if isinstance(value, str) else el("td", f"{value:{form}}", class_="number")

    body = [el("tr", *(cell(value) for value in row)) for row in rows]
    return el("div", el("table", el("caption", caption), head, *body), class_="scroll", tabindex=0)


def _provenance(found: Mapping[str, Any] | None, tokens: Sequence[str], uses_esd: bool) -> Html:
    if found is None:
        return Html()
    names = {"main": "main emission", "esd": "from ESD", "transitions": "transitions", "sum": "sum"}
    if not uses_esd:
        del names["esd"]
    rows: list[list[str | float]] = []
    for row in found["words"]:
        for which in ("tag", "second"):
            of = row[which]
            first = which == "tag"
            parts = [of[part] for part in names]
            word = tokens[row["word"]] if first else ""
            rows.append([word, of["tag"] if first else f"next: {of['tag']}", *parts, _lines(row) if first else ""])
    caption = (
        "Each word's tag and the one that comes second: the score of the decoded path in parts (equations 5 to 7). "
        "Transitions are those from and to the decoded tags beside it."
    )
    heads = ("word", "tag", *names.values(), "who decided")
    table = _table(caption, heads, rows, "+.2f")
    check = (
        f"Check: the parts add up to {found['path_score']:.4f}, the tagger's own CRF says {found['own_score']:.4f} "
        f"(difference {found['difference']:.1e})."
    )
    return _details("Where each tag comes from", table, _needs(found["spans"]), el("p", check, class_="quiet"))


def _lines(row: Mapping[str, Any]) -> str:
    return "; ".join(row["deciders"])


def _needs(spans: Sequence[Mapping[str, Any]]) -> Html:
    if not spans:
        return el("p", "No entity found.")
    names = list(spans[0]["without"])
    rows = []
    for span in spans:
        cells: list[str | float] = [_named(span)]
        for part in names:
            instead = span["instead"][part]
            same = span["without"][part] == "same"
            lost = "lost" if instead is None else _named(instead)
            cells.append("stays" if same else lost)
        rows.append(cells)
    caption = "What becomes of each entity when a part is left out and the rest decoded again, the tagger as it is."
    return _table(caption, ("entity", *(f"without {name}" for name in names)), rows)


def _attention(system: Mapping[str, Any], tokens: Sequence[str], size: Mapping[str, int] | None) -> Html:
    parts = []
    for of in system["attention"]:
        intro = f"{of['title'].capitalize()} gives {of['feeds']}. {of['meaning']} Mean of {of['heads']} heads."
        figures = [_map(of, row, tokens, size) for row in of["words"]]
        parts.append(
            join((el("h3", f"{of['title']} ({of['feeds']})"), el("p", intro), el("div", *figures, class_="maps")))
        )
    if not parts:
        return Html()
    if size is None:
        nothing = "No picture: the maps are over 49 zero blocks and say nothing."
        return _details("Where it looks", el("p", nothing))
    return _details("Where it looks", el("p", ATTENTION), *parts)


def _map(of: Mapping[str, Any], row: Mapping[str, Any], tokens: Sequence[str], size: Mapping[str, int] | None) -> Html:
    weights, word = row["weights"], tokens[row["word"]]
    if of["rows_are_words"]:
        check = (
            f"Row sum over 49 blocks {row['sum']:.3f}; entropy {row['entropy_bits']:.2f} of"
            f" {MOST_ENTROPY / BITS:.2f} bits; an even share is {EVEN_SHARE:.4f}."
        )
    else:
        check = "Each is the share of a block's attention that the word has; with [CLS] and [SEP] all words have 1."
    top = sorted(range(len(weights)), key=lambda block: -weights[block])[:TOP]
    table = _table(f"Strongest blocks for “{word}”", ("row", "column", "weight"), _blocks(top, weights), ".4f")
    drawn = _heat(size, f"{of['title']}, the word {word}", weights) if size else Html()
    return el("figure", drawn, el("figcaption", f"“{word}”: darkest is {max(weights):.4f}. {check}"), table)


def _blocks(blocks: Iterable[int], values: Sequence[float]) -> list[list[str | float]]:
    return [[str(block // GRID + 1), str(block % GRID + 1), values[block]] for block in blocks]


def _heat(size: Mapping[str, int], label: str, values: Sequence[float]) -> Html:
    """Blocks over the picture, as opaque as their value is large; what is below 0 has the other colour."""
    most = max(map(abs, values)) or 1.0
    width, height = size["width"] / GRID, size["height"] / GRID
    blocks = [
        Html(
            f'<rect class="{"heat" if value >= 0 else "heat rise"}" x="{width * (i % GRID):.2f}" '
            f'y="{height * (i // GRID):.2f}" width="{width:.2f}" height="{height:.2f}" '
            f'fill-opacity="{0.75 * abs(value) / most:.3f}"/>'
        )
        for i, value in enumerate(values)
    ]
    return _svg(size, f"{label}; the strongest blocks are in the table", Html('<use href="#picture"/>'), *blocks)


def _gate(system: Mapping[str, Any], tokens: Sequence[str]) -> Html:
    if system["gate"] is None:
        return Html()
    rows = []
    for token, row in zip(tokens, system["gate"], strict=False):
        bar = Html(
            f'<svg viewBox="0 0 100 8" role="img" aria-label="{row["mean"]:.3f} of 1"><rect class="back" width="100" '
            f'height="8"/><rect class="bar" width="{100 * row["mean"]:.2f}" height="8"/></svg>'
        )
        figures = (el("td", f"{row[name]:.3f}", class_="number") for name in ("mean", "standard_deviation"))
        rows.append(el("tr", el("td", token), *figures, el("td", bar)))
    heads = el("tr", *(el("th", text, scope="col") for text in ("word", "mean", "standard deviation", "0 to 1")))
    caption = "The gate's mean over its dimensions, and their standard deviation."
    table = el("div", el("table", el("caption", caption), heads, *rows), class_="scroll", tabindex=0)
    return _details("How much of the picture each word takes", el("p", system["gate_caveat"]), table)


def _counterfactuals(found: Mapping[str, Any] | None, size: Mapping[str, int] | None) -> Html:
    if found is None:
        return Html()
    rows: list[list[str | float]] = []
    for variant in found["variants"]:
        shown = "; ".join(f"{_named(s)} {s['score']:.2f}" for s in variant["spans"]) or "nothing"
        rows.append([variant["title"], shown, *(float(p) for p in variant["probabilities"])])
    heads = ("picture", "found beside it", *(f"P({_named(s)})" for s in found["spans"]))
    parts = [el("p", FOREIGN), _table("The same words beside other pictures", heads, rows)]
    for span in found["spans"]:
        parts.append(_reliance(span))
        if span["drop_by_block"] is not None and size is not None:
            parts.append(_drops(span, size, found["occlusion"]))
    return _details("What another picture would have changed", *(part for part in parts if part))


def _reliance(span: Mapping[str, Any]) -> Html:
    found = span["visual_reliance"]
    if found is None:
        return Html()
    change, gone = found["mean_absolute_change"], found["gone"]
    return el(
        "p",
        f"{_named(span)}: over {found['pictures']} foreign pictures its probability changes by "
        f"{change['value']:.3f} on average ({change['low']:.3f} to {change['high']:.3f}); beside {gone['value']:.0%} of"
        f" them ({gone['low']:.0%} to {gone['high']:.0%}) it is not found.",
    )


def _drops(span: Mapping[str, Any], size: Mapping[str, int], occlusion: str) -> Html:
    drops, name = span["drop_by_block"], _named(span)
    most = sorted(range(len(drops)), key=lambda block: -abs(drops[block]))[:TOP]
    rows: list[list[str | float]] = [[block_title(block), -drops[block]] for block in most]
    caption = f"Change of P({name}), largest first"
    drawn = _heat(size, f"Fall of the probability of {name} without each block", drops)
    legend = (
        f"{name}, each block occluded ({occlusion}). Strongest colour: {max(map(abs, drops)):.4f}; "
        "orange where the probability falls without the block, blue where it rises."
    )
    figure = el("figure", drawn, el("figcaption", legend), _table(caption, ("", "change"), rows, "+.4f"))
    return el("div", figure, class_="maps")


def _attributions(found: Sequence[Mapping[str, Any]], size: Mapping[str, int] | None) -> Html:
    if not found:
        return Html()
    return _details("What its score rests on", *(_attribution(of, size) for of in found))


def _attribution(found: Mapping[str, Any], size: Mapping[str, int] | None) -> Html:
    name, scores = _named(found["span"]), f"{found['score']:.3f}; of the empty tweet {found['baseline_score']:.3f}"
    line = f"{METHODS[found['method']]}, of the log-odds of {name}: {scores}."
    if found["delta"] is not None:
        line += f" Check: the parts miss the difference by {found['delta']:+.4f} (delta, {found['steps']} steps)."
    line += f" {SPELLING}" if found["spelling_stays"] else ""
    rows: list[list[str | float]] = [[visible(token), value] for token, value in found["words"]]
    parts = [el("h3", name), el("p", line), _table("What each word adds, in nats", ("word", "adds"), rows, "+.3f")]
    if found["blocks"] is not None and size is not None:
        most = sorted(range(len(found["blocks"])), key=lambda block: -abs(found["blocks"][block]))[:TOP]
        drawn = _heat(size, f"What each block adds to {name}", found["blocks"])
        caption = "Orange adds to the score, blue takes from it."
        table = _table("Strongest blocks, in nats", ("row", "column", "adds"), _blocks(most, found["blocks"]), "+.4f")
        parts.append(el("div", el("figure", drawn, el("figcaption", caption), table), class_="maps"))
    return join(parts)


# --- history and origin ----------------------------------------------------------------------------


def _history(values: Mapping[str, Any]) -> Html:
    events = values["history"]
    if not events:
        return Html()
    named = any("author" in event for event in events)
    heads = ["time (UTC)", "action", "labels before", "labels after", "reason", *(["by"] if named else [])]
    rows = [
        [
            event["time"],
            event["action"],
            _labels(event["before"]),
            _labels(event["after"]),
            event["reason"],
            *([event.get("author", "")] if named else []),
        ]
        for event in events
    ]
    return join((el("h2", "Corrections"), _table("What was done to its labels, oldest first", heads, rows)))


def _labels(spans: Sequence[Mapping[str, Any]] | None) -> str:
    if spans is None:
        return "the data set's own"
    return "; ".join(map(_named, spans)) or "none"


def _made_by(values: Mapping[str, Any]) -> Html:
    rows = [
        [system["checkpoint"], system["weights_sha256"][:12]]
        for system in values["systems"]
        if system["weights_sha256"]
    ]
    parts = [el("h2", "What this was made by"), el("p", f"MNER workbench {values['code']}", class_="quiet")]
    if rows:
        parts.append(_table("The taggers' weights, by the first digits of their SHA-256", ("tagger", "weights"), rows))
    return join(parts)
