"""What our documents promise exists (commands, make targets, pages, paths), and docstring examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
NOT_PROMISES = {"CHANGELOG.md"}  # tells what was, too
MADE_BY_RUNNING = (".venv", "runs/", "results/work/", "../shared", "benchmarks/results/", "out.jsonl")
PYTHON = ("umt_core", "app", "benchmarks", "sample_data", "tools")
CODE = [path for folder in PYTHON for path in sorted((ROOT / folder).rglob("*.py"))]
EXAMPLES = [path for path in CODE if ">>>" in path.read_text(encoding="utf-8")]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> list[str]:
    """The inline code of a page, and the lines of its code blocks."""
    text = re.sub(r"^```.*?^```", indented, text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ {4,}(\S.*)$", text, flags=re.MULTILINE)


def indented(block: re.Match[str]) -> str:
    return "\n".join(f"    {line}" for line in block[0].splitlines()[1:-1])


def promises() -> list[tuple[Path, str]]:
    return [(page, code) for page in PAGES if page.name not in NOT_PROMISES for code in code_of(page)]


def test_commands_and_options_named_in_the_pages_exist():
    from typer.main import get_command

    from umt_core.__main__ import app

    wrong = []
    for page, code in promises():
        for line in re.findall(r"python -m umt_core ([a-z][^#|]*)", code):
            command = get_command(app)
            words = line.split()
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
            flags = {word for word in words if word.startswith("--")}
            if hasattr(command, "commands") or flags - options:
                wrong.append(f"{page.name}: {line} (known here: {sorted(options)})")
    assert not wrong


def test_python_in_the_pages_imports_what_exists():
    fence = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    blocks = [block for page in PAGES for block in fence.findall(text_of(page))]
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    assert nodes
    for node in nodes:
        module = importlib.import_module(str(node.module))
        assert not [alias.name for alias in node.names if not hasattr(module, alias.name)], node.module


def test_make_targets_named_in_the_pages_exist():
    lines = re.findall(r"^([a-z][a-z ]*):", text_of(ROOT / "Makefile"), flags=re.MULTILINE)
    targets = {target for line in lines for target in line.split()}
    named = {target for _, code in promises() for target in re.findall(r"\bmake ([a-z]+)", code)}
    assert named
    assert named - {"python"} <= targets


def test_pages_of_the_app_named_in_the_pages_exist():
    frame = ast.parse(text_of(ROOT / "app" / "streamlit_app.py"))
    calls = [node for node in ast.walk(frame) if isinstance(node, ast.Call)]
    titles = {k.value.value for call in calls for k in call.keywords if k.arg == "title"}
    named = {name for page in PAGES for name in re.findall(r"\*\*([^*\n]+)\*\* page", text_of(page))}
    assert named
    assert named <= titles


def test_paths_and_links_named_in_the_pages_exist():
    """In code: what begins with a folder of the repository, or is the name of one of our kinds of file."""
    folders = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir())
    names = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    missing = []
    for page, code in promises():
        if not re.fullmatch(r"[\w./-]+", code) or code.startswith(MADE_BY_RUNNING):
            continue
        if code.startswith(folders):
            missing += [f"{page.name}: {code}"] * (not (ROOT / code).exists())
        elif re.fullmatch(r"[\w.-]+\.(py|md|cff|toml)|Makefile|LICENSE|requirements[\w-]*\.txt", code):
            missing += [f"{page.name}: {code}"] * (code not in names)
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text_of(page))
        missing += [f"{page.name}: {link}" for link in links if not (page.parent / link).exists()]
    assert not missing


def test_no_tracked_file_names_a_machine_or_a_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # Written with brackets, so that this file does not name them itself.
    folders = r"(?<![\w.}/])/(?:work|root|home|tmp|opt|Users)/\w"
    hosts = r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|deb[.]debian"
    machine = re.compile(f"{folders}|{hosts}")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" in content:
            continue  # a picture, or weights
        lines = content.decode("utf-8").splitlines()
        found += [f"{name}:{i}: {line.strip()[:80]}" for i, line in enumerate(lines, 1) if machine.search(line)]
    assert not found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_in_docstrings_run(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
