"""``make audit`` asks about every pin and fails on what is not explained; a server of our own stands for osv.dev."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools import audit

KNOWN = {
    "id": "PYSEC-0000-1",
    "aliases": ["CVE-0000-1"],
    "summary": "a picture may\nrun code",
    "affected": [
        {
            "package": {"name": "pillow", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}
HASH = f"--hash=sha256:{'0' * 64}"


class Database(ThreadingHTTPServer):
    """Knows one vulnerability, of pillow, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1/query"


class Answers(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = question["package"]["name"]
        self.server.asked.append((name, question["version"]))
        body = json.dumps({"vulns": [KNOWN]} if name == "pillow" else {}).encode()
        self.send_response(500 if name == "broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Database() as database:
        threading.Thread(target=database.serve_forever, daemon=True).start()
        yield database
        database.shutdown()


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "pins.txt"
    path.write_text(f"pillow==13.0.0 {HASH}\nregex==2026.11.15 {HASH}\n")
    return path


def run(database: Database, *arguments: object) -> int:
    return audit.main(["--osv-url", database.url, *map(str, arguments)])


def explanation(folder: Path, **fields: str) -> Path:
    path = folder / "audit.toml"
    path.write_text("[[ignored]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items()))
    return path


def test_what_is_known_of_a_pin_fails(database, pins, capsys):
    assert run(database, pins) == 1
    assert sorted(database.asked) == [("pillow", "13.0.0"), ("regex", "2026.11.15")]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "pillow 13.0.0: PYSEC-0000-1 CVE-0000-1, mended in 99.1: a picture may run code"
    assert said[1] == "pins.txt: 1 known vulnerabilities not explained, 0 explained"


@pytest.mark.parametrize("known_as", ["PYSEC-0000-1", "CVE-0000-1"])
def test_what_is_explained_passes(database, pins, tmp_path, known_as):
    reason = explanation(tmp_path, id=known_as, package="pillow", reason="we run no such picture")
    assert run(database, "--ignored", reason, pins) == 0


def test_an_explanation_of_another_package_explains_nothing(database, pins, tmp_path, capsys):
    reason = explanation(tmp_path, id="PYSEC-0000-1", package="regex", reason="we run no such picture")
    assert run(database, "--ignored", reason, pins) == 1
    assert "PYSEC-0000-1 of regex: nothing pinned has it any more" in capsys.readouterr().out


def test_an_explanation_wants_a_reason(database, pins, tmp_path, capsys):
    for fields in ({"id": "PYSEC-0000-1", "package": "pillow"}, {"id": "1", "package": "pillow", "reason": ""}):
        assert run(database, "--ignored", explanation(tmp_path, **fields), pins) == 2
        assert "entry 1: wanted id, package and reason" in capsys.readouterr().err


@pytest.mark.parametrize("content", [f"broken==1 {HASH}\n", "pillow==13.0.0\n", "pillow>=13\n", None])
def test_what_cannot_be_looked_up_is_no_pass(database, tmp_path, capsys, content):
    path = tmp_path / "pins.txt"
    if content:
        path.write_text(content)
    assert run(database, path) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("wanted all pins looked up at ")


def test_a_database_that_does_not_answer_is_no_pass(database, pins, capsys):
    database.server_close()
    assert run(database, pins) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_every_pin_of_ours_is_asked_for(database, capsys):
    assert run(database) == 1
    assert capsys.readouterr().out.startswith("pillow ")
    pinned = {
        found.groups()
        for path in audit.PINS
        for found in re.finditer(r"^([\w.-]+)==(\S+) \\$", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(pinned) > 100
    assert pinned <= set(database.asked), "what is installed everywhere"


def test_every_explanation_of_ours_has_a_reason():
    audit.parse_ignored(audit.IGNORED.read_text(encoding="utf-8"))
