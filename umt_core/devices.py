"""Which device computes (the GPU where there is one), and in which numbers it trains."""

from __future__ import annotations

import os

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
        why = " (torch sees no GPU; its driver must be 580 or newer, see README)" if name == "cuda" else ""
        raise ConfigError(f"device {name!r} was asked for, and this machine has none{why}")
    return torch.device(name)


def pick_devices(name: str, count: int) -> list[torch.device]:
    """A device for each of ``count`` processes: that many GPUs, or the CPU for all of them.

    Raises:
        ConfigError: as ``pick_device``, or this machine has fewer.
    """
    device = pick_device(name)
    if count == 1:
        return [device]
    there = {"cuda": torch.cuda.device_count(), "cpu": os.cpu_count() or 1}.get(device.type, 1)
    if not 1 <= count <= there:
        what = "CPU cores" if device.type == "cpu" else f"{device.type} devices"
        raise ConfigError(f"devices: wanted 1 to {there}, which is how many {what} this machine has, got {count}")
    return [torch.device(device.type, i) if device.type == "cuda" else device for i in range(count)]


PRECISIONS = ("float32", "auto")


def quick_answers() -> bool:
    """Whether predictions may be computed in 16 bits where that is quicker: ``UMT_PRECISION=auto``, by default not.

    Raises:
        ConfigError: the variable is neither of ``PRECISIONS``.
    """
    asked = os.environ.get("UMT_PRECISION") or PRECISIONS[0]
    if asked not in PRECISIONS:
        raise ConfigError(f"UMT_PRECISION: wanted one of {list(PRECISIONS)}, got {asked!r}")
    return asked == "auto"


def mixed_type(device: torch.device) -> torch.dtype | None:
    """The 16-bit type that a device multiplies in faster than in float32; ``None``: it has none.

    A CPU without instructions of its own for bfloat16 imitates them, which takes several times as long.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else None
    return None
