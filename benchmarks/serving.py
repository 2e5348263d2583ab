"""A Streamlit script that is served for as long as it is measured, and the browser that asks it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from umt_core.errors import UmtError

ROOT = Path(__file__).resolve().parents[1]
APP = "app/streamlit_app.py"
LONGEST = 300.0  # seconds to wait for anything
LONGEST_WAIT = 180  # seconds, within a page
CHROMIUM = Path(os.environ.get("UMT_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def waiting(condition: str) -> str:
    """A function for a page's ``evaluate`` that waits until a condition of JavaScript, of ``value`` perhaps, holds.

    Playwright's own ``wait_for_function`` evaluates text in the page again and again, which our pages' policy refuses.
    """
    late = f"throw Error('waited {LONGEST_WAIT} s in vain for ' + {json.dumps(condition)})"
    return f"""async value => {{
      const began = performance.now();
      while (!({condition})) {{
        if (performance.now() - began > {1000 * LONGEST_WAIT}) {late};
        await new Promise(done => setTimeout(done, 4));
      }}
    }}"""


@contextmanager
def serving(
    script: str = APP, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a script and its server's process, from the server's first answer to the end.

    Args:
        environment: of the server, beside this process's.

    Raises:
        UmtError: the server does not answer.
    """
    port = _free_port()
    options = f"--server.port {port} --server.address 127.0.0.1 --server.headless true --browser.gatherUsageStats false"
    command = [sys.executable, "-m", "streamlit", "run", script, *options.split()]
    environment = os.environ | (environment or {})
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    try:
        while not _answers(f"{url}/_stcore/health"):
            if time.perf_counter() - began > LONGEST or server.poll() is not None:
                raise UmtError(f"{script} was to be served, and does not answer")
            time.sleep(0.02)
        yield url, server
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
