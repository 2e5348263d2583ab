"""Nothing runs that a user sent: strings that inject, as tweets, names and links, on every page and in a report."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from tests.core.fabricated_results import write_row
from tests.core.versioned import write_checkpoint
from tests.ui import tiny_set
from tests.ui.conftest import WAIT
from tests.ui.fake_hostile import CLAIMS, SET
from tests.ui.tiny_results import write_results
from umt_core.analysis.reproduction import Row
from umt_core.analysis.sets import RunInfo
from umt_core.config import ModelSettings
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.data.samples import OPENING_SAMPLE
from umt_core.schema import Span

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

INJECTIONS = (
    "<img/src=x/onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(1)<\u2215script>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "<iframe/src=javascript:alert(1)>",
    "<a\u00a0href=javascript:alert(1)>x</a>",
    "<\u2215style><style>*{display:none}",
    "$\\href{javascript:alert(1)}{x}$",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "%3Cimg%20src=x%20onerror=alert(1)%3E",
    "&lt;img/src=x/onerror=alert(1)&gt;",
    ":material/home:",
    "=HYPERLINK(1)",
)
NAME = "<img src=x onerror=alert(1)>"  # of the data set
TWEET = f"{INJECTIONS[0]}-7"

# What a page holds of what was sent as anything but text, in its document and in the components' own below it.
FOUND = """() => {
  const found = [], roots = [document];
  const bad = node => {
    const names = node.getAttributeNames(), of = name => node.getAttribute(name) || '';
    return names.some(name => name.startsWith('on'))
      || ["href", "src", "action", "formaction", "xlink:href"].some(n => /^\\s*(javascript|vbscript):/i.test(of(n)))
      || ['script', 'iframe', 'style'].includes(node.localName)
        && /alert\\(1\\)|^\\*.display:none/.test(node.textContent)
      || of('src') === 'x' || /^\\s*(https?:)?\\/\\/example\\.org/.test(of('src'))
      // An address in a text may be a link: nothing is asked of it before a click, and it learns nothing of the page.
      || /^\\s*(https?:)?\\/\\/example\\.org/.test(of('href')) && !node.relList.contains('noopener');
  };
  while (roots.length) {
    for (const node of roots.pop().querySelectorAll('*')) {
      if (node.shadowRoot) roots.push(node.shadowRoot);
      if (bad(node)) found.push(node.outerHTML.slice(0, 200));
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{folder / 'corrections.sqlite'}"
    words = " ".join(INJECTIONS)
    person = f"PER 0 {len(INJECTIONS)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_set, "TWEETS", ((TWEET, words, person, "LOC 0 1", "", "ORG 1 3, PER 4 5"), *tiny_set.TWEETS))
        data = tiny_set.write_data(folder / "data", NAME)
        patch.setattr(tiny_set, "RunInfo", hostile_run)
        tiny_set.write_set(data, folder / "predictions")
    write_taggers(folder)
    write_hostile_results(folder / "results", data)
    key = TweetKey(f"{NAME}/test", TWEET)
    labels = (Span(0, 2, "LOC"),)
    with Store(url) as store:
        revision = store.append(Edit(key, "set", INJECTIONS[0], (), labels, 0, reason=words)).number
        store.append(Edit(key, "comment", INJECTIONS[0], labels, labels, revision, reason=words))
    return serve(
        UMT_DATA=str(folder / "data"),
        UMT_PREDICTIONS=str(folder / "predictions"),
        UMT_HOME=str(folder),
        UMT_STORE=url,
        UMT_AUTHOR=INJECTIONS[1],
        UMT_BACKEND="tests.ui.fake_hostile",
        UMT_CHECKPOINTS=str(folder / "taggers"),
        UMT_RESULTS=str(folder / "results"),
    )


def hostile_run(**values: Any) -> RunInfo:
    """What a run says of itself; that of UMT says that a tagger of another name made it."""
    hostile = {"text_encoder": INJECTIONS[0], "images": " ".join(INJECTIONS), "code": NAME}
    if values["system"] == "umt-bert-crf":
        hostile["checkpoint"] = f"{SET}/umt-bert-crf"
    return RunInfo(**(values | hostile))


def figures() -> dict[str, Any]:
    by_type = {label: {"f1": 0.5} for label in ("PER", "LOC", "ORG", "MISC", *INJECTIONS)}
    return {"precision": 0.5, "recall": 0.5, "f1": 0.5, "spans": 4, "by_type": by_type}


def card_fields() -> dict[str, Any]:
    """Of a manifest, and so of its card: all that is free text, a setting or a name holds what would run."""
    everything = " ".join(INJECTIONS)
    return {
        "dataset": NAME,
        "set_name": SET,
        "model": ModelSettings(text_encoder=INJECTIONS[0], vision_encoder=INJECTIONS[1], adapter_rank=2),
        "recipe": everything,
        "channels": 5,
        "encoders": {INJECTIONS[0]: NAME},
        "data": {
            split: {"file": NAME, "sha256": NAME, "tweets": 7, "with picture": 1} for split in ("train", *INJECTIONS)
        },
        "images": everything,
        "scores": {"valid": figures(), "test": figures()} | {name: figures() for name in INJECTIONS},
        "history": [{"epoch": 1.0, "loss": 0.5, "dev_f1": 0.5} | dict.fromkeys(INJECTIONS, 0.5)],
        "code": NAME,
        "created": NAME,
        "init": everything,
        "init_encoder": {"name": NAME, "weights_sha256": everything},
        "teachers": [{"name": everything, "weights_sha256": NAME}],
        "corrections": {"digest": NAME, "events": 7, "tweets": 5, "changed": 3, NAME: everything},
        "precision": NAME,
        "notes": list(INJECTIONS),
    }


def write_taggers(folder: Path) -> None:
    """An original of one of our systems with a version of it, one of a system of another name, one that is damaged."""
    original = write_checkpoint(folder / "taggers" / SET / "bert-crf", "0", **card_fields())
    parent = {"name": f"{SET}/bert-crf@original", "weights_sha256": sum_of(original)}
    fields = card_fields() | {"parent": parent, "weights_sha256": f"{CLAIMS} bert-crf"}
    write_checkpoint(folder / "checkpoints" / SET / "bert-crf" / "v1", "1", **fields)
    write_checkpoint(folder / "taggers" / SET / NAME, "2", **(card_fields() | {"system": NAME}))
    damaged = write_checkpoint(folder / "taggers" / SET / f"{NAME} damaged", "3", **card_fields())
    (damaged / "manifest.json").write_text(json.dumps({"format": INJECTIONS[0]}), encoding="utf-8")


def sum_of(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["weights_sha256"])


def write_hostile_results(results: Path, data: Path) -> None:
    """Rows as ``reproduce`` writes them, and two whose words are others'."""
    write_results(results, data)
    for row in (Row("twitter2017", "bert-crf", 1), Row("twitter2017", NAME, 0)):
        write_row(results, row, pictures=" ".join(INJECTIONS), encoder=INJECTIONS[0], weights=CLAIMS)
        file = row.file(results)
        values = json.loads(file.read_text(encoding="utf-8"))
        values |= dict.fromkeys(("recipe", "code", "created", "device"), NAME) | {"train": {"epochs": 2, NAME: NAME}}
        file.write_text(json.dumps(values), encoding="utf-8")


def asked(**more: str) -> str:
    """The parameters of a link to the hostile tweet."""
    params = {"data": f"{NAME}/test", "tweet": TWEET, **more}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())


MODELS = tuple(
    f"{SET}/{name}" for name in ("bert-crf@original", "bert-crf@v1", f"{NAME}@original", f"{NAME} damaged@original")
)
HOSTILE_LINK = dict.fromkeys(("sample", "set", "part", "map", "outcome", "regex", "sort", "system"), INJECTIONS[0])
PAGES = {
    "inspect": [f"/?{asked(**HOSTILE_LINK)}", f"/?sample={OPENING_SAMPLE}&set={quote(SET)}"],
    "explain": [
        f"/explain?{asked()}",
        f"/explain?{asked(set=SET)}",
        f"/explain?{asked(part=NAME, tagger=NAME, span=NAME, method=NAME)}",
    ],
    "errors": [f"/errors?{asked()}", f"/errors?{asked(**HOSTILE_LINK)}"],
    "scores": [f"/scores?{asked()}", f"/scores?{asked(set=SET)}"],
    "patterns": [f"/patterns?{asked()}", f"/patterns?{asked(part=NAME, figure=NAME, by=NAME, group=NAME)}"],
    "benchmark": ["/benchmark", f"/benchmark?{asked(split=NAME, cost=NAME)}"],
    "data": [f"/data?{asked()}"],
    "correct": [f"/correct?{asked()}"],
    "train": [f"/train?{asked()}"],
    "models": [f"/models?{asked()}", *(f"/models?{asked(model=name)}" for name in MODELS)],
}

# What a page shows of a tagger's card, of a run's description or of a result, at which of its links.
CARDS = {
    ("inspect", 1): CLAIMS,
    ("scores", 0): f"{SET}/umt-bert-crf",
    ("benchmark", 0): INJECTIONS[0],
    ("train", 0): SET,
    ("models", 1): f"Data, {INJECTIONS[0]}",
    ("models", 2): f"Data, {INJECTIONS[0]}",
    ("models", 3): f"Data, {INJECTIONS[0]}",
    ("models", 4): "wanted a manifest of format 1",
}
SHOWN = {"explain": ".word", "errors": ".word"}  # where the tweet is seen as it was written


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.locator("h1, h2, h3").first.wait_for()


def test_what_would_run_is_seen(browser: Browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(
            '<b onclick=1></b><a href="javascript:1">x</a><div id=host></div><a href="https://example.org"></a>'
        )
        page.evaluate(
            "document.getElementById('host').attachShadow({mode: 'open'}).innerHTML = '<style>*{display:none}'"
        )
        assert len(page.evaluate(FOUND)) == 4


@pytest.mark.parametrize("name", PAGES)
def test_what_was_sent_stays_text_on_every_page(page: Page, name: str):
    for place, link in enumerate(PAGES[name]):
        page.goto(link)
        settled(page)
        if name in SHOWN and place == 0:
            page.locator(SHOWN[name], has_text=INJECTIONS[0]).first.wait_for()
        if (name, place) in CARDS:
            page.get_by_text(CARDS[name, place]).first.wait_for(state="attached")
        assert page.evaluate(FOUND) == []
        assert page.get_by_text("Traceback").count() == 0


def test_a_hostile_tweets_report_runs_nothing(page: Page, browser: Browser, tmp_path: Path):
    page.goto(f"/explain?{asked(part='report')}")
    button = page.get_by_role("button", name="Save the report")
    button.wait_for(timeout=6 * WAIT)
    with page.expect_download() as download:
        button.click()
    assert not re.search(r"[<>/\\]", download.value.suggested_filename)
    download.value.save_as(tmp_path / "report.html")
    with browser.new_context(offline=True) as alone:
        file = alone.new_page()
        file.on("dialog", lambda dialog: pytest.fail(dialog.message))
        file.goto((tmp_path / "report.html").as_uri())
        file.get_by_text(INJECTIONS[0]).first.wait_for()
        assert file.evaluate(FOUND) == []


def answer(server: str, method: str, path: str, headers: dict[str, str]) -> int:
    """The status that the server answers with."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
    connection.request(method, path, body=b"x" if method in ("PUT", "POST") else None, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    "headers", [{}, {"X-Xsrftoken": "made-up"}, {"X-Xsrftoken": "a", "Cookie": "_streamlit_xsrf=b"}]
)
def test_a_file_that_another_site_sends_is_refused(server, method, headers):
    headers = {"Origin": "https://example.org", "Content-Type": "multipart/form-data; boundary=x", **headers}
    assert answer(server, method, "/_stcore/upload_file/session/file", headers) in (403, 405)


def test_a_page_of_another_site_opens_no_session(server):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert answer(server, "GET", "/_stcore/stream", upgrade | {"Origin": "https://example.org"}) == 403
    assert answer(server, "GET", "/_stcore/stream", upgrade | {"Origin": server}) == 101


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/app/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/media/../../x"]
)
def test_no_path_of_an_address_gives_a_file_of_the_machine(server, path):
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
    connection.request("GET", path)
    assert b"root:" not in connection.getresponse().read()
    connection.close()
