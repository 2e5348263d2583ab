"""What a checkpoint says of itself: settings, seed, data, scores, the sums of its files. Free of torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from umt_core.config import ModelSettings, TrainSettings
from umt_core.data.files import Stamp, stamp_of
from umt_core.encoders.needs import by_hand, packages
from umt_core.errors import CheckpointError, ConfigError
from umt_core.labels import LABELS
from umt_core.showing import printable

MOST_BYTES = 10_000_000  # of manifest.json; ours have some 5,000
_SURROGATE = re.compile("[\ud800-\udfff]")  # halves of pairs, which JSON can say and no file or page can show
FORMAT = 1  # of manifest.json; a reader refuses what it does not know
MANIFEST, WEIGHTS, CARD = "manifest.json", "weights.safetensors", "README.md"
AS_GIVEN = "as given by the user"  # of pictures, where nobody said what they are


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of ``manifest.json``."""

    system: str
    dataset: str
    model: ModelSettings
    train: TrainSettings
    recipe: str
    channels: int | None  # of the vision encoder; None: the system uses no image
    weights_sha256: str
    parameters: dict[str, int]  # "trained" (in the weights file) and "frozen" (from the packages)
    encoders: dict[str, str | None]  # name of each encoder used -> SHA-256 of its published weights
    data: dict[str, Any]  # files' names, SHA-256, tweets, tweets with a picture, by split
    images: str  # what the pictures were, in words; figures with stand-ins compare with no others
    scores: dict[str, dict[str, Any]]  # by split, the fields of ``evaluate --json``
    history: list[dict[str, float]]  # per epoch
    epoch: int  # the epoch that was kept
    seconds: float  # of training
    code: str  # version of this package
    created: str  # UTC, ISO 8601
    init: str | None = None  # the checkpoint that training started from
    parent: dict[str, str] | None = None  # of a retrained one: "name" and "weights_sha256" of the version it came from
    corrections: dict[str, Any] | None = None  # see ``Job.corrections``: "digest", "events", "tweets", "changed"
    init_encoder: dict[str, str] | None = None  # "name" and "weights_sha256" of the pretrained encoder it began with
    teachers: list[dict[str, str]] = field(default_factory=list)  # "name" and "weights_sha256" of each learned from
    set_name: str = ""  # of checkpoints, where it is not the data set's: several may be of one data set
    precision: str = "float32"  # of products in training; weights are updated in float32 whatever it is
    devices: int = 1  # processes that shared each batch; their dropout is drawn apart
    format: int = FORMAT
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.set_name or self.dataset}/{self.system}"

    @property
    def needs(self) -> dict[str, Any]:
        """What must be there for the checkpoint to be read: bytes of ``memory``, ``packages``, the rest."""
        sees = self.channels is not None
        return {
            "memory": 4 * sum(self.parameters.values()),
            "packages": [*packages(self.model, sees=sees).values()],
            "by_hand": by_hand(self.model, sees=sees),
        }

    def to_json(self) -> str:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["model"], values["train"] = self.model.to_dict(), self.train.to_dict()
        values["needs"] = self.needs  # for who reads the file without this program
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a checkpoint folder.

    Raises:
        CheckpointError: it is missing, is no JSON, or does not say what this version must know.
    """
    path = folder / MANIFEST
    try:
        stamp = stamp_of(path)
        if stamp.size > MOST_BYTES:
            raise CheckpointError(f"{path}: wanted a manifest of at most {MOST_BYTES:,} bytes, got {stamp.size:,}")
        return _read(path, stamp)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: wanted a checkpoint, found no {MANIFEST}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: wanted a manifest in JSON, got {str(error).splitlines()[0]}") from error


@lru_cache(maxsize=256)  # every run of a page asks for all of them, several times
def _read(path: Path, stamp: Stamp) -> Manifest:
    """The manifest of a file as it was at this stamp; whoever gets it changes nothing in it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: wanted a manifest in JSON, got {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        got = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise CheckpointError(f"{path}: wanted a manifest of format {FORMAT}, got {got!r}")
    try:
        values.pop("needs", None)  # follows from the others
        values["model"] = ModelSettings.from_dict(values["model"])
        values["train"] = TrainSettings.from_dict(values["train"])
        manifest = Manifest(**values)
    except (ConfigError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a manifest of ours: {printable(' '.join(str(error).split()))}") from error
    if why := _wrong(manifest):
        raise CheckpointError(f"{path}: not a manifest of ours: {why}")
    return manifest


def _wrong(manifest: Manifest) -> str:
    """What of a manifest is not of its kind, for it may have been written by anyone; "": nothing."""
    for name, kind in typing.get_type_hints(Manifest).items():
        if not _is(getattr(manifest, name), kind):
            return f"{name}: wanted {kind}, got {str(getattr(manifest, name))[:60]!r}"
    if missing := {"trained", "frozen"} - manifest.parameters.keys():
        return f"parameters: wanted trained and frozen, got no {' and no '.join(sorted(missing))}"
    for split, scores in manifest.scores.items():
        rows = scores.get("by_type")
        by_type = [rows.get(label) for label in LABELS] if isinstance(rows, dict) else [None]
        figures = [scores.get(name) for name in ("precision", "recall", "f1", "spans")]
        figures += [row.get("f1") if isinstance(row, dict) else None for row in by_type]
        if not all(_is(figure, float) for figure in figures):
            return f"scores: wanted precision, recall, f1 and spans, and f1 by type, of {split[:60]!r}"
    return ""


def _is(value: object, kind: Any) -> bool:
    """Whether a value that JSON gave is of a kind; numbers are finite, and text can be written."""
    arguments = typing.get_args(kind)
    if kind is Any or value is None:
        return kind is Any or kind is type(None) or type(None) in arguments
    if isinstance(kind, types.UnionType):
        return any(_is(value, one) for one in arguments)
    if isinstance(value, dict):
        return typing.get_origin(kind) is dict and all(
            isinstance(k, str) and _is(v, arguments[1]) for k, v in value.items()
        )
    if isinstance(value, list):
        return typing.get_origin(kind) is list and all(_is(item, arguments[0]) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return kind in (float, type(value)) and abs(value) < 2**63
    return type(value) is kind and not (isinstance(value, str) and _SURROGATE.search(value))


def file_sum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def needs_line(manifest: Manifest) -> str:
    """What a checkpoint needs, in words."""
    found = manifest.needs
    words = [f"{found['memory'] / 2**20:.0f} MiB of memory for its weights"]
    words += [f"`pip install {' '.join(found['packages'])}`"] if found["packages"] else []
    return "; ".join([*words, *found["by_hand"]])


def _adapted(manifest: Manifest) -> str:
    rank = manifest.model.adapter_rank
    return f", as published, with adapters of rank {rank}" if rank else ""


def card(manifest: Manifest) -> str:
    """The README.md beside the weights, made from the manifest alone."""
    m = manifest
    trained = m.parameters["trained"]
    lines = [
        f"# {m.name}",
        "",
        f"Generated from `{MANIFEST}`. {m.system} (Yu et al., ACL 2020), trained on {m.dataset}.",
        "",
        f"- text encoder: {m.model.text_encoder}{_adapted(m)}",
        f"- vision encoder: {m.model.vision_encoder if m.channels else 'none, the system reads text only'}",
        f"- pictures: {m.images}",
        f"- weights trained, here in half precision: {trained:,}, {2 * trained / 2**20:.0f} MiB",
        f"- weights as published, from their package: {m.parameters['frozen']:,}",
        f"- needs: {needs_line(m)}",
        f"- recipe: {m.recipe}, seed {m.train.seed}; epoch {m.epoch} of {len(m.history)} kept, by dev F1",
        f"- started from: {m.init or 'the published encoder'}",
        *(
            [f"- encoder trained on before: weights {m.init_encoder['weights_sha256'][:12]}..."]
            if m.init_encoder
            else []
        ),
        *[f"- learned from: {t['name']}, weights {t['weights_sha256'][:12]}..." for t in m.teachers],
        f"- trained in {m.seconds / 60:.0f} minutes; package version {m.code}; {m.created}",
        "",
        "| split | precision | recall | F1 | PER | LOC | ORG | MISC | spans |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for split, scores in m.scores.items():
        types = " | ".join(f"{100 * scores['by_type'][t]['f1']:.2f}" for t in ("PER", "LOC", "ORG", "MISC"))
        figures = " | ".join(f"{100 * scores[k]:.2f}" for k in ("precision", "recall", "f1"))
        lines.append(f"| {split} | {figures} | {types} | {scores['spans']} |")
    lines += ["", "Strict matches of span and type, in percent.", *[f"- {note}" for note in m.notes]]
    return "\n".join(lines).rstrip() + "\n"
