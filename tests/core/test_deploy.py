"""The ways to run it on a server: that they agree with each other and with what is in the repository."""

from __future__ import annotations

import configparser
import importlib.util
import inspect
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import uvicorn.config
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))


def copied() -> list[str]:
    """What the image takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE)
    return [source.removeprefix("./") for line in lines for source in line.split()[:-1]]


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in sent), source
    assert set(sent) - {"requirements.txt"} <= set(copied())


def test_the_image_holds_all_that_the_app_imports_and_reads():
    assert {"umt_core", "app", "checkpoints", "sample_data", "results", ".streamlit"} <= set(copied())


def test_the_image_is_no_roots():
    assert re.findall(r"^USER (.*)$", DOCKERFILE, flags=re.MULTILINE) == ["10001:10001"]
    assert COMPOSE["services"]["app"]["read_only"] is True
    assert COMPOSE["services"]["app"]["cap_drop"] == ["ALL"]
    (port,) = COMPOSE["services"]["app"]["ports"]
    assert port.startswith("127.0.0.1:")


def streamlit_flags(command: str) -> dict[str, str]:
    return dict(re.findall(r"--(\S+?)[\", ]+(\S+?)[\",\]]*(?=\s|$)", command))


def test_the_ways_to_start_it_differ_in_the_address_alone():
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "deploy" / "mner-workbench.service")
    by_systemd = streamlit_flags(unit["Service"]["ExecStart"])
    (command,) = re.findall(r'^CMD (\["python".*?\])$', DOCKERFILE, flags=re.MULTILINE | re.DOTALL)
    by_docker = streamlit_flags(command.replace("\\\n", " "))
    assert by_systemd.pop("server.address") == "127.0.0.1"
    assert by_docker.pop("server.address") == "0.0.0.0"
    assert (
        by_systemd
        == by_docker
        == {
            "server.port": "8501",
            "server.headless": "true",
            "server.showEmailPrompt": "false",
        }
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"--{flag}" in makefile for flag in by_docker)


def test_settings_that_compose_passes_are_settings_of_ours_or_of_the_server():
    ours = [path.read_text(encoding="utf-8") for part in ("umt_core", "app") for path in (ROOT / part).rglob("*.py")]
    code = "\n".join([*ours, inspect.getsource(uvicorn.config)])
    for name in COMPOSE["services"]["app"]["environment"]:
        assert f'"{name}"' in code


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"])
def test_every_pin_has_a_hash(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.split(r"(?m)^(?=[a-z0-9].*==)", text)[1:]
    assert len(pins) > 80
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_an_image_without_cuda_leaves_out_cuda_alone():
    spec = importlib.util.spec_from_file_location("without_cuda", ROOT / "deploy" / "without_cuda.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")
    pins, torch = module.part(text)
    names = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)
    assert sorted(names.findall(torch)) == ["torch", "torchvision"]
    assert "hash" not in torch
    left_out = set(names.findall(text)) - set(names.findall(pins)) - {"torch", "torchvision"}
    assert left_out
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in left_out)
    assert {"streamlit", "psycopg", "numpy"} <= set(names.findall(pins))


def test_commands_act_as_the_unit_does():
    unit = (ROOT / "deploy" / "mner-workbench.service").read_text(encoding="utf-8")
    script = (ROOT / "deploy" / "as-service.sh").read_text(encoding="utf-8")
    (user,) = re.findall(r"^User=(.*)$", unit, flags=re.MULTILINE)
    assert f"--reuid {user} --regid {user}" in script
    (settings,) = re.findall(r"^EnvironmentFile=-(.*)$", unit, flags=re.MULTILINE)
    assert f"settings={settings}" in script
    for name, folder in re.findall(r"(UMT_\w+|HOME)=(\S+)", re.findall(r"^Environment=(UMT_HOME.*)$", unit, re.M)[0]):
        where = folder.replace("%S", "/var/lib").replace("%C", "/var/cache")
        assert f"{name}={where}" in script
