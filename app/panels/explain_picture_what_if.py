"""Explain, Picture what-if: the same words beside other pictures, and without each block of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from app import asking, explaining, markup, services, state, tables, variants
from app.explaining import Case
from app.panels import asking as asking_panel
from app.panels import overlay
from umt_core.data.images import content_hash, open_image
from umt_core.errors import ImageError
from umt_core.explain.attention import READ_AS
from umt_core.explain.counterfactuals import (
    OCCLUSIONS,
    Counterfactuals,
    Variant,
    counterfactuals,
    make_variants,
    regions_of,
    thumbnails,
)
from umt_core.schema import GRID

COUNTS = (8, 4, 16, 32)  # of foreign pictures; the first is chosen where the link names none
SEEDS = 10
WAYS = {"zero": "its vector set to zeros", "mean": "its vector set to the mean", "pixels": "its pixels painted over"}
LEAST = 0.01  # drop of probability that the fullest colour stands for at least
WHAT_IT_SAYS = (
    "The words stay, the picture is exchanged. A change says that the answer **depends on** which picture stands "
    "there, not that the tagger understood it; no change says that it would have said the same of any of these."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be computed."""

    occlusion: str
    count: int
    seed: int
    given: state.Picture | None

    @property
    def key(self) -> str:
        given = "" if self.given is None else content_hash(self.given.data)[:16]
        return f"{self.occlusion}-{self.count}-{self.seed}-{given}"


def show(case: Case) -> None:
    st.subheader("What if the picture were another?", anchor=False)
    st.caption(WHAT_IT_SAYS)
    wanted, given = _choose(case)
    foreign, whose = explaining.other_pictures(case, wanted.count, wanted.seed)
    key = f"pictures_{case.doc}_{case.weights}_{wanted.key}_{whose}"
    found = asking_panel.answer(key, _steps(case, wanted, given, foreign))
    if found is None:
        return
    titled = {tables.checkpoint_title(name): of for name, of in found.items()}
    _reliance(titled, whose)
    looking = [title for title, of in titled.items() if of.uses_image]
    for title in titled.keys() - set(looking):
        st.caption(f"{markup.plain(title)} reads text alone: beside every picture its answer is the same, bit by bit.")
    if not looking:
        st.text("None of these taggers looks at pictures. Choose MT or UMT in the sidebar.")
        return
    title = state.choice(state.Key.ATTRIBUTED, looking[::-1])
    st.segmented_control("Tagger", looking, key=state.Key.ATTRIBUTED, required=True, persist_state="session")
    left, right = st.columns([6, 5], gap="large")
    with right:
        _blocks(case, titled[title], title)
    with left:
        _gallery(case, titled[title], title)


def _choose(case: Case) -> tuple[Wanted, Image.Image | None]:
    """The widgets; the reader's own picture, opened."""
    count, seed = state.choice(state.Key.PICTURES, COUNTS), state.choice(state.Key.SEED, range(SEEDS))
    occlusion = state.choice(state.Key.OCCLUSION, list(WAYS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Other tweets' pictures", sorted(COUNTS), key=state.Key.PICTURES, required=True, persist_state="session"
        )
        st.selectbox(
            "Drawn by seed", range(SEEDS), key=state.Key.SEED, width=130, persist_state="session", help="Another draw."
        )
        st.selectbox(
            "A block is taken out by",
            list(WAYS),
            format_func=WAYS.__getitem__,
            key=state.Key.OCCLUSION,
            width=250,
            persist_state="session",
            disabled=case.picture is None,
        )
    with st.expander("Try a picture of yours"):
        upload = st.file_uploader("A picture of yours", ["jpg", "jpeg", "png", "webp", "gif"], key=state.Key.GIVEN)
    if upload is None:
        return Wanted(occlusion, count, seed, None), None
    given = state.Picture(upload.name, upload.getvalue())
    try:
        return Wanted(occlusion, count, seed, given), open_image(given.data, name=given.name)
    except ImageError as error:
        st.warning(markup.plain(str(error)))
        return Wanted(occlusion, count, seed, None), None


def _steps(
    case: Case, wanted: Wanted, given: Image.Image | None, foreign: Callable[[], dict[str, Image.Image]]
) -> Callable[[asking.Report], dict[str, Counterfactuals]]:
    """All taggers of the case, one after the other; pictures are encoded once for all that share an encoder."""
    ask: Callable[[Callable[[Any], Any]], Any] = services.asker(case.chosen)
    names = list(case.inspections)

    def one(name: str, shown: tuple[Variant, ...], regions: list[np.ndarray | None], bench: Any) -> Counterfactuals:
        predictor = bench.predictors[name]
        return counterfactuals(predictor, case.example, shown, occlusion=wanted.occlusion, regions=regions)

    def steps(report: asking.Report) -> dict[str, Counterfactuals]:
        report("drawing other tweets' pictures", 0, 0)
        made = make_variants(case.picture, foreign=foreign(), given=given, blocks=True)
        shown = thumbnails(made)  # of photographs as they come, an answer would keep hundreds of megabytes
        regions: dict[int | None, list[np.ndarray | None]] = {}
        found = {}
        for place, name in enumerate(names):
            encoder = ask(partial(_vision, name))
            if encoder not in regions:
                regions[encoder] = _encode(ask, name, made, wanted.occlusion, report)
            report(f"asking {tables.checkpoint_title(name)}, one batch", place, len(names))
            found[name] = ask(partial(one, name, shown, regions[encoder]))
        return found

    return steps


def _vision(name: str, bench: Any) -> int | None:
    """Which vision encoder a tagger has: taggers with the same one share what it makes of pictures."""
    vision = bench.predictors[name].vision
    return None if vision is None else id(vision)


def _remember(name: str, picture: Image.Image, bench: Any) -> None:
    bench.predictors[name].picture_regions([picture])


def _encode(
    ask: Callable[[Callable[[Any], Any]], Any],
    name: str,
    made: tuple[Variant, ...],
    occlusion: str,
    report: asking.Report,
) -> list[np.ndarray | None]:
    """Regions of all variants. Each picture is a piece of its own, for others to be answered between."""
    pictures = [variant.picture for variant in made if variant.picture is not None]
    for i, picture in enumerate(pictures):
        report("encoding pictures", i, len(pictures))
        ask(partial(_remember, name, picture))
    report("taking blocks out", 0, 0)
    encoded: list[np.ndarray | None] = ask(lambda bench: regions_of(bench.predictors[name], made, occlusion=occlusion))
    return encoded


def _reliance(titled: Mapping[str, Counterfactuals], whose: str) -> None:
    st.markdown("**Visual reliance** of each entity")
    table = variants.reliance(titled)
    if table.empty:
        st.text("No tagger finds an entity, or there are no other pictures.")
        return
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            "Probability": st.column_config.NumberColumn(format="%.3f", help="beside the tweet's own picture"),
            "Mean change": st.column_config.NumberColumn(
                format="%.4f", help="mean absolute change of the probability over the other tweets' pictures"
            ),
        },
        alt="Visual reliance of each entity by tagger",
    )
    pictures = next(iter(titled.values())).of_kind("foreign")
    st.caption(
        f"Over {len(pictures)} pictures {markup.plain(whose)}. Mean change: by how much the CRF's probability of that "
        "very entity moves, either way; gone beside: with how many pictures it is not found. Intervals: the pictures "
        "drawn again (bootstrap), Wilson's for the share. They are about these pictures, not about all pictures."
    )


def _gallery(case: Case, found: Counterfactuals, title: str) -> None:
    st.markdown(f"**Beside other pictures** · {markup.plain(title)}")
    uris = [None if variant.picture is None else _uri(variant.picture) for variant in found.variants]
    st.html(variants.cards(found, uris))
    st.caption(
        "The bar is the probability of each entity that is found beside the own picture; the notch is where it "
        "stands there."
    )
    with st.expander("The same as a table"):
        table = variants.variants(found)
        number = st.column_config.NumberColumn(format="%.4f")
        config = {column: number for column in table.columns if column.startswith("P ")}
        st.dataframe(table, hide_index=True, column_config=config, alt="What is found beside each picture")


def _uri(picture: Image.Image) -> str:
    return services.picture_uri(content_hash(picture.tobytes()), picture)


def _blocks(case: Case, found: Counterfactuals, title: str) -> None:
    st.markdown(f"**Without each block** · {markup.plain(title)}")
    if case.picture is None or found.occlusion is None:
        st.text("The tweet has no picture of which a block could be taken out.")
        return
    if not found.spans:
        st.text("It finds no entity whose probability could fall.")
        return
    tokens = case.example.tokens
    names = {state.span_name(scored.span): variants.span_line(scored.span, tokens) for scored in found.spans}
    chosen = state.choice(state.Key.SPAN, list(names))
    st.selectbox("Entity", list(names), format_func=names.__getitem__, key=state.Key.SPAN, persist_state="session")
    place = list(names).index(chosen)
    drops = found.drops(place)
    if drops is None:
        return
    overlay.show_signed(
        case.doc,
        case.image or "",
        case.picture,
        f"Drop of the probability of {names[chosen]} without each block",
        drops,
        state.block(),
        floor=LEAST,
        hint="+ speaks for the entity: without that block its probability falls. − speaks against it.",
    )
    _check(found, place, drops)
    transforms = {tables.checkpoint_title(info.name): info.manifest.model.image_transform for info in case.chosen}
    st.caption(
        f"How: {OCCLUSIONS[found.occlusion]}. Blocks are taken out one at a time, all 49 in one batch; what two of "
        f"them say together does not show. The picture: the model {READ_AS[transforms[title]]}."
    )
    with st.expander("Blocks as a table"):
        number = st.column_config.NumberColumn(format="%.5f")
        st.dataframe(
            variants.blocks(drops),
            hide_index=True,
            height=300,
            column_config={"Drop of the probability": number},
            alt="Blocks by the drop of the probability",
        )


def _check(found: Counterfactuals, place: int, drops: np.ndarray) -> None:
    """What the map is to be held against: the drop without any picture, and how the largest compares with it."""
    none = found.of_kind("none")[0]
    whole, at = -float(found.shifts[none, place]), int(np.argmax(np.abs(drops)))
    gone = sum(
        found.spans[place].span not in {s.span for s in found.answers[i].prediction.spans}
        for i in found.of_kind("block")
    )
    st.caption(
        f"Check: largest drop **{drops[at]:+.4f}** (row {at // GRID + 1}, column {at % GRID + 1}); all 49 add up to "
        f"**{drops.sum():+.4f}**, the drop without any picture is **{whole:+.4f}** (below 0: the probability rises). "
        f"The entity is gone without **{gone}** of the 49 blocks."
    )
