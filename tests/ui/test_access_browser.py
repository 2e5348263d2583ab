"""Signing in with a real browser, and the app as people start it where others can reach it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving import waiting
from tests.ui.conftest import ROOT, WAIT, serving
from umt_core.access.passwords import hash_password
from umt_core.access.users import Role, User, add_user, change_user

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def users(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("access") / "users.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMT_USERS", str(path))
        add_user(User("Ann", Role.ANNOTATE, password=hash_password(PASSWORD)))
    return path


@pytest.fixture(scope="module")
def server(serve, users) -> str:
    return serve(UMT_USERS=str(users), UMT_HOME=str(users.parent / "home"))


def test_a_link_leads_through_signing_in_which_a_reload_keeps(page, server, users, monkeypatch):
    page.goto("/correct?tweet=phoenix-in-july")
    page.get_by_label("Name").wait_for()
    assert not page.get_by_test_id("stSidebar").is_visible()
    page.get_by_label("Name").press("Tab")
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Password", exact=True).fill("a wrong password")
    page.get_by_label("Password", exact=True).press("Enter")
    page.get_by_text("Name and password do not fit.").wait_for()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password", exact=True).press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    page.wait_for_url(f"{server}/correct?*queue=file*tweet=phoenix-in-july")

    page.evaluate(waiting("document.cookie.includes('mner_session=')"))
    page.reload()
    page.get_by_role("button", name="Sign out").wait_for()
    other = page.context.new_page()
    other.goto(f"{server}/train")
    other.get_by_text("Ann · annotate").wait_for(timeout=WAIT)

    monkeypatch.setenv("UMT_USERS", str(users))
    change_user("Ann", role=Role.TRAIN)
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_text("Ann · train").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Password", exact=True).wait_for()
    page.reload()
    page.get_by_label("Password", exact=True).wait_for()
    other.get_by_role("link", name="Correct", exact=True).click()
    other.get_by_label("Password", exact=True).wait_for(timeout=WAIT)
    other.close()


def test_started_by_hand_on_all_addresses_without_users_it_shows_why_it_does_not(browser, tmp_path):
    settings = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "UMT_HOME": str(tmp_path)}
    with serving(settings) as (url, _):
        page = browser.new_page()
        page.goto(f"{url}/models")
        page.get_by_text("wanted users who may sign in, got none").wait_for(timeout=WAIT)
        assert page.get_by_test_id("stMain").inner_text().startswith("This workbench is closed")
        assert page.get_by_role("button").count() == 0
        assert not page.get_by_test_id("stSidebar").is_visible()
        page.close()


def test_make_app_does_not_start_on_all_addresses_without_users(tmp_path):
    command = ["make", "-o", "runtime", "app", "HOST=0.0.0.0", f"RUN={sys.executable}"]
    environment = {"UMT_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 2
    assert "streamlit" not in done.stdout
    assert [line[:25] for line in done.stderr.splitlines() if "***" not in line] == ["error: served on 0.0.0.0:"]
