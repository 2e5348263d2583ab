"""Signing in at an OpenID provider, with a real browser and a provider of our own."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ui.conftest import WAIT, serving
from umt_core.access.users import Role, User, add_user, change_user, remove_user

pytest.importorskip("authlib", reason="the extra oidc is not installed")
from tests.ui.oidc_provider import CLIENT, SECRET, Provider, provider

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BOB = {"email": "bob@example.org", "email_verified": True, "name": "Robert"}
BUTTON = "Sign in with your organisation"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oidc") / "users.json"


@pytest.fixture(scope="module")
def at_provider() -> Iterator[Provider]:
    with provider(free_port()) as made:
        yield made


@pytest.fixture(scope="module")
def server(users: Path, at_provider: Provider) -> Iterator[str]:
    port, home = free_port(), users.parent
    (home / ".streamlit").mkdir()
    settings = {
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
        "cookie_secret": "a long text that nobody else knows, for this test alone",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "server_metadata_url": f"{at_provider.base}/.well-known/openid-configuration",
    }
    lines = ["[auth]", *(f"{name} = {json.dumps(value)}" for name, value in settings.items())]
    (home / ".streamlit" / "secrets.toml").write_text("\n".join(lines))
    environment = {"HOME": str(home), "UMT_USERS": str(users), "UMT_HOME": str(home / "work")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_USERS", str(users))
        add_user(User("Bob", Role.TRAIN, email="Bob@Example.org"))
    with serving(environment, port) as (url, _):
        yield url


@pytest.fixture
def page(browser: Browser, server: str, at_provider: Provider) -> Iterator[Page]:
    """A browser that nobody has signed in with, and the provider as it should be; nothing is refused by our policy."""
    at_provider.claims, at_provider.wrong, at_provider.refuses, at_provider.algorithm = dict(BOB), "", False, "RS256"
    with browser.new_context(base_url=server) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        problems: list[str] = []
        page.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        assert not problems


def sign_in(page: Page) -> None:
    """To the provider and back."""
    page.goto("/models")
    with page.expect_response(lambda answer: "/oauth2callback?" in answer.url):
        page.get_by_role("button", name=BUTTON).click()
    page.wait_for_url(lambda url: "oauth2callback" not in url)


def sees_nothing(page: Page) -> None:
    """No way to a page is left, nor a name; Streamlit may leave an empty sidebar where there was one."""
    page.get_by_role("link", name="Train", exact=True).wait_for(state="hidden")
    page.get_by_role("button", name="Sign out", exact=True).wait_for(state="hidden")
    page.get_by_text("Bob · ").wait_for(state="hidden")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_one_signs_in_as_the_user_of_the_address_and_out_at_the_provider_too(
    page, server, users, at_provider, algorithm, monkeypatch
):
    at_provider.algorithm = algorithm
    sign_in(page)
    page.get_by_text("Bob · train").wait_for()
    asked = at_provider.asked[-1]
    assert asked["redirect_uri"] == f"{server}/oauth2callback"
    assert {"openid", "email"} <= set(asked["scope"].split())
    assert asked["code_challenge_method"] == "S256"
    assert asked["nonce"]
    kept = {cookie["name"]: cookie for cookie in page.context.cookies()}["_streamlit_user"]
    assert kept["httpOnly"]
    assert kept["sameSite"] == "Lax"

    page.reload()
    page.get_by_text("Bob · train").wait_for()
    monkeypatch.setenv("UMT_USERS", str(users))
    change_user("Bob", role=Role.VIEW)
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_text("Bob · view").wait_for()
    change_user("Bob", role=Role.TRAIN)

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name=BUTTON).wait_for()
    assert at_provider.signed_out[-1]["client_id"] == CLIENT
    assert "id_token_hint" in at_provider.signed_out[-1]
    page.reload()
    page.get_by_role("button", name=BUTTON).wait_for()


def test_who_was_removed_is_out_at_the_next_click(page, users, monkeypatch):
    sign_in(page)
    page.get_by_text("Bob · train").wait_for()
    monkeypatch.setenv("UMT_USERS", str(users))
    remove_user("Bob")
    try:
        page.get_by_role("link", name="Train", exact=True).click()
        page.get_by_text("bob@example.org may not come in").wait_for()
        sees_nothing(page)
    finally:
        add_user(User("Bob", Role.TRAIN, email="bob@example.org"))


@pytest.mark.parametrize(
    ("claims", "line"),
    [
        ({"email": "eve@example.org", "email_verified": True}, "eve@example.org may not come in"),
        ({"email": "bob@example.org", "email_verified": False}, "wanted a verified e-mail address from the provider"),
        ({"name": "Bob"}, "wanted a verified e-mail address from the provider"),
    ],
)
def test_who_is_not_a_user_sees_a_line_and_can_sign_out_again(page, at_provider, claims, line):
    at_provider.claims = claims
    sign_in(page)
    page.get_by_text(line).wait_for()
    sees_nothing(page)
    page.get_by_role("button", name="Sign out at the provider").click()
    page.get_by_role("button", name=BUTTON).wait_for()


@pytest.mark.parametrize("wrong", ["nonce", "signature", "audience", "issuer", "expired", "none"])
def test_a_token_that_is_not_of_this_sign_in_signs_nobody_in(page, at_provider, wrong):
    at_provider.wrong = wrong
    before = len(at_provider.asked)
    sign_in(page)
    page.get_by_role("button", name=BUTTON).wait_for()
    assert len(at_provider.asked) == before + 1
    assert not [cookie for cookie in page.context.cookies() if cookie["name"].startswith("_streamlit_user")]
    assert page.get_by_text("Bob").count() == 0


def test_who_the_provider_sends_back_or_comes_with_a_made_up_code_is_not_signed_in(page, at_provider):
    at_provider.refuses = True
    sign_in(page)
    page.get_by_role("button", name=BUTTON).wait_for()
    page.goto("/oauth2callback?code=made-up&state=made-up")
    page.wait_for_url(lambda url: "oauth2callback" not in url)
    page.get_by_role("button", name=BUTTON).wait_for()
    assert not [cookie for cookie in page.context.cookies() if cookie["name"].startswith("_streamlit_user")]
