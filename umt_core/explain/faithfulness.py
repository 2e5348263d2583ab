"""Does a map say what the model does? Each map held against what happens when blocks are taken away. Free of torch.

The reference is *occlusion*: by how much the log-odds of an entity (``attributions``) fall when one block of the
picture is set to zeros, which is what all 49 are where there is no picture. A map is held against it in two ways:

- ``rho``: Spearman's correlation of the map's 49 values with the 49 drops. 1: it orders blocks as occlusion does,
  0: it knows nothing of it, -1: it has them the wrong way round.
- ``area``: blocks are taken away one after the other in the map's order, the highest first, and the score is followed.
  How far it lies below that of random orders, in nats, the mean over the way: above 0, the map finds blocks that count.

A block set to zeros is nothing that the model has met beside 48 others, so occlusion is no truth either. How well two
ways of it agree (zeros, and the picture's mean vector) says how much depends on what stands in a block's place. It is
no bound: integrated gradients from zeros agree with occlusion by zeros the more, the more linear the model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from umt_core.analysis.building import SPAN, TWEET
from umt_core.analysis.significance import LEVEL, Interval, interval_of
from umt_core.explain.attention import MAPS, maps_of, weights
from umt_core.explain.attributions import to_log_odds
from umt_core.explain.counterfactuals import without_blocks
from umt_core.schema import REGIONS, Example, Inspection, Span

if TYPE_CHECKING:
    from umt_core.predict import Predictor

STRIDE = 7  # blocks that are taken away at a time
ORDERS = 5  # random ones that a map's is held against
EXPLAINS = 0.5  # mean rho from which on we say that a map explains the model: a quarter of the ranks' variance
MATTERS = 0.05  # nats: spans no block of which moves the score by so much are told apart, there is little to explain
GRADIENTS, OTHER_OCCLUSION = "integrated_gradients", "mean_occlusion"
TITLES = {m.name: m.title for m in MAPS} | {
    GRADIENTS: "integrated gradients",
    OTHER_OCCLUSION: "occlusion by the mean vector",
}
MEAN = -1  # stands for the mean over heads
KIND = "faithfulness-2"  # 2: of each tweet, random orders of its own
SCHEMA = pa.schema(
    [
        TWEET,
        *SPAN,
        ("map", pa.string()),  # of TITLES
        ("head", pa.int16()),  # from 0; MEAN: over the heads, or there are none
        ("rho", pa.float32()),  # null: the map or the drops are even
        ("area", pa.float32()),  # null: of single heads
        ("effect", pa.float32()),  # the largest change of the score by one block, nats
        ("picture", pa.float32()),  # by how much the score falls without any picture, nats
    ]
)
RESAMPLES = 2_000
FEWEST = 10  # tweets from which on a verdict is given
Maps = dict[tuple[str, int], np.ndarray]  # (49,) of each map and head


@dataclass(frozen=True, slots=True)
class Check:
    """One map of one span against occlusion."""

    map: str  # of TITLES
    head: int  # MEAN: over the heads
    rho: float | None
    area: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SpanFaithfulness:
    """All maps of one span against occlusion."""

    span: Span
    score: float  # log-odds beside the own picture
    without: float  # beside none
    drops: np.ndarray  # (49,): by how much the score falls without each block
    checks: tuple[Check, ...]

    @property
    def effect(self) -> float:
        return float(np.abs(self.drops).max())

    def check(self, name: str, head: int | None = None) -> Check | None:
        """Of a map and head (``None``: their mean)."""
        wanted = name, MEAN if head is None else head
        return next((check for check in self.checks if (check.map, check.head) == wanted), None)


def span_maps(inspection: Inspection, span: Span) -> Maps:
    """The system's attention maps for a span: the mean of its words' rows, of block → word their sum."""
    found: Maps = {}
    for attention_map in maps_of(inspection):
        count = len(getattr(inspection, attention_map.name))
        for head in (None, *range(count)) if count > 1 else (None,):
            rows = weights(inspection, attention_map, head)[span.start : span.end].astype(np.float64)
            together = rows.mean(axis=0) if attention_map.rows_are_words else rows.sum(axis=0)
            found[attention_map.name, MEAN if head is None else head] = together
    return found


def rank_correlation(values: np.ndarray, drops: np.ndarray) -> float | None:
    """Spearman's rho, ties ranked by their mean; ``None``: one of both is even.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    one, other = scaled_ranks(values), scaled_ranks(drops)
    return round(float(one @ other), 12) if one.any() and other.any() else None


def scaled_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties at their mean, moved to mean 0 and scaled to length 1, so that a product is a correlation.

    Where all values are the same there is nothing to scale: zeros.
    """
    from scipy.stats import rankdata  # takes most of a second

    centred = rankdata(values) - (len(values) + 1) / 2
    length = np.sqrt(centred @ centred)
    scaled: np.ndarray = centred / length if length else centred
    return scaled


def random_orders(seed: int | Sequence[int], count: int = ORDERS) -> list[np.ndarray]:
    """Orders of the 49 blocks that a map's is held against.

    Over several tweets each wants a seed of its own: beside the same few orders all areas are off by the same chance,
    which drawing tweets again does not show.
    """
    rng = np.random.default_rng(seed)
    return [rng.permutation(REGIONS) for _ in range(count)]


def order_of(values: np.ndarray) -> np.ndarray:
    """Blocks by a map, the highest first."""
    return np.argsort(-values, kind="stable")


def deleted(regions: np.ndarray, order: np.ndarray, stride: int = STRIDE) -> list[np.ndarray]:
    """The regions (49, channels) with the first ``stride`` blocks of an order set to zeros, then twice as many, …

    All but none and all 49 of them, which every order has in common.
    """
    found = []
    for count in range(stride, REGIONS, stride):
        left = regions.copy()
        left[order[:count]] = 0
        found.append(left)
    return found


def area(scores: Sequence[float] | np.ndarray, random: Sequence[Sequence[float]] | np.ndarray) -> float:
    """How far a curve lies below the mean of random ones: the mean over the way, both ends left out.

    >>> area([1.0, 0.0], [[2.0, 2.0], [2.0, 0.0]])
    1.0
    """
    return float((np.asarray(random, np.float64).mean(axis=0) - np.asarray(scores, np.float64)).mean())


def faithfulness_of(
    predictor: Predictor,
    example: Example,
    regions: np.ndarray,
    spans: Sequence[Span],
    maps: Callable[[Span], Maps],
    *,
    seed: int | Sequence[int] = 0,
    curves: bool = True,
) -> list[SpanFaithfulness]:
    """Each span's maps against occlusion, in two batches: the drops, then the deletion curves of means.

    Args:
        regions: (49, channels) of the tweet's picture.
        maps: the maps of a span; what ``span_maps`` gives, and others.
        seed: of the random orders, see ``random_orders``.
        curves: whether deletion curves are wanted.
    """
    asked = [regions, None, *without_blocks(regions), *without_blocks(regions, "mean")]
    scores = _scores(predictor, example, asked, spans)  # (pictures, spans)
    drops = scores[0] - scores[2 : 2 + REGIONS]  # (49, spans)
    by_mean = scores[0] - scores[2 + REGIONS :]
    of_spans = [maps(span) | {(OTHER_OCCLUSION, MEAN): by_mean[:, i]} for i, span in enumerate(spans)]
    areas = _areas(predictor, example, regions, spans, of_spans, seed) if curves else [{} for _ in spans]
    return [
        SpanFaithfulness(
            span,
            float(scores[0, i]),
            float(scores[1, i]),
            drops[:, i],
            tuple(
                Check(name, head, rank_correlation(values, drops[:, i]), areas[i].get((name, head)))
                for (name, head), values in of_spans[i].items()
            ),
        )
        for i, span in enumerate(spans)
    ]


def _scores(
    predictor: Predictor, example: Example, pictures: Sequence[np.ndarray | None], spans: Sequence[Span]
) -> np.ndarray:
    # (pictures, spans), log-odds
    ((*answers,),) = predictor.with_pictures([example], [pictures], [spans])
    return to_log_odds(np.array([answer.probabilities for answer in answers]))


def _areas(
    predictor: Predictor,
    example: Example,
    regions: np.ndarray,
    spans: Sequence[Span],
    of_spans: Sequence[Maps],
    seed: int | Sequence[int],
) -> list[dict[tuple[str, int], float]]:
    """The area of each span's mean maps, which are all asked about in one batch, beside the same random orders."""
    random = [deleted(regions, order) for order in random_orders(seed)]
    means = [(i, key) for i, maps in enumerate(of_spans) for key in maps if key[1] == MEAN]
    ordered = [deleted(regions, order_of(of_spans[i][key])) for i, key in means]
    scores = _scores(predictor, example, [picture for way in (*random, *ordered) for picture in way], spans)
    curves = scores.reshape(len(random) + len(ordered), -1, len(spans))  # (ways, points, spans)
    found: list[dict[tuple[str, int], float]] = [{} for _ in spans]
    for (i, key), curve in zip(means, curves[len(random) :], strict=True):
        found[i][key] = area(curve[:, i], curves[: len(random), :, i])
    return found


def rows_of(tweet: int, found: Sequence[SpanFaithfulness]) -> list[tuple[Any, ...]]:
    """Rows of SCHEMA."""
    return [
        (
            tweet,
            *(of.span.start, of.span.end, of.span.label),
            *(check.map, check.head, check.rho, check.area),
            *(of.effect, of.score - of.without),
        )
        for of in found
        for check in of.checks
    ]


# --- over a whole set ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MapFaithfulness:
    """One map and head over all sampled spans. Intervals are of the mean, by drawing tweets again."""

    map: str
    head: int  # MEAN: over the heads
    spans: int
    rho: Interval
    quartiles: tuple[float, float, float]  # of rho over spans
    surely: float  # lower end of rho where all maps and heads are to be right at once (Bonferroni)
    area: Interval | None
    tweets: int = 0  # that the spans are of

    @property
    def title(self) -> str:
        """
        >>> nothing = Interval(0.0, 0.0, 0.0)
        >>> MapFaithfulness("word_to_block", 2, 1, nothing, (0.0, 0.0, 0.0), 0.0, None).title
        'word → block, head 3'
        """
        return TITLES[self.map] if self.head == MEAN else f"{TITLES[self.map]}, head {self.head + 1}"

    @property
    def is_attention(self) -> bool:
        return self.map not in (GRADIENTS, OTHER_OCCLUSION)


def summarise(table: pa.Table, least_effect: float = 0.0) -> list[MapFaithfulness]:
    """All maps and heads of a kept table, means first; of spans that some block moves by ``least_effect`` at least."""
    rows = table.to_pandas()
    rows = rows[rows["effect"] >= least_effect]
    groups = [(key, of.dropna(subset=["rho"])) for key, of in rows.groupby(["map", "head"], sort=False)]
    groups = [(key, of) for key, of in groups if len(of)]
    found = []
    for (name, head), of in groups:
        rho, drawn = _mean_by_tweet(of["tweet"].to_numpy(), of["rho"].to_numpy(np.float64))
        with_area = of.dropna(subset=["area"])
        areas = None
        if len(with_area):
            areas = interval_of(*_mean_by_tweet(with_area["tweet"].to_numpy(), with_area["area"].to_numpy(np.float64)))
        low, middle, high = np.quantile(of["rho"], (0.25, 0.5, 0.75))
        quartiles = float(low), float(middle), float(high)
        tweets = of["tweet"].nunique()
        surely = rho - _furthest(tweets, len(groups)) * float(drawn.std())
        found.append(
            MapFaithfulness(str(name), int(head), len(of), interval_of(rho, drawn), quartiles, surely, areas, tweets)
        )
    order = list(TITLES)
    return sorted(found, key=lambda m: (m.head != MEAN, order.index(m.map), m.head))


def _furthest(tweets: int, groups: int) -> float:
    """By how many standard errors, as drawn, the best of so many groups may be off (Student's t, Bonferroni)."""
    from scipy.stats import t  # takes most of a second

    if tweets < 2:
        return float("inf")
    return float(t.ppf(1 - (1 - LEVEL) / (2 * groups), tweets - 1)) * (tweets / (tweets - 1)) ** 0.5


def _mean_by_tweet(tweets: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean, and that of tweets drawn again with all their spans: (RESAMPLES,)."""
    _, place = np.unique(tweets, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    drawn = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES)
    return float(values.mean()), (drawn @ sums) / (drawn @ counts)


def verdict(found: Sequence[MapFaithfulness]) -> str:
    """Which attention map, if any, explains the model; "none does" is an answer.

    ``found`` is of a system that looks at pictures: where no map is left, either no entity is, or all maps are even.
    """
    if not found:
        return "No entity of the sampled tweets is left: there is nothing to judge."
    maps = [m for m in found if m.is_attention]
    if not maps:
        return "None does: all attention maps are even, they order no blocks."
    able = [m for m in maps if m.surely > 0]
    best = max(able or maps, key=lambda m: m.rho.value)
    many = f"{len(maps)} maps and heads"
    agrees = f"ρ = {best.rho.value:.2f}, {best.rho.low:.2f} to {best.rho.high:.2f}"
    if (tweets := max(m.tweets for m in maps)) < FEWEST:
        line = f"Too few tweets to judge by: {tweets}, wanted {FEWEST} and more."
    elif not able:
        line = (
            f"None does: of {many} none agrees with occlusion beyond what the best of so many has by chance "
            f"(best: {best.title}, {agrees})."
        )
    elif best.rho.value < EXPLAINS:
        line = f"None does well: the best of {many}, {best.title}, agrees weakly with occlusion ({agrees})."
    else:
        line = f"{best.title.capitalize()}, best of {many}, orders the blocks much as occlusion does ({agrees})."
    return " ".join((line, *_references(found)))


def _references(found: Sequence[MapFaithfulness]) -> list[str]:
    lines = []
    for name, text in (
        (GRADIENTS, "Integrated gradients reach ρ = {:.2f}."),
        (OTHER_OCCLUSION, "Two ways of occlusion agree at ρ = {:.2f}: so much hangs on what takes a block's place."),
    ):
        lines += [text.format(m.rho.value) for m in found if m.map == name]
    return lines


def faithfulness_json(table: pa.Table, about: Mapping[str, str]) -> dict[str, Any]:
    """All figures as JSON."""
    found, mattering = summarise(table), summarise(table, MATTERS)
    return {
        "about": dict(about),
        "verdict": verdict(found),
        "maps": [asdict(m) | {"title": m.title} for m in found],
        "where_the_picture_matters": {
            "least_effect": MATTERS,
            "verdict": verdict(mattering),
            "maps": [asdict(m) | {"title": m.title} for m in mattering],
        },
    }
