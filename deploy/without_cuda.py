"""Parts pins with hashes into torch and torchvision, and the rest without what only the CUDA build needs.

    python deploy/without_cuda.py requirements.txt pins.txt torch.txt

The second file keeps every hash; the third has versions alone, for an index with other builds of the same versions.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

OTHER_BUILDS = ("torch", "torchvision")
CUDA_ONLY = re.compile(r"(nvidia|cuda|triton)\b")


def part(pins: str) -> tuple[str, str]:
    """The pins without torch and CUDA, and torch's without hashes.

    >>> part("numpy==2.0 --hash=sha256:a\\ntorch==2.1 --hash=sha256:b\\nnvidia-nccl-cu13==1 --hash=sha256:c\\n")
    ('numpy==2.0 --hash=sha256:a\\n', 'torch==2.1\\n')
    """
    kept, other = [], []
    for pin in re.split(r"(?m)^(?=[A-Za-z0-9])", pins):
        name = pin.partition("==")[0]
        if name in OTHER_BUILDS:
            other.append(re.split(r"\s", pin, maxsplit=1)[0] + "\n")
        elif not CUDA_ONLY.match(name):
            kept.append(pin)
    return "".join(kept), "".join(other)


if __name__ == "__main__":
    source, *targets = map(Path, sys.argv[1:])
    for target, text in zip(targets, part(source.read_text(encoding="utf-8")), strict=True):
        target.write_text(text, encoding="utf-8")
