"""What headers the app's answers have, and that the browser holds the pages to them without a page missing anything."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from benchmarks.serving import waiting
from tests.ui.conftest import WAIT, serving
from tests.ui.reading import wait_until
from tests.ui.tiny_set import served_set

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ANSWERS = [
    "/",
    "/errors?data=tiny/test",
    "/_stcore/health",
    "/_stcore/host-config",
    "/static/css/none.css",
    "/media/none",
]
TWEET = "data=tiny/test&tweet=broken"
PARTS = [
    *(
        f"/explain?{TWEET}&part={part}"
        for part in ("attention", "provenance", "picture_what_if", "text_what_if", "report")
    ),
    *(f"/patterns?data=tiny/test&part={part}" for part in ("gate", "bias")),
]
PAGES = [
    *("/", f"/?{TWEET}", f"/explain?{TWEET}", f"/errors?{TWEET}", f"/scores?{TWEET}", "/patterns?data=tiny/test"),
    *("/benchmark", "/data?data=tiny/test", f"/correct?{TWEET}", "/train", "/models"),
]
# What the browser refuses a page, and what it says about it.
LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation",
  e => window.refused.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}`));
"""


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return serve(**served_set(tmp_path_factory.mktemp("headers")))


def headers_of(address: str) -> dict[str, str]:
    try:
        with urlopen(address, timeout=30) as answer:
            found = answer.headers
    except HTTPError as error:
        found = error.headers
    assert len(found) == len({name.lower() for name in found}), "a header that is there twice"
    return {name.lower(): value for name, value in found.items()}


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (one.split() for one in policy.split(";"))}


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_the_headers(server, path):
    found = headers_of(server + path)
    policy = directives(found["content-security-policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert not {"*", "https:", "http:", "'unsafe-eval'", "'unsafe-hashes'"} & {s for of in policy.values() for s in of}
    assert "'unsafe-inline'" not in policy.get("script-src", [])
    assert found["x-content-type-options"] == "nosniff"
    assert found["x-frame-options"] == "DENY"
    assert found["referrer-policy"] == "same-origin"
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(found["permissions-policy"].split(", "))


def test_the_one_script_that_stands_in_the_page_is_streamlits(server):
    with urlopen(server, timeout=30) as answer:
        allowed = directives(answer.headers["content-security-policy"])["script-src"]
        (script,) = [part.split("</script>")[0] for part in answer.read().decode().split("<script>")[1:]]
    assert "prerenderReady" in script
    sum_ = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert set(allowed) == {"'self'", "blob:", "'wasm-unsafe-eval'", f"'sha256-{sum_}'"}


def test_a_file_that_somebody_sent_runs_nothing_where_it_is_opened_by_itself(server):
    assert directives(headers_of(server + "/media/none")["content-security-policy"]) == {
        "default-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "sandbox": [],
    }


def watched(browser: Browser, server: str, scheme: str) -> tuple[Page, list[str]]:
    """A page that notes what the browser refuses, and the errors of its console."""
    page = browser.new_page(base_url=server, color_scheme=scheme, viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(WAIT)
    page.add_init_script(LISTEN)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    return page, said


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.locator("h1").first.wait_for()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(
    ("scheme", "links"), [("light", PAGES), ("dark", PAGES), pytest.param("light", PARTS, marks=pytest.mark.slow)]
)
def test_no_page_wants_what_the_policy_refuses(browser, server, scheme, links):
    page, said = watched(browser, server, scheme)
    refused = {}
    for link in links:
        page.goto(link)
        settled(page)
        refused[link] = page.evaluate("window.refused")
    page.close()
    assert {link: lines for link, lines in refused.items() if lines} == {}
    # Streamlit looks for its own paths below a page's first.
    assert [line for line in said if "status of 404" not in line] == []


def test_what_is_smuggled_into_a_page_is_not_run(browser, server):
    page, said = watched(browser, server, "light")
    page.goto("/benchmark")
    settled(page)
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = 1";
      document.body.append(script);
      const box = document.createElement("div");
      box.innerHTML = '<img src="data:," onerror="window.ran = 2">'
        + '<iframe srcdoc="<script>parent.ran = 3</script>"></iframe>'
        + '<img src="https://example.org/x.png"><form action="https://example.org" id="sent"></form>';
      document.body.append(box);
      document.getElementById("sent").submit();
      const allowed = document.createElement("script");  // as Streamlit loads our components
      allowed.src = URL.createObjectURL(new Blob(['window.loaded = 1; new Function("window.ran = 4")()']));
      document.body.append(allowed);
      fetch("https://example.org/").catch(() => {});
    }""")
    page.evaluate(waiting("window.refused.length >= 6"))
    page.evaluate(waiting("window.loaded === 1"))
    assert page.evaluate("window.ran") is None
    kinds = {line.split()[0] for line in page.evaluate("window.refused")}
    assert {"script-src-elem", "script-src-attr", "img-src", "form-action", "script-src", "connect-src"} <= kinds
    assert said, "the console says so too, which the fixture of all browser tests listens for"
    page.close()


@pytest.fixture(scope="module")
def other_site() -> Iterator[Callable[[str], str]]:
    """Another site's address that answers with this page."""
    pages: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages["/"])

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()

        def answering(html: str) -> str:
            pages["/"] = html.encode()
            return f"http://localhost:{site.server_address[1]}/"

        yield answering
        site.shutdown()


def test_no_other_site_shows_the_app_in_a_frame(browser, server, other_site):
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(other_site(f'<iframe src="{server}"></iframe>'))
    frame = page.frames[1]
    assert frame.locator('[data-testid="stApp"]').count() == 0
    wait_until(lambda: page.wait_for_timeout(50) or any("frame-anc" in s or "X-Frame-Opt" in s for s in said))
    page.close()


def test_a_browser_is_opened_where_there_is_one(tmp_path):
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    script.chmod(0o755)
    environment = {"BROWSER": f"{script} %s", "UMT_HOME": str(tmp_path)}
    with serving(environment, headless=False) as (url, _):
        for _ in range(300):
            if (tmp_path / "opened").exists() and (opened := (tmp_path / "opened").read_text().strip()):
                break
            time.sleep(0.1)
        else:
            pytest.fail("no browser was opened")
    assert opened == url
