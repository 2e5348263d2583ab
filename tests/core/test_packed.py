"""Layers laid out for the CPU say what torch's own say."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

from umt_core.encoders import packed

needs_onednn = pytest.mark.skipif(not packed.can_pack(), reason="torch has no oneDNN for this processor")


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The weights that are packed from here on."""
    seen: list[Tensor] = []
    real = packed._pack_linear

    def counted(weight: Tensor) -> Tensor:
        seen.append(weight)
        return real(weight)

    monkeypatch.setattr(packed, "_pack_linear", counted)
    return seen


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(96, 128), nn.Sequential(nn.GELU(), nn.Linear(128, 96, bias=False)), nn.Linear(96, 9))


@needs_onednn
@pytest.mark.parametrize("shape", [(96,), (1, 96), (20, 96), (3, 17, 96), (0, 96)])
def test_a_packed_layer_says_what_the_plain_one_says(shape: tuple[int, ...], operators: list[Tensor]) -> None:
    plain = two_layers()
    quick = copy.deepcopy(plain)
    packed.pack_linears(quick)
    values = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(quick(values), plain(values), atol=1e-5, rtol=1e-5)
        quick(values)
    assert len(operators) == (2 if values.numel() else 0)  # each wide one once; the last is narrow


@needs_onednn
def test_gradients_and_16_bits_go_the_plain_way(operators: list[Tensor]) -> None:
    plain = two_layers()
    quick = copy.deepcopy(plain)
    packed.pack_linears(quick)
    grads = []
    for layers in (plain, quick):
        values = torch.ones(4, 96, requires_grad=True)
        layers(values).square().sum().backward()
        grads.append(values.grad)
    assert torch.equal(grads[0], grads[1])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(quick(torch.ones(4, 96)), plain(torch.ones(4, 96)))
    with torch.inference_mode():
        assert torch.equal(quick.double()(torch.ones(4, 96).double()), plain.double()(torch.ones(4, 96).double()))
    assert operators == []


@needs_onednn
def test_a_weight_that_changes_is_packed_anew() -> None:
    quick = nn.Sequential(nn.Linear(96, 64))
    packed.pack_linears(quick)
    values = torch.randn(2, 96)
    with torch.inference_mode():
        before = quick(values)
    with torch.no_grad():
        quick[0].weight.mul_(2)
        quick[0].bias.zero_()
    with torch.inference_mode():
        doubled = quick(values)
    assert torch.allclose(doubled, values @ quick[0].weight.T, atol=1e-5)
    assert not torch.allclose(doubled, before)
    quick.load_state_dict({"0.weight": torch.zeros(64, 96), "0.bias": torch.ones(64)})
    with torch.inference_mode():
        assert torch.equal(quick(values), torch.ones(2, 64))


@needs_onednn
def test_a_copy_has_weights_of_its_own() -> None:
    quick = nn.Sequential(nn.Linear(96, 64))
    packed.pack_linears(quick)
    values = torch.randn(2, 96)
    with torch.inference_mode():
        before = quick(values)
    twin = copy.deepcopy(quick)
    with torch.no_grad():
        twin[0].weight.zero_()
        twin[0].bias.zero_()
    with torch.inference_mode():
        assert torch.equal(quick(values), before)
        assert not twin(values).any()
    assert list(twin.state_dict()) == ["0.weight", "0.bias"]


@needs_onednn
def test_layers_are_freed_without_the_collector() -> None:
    folded = packed.FoldedConvolution(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), relu6=True)
    layers = nn.Sequential(folded.requires_grad_(False), nn.Flatten(), nn.Linear(128, 64))
    packed.pack_linears(layers)
    gc.disable()
    try:
        with torch.inference_mode():
            layers(torch.randn(1, 8, 4, 4).contiguous(memory_format=torch.channels_last))
        parts = [weakref.ref(part) for part in layers]
        del folded, layers
        assert [part() for part in parts] == [None] * 3
    finally:
        gc.enable()


@needs_onednn
@pytest.mark.parametrize("relu6", [True, False])
def test_a_folded_convolution_is_its_convolution_norm_and_bound(relu6: bool) -> None:
    torch.manual_seed(0)
    for groups, uneven in ((1, False), (1, True), (32, False), (32, True)):
        convolution = nn.Conv2d(32, 32, 3, stride=2 if uneven else 1, groups=groups, bias=False)
        outside = nn.ZeroPad2d((0, 1, 0, 1) if uneven else (1, 1, 1, 1))
        convolution.static_padding = outside
        norm = nn.BatchNorm2d(32).eval()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight, 3)
        maps = torch.randn(2, 32, 8, 8).contiguous(memory_format=torch.channels_last)
        folded = packed.FoldedConvolution(convolution, norm, relu6=relu6).requires_grad_(False)
        with torch.inference_mode():
            wanted = norm(
                nn.functional.conv2d(outside(maps), convolution.weight, stride=convolution.stride, groups=groups)
            )
            wanted = wanted.clamp(0, 6) if relu6 else wanted
            torch.testing.assert_close(folded(maps), wanted, atol=1e-4, rtol=1e-4)
        with torch.enable_grad():  # not by oneDNN
            torch.testing.assert_close(folded(maps), wanted, atol=1e-4, rtol=1e-4)
