"""Makes ``.venv`` in the repository's root and keeps it in step with the pinned requirements.

    python3 tools/environment.py requirements.txt

Standard library only, and syntax that an old Python still reads: this file runs before
anything is installed. A state file inside ``.venv`` remembers what was installed, so
that a second run takes a blink. A set-up that was killed half way, or an
environment whose Python no longer starts, is made anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STATE = VENV / "workbench-state"  # "installing", or the pins' key and the files installed from
INSTALLING = "installing"
OLDEST = (3, 11)
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")  # the second holds all of the first


def main(wanted):
    if sys.version_info < OLDEST:
        sys.exit("wanted Python 3.11 or newer, got {} at {}".format(sys.version.split()[0], sys.executable))
    key = pins_key()
    installed = installed_from(key) if is_sound() else None
    if installed is None:
        make_venv()
        installed = []
    if wanted in installed or REQUIREMENTS[-1] in installed:
        return
    print("Installing {} into .venv; the first time this fetches about 3 GB".format(wanted), flush=True)
    STATE.write_text(INSTALLING)
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--requirement", wanted]
    if subprocess.call(pip, cwd=str(ROOT)) != 0:
        STATE.unlink()  # pip undoes its own failures; only a kill leaves halves behind
        sys.exit("wanted every package of {} installed, but pip failed: its message is above".format(wanted))
    STATE.write_text(" ".join([key, *installed, wanted]))


def pins_key():
    """Hash of everything pinned: a change of pins makes us ask pip again."""
    pins = b"\0".join((ROOT / name).read_bytes() for name in REQUIREMENTS)
    return hashlib.sha256(pins).hexdigest()


def is_sound():
    """Whether ``.venv`` holds a Python of a right version that starts, and was not left half made."""
    check = "import pip, sys; sys.exit(sys.version_info < {})".format(OLDEST)
    try:
        started = subprocess.call([str(VENV_PYTHON), "-c", check], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False
    return started and not (STATE.exists() and STATE.read_text() == INSTALLING)


def installed_from(key):
    """The requirements files that ``.venv`` holds with exactly these pins."""
    words = STATE.read_text().split() if STATE.exists() else []
    return words[1:] if words[:1] == [key] else []


def make_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        sys.exit("wanted Python's venv and ensurepip, which Debian packs apart: apt-get install " + package)
    if os.path.lexists(str(VENV)):
        print("Making .venv anew: the one here is broken or was left half made", flush=True)
        VENV.unlink() if VENV.is_symlink() or VENV.is_file() else shutil.rmtree(str(VENV))
    # The base interpreter: we may be running on the one in the folder just removed.
    python = getattr(sys, "_base_executable", sys.executable)
    if subprocess.call([python, "-m", "venv", str(VENV)]) != 0:
        sys.exit("wanted a virtual environment in {}, but Python's venv failed: see above".format(VENV))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in REQUIREMENTS:
        sys.exit("usage: python3 tools/environment.py {}".format("|".join(REQUIREMENTS)))
    main(sys.argv[1])
