"""Hostile names: none leads out of the folder that it is looked up in, and no file that a user sends is run."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from umt_core.analysis.sets import find_set
from umt_core.data.datasets import own_folder
from umt_core.data.images import ImageIndex
from umt_core.data.own import add_tweets, check_name, remove_own
from umt_core.errors import UmtError
from umt_core.registry import check_family, check_version, find_checkpoint, versions_folder
from umt_core.schema import Example
from umt_core.train.jobs import log_text, status

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "../secret", "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../../secret", "secret\0.jpg", "~/secret",
    "C:\\secret", "..\\secret", "\\\\host\\share", "CON", "%2e%2e%2fsecret", "．．/secret", "secret\n", "$(id)", "`id`",
    "file:///etc/passwd", "x" * 5_000, "-rf", "<img src=x>", "a@../../secret", "\ud800",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """People's home, beside a folder and a file that no name may reach."""
    for name in ("UMT_HOME", "UMT_CACHE", "UMT_PREDICTIONS", "UMT_CHECKPOINTS"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home" / "own").mkdir(parents=True)
    (tmp_path / "home" / "own" / ".lock").touch()
    for suffix in ("", ".jpg"):
        (tmp_path / f"secret{suffix}").write_text("secret")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


ASKED: dict[str, Callable[[str], object]] = {
    "own data set's name": check_name,
    "own data set to add to": lambda name: add_tweets(name, [Example("1", ("a",))], own_folder()),
    "own data set to remove": remove_own,
    "prediction set": find_set,
    "family": lambda name: check_family(name) and versions_folder(name),
    "version": check_version,
    "checkpoint": lambda name: find_checkpoint(f"{name}@original"),
    "job": status,
    "log of a job": log_text,
}


@pytest.mark.parametrize("asked", ASKED)
def test_no_name_leads_out_of_its_folder(home, asked):
    before = sorted(os.walk(home.parent))
    for name in NAMES:
        found, said = answer(ASKED[asked], name)
        # A name that is allowed, if odd, stands for a place inside.
        assert not isinstance(found, Path) or found.resolve().is_relative_to(home)
        assert len(said.splitlines()) <= 1
        assert "secret" not in said.replace(name, "").replace(ascii(name)[1:-1], "")
    assert sorted(os.walk(home.parent)) == before


def answer(ask: Callable[[str], object], name: str) -> tuple[object, str]:
    """What is found under a name, and what is said of it."""
    try:
        return ask(name), ""
    except UmtError as error:
        return None, str(error)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_no_tweets_picture_is_looked_for_outside_its_folder(home, name):
    index = ImageIndex.open(home)
    assert [index.path(asked) for asked in (name, f"{name}.jpg", name.removesuffix(".jpg"))] == [None] * 3


# Processes that we start hand each other values; nothing that comes from a file or a user is read so.
AMONG_OWN_PROCESSES = {("umt_core/train/processes.py", "pickle"), ("umt_core/distributed/cluster.py", "pickle")}


def test_no_code_of_a_file_is_ever_run():
    """Eval, pickles of files and their like are nowhere in what we ship; PyTorch's reader takes weights alone."""
    wrong = []
    for path in [*(ROOT / "umt_core").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                roots = {name.split(".")[0] for name in names} & {"pickle", "marshal", "shelve", "dill", "joblib"}
                file = path.relative_to(ROOT).as_posix()
                wrong += [where for root in roots if (file, root) not in AMONG_OWN_PROCESSES]
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                if called in {"eval", "exec", "compile", "os.system", "yaml.load"} or options.get("shell") == "True":
                    wrong.append(where)
                if called == "torch.load" and options.get("weights_only") != "True":
                    wrong.append(where)
                if options.get("allow_pickle") == "True" or options.get("trust_remote_code") == "True":
                    wrong.append(where)
    assert not wrong
