"""The labels that people have set, as a data set's gold. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping

from umt_core.corrections.events import Labels, TweetKey
from umt_core.corrections.store import Store
from umt_core.schema import Span


def corrected_gold(url: str | None, data: str) -> dict[str, tuple[Span, ...]]:
    """By tweet id, the labels of a split's tweets as they stand; a tweet that is skipped keeps the data set's.

    Args:
        url: of the store; ``None``: the one at home.
        data: <data set>/<split>.

    Raises:
        StoreError: the store cannot be read.
    """
    with Store(url, read_only=True) as store:
        return gold_of(store.current(data))


def gold_of(current: Mapping[TweetKey, Labels]) -> dict[str, tuple[Span, ...]]:
    """The same of labels that were read already."""
    return {k.tweet: labels.spans for k, labels in current.items() if labels.spans is not None and not labels.skipped}
