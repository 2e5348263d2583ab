"""From nothing to a first answer, and the memory it takes, against the imports that no such program can avoid."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Measure, seconds
from benchmarks.serving import LONGEST, ROOT, serving
from umt_core.data.jsonl import write_jsonl
from umt_core.data.samples import OPENING_SAMPLE, load_samples, sample_images_folder
from umt_core.errors import UmtError

REPEATS = 3

# Each child prints the most memory that it held, in KiB (on a Mac in bytes).
PEAK = "from benchmarks.measure import peak_memory; print(peak_memory())"
# The class, as `import transformers` by itself puts off nearly all of its work.
IMPORTS = f"import torch; from transformers import BertModel; {PEAK}"
INSPECT = f"""
from benchmarks.warm_inspect import NAMES
from umt_core.data.samples import OPENING_SAMPLE, load_samples, sample_picture
from umt_core.predict import Workbench
sample = next(s for s in load_samples() if s.example.id == OPENING_SAMPLE)
Workbench.load(NAMES, "cpu").inspect(sample.example, sample_picture(sample))
{PEAK}
"""
PAGE = f"""
from streamlit.testing.v1 import AppTest
page = AppTest.from_file({str(ROOT / "app" / "streamlit_app.py")!r}, default_timeout={LONGEST}).run()
assert not page.exception, page.exception
assert any("UMT" in table.value.columns for table in page.dataframe), "no entities on the page"
"""


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        predict = _predict_command(Path(folder))
        jobs = {
            "imports": lambda: run("-c", IMPORTS),
            "predict": lambda: run("-m", "umt_core", *predict),
            "page": lambda: run("-c", PAGE),
        }
        times: dict[str, list[float]] = {name: [] for name in (*jobs, "server")}
        for _ in range(REPEATS):
            for name, job in jobs.items():
                times[name].append(seconds(job))
            times["server"].append(_seconds_to_health())
    middle = {name: median(values) for name, values in times.items()}
    yield Measure("start_to_first_prediction", middle["predict"], "s", middle["imports"])
    yield Measure("app_start_to_first_prediction", middle["page"], "s", middle["imports"])
    yield Measure("app_start_to_answering", middle["server"], "s", middle["imports"])
    yield Measure("peak_memory", _peak_mib(INSPECT), "MiB", _peak_mib(IMPORTS))


def _predict_command(folder: Path) -> list[str]:
    """``predict`` over the sample that the app opens with."""
    opening = next(sample.example for sample in load_samples() if sample.example.id == OPENING_SAMPLE)
    write_jsonl(folder / "in.jsonl", [opening])
    paths = f"--input {folder / 'in.jsonl'} --images {sample_images_folder()} --output {folder / 'out.jsonl'}"
    return f"predict --checkpoint twitter2017/umt-bert-crf --device cpu {paths}".split()


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
    if done.returncode:
        raise UmtError(f"{' '.join(arguments)[:60]!r} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _peak_mib(program: str) -> float:
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return int(run("-c", program).split()[-1]) / unit


def _seconds_to_health() -> float:
    """From starting the app's server to its first sign of life."""
    began = time.perf_counter()
    with serving():
        return time.perf_counter() - began
