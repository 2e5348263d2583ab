"""No page imports torch to draw itself: each is run in a process of its own, and asked nothing of a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.ui.tiny_set import write_data, write_set

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "transformers")
# The taggers stand in, as Inspect and Explain ask them for a first tweet.
PROGRAM = f"""
import sys
from streamlit.testing.v1 import AppTest
for name in sys.argv[1:]:
    page = AppTest.from_file({str(ROOT / "app" / "streamlit_app.py")!r}, default_timeout=300)
    page.switch_page(f"views/{{name}}.py").run()
    assert not page.exception, page.exception
    assert page.title, f"{{name}} draws nothing"
    print(name, [module for module in {HEAVY} if module in sys.modules])
"""


def views() -> list[str]:
    return sorted(path.stem for path in (ROOT / "app" / "views").glob("*.py"))


def test_no_page_imports_torch_to_draw_itself(tmp_path):
    write_set(write_data(tmp_path / "data"), tmp_path / "predictions")
    environment = {
        "UMT_BACKEND": "tests.ui.fake",
        "UMT_HOME": str(tmp_path / "home"),
        "UMT_DATA": str(tmp_path / "data"),
        "UMT_PREDICTIONS": str(tmp_path / "predictions"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *views()],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} []" for name in views()]
