"""The taggers of the paper by their names, one file each."""

from __future__ import annotations

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.errors import ConfigError
from umt_core.systems.base import Output, Tagger
from umt_core.systems.bert_crf import BertCrf
from umt_core.systems.mt import MultimodalTransformer
from umt_core.systems.umt import UnifiedMultimodalTransformer

SYSTEMS: dict[str, type[Tagger]] = {
    system.name: system for system in (BertCrf, MultimodalTransformer, UnifiedMultimodalTransformer)
}


def system_class(name: str) -> type[Tagger]:
    """The class of a system.

    Raises:
        ConfigError: there is no system of that name.
    """
    if name not in SYSTEMS:
        raise ConfigError(f"unknown system {name!r}; known systems: {list(SYSTEMS)}")
    return SYSTEMS[name]


def build_system(name: str, settings: ModelSettings, encoder: TextEncoder, channels: int | None = None) -> Tagger:
    """A new tagger on a text encoder; ``channels`` of the vision encoder, for systems that use images.

    Raises:
        ConfigError: there is no system of that name, or it wants an image and has no channels.
    """
    system = system_class(name)
    if not system.uses_image:
        return system(settings, encoder)
    if channels is None:
        raise ConfigError(f"{name} uses images: wanted the channels of a vision encoder, got none")
    return system(settings, encoder, channels)  # type: ignore[call-arg]


__all__ = ["SYSTEMS", "Output", "Tagger", "build_system", "system_class"]
