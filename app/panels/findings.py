"""What each tagger found: the tracks, the legend of their differences, the table of entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st
from PIL import Image

from app import markup, state, tables
from app.explaining import Case
from app.panels import tracks as tracks_component
from umt_core.analysis.agreement import differences
from umt_core.config import ModelSettings
from umt_core.explain import attention
from umt_core.explain.report import AT_MOST
from umt_core.schema import Example, Inspection

WHOLE_TABLE = 20  # rows shown without scrolling


@dataclass(frozen=True, slots=True)
class View:
    """One analysed tweet and what is chosen in it."""

    doc: str  # changes with the tweet, its picture or the taggers: what a browser says of another is dropped
    example: Example
    picture: Image.Image | None
    image: str | None  # names the picture's content
    found: Mapping[str, Inspection]  # by a checkpoint's title
    settings: Mapping[str, ModelSettings]  # the same
    read: int  # words that some tagger read; the rest of a long tweet was cut
    word: int
    block: int | None

    def read_by(self, title: str) -> int:
        """Words that a system read: those with wordpieces of their own are cut at other words."""
        return len(self.found[title].marginals)

    @property
    def lookers(self) -> dict[str, Inspection]:
        """The systems that look at the picture."""
        return {title: found for title, found in self.found.items() if attention.heads(found)}

    @property
    def esd(self) -> tuple[str, Inspection] | None:
        """A system with a span detector, and its title; rather one that adds the detector's scores to its own."""
        detectors = [(title, found) for title, found in self.found.items() if found.esd_marginals is not None]
        return min(detectors, key=lambda row: row[1].converted_esd is None, default=None)


def view(case: Case) -> View:
    """The tweet and the choice in it; the first choice is the fullest system's first entity."""
    found = {tables.checkpoint_title(name): i for name, i in case.inspections.items()}
    settings = {tables.checkpoint_title(info.name): info.manifest.model for info in case.chosen}
    read = max((len(i.marginals) for i in found.values()), default=0)
    spans = [s.span for i in reversed(list(found.values())) for s in i.prediction.spans]
    default = spans[0].start if spans else 0
    word = state.word(len(case.example.tokens), default)
    return View(case.doc, case.example, case.picture, case.image, found, settings, read, word, state.block())


def tracks(view: View, *, shaded: bool) -> None:
    """The tweet with its tracks; ``shaded``: a chosen block shades the words, by the map that the page shows below."""
    shares, shares_of = None, ""
    if shaded and view.block is not None and (choice := state.attention_choice(view.lookers)) is not None:
        map_, head, title = choice
        shares = list(attention.weights(view.lookers[title], map_, head)[:, view.block])
        shares += [0.0] * (len(view.example.tokens) - len(shares))  # of words that were not read
        shares_of = f"{title}, {map_.title}{'' if head is None else f', head {head + 1}'}: at the block"
    spans = {title: [s.span for s in found.prediction.spans] for title, found in view.found.items()}
    detector, detected = view.esd or ("", None)
    tracks_component.show(
        view.doc,
        view.example.tokens,
        {title: found.prediction.spans for title, found in view.found.items()},
        gold=view.example.spans,
        esd=[] if detected is None else tables.esd(detected),
        esd_of=detector,
        differences=differences(spans),
        read=view.read,
        chosen=view.word,
        shares=shares,
        shares_of=shares_of,
    )


def entities(view: View) -> None:
    st.subheader("Entities", anchor=False)
    scored = {title: found.prediction.spans for title, found in view.found.items()}
    table = tables.entities(view.example.tokens, scored, view.example.spans)
    if table.empty:
        st.text("No entity found by any of them.")
        return
    probability = {
        title: st.column_config.ProgressColumn(title, format="%.2f", min_value=0, max_value=1, width="small")
        for title in scored
    }
    st.dataframe(
        table,
        hide_index=True,
        height="content" if len(table) <= WHOLE_TABLE else "auto",
        column_config=probability,
        alt="Entities, and who found them",
    )
    line = "Probability: the CRF's marginal, that exactly these words are one entity of this type."
    if bounded := [title for title in scored if view.settings[title].tagging == "subword"]:
        line += f" {AT_MOST.format(markup.plain(' and '.join(bounded)))}"
    st.caption(line)
