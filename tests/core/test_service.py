"""The service: what it answers is what the taggers say, who may not ask is told so, and nothing ends in a traceback."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import uvicorn
from PIL import Image

from tests.core import served, tiny
from umt_core.__main__ import main
from umt_core.engine import EngineStats
from umt_core.errors import BackboneError, CheckpointError, ConfigError, DataError
from umt_core.predict import Predictor
from umt_core.schema import Example, Prediction
from umt_core.service import guard, limits, server
from umt_core.service.limits import Budget, BusyError, Rate
from umt_core.service.server import HEADER_BYTES, config_of
from umt_core.service.tokens import Tokens, new_token

ROOT = Path(__file__).resolve().parents[2]
TWEET = {"tokens": ["Anna", "in", "New", "York"]}


def in_base64(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with served.tiny_checkpoints(folder):
        yield folder


@pytest.fixture(scope="module")
def client(root):
    with served.asking(served.make_app()) as client:
        yield client


def asked(client, path, body, status=200):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert list(answer.json()) == ["error"]
        assert "\n" not in answer.json()["error"]
        return answer.json()["error"]
    return answer.json()


# --- answers -------------------------------------------------------------------------------------


def test_predict_says_what_the_taggers_say(client):
    picture = tiny.photograph(1)
    bodies = [{"id": e.id, "tokens": list(e.tokens), "picture": in_base64(picture)} for e in tiny.TWEETS]
    found = asked(client, "/predict", {"tweets": bodies})["tweets"]
    assert [tweet["id"] for tweet in found] == [e.id for e in tiny.TWEETS]
    for name in (served.TEXT, served.UMT):
        alone = Predictor.load(name, "cpu").predict(tiny.TWEETS, [picture] * len(tiny.TWEETS))
        for tweet, prediction in zip(found, alone, strict=True):
            (said,) = [system for system in tweet["systems"] if system["checkpoint"] == name]
            assert said["tags"] == list(prediction.tags)
            places = [(s["start"], s["end"], s["label"]) for s in said["spans"]]
            assert places == [(s.span.start, s.span.end, s.span.label) for s in prediction.spans]
            np.testing.assert_allclose(
                [s["probability"] for s in said["spans"]], [s.score for s in prediction.spans], atol=1e-5
            )


def test_spans_of_a_text_say_where_they_stand_in_it(client):
    text = "  Anna,  in New-York 🎉 with the NBA"
    (tweet,) = asked(client, "/predict", {"tweets": [{"text": text}]})["tweets"]
    spans = [span for system in tweet["systems"] for span in system["spans"]]
    assert spans
    for span in spans:
        assert text[span["start_char"] : span["end_char"]] == span["text"]
        assert span["text"].replace(" ", "") == "".join(tweet["tokens"][span["start"] : span["end"]])


def test_compare_parts_what_all_found_from_what_only_some_did(client):
    gold = [{"start": 0, "end": 1, "label": "PER"}]
    found = asked(client, "/compare", {"tweet": TWEET, "gold": gold})
    sets = [{(s["start"], s["end"], s["label"]) for s in system["spans"]} for system in found["systems"]]
    agreed = {(s["start"], s["end"], s["label"]) for s in found["agreed"]}
    assert agreed == sets[0] & sets[1]
    for span in (sets[0] | sets[1]) - agreed:
        assert any(part["start"] <= span[0] and span[1] <= part["end"] for part in found["differing"])
    for system, spans in zip(found["systems"], sets, strict=True):
        right = [match for match in system["against_gold"] if match["error"] is None]
        assert len(right) == len(spans & {(0, 1, "PER")})
    assert asked(client, "/compare", {"tweet": TWEET})["systems"][0]["against_gold"] is None


def test_explain_gives_the_maps_of_the_words_and_parts_that_add_up(client):
    picture = tiny.photograph(2)
    body = {"tweet": TWEET | {"picture": in_base64(picture)}, "checkpoint": served.UMT, "words": [2, 0]}
    found = asked(client, "/explain", body)
    inside = Predictor.load(served.UMT, "cpu").inspect(Example("1", tuple(TWEET["tokens"])), picture)
    maps = {of["map"]: of for of in found["attention"]}
    assert list(maps) == ["word_to_block", "block_to_word", "word_to_image_aware_block"]
    for row in maps["word_to_block"]["words"]:
        np.testing.assert_allclose(row["weights"], inside.word_to_block.mean(axis=0)[row["word"]], atol=1e-4)
    assert [row["word"] for row in maps["word_to_block"]["words"]] == [2, 0]
    np.testing.assert_allclose([word["mean"] for word in found["gate"]], inside.gate.mean(axis=1), atol=1e-4)
    for word in found["provenance"]["words"]:
        tag, second = word["tag"], word["second"]
        assert tag["main"] + tag["esd"] + tag["transitions"] == pytest.approx(tag["sum"], abs=1e-4)
        assert tag["sum"] >= second["sum"]
    assert found["provenance"]["difference"] < 1e-3
    assert any("no proof" in line for line in found["caveats"])
    assert "words from 0 to 3" in asked(client, "/explain", body | {"words": [4]}, 422)


def test_a_tagger_of_text_has_no_maps(client):
    found = asked(client, "/explain", {"tweet": TWEET, "checkpoint": served.TEXT})
    assert found["attention"] == found["esd_tags"] == []
    assert found["gate"] is None


def test_checkpoints_are_those_that_are_served(client):
    found = client.get("/checkpoints").json()["checkpoints"]
    assert [(c["name"], c["version"], bool(c["vision_encoder"])) for c in found] == [
        (served.TEXT, "original", False), (served.UMT, "original", True),
    ]  # fmt: skip


def test_metrics_count_requests_and_tweets(root):
    with served.asking(served.make_app()) as client:
        asked(client, "/predict", {"tweets": [TWEET] * 2, "checkpoints": [served.TEXT]})
        asked(client, "/predict", {"tweets": []}, 422)
        client.get("/x" * 50)
        lines = client.get("/metrics").text.splitlines()
    assert 'mner_http_requests_total{method="POST",route="/predict",status="200"} 1.0' in lines
    assert 'mner_http_requests_total{method="POST",route="/predict",status="422"} 1.0' in lines
    assert 'mner_http_requests_total{method="GET",route="other",status="404"} 1.0' in lines
    assert 'mner_http_request_seconds_count{route="/predict"} 2.0' in lines
    assert "mner_engine_tweets_total 2.0" in lines
    assert "mner_ready 1.0" in lines


# --- what cannot be answered ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tweet", "said"),
    [
        ({}, "either text or tokens, got neither"),
        (TWEET | {"text": "Anna"}, "either text or tokens, got both"),
        ({"text": " \t "}, "text"),
        ({"tokens": ["a", ""]}, "tokens.1"),
        ({"tokens": ["a"] * 1001}, "1000"),
        ({"tokens": ["a" * 6000] * 2}, "10,000 characters"),
        ({"text": "a" * 10_001}, "10000"),
        ({"text": "half \ud83c"}, "text"),
        (TWEET | {"tokens": "Anna"}, "list"),
        (TWEET | {"picture": "!!"}, "picture"),
        (TWEET | {"picture": "abcde"}, "base64"),
        (TWEET | {"picture": base64.b64encode(b"BM000").decode()}, "JPEG, PNG, WEBP or GIF picture, got BMP"),
        (TWEET | {"pictures": "abcd"}, "pictures"),
    ],
)  # fmt: skip
def test_a_tweet_that_cannot_be_read_is_refused_in_one_line(client, tweet, said):
    body = json.dumps({"tweets": [tweet]})
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(client, monkeypatch):
    monkeypatch.setattr("umt_core.service.answers.REQUEST_PIXELS", 10_000)
    bomb = TWEET | {"picture": in_base64(Image.new("1", (100, 60)))}
    assert "10,000 pixels together, got 12,000" in asked(client, "/predict", {"tweets": [bomb] * 2}, 422)
    asked(client, "/predict", {"tweets": [bomb]})


def test_only_what_is_served_can_be_asked(client, root):
    for name in ("tiny/mt-bert-crf", str(root / served.TEXT), "../tiny/bert-crf", f"{served.TEXT}@original"):
        assert "wanted checkpoints of" in asked(client, "/predict", {"tweets": [TWEET], "checkpoints": [name]}, 404)


def test_gold_spans_must_be_spans_of_the_tweet(client):
    asked(client, "/compare", {"tweet": TWEET, "gold": [{"start": 3, "end": 5, "label": "PER"}]}, 422)
    overlapping = [{"start": 0, "end": 2, "label": "PER"}, {"start": 1, "end": 3, "label": "LOC"}]
    asked(client, "/compare", {"tweet": TWEET, "gold": overlapping}, 422)


def test_what_is_no_json_is_refused(client):
    kind = {"content-type": "application/json"}
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000):
        answer = client.post("/predict", content=body, headers=kind)
        assert answer.status_code in (400, 422), body[:10]
        assert list(answer.json()) == ["error"]
    for other in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert client.post("/predict", content=b"{}", headers={"content-type": other}).status_code == 415


def test_what_is_not_there_says_what_is(client):
    assert "/predict" in client.get("/nothing").json()["error"]
    answer = client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.get("/docs").status_code == 404, "its page would be fetched from elsewhere"


def test_no_other_site_may_read_answers(client):
    answer = client.get("/checkpoints", headers={"origin": "https://example.org"})
    assert "access-control-allow-origin" not in answer.headers
    assert client.options("/predict", headers={"origin": "https://example.org"}).status_code == 405
    assert answer.headers["cache-control"] == "no-store"


def test_on_this_machine_only_its_own_names_are_answered(root):
    with served.asking(served.make_app(served.rules(loopback=True)), base_url="http://localhost:8800") as client:
        assert client.get("/checkpoints").status_code == 200
        for host in ("127.0.0.1", "[::1]:1"):
            assert client.get("/checkpoints", headers={"host": host}).status_code == 200
        assert client.get("/checkpoints", headers={"host": "rebound.example.org"}).status_code == 400


def test_a_body_is_bounded_before_it_is_read(client, monkeypatch):
    monkeypatch.setattr(guard, "BODY_BYTES", 1000)
    taken = []

    def pieces():
        for number in range(1000):
            taken.append(number)
            yield b" " * 100

    kind = {"content-type": "application/json"}
    answer = client.post("/predict", content=b" " * 1001, headers=kind)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert "at most 1,000 bytes, got 1,001" in answer.json()["error"]
    assert client.post("/predict", content=pieces(), headers=kind).status_code == 413


def test_all_bodies_together_are_bounded_and_given_back(root):
    held = Budget(100, "bytes")
    with served.asking(served.make_app(guard.Rules(Rate(0, burst=1), held, loopback=False))) as client:
        for _ in range(3):
            asked(client, "/predict", {"tweets": [TWEET]})
        assert "others hold" in asked(client, "/predict", {"tweets": [TWEET] * 4}, 503)
    held.take(100)


def test_pictures_in_memory_are_bounded_by_all_together():
    budget = Budget(10, "pixels")
    with budget.hold(8), pytest.raises(BusyError, match="others hold 8 of 10"):
        budget.take(3)
    budget.take(10)


@contextmanager
def listening():
    """The port of a service in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        server = uvicorn.Server(config_of(served.make_app()))
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        try:
            yield opened.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)


def test_who_sends_too_much_is_told_before_the_connection_ends(root, monkeypatch):
    monkeypatch.setattr(guard, "LINGER_SECONDS", 60)  # a busy machine sends slowly
    with listening() as port:
        for headers in ({}, {"Transfer-Encoding": "chunked"}):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            body = (b" " * 1_000_000 for _ in range(40)) if headers else b" " * 33_000_000
            kind = {"Content-Type": "application/json"}
            connection.request("POST", "/predict", body, kind | headers, encode_chunked=bool(headers))
            answer = connection.getresponse()
            assert answer.status == 413
            assert "at most 32,000,000 bytes" in json.loads(answer.read())["error"]
            connection.close()


def test_headers_are_bounded(root):
    with listening() as port:
        for size, answered in ((HEADER_BYTES // 2, [200]), (3 * HEADER_BYTES, [400, None])):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", "/openapi.json", headers={"X-Long": "a" * size})
                status = connection.getresponse().status
            except ConnectionError:  # closed upon what was still coming
                status = None
            assert status in answered
            connection.close()


# --- loading and failing -------------------------------------------------------------------------


class Failing:
    """An engine that cannot do what it is asked for."""

    def __init__(self, error):
        self.error = error
        self.may_load = threading.Event()

    def load(self, names):
        assert self.may_load.wait(600)
        return {name: {} for name in names}, []

    def predict(self, *_):
        raise self.error

    def stats(self):
        return EngineStats(0, 0, 0, 0, 0.0, 0, 0, ())

    def close(self):
        self.may_load.set()


def test_before_models_are_loaded_it_is_there_and_not_ready():
    engine = Failing(None)
    with served.TestClient(served.make_app(engine=engine)) as client:
        assert client.get("/health").status_code == 503
        assert client.get("/health").json() == {"status": "loading", "checkpoints": []}
        answer = client.post("/predict", json={"tweets": [TWEET]})
        assert (answer.status_code, answer.json()) == (503, {"error": "models are loading; try again"})
        assert answer.headers["retry-after"]
        engine.may_load.set()
        served.wait_until_ready(lambda: client.get("/health").status_code == 200)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("/srv/secret/path\nTraceback"), 500),
        (BackboneError("/srv/secret/path: damaged"), 503),
        (CheckpointError("/srv/secret/path: damaged"), 503),
        (DataError("no words"), 422),
    ],
)
def test_a_fault_tells_nothing_of_the_server(error, status):
    engine = Failing(error)
    engine.may_load.set()
    with served.asking(served.make_app(engine=engine)) as client:
        assert "secret" not in asked(client, "/predict", {"tweets": [TWEET]}, status)


def test_who_watches_it_is_answered_while_all_threads_wait_for_the_models():
    engine, go_on, waiting = Failing(None), threading.Event(), threading.Semaphore(0)
    engine.may_load.set()

    def predict(name, examples, pictures):
        waiting.release()
        assert go_on.wait(600)
        return [Prediction(e.id, e.tokens, (), ("O",) * len(e.tokens)) for e in examples]

    engine.predict = predict
    with (
        served.asking(served.make_app(engine=engine, served=[served.TEXT])) as client,
        ThreadPoolExecutor(50) as threads,
    ):
        try:
            answers = [threads.submit(asked, client, "/predict", {"tweets": [TWEET]}) for _ in range(45)]
            for _ in range(40):  # as many as FastAPI has threads
                assert waiting.acquire(timeout=600)
            for path in ("/health", "/metrics"):
                assert threads.submit(client.get, path).result(timeout=600).status_code == 200
        finally:
            go_on.set()
        assert all(answer.result()["tweets"] for answer in answers)


def test_more_than_can_be_in_work_are_told_to_come_again(monkeypatch):
    monkeypatch.setattr(guard, "AT_ONCE", 0)
    engine = Failing(None)
    engine.may_load.set()
    with served.asking(served.make_app(engine=engine)) as client:
        assert "in work" in asked(client, "/predict", {"tweets": [TWEET]}, 503)


def test_checkpoints_that_cannot_be_loaded_are_left_out():
    engine, told = Failing(None), []
    engine.load = lambda names: ({served.UMT: {}}, ["tiny/bert-crf: damaged"])
    with served.asking(served.make_app(engine=engine, loaded=told.extend)) as client:
        assert client.get("/health").json()["checkpoints"] == [served.UMT]
        asked(client, "/predict", {"tweets": [TWEET], "checkpoints": [served.TEXT]}, 404)
    assert told == ["tiny/bert-crf: damaged"]


# --- who may ask ---------------------------------------------------------------------------------


def test_with_tokens_only_who_has_one_is_answered(root, tmp_path):
    file = tmp_path / "tokens"
    first, second = new_token(file, "ann"), new_token(file, "bo")
    assert first not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    with served.asking(served.make_app(served.rules(tokens=Tokens(file)))) as client:

        def status(header):
            return client.get("/checkpoints", headers={"authorization": header} if header else {}).status_code

        assert [status(f"Bearer {token}") for token in (first, second)] == [200, 200]
        wrong = ["", "Bearer", "Bearer x", f"Basic {first}", f"Bearer {first}x", f"Bearer {first[:-1]}", b"Bearer \xff"]
        assert {status(header) for header in wrong} == {401}
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.post("/predict", content=b"{").status_code == 401
        file.write_text("".join(line for line in file.read_text().splitlines(True) if line.startswith("bo")))
        assert [status(f"Bearer {token}") for token in (first, second)] == [401, 200], "a line less is a token revoked"
        file.unlink()
        assert status(f"Bearer {second}") == 401


def test_a_file_of_tokens_is_checked(tmp_path):
    file = tmp_path / "tokens"
    with pytest.raises(DataError, match="wanted a file of tokens"):
        Tokens(file)
    file.write_text("# nobody yet\n")
    with pytest.raises(ConfigError, match="at least one token"):
        Tokens(file)
    file.write_text("ann secret\n")
    with pytest.raises(DataError, match=":1: wanted a token's name") as error:
        Tokens(file)
    assert "secret" not in str(error.value)
    file.write_text("")
    new_token(file, "ann")
    with pytest.raises(ConfigError, match="'ann' has one"):
        new_token(file, "ann")
    with pytest.raises(ConfigError, match="letters"):
        new_token(file, "ann b\n")


def test_who_asks_too_often_is_told_when_to_come_again(root, tmp_path):
    tokens = [new_token(tmp_path / "tokens", name) for name in ("ann", "bo")]
    given = served.rules(per_minute=1, burst=2, tokens=Tokens(tmp_path / "tokens"))
    with served.asking(served.make_app(given)) as client:
        ann, bo = ({"authorization": f"Bearer {token}"} for token in tokens)
        answers = [client.get("/checkpoints", headers=ann) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert client.get("/checkpoints", headers=bo).status_code == 200
        assert [client.get("/checkpoints").status_code for _ in range(3)] == [401, 401, 429]
        assert client.get("/health").status_code == 200


def test_a_rate_forgets_who_has_not_asked_longest(monkeypatch):
    monkeypatch.setattr(limits, "ASKERS", 2)
    rate = Rate(60, burst=1, clock=lambda: 0.0)
    assert [rate.wait(asker) for asker in "aabc"] == [0.0, 1.0, 0.0, 0.0]
    assert rate.wait("a") == 0.0
    assert rate.wait("c") == 1.0


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "example.org"])
def test_it_does_not_listen_to_others_without_tokens(host, capsys):
    assert main(["serve", "--host", host]) == 2
    assert "wanted --token-file" in capsys.readouterr().err


def test_a_new_token_is_shown_once(tmp_path, capsys):
    file = tmp_path / "tokens"
    assert main(["serve", "--new-token", "ann", "--token-file", str(file)]) == 0
    token = capsys.readouterr().out.strip()
    assert Tokens(file).owner(token) == "ann"
    assert main(["serve", "--new-token", "ann", "--token-file", str(file)]) == 2


def test_what_cannot_start_says_so_in_one_line(root, capsys):
    assert main(["serve", "--checkpoint", "no/such"]) == 2
    assert "no checkpoint 'no/such'" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "address to listen at" in capsys.readouterr().err


def test_a_set_stays_for_each_served_name_that_may_be_promoted(monkeypatch):
    made = []

    def engine(device, **options):
        made.append(options)
        raise ConfigError("that is enough")

    monkeypatch.setattr(server, "Engine", engine)
    for count in (1, 4):
        monkeypatch.setattr(server, "checkpoints", lambda n=count: [SimpleNamespace(name=f"d/{i}") for i in range(n)])
        assert main(["serve", "--port", "0"]) == 2
    assert made == [{"sets": 3}, {"sets": 5}]


def start(folder: Path) -> SimpleNamespace:
    """The command as a process of its own, when it is ready."""
    environment = os.environ | {"UMT_CHECKPOINTS": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "umt_core", "serve", "--port", "0", "--device", "cpu", "--checkpoint", served.TEXT]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    address = process.stderr.readline().split(": loading")[0].removeprefix("http://")
    assert process.stderr.readline() == f"ready: {served.TEXT}\n"
    host, port = address.rsplit(":", 1)
    return SimpleNamespace(process=process, host=host, port=int(port))


@pytest.mark.slow
def test_told_to_end_it_answers_what_is_in_work_and_ends_well(root):
    running = start(root)
    body = json.dumps({"tweets": [TWEET]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    try:
        with socket.create_connection((running.host, running.port), timeout=30) as asking:
            asking.sendall(f"{head}\r\n\r\n".encode() + body[:10])
            # The request is known to the server when another connection, made later, has been answered.
            with socket.create_connection((running.host, running.port), timeout=30) as other:
                other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in other.recv(1000)
            running.process.send_signal(signal.SIGTERM)
            served.wait_until_ready(lambda: refuses(running))
            asking.sendall(body[10:])
            answer = b""
            while part := asking.recv(65536):
                answer += part
        assert b"200 OK" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["tweets"][0]["tokens"] == TWEET["tokens"]
        assert running.process.wait(30) == 0
        assert running.process.stderr.read() == ""
    finally:
        running.process.kill()
        running.process.communicate()


def refuses(running: SimpleNamespace) -> bool:
    try:
        socket.create_connection((running.host, running.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
