"""The taggers of the paper by their names, one file each."""

from __future__ import annotations

from umt_core.config import ModelSettings
from umt_core.encoders.text import TextEncoder
from umt_core.errors import ConfigError
from umt_core.systems.adacan_bert_crf import AdaCanBertCrf
from umt_core.systems.adacan_cnn_bilstm_crf import AdaCanCnnBiLstmCrf
from umt_core.systems.base import Output, Tagger
from umt_core.systems.bert import Bert
from umt_core.systems.bert_crf import BertCrf
from umt_core.systems.bilstm_crf import BiLstmCrf
from umt_core.systems.cnn_bilstm_crf import CnnBiLstmCrf
from umt_core.systems.gvatt_bert_crf import GvattBertCrf
from umt_core.systems.gvatt_hbilstm_crf import GvattHBiLstmCrf
from umt_core.systems.hbilstm_crf import HBiLstmCrf
from umt_core.systems.mt import MultimodalTransformer
from umt_core.systems.umt import UnifiedMultimodalTransformer
from umt_core.systems.umt_no_conversion import UmtWithoutConversion
from umt_core.systems.umt_no_esd import UmtWithoutEsd
from umt_core.systems.umt_no_gate import UmtWithoutGate
from umt_core.systems.umt_no_image_aware import UmtWithoutImageAwareWords

# In the order of Tables 2 and 3.
SYSTEMS: dict[str, type[Tagger]] = {
    system.name: system
    for system in (
        BiLstmCrf,
        CnnBiLstmCrf,
        HBiLstmCrf,
        Bert,
        BertCrf,
        GvattHBiLstmCrf,
        AdaCanCnnBiLstmCrf,
        GvattBertCrf,
        AdaCanBertCrf,
        MultimodalTransformer,
        UnifiedMultimodalTransformer,
        UmtWithoutEsd,
        UmtWithoutConversion,
        UmtWithoutImageAwareWords,
        UmtWithoutGate,
    )
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
