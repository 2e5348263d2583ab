"""Layers whose weights are laid out for the CPU once, not at every call: the same numbers to rounding, in less time.

torch's own product lays a weight out anew each call, which counts where a tweet has twenty subwords to multiply it by.
oneDNN, which torch brings along, takes a weight that is laid out already, and bounds what a convolution gives while it
is still in the cache. ``torch.compile`` makes programs of the same operators; they know no gradient.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NARROWEST = 64  # numbers in and out of a linear layer: a smaller product is over before a packed one has begun


def can_pack() -> bool:
    """Whether torch has oneDNN for this processor. Only on x86 was it measured, and found to be quicker."""
    return platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()


class _Packed:
    """A weight in oneDNN's layout, made at the first call and again where the weight has changed since."""

    def __init__(self) -> None:
        self._of: tuple[int, int] | None = None
        self._value: Tensor | None = None

    def of(self, weight: Tensor, pack: Callable[[Tensor], Tensor]) -> Tensor:
        # ``pack`` is not kept: a layer's own method would hold the layer in a circle, which only the collector frees.
        now = weight.data_ptr(), weight._version
        if self._value is None or self._of != now:
            self._value, self._of = pack(weight.detach()), now
        return self._value

    def __deepcopy__(self, memo: dict[int, Any]) -> _Packed:
        return _Packed()  # such a tensor cannot be copied, and the copy's weight is another


def _suits(values: Tensor, weight: Tensor) -> bool:
    """Whether a packed weight may stand in: there is one, and nobody asks for a gradient or for 16 bits."""
    plain = values.dtype is torch.float32 and values.device.type == "cpu" and values.numel() > 0
    return (
        plain
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and weight.dtype is torch.float32
        and not weight.is_inference()  # would not tell that it has changed
        and can_pack()
    )


class PackedLinear(nn.Linear):
    """A linear layer, over the same parameters; ``F.linear`` where a gradient is wanted, or products in 16 bits."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.training = linear.training
        self._packed = _Packed()

    def forward(self, values: Tensor) -> Tensor:
        if not _suits(values, self.weight):
            return super().forward(values)
        weight = self._packed.of(self.weight, _pack_linear)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, self.bias, "none", [], "")
        return found


def pack_linears(module: nn.Module) -> None:
    """Puts a ``PackedLinear`` in the place of every linear layer of a module that is wide enough."""
    for name, child in list(module.named_children()):
        if type(child) is nn.Linear and min(child.weight.shape) >= NARROWEST:
            setattr(module, name, PackedLinear(child))
        else:
            pack_linears(child)


class FoldedConvolution(nn.Module):
    """A frozen convolution of EfficientNet-Lite with the batch norm after it folded in, and perhaps a ReLU6.

    A convolution that pads one side more than the other does so as the package of its weights has it
    (``static_padding``).
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d, *, relu6: bool) -> None:
        super().__init__()
        folded = fuse_conv_bn_eval(convolution.eval(), norm.eval())
        self.weight, self.bias = folded.weight, folded.bias
        self.stride, self.dilation, self.groups, self.relu6 = folded.stride, folded.dilation, folded.groups, relu6
        outside: Any = getattr(convolution, "static_padding", None)
        left, right, top, bottom = outside.padding if isinstance(outside, nn.ZeroPad2d) else (0, 0, 0, 0)
        even = (left, top) == (right, bottom)
        self.uneven = None if even else (left, right, top, bottom)
        self.padding = (top, left) if even else (0, 0)
        self._packed = _Packed()

    def forward(self, maps: Tensor) -> Tensor:
        # (batch, channels, height, width), channels last
        if self.uneven:
            maps = nn.functional.pad(maps, self.uneven)
        how = self.padding, self.stride, self.dilation, self.groups
        if not _suits(maps, self.weight):
            maps = nn.functional.conv2d(maps, self.weight, self.bias, self.stride, self.padding, *how[2:])
            return maps.clamp_(0, 6) if self.relu6 else maps
        after: tuple[str, list[float], str] = ("hardtanh", [0.0, 6.0], "") if self.relu6 else ("none", [], "")
        weight = self._packed.of(self.weight, self._pack)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(maps, weight, self.bias, *how, *after)
        return found

    def _pack(self, weight: Tensor) -> Tensor:
        how = self.padding, self.stride, self.dilation, self.groups
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, *how, None)
        return packed


def _pack_linear(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    return packed
