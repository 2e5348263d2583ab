"""Which device computes: the GPU where there is one."""

from __future__ import annotations

import torch

from umt_core.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """The device of a name; ``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: the name is unknown, or this machine has no such device.
    """
    if name not in DEVICES:
        raise ConfigError(f"unknown device {name!r}; known devices: {list(DEVICES)}")
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    if not present[name]:
        raise ConfigError(f"device {name!r} was asked for, and this machine has none")
    return torch.device(name)
