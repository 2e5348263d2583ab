"""`make` sets up once, is quick the second time, and mends what a broken or cut-off set-up left.

Each test works in a small repository of its own whose requirements are empty, so that nothing is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "environment.py"

# Programs that change the Python they run in, before they run the tool.
RUN_TOOL = "import runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
NO_ENSUREPIP = f"import sys; sys.modules['ensurepip'] = None; {RUN_TOOL}"
OLD_PYTHON = f"import sys; sys.version_info = (3, 9); {RUN_TOOL}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOL, tmp_path / "tools")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("# nothing\n")
    return tmp_path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment without our state file, to copy from: making one takes seconds."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


def set_up(repository: Path, name: str = "requirements.txt", *, program: str = "") -> tuple[int, str]:
    """Exit code and output of the tool, run by itself or through a program."""
    tool = repository / "tools" / "environment.py"
    start = [sys.executable, "-c", program, tool] if program else [sys.executable, tool]
    done = subprocess.run([*start, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def test_packages_are_fetched_by_the_environments_own_pip():
    command = ["make", "--dry-run", "wheelhouse", "DIR=elsewhere"]
    said = subprocess.run(command, cwd=TOOL.parents[1], capture_output=True, text=True, check=True).stdout.splitlines()
    (setting_up,) = [i for i, line in enumerate(said) if "tools/environment.py requirements.txt" in line]
    fetching = [i for i, line in enumerate(said) if "pip download" in line]
    assert len(fetching) == 2
    assert all(i > setting_up and said[i].startswith(".venv/bin/python -m pip download") for i in fetching)


@pytest.mark.slow
def test_the_second_set_up_installs_nothing_until_the_pins_change(repository, environment):
    shutil.copytree(environment, repository / ".venv", symlinks=True)
    assert "Installing requirements.txt" in set_up(repository)[1]
    assert set_up(repository) == (0, "")
    (repository / "requirements-dev.txt").write_text("# other pins\n")
    assert "Installing requirements-dev.txt" in set_up(repository, "requirements-dev.txt")[1]
    assert set_up(repository) == (0, ""), "the development tools come with all that the app needs"


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["killed while installing", "Python gone", "a file of that name"])
def test_a_broken_environment_is_made_anew(repository, environment, harm):
    venv = repository / ".venv"
    if harm == "a file of that name":
        venv.write_text("")
    else:
        shutil.copytree(environment, venv, symlinks=True)
        (venv / "left-over").write_text("")
    if harm == "Python gone":
        (venv / "bin" / "python").unlink()
    if harm == "killed while installing":
        (venv / "workbench-state").write_text("installing")
    code, output = set_up(repository)
    assert code == 0, output
    assert "Making .venv anew" in output
    assert not (venv / "left-over").exists()


@pytest.mark.slow
def test_a_failed_installation_is_reported_and_tried_again(repository, environment):
    shutil.copytree(environment, repository / ".venv", symlinks=True)
    (repository / "requirements.txt").write_text("./no-such-folder\n")
    assert "wanted every package of requirements.txt installed" in set_up(repository)[1]
    (repository / "requirements.txt").write_text("# nothing\n")
    assert set_up(repository)[0] == 0


def test_a_missing_part_of_python_is_named_with_its_debian_package(repository):
    code, output = set_up(repository, program=NO_ENSUREPIP)
    assert code != 0
    assert output.count("\n") == 1
    assert "apt-get install python3." in output
    assert not (repository / ".venv").exists()


def test_an_old_python_is_told_so(repository):
    code, output = set_up(repository, program=OLD_PYTHON)
    assert code != 0
    assert output.startswith("wanted Python 3.11 or newer, got")
