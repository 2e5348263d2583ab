"""Low-rank adapters (Hu et al., ICLR 2022): small trained matrices beside the published ones, which stay."""

from __future__ import annotations

from torch import nn

from umt_core.encoders.catalog import PEFT, pip_install
from umt_core.errors import BackboneError

SCALE = 2  # of what an adapter adds: alpha / rank, so that a learning rate means the same at every rank


def add_adapters(model: nn.Module, rank: int) -> None:
    """Puts an adapter beside every linear layer of an encoder, and holds all else still.

    A layer's output becomes ``W x + b + 2 B (A x)``. ``B`` is zero at first: nothing changes until it is trained.
    The new parameters are called ``<layer>.lora_A.default.weight`` (rank, in) and ``<layer>.lora_B.default.weight``
    (out, rank); the published ones move to ``<layer>.base_layer``.

    Raises:
        BackboneError: the library that makes them is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # only who has adapters needs it
    except ImportError as error:
        raise BackboneError(f"adapters of rank {rank} want the package peft: {pip_install([PEFT[1]])}") from error
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=linear), model)
