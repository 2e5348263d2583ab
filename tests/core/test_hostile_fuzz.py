"""Hostile input: each fuzz target over its seeds and changed ones, what fuzzing has found, and that it finds faults."""

from __future__ import annotations

import io
import json
import random
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from fuzz import __main__ as runner
from fuzz import child, seeds, service
from fuzz.targets import TARGETS, Target, attempt
from umt_core.corrections.exchange import FORMS, Problem, read_rows
from umt_core.corrections.exchange import brat as brat_form
from umt_core.corrections.exchange import docbin as docbin_form
from umt_core.data.conll import parse_conll
from umt_core.errors import CheckpointError, DataError
from umt_core.manifest import MANIFEST, read_manifest
from umt_core.schema import Example

ROOT = Path(__file__).resolve().parents[2]
SLOW = {
    "search": 20,
    "parquet": 60,
    "upload": 60,
    "docbin": 60,
    "http": 60,
}  # changed inputs of targets that take long for one


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_raises_nothing_but_ours(name, monkeypatch):
    for variable in ("UMT_HOME", "UMT_CACHE", "UMT_PREDICTIONS"):
        monkeypatch.setenv(variable, "set again by what needs them")
    target, chance = TARGETS[name], random.Random(0)
    given = list(target.seeds())
    changed = [
        child.mutate(chance.choice(given), given, chance, target.longest) for _ in range(SLOW.get(name, 200))
    ]  # of the same bytes each time
    for data in [*given, *changed]:
        attempt(target, data)


# --- found by fuzzing, and mended ------------------------------------------------------------------


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def damaged(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def docbin(old: bytes, new: bytes) -> bytes:
    return zlib.compress(damaged(zlib.decompress(seeds.file_of("spacy")), old, new))


TWEET = zipped({"a.txt": b"in Oz", "a.ann": b"", "tweets.jsonl": b'{"id": "a", "tokens": ["in", "Oz"]}'})


@pytest.mark.parametrize(
    ("form", "data", "said"),
    [
        ("csv", b'text,"id', "wanted a line of column names in CSV, got: unexpected end of data"),
        ("csv", b"text,a\x1cb,a\x1cb\n", "wanted each column once, got a b again"),
        ("csv", b"text\rid\n", "wanted a line of column names in CSV, got: new-line character"),
        ("csv", b'id,tokens\n7,"[""\\ud800""]"\n', "half a surrogate pair"),
        ("label-studio", b'[{"data": {"text": "in \\udc00"}}]', "half a surrogate pair"),
        ("label-studio", b'[{"data": {"text": "a", "id": "\\ud800"}}]', "half a surrogate pair"),
        ("label-studio", b'[{"data": {"text": "a"}, "annotations": [{"result": 7}]}]', "wanted a list of results, got"),
        ("brat", damaged(TWEET, b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\x50"), "wanted a folder or a .zip"),
        ("brat", zipped({"tweets.jsonl": b"x" * (brat_form.LONGEST + 1)}), "wanted a tweet, got more than 4,194,304"),
        ("brat", zipped({"a.txt": b"in Oz"})[:40], "wanted a folder or a .zip"),
        ("hf", damaged(seeds.file_of("hf"), b"Oslo", b"O\xeclo"), "wanted a Parquet file"),
        ("hf", damaged(seeds.file_of("hf"), b"tokens", b"t\nkens"), "wanted a column tokens, got id, t kens, ner_tags"),
        ("spacy", docbin(b"\xa3PER", b"\xa3PEX"), "wanted a document of spaCy's, got: ValueError: [E084]"),
        ("spacy", b"xyz", "wanted spaCy's DocBin, got: error: Error -3"),
        ("conll", b"IMGID:7 \x1b[2J\r \n\n", "wanted token<TAB>tag lines after IMGID:7 [2J, got none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",  # bytes of an archive hold the time
)  # fmt: skip
def test_a_file_that_was_found_by_fuzzing_is_told_of_in_one_line(tmp_path, form, data, said):
    path = tmp_path / f"tweets{'.zip' if form == 'brat' else FORMS[form].suffixes[0]}"
    path.write_bytes(data)
    try:
        lines = [str(row) for row in read_rows(path, form) if isinstance(row, Problem)]
    except DataError as error:
        lines = [str(error)]
    assert any(said in line for line in lines), lines
    assert all(len(line.splitlines()) == 1 for line in lines)


def test_tokens_nested_too_deeply_for_json_are_words_with_spaces_between(tmp_path):
    (tmp_path / "a.csv").write_text(f"tokens\n{'[' * 100_000} b\n")
    (tweet,) = read_rows(tmp_path / "a.csv")
    assert isinstance(tweet, Example)
    assert tweet.tokens == ("[" * 100_000, "b")


def test_an_archive_that_says_it_unpacks_to_too_much_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(brat_form, "MOST_UNPACKED", 10)
    (tmp_path / "a.zip").write_bytes(TWEET)
    with pytest.raises(DataError, match=r"wanted at most 10 bytes of tweets, got 4\d"):
        list(read_rows(tmp_path / "a.zip"))


def test_a_docbin_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(docbin_form, "MOST_UNPACKED", 3_000_000)
    (tmp_path / "a.spacy").write_bytes(zlib.compress(bytes(3_000_001)))
    with pytest.raises(DataError, match="wanted a DocBin that unpacks to at most 3,000,000 bytes, got more"):
        list(read_rows(tmp_path / "a.spacy"))


WHOLE = json.loads(seeds.manifests()[0])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": {"trained": 1}}, "parameters: wanted trained and frozen, got no frozen"),
        ({"parameters": {"trained": "1", "frozen": 1}}, "parameters: wanted dict"),
        ({"scores": {"test": {}}}, "scores: wanted precision, recall, f1 and spans, and f1 by type, of 'test'"),
        ({"scores": {"test": 7}}, "scores: wanted dict"),
        ({"history": [{"epoch": "1"}]}, "history: wanted list"),
        ({"seconds": float("nan")}, "seconds: wanted"),
        ({"system": "\ud800"}, "system: wanted"),
        ({"notes": [["a"]]}, "notes: wanted"),
        ({"model": []}, "not a manifest of ours"),
    ],
)
def test_a_manifest_with_one_wrong_part_is_refused_with_its_name(tmp_path, changed, said):
    (tmp_path / MANIFEST).write_text(json.dumps(WHOLE | changed))
    with pytest.raises(CheckpointError) as caught:
        read_manifest(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, " " * 10_000_001], ids=["deep", "large"])
def test_a_manifest_that_is_too_deep_or_too_large_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match="wanted a manifest"):
        read_manifest(tmp_path)


def test_an_id_with_line_ends_and_controls_stays_in_one_line():
    with pytest.raises(DataError) as caught:
        parse_conll(["IMGID:a\u2028b\x85c\x1b[31m", ""])
    assert str(caught.value) == "<lines>:1: wanted token<TAB>tag lines after IMGID:a b c[31m, got none"


# --- the fuzzer itself -----------------------------------------------------------------------------


def watched(run, tmp_path: Path) -> dict[str, str]:
    """The faults that changing one seed shows in a target."""
    watch = child.Watch(Target(run, list), attempt, tmp_path)
    child.by_mutation(watch, [b"sound"], 64, 0.5)
    return json.loads((tmp_path / "state.json").read_text())["faults"]


def test_a_fault_is_kept_once_with_the_input_that_shows_it(tmp_path):
    def run(data: bytes) -> None:
        if b"sound" not in data:
            raise KeyError("planted")
        raise DataError("of ours")

    ((kind, said),) = watched(run, tmp_path).items()
    assert kind.startswith("KeyError at tests/core/test_hostile_fuzz.py")
    (kept,) = tmp_path.glob("fault-*")
    assert kept.name in said
    assert b"sound" not in kept.read_bytes()


def test_an_error_of_ours_of_two_lines_is_a_fault(tmp_path):
    def run(data: bytes) -> None:
        raise DataError("a\u2028b")

    assert "wanted an error of one line" in str(watched(run, tmp_path))


def test_an_endless_loop_is_a_hang_even_inside_a_net_for_faults(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "HANG", 0.05)

    def run(data: bytes) -> None:
        while True:
            try:
                time.perf_counter()
            except Exception:
                continue

    assert "Hang" in str(watched(run, tmp_path))


def process(code: str, place: Path) -> subprocess.Popen[bytes]:
    """A process that has begun its seventh input, as a target's has, and then does something."""
    begin = "import faulthandler, os, signal, time, pathlib; from fuzz.child import Last\n"
    begin += "faulthandler.register(signal.SIGUSR1)\n"
    keep = f"Last(pathlib.Path({str(place)!r})).keep(7, b'the input')\n"
    return subprocess.Popen([sys.executable, "-c", begin + keep + code], cwd=ROOT, stderr=subprocess.PIPE)


def test_a_process_that_waits_for_ever_is_ended_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "STILL", 3)
    with process("time.sleep(600)", tmp_path) as waiting:
        assert runner.watch(waiting, tmp_path) == "stood still for 3 s at input 7"
        assert b"line 4 in <module>" in waiting.stderr.read()


def test_a_process_that_computes_for_ever_in_one_input_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LONG", 0.5)
    with process("while True: pass", tmp_path) as busy:
        assert runner.watch(busy, tmp_path).startswith("computed for ")


def test_a_process_that_others_leave_little_to_does_not_hang(tmp_path, monkeypatch):
    # What a busy machine does to it: it can run all the time, and hardly does.
    monkeypatch.setattr(runner, "STILL", 2)
    monkeypatch.setattr(runner, "computed", lambda pid: 0.0)
    with process("end = time.monotonic() + 8\nwhile time.monotonic() < end: pass", tmp_path) as starved:
        assert runner.watch(starved, tmp_path) == ""
    assert starved.returncode == 0


def test_a_watch_that_is_closed_leaves_no_timer_that_would_kill_its_process(tmp_path):
    watch = child.Watch(Target(lambda data: None, list), attempt, tmp_path)
    assert signal.getitimer(signal.ITIMER_PROF)[1] == child.HANG / 2
    watch.close()
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_the_last_input_outlives_a_process_that_is_killed(tmp_path):
    with process("os.kill(os.getpid(), signal.SIGKILL)", tmp_path) as dead:
        assert runner.watch(dead, tmp_path) == ""
    assert dead.returncode == -9
    assert child.Last.read(tmp_path) == (7, b"the input")


def test_memory_that_glibc_keeps_after_large_pictures_is_no_growth():
    picture, large = seeds.pictures()[0], seeds.bomb(5_700, 5_700)  # of 32 million pixels
    for data in (picture, large, picture):
        attempt(TARGETS["images"], data)
    before = child.settled_rss()
    for _ in range(5):
        attempt(TARGETS["images"], large)
    assert child.settled_rss() - before < 32 << 20


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\r\n{", 400),
        (b"GET /checkpoints HTTP/1.1\r\nhost: evil.example\r\n\r\n", 400),
        (b"GET /checkpoints HTTP/1.1\r\nauthorization: Bearer x\r\n\r\n", 401),
        (service.requests()[0], 200),
        (service.requests()[1], 422),  # half a picture
    ],
)
def test_a_request_reaches_what_it_is_to_reach(asked, status, monkeypatch):
    met = []
    ask = service.Server.ask
    monkeypatch.setattr(service.Server, "ask", lambda *given: met.append(ask(*given)) or met[-1])
    service.request(asked)
    assert met[-1][0] == status, met[-1]


def test_a_fault_of_the_service_is_a_fault_of_the_target(monkeypatch):
    def broken(name: str, example: Example) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(service, "_prediction", broken)
    with pytest.raises(KeyError, match="planted"):
        service.request(service.requests()[0])


def test_the_documentation_shows_what_the_results_file_holds():
    results = json.loads(runner.RESULTS.read_text(encoding="utf-8"))
    assert results.keys() == TARGETS.keys()
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert "\n".join(runner.results_table(results)) in text
