"""What a tagger decodes with (Yu et al., ACL 2020, eqs. 5 and 7), in NumPy: kept scores need no weights to be decoded.

Free of torch. On arrays, too, because a step over nine tags is too little work for a tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from umt_core.errors import ConfigError


class Chain(NamedTuple):
    """The transitions of eq. 5, float64; ``start`` and ``end`` are its T at i = 0 and i = n."""

    start: np.ndarray  # (tags,)
    transitions: np.ndarray  # (tags, tags): of tag i before tag j
    end: np.ndarray  # (tags,)

    def best_paths(self, emissions: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Most probable tags (Viterbi) of a batch: (batch, n); past a tweet's end its last tag repeats."""
        # emissions: (batch, n, tags), real: (batch, n)
        batch, length, tags = emissions.shape
        score = self.start + emissions[:, 0]  # (batch, tags)
        pointers = []
        for i in range(1, length):
            arriving = score[:, :, None] + self.transitions  # (batch, from, to)
            here = real[:, i, None]
            pointers.append(np.where(here, arriving.argmax(axis=1), np.arange(tags)))
            score = np.where(here, arriving.max(axis=1) + emissions[:, i], score)
        path = [(score + self.end).argmax(axis=1)]  # each (batch,)
        rows = np.arange(batch)
        for pointer in reversed(pointers):
            path.append(pointer[rows, path[-1]])
        return np.stack(path[::-1], axis=1)

    def best_path(self, emissions: np.ndarray) -> np.ndarray:
        """Most probable tags of one tweet: (n,). ``emissions``: (n, tags)."""
        path: np.ndarray = self.best_paths(emissions[None], np.ones((1, len(emissions)), bool))[0]
        return path

    def steps(self, path: np.ndarray) -> np.ndarray:
        """The transition into each position of a path, and out of the last: (n + 1,)."""
        return np.concatenate([self.start[path[:1]], self.transitions[path[:-1], path[1:]], self.end[path[-1:]]])


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """Everything that turns the scores of a tagger's layers into tags, whatever the tweet."""

    tags: tuple[str, ...]
    chain: Chain
    esd_tags: tuple[str, ...] = ()  # none: the system has no span detector
    esd_chain: Chain | None = None
    conversion: np.ndarray | None = None  # W^c, (esd tags, tags); None: ESD's scores are not added to the main ones
    esd_factor: float = 1.0  # of the converted scores: 0.5 where the setting ``esd_mix`` is "mean"

    def converted(self, esd: np.ndarray, conversion: np.ndarray | None = None) -> np.ndarray:
        """What ESD adds, the second term of eq. 7: (..., tags), float64. ``conversion`` stands in for W^c.

        Raises:
            ConfigError: there is no matrix.
        """
        # esd: (..., esd tags)
        matrix = self.conversion if conversion is None else conversion
        if matrix is None:
            raise ConfigError("wanted a system with a conversion matrix, got one that has none")
        added: np.ndarray = self.esd_factor * (esd.astype(np.float64) @ matrix)
        return added

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tags": list(self.tags),
            "chain": [part.tolist() for part in self.chain],
            "esd_tags": list(self.esd_tags),
            "esd_chain": None if self.esd_chain is None else [part.tolist() for part in self.esd_chain],
            "conversion": None if self.conversion is None else self.conversion.tolist(),
            "esd_factor": self.esd_factor,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What ``to_dict`` gave (``KeyError``, ``TypeError`` or ``ValueError``: it did not)."""
        chain, esd_chain, conversion = (values[name] for name in ("chain", "esd_chain", "conversion"))
        return cls(
            tuple(values["tags"]),
            _chain(chain),
            tuple(values["esd_tags"]),
            None if esd_chain is None else _chain(esd_chain),
            None if conversion is None else np.array(conversion, np.float64),
            float(values["esd_factor"]),
        )


def _chain(parts: list[Any]) -> Chain:
    start, transitions, end = (np.array(part, np.float64) for part in parts)
    return Chain(start, transitions, end)
