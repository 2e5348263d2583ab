"""Spares Python's garbage collector what stays as long as the process: modules, taggers, tweets that were read.

Streamlit has it go through all objects after each run of a page, and no session does anything meanwhile. With three
taggers loaded these are half a million objects and 0.3 s of the processor, more than most clicks take. That round is
not switched off (``runner.postScriptGC``): what sessions leave in circles would stay for long.
"""

from __future__ import annotations

import atexit
import gc
import sys

atexit.register(gc.unfreeze)  # when the process ends modules go in circles, and DuckDB complains of what is left

_modules = 0  # when the collector was last spared


def spare() -> None:
    """Takes what is alive out of the collector's rounds.

    It goes as ever when nothing refers to it any more; only what refers to itself in a circle stays for good.
    """
    gc.freeze()


def spare_imports() -> None:
    """The same if modules came since the last time: pages import what they need when they first need it."""
    global _modules
    if len(sys.modules) != _modules:
        _modules = len(sys.modules)
        spare()
