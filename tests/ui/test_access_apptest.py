"""Signing in, and what each role finds on the pages, as Streamlit runs them."""

from __future__ import annotations

import pytest
import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app import access
from app.panels import correct_desk, correct_payload, models_detail, train_form, tweet_form
from app.state import Key
from app.uploads import Uploads
from tests.ui.reading import ENTRY, address, button, component_data, opened, said
from umt_core.access.passwords import Hash
from umt_core.access.throttle import FREE, Throttle
from umt_core.access.users import Role, User, add_user, change_user, remove_user
from umt_core.corrections.events import TweetKey
from umt_core.errors import AccessError

PASSWORD = "correct horse battery"
SESSION = "test session id"  # as AppTest calls it
# Of PASSWORD, at the least cost.
KNOWN = "scrypt$1$8$1$c2FsdA==$"


@pytest.fixture
def users(data, tmp_path, monkeypatch):
    """Each role's user is called like the role."""
    import base64
    import hashlib

    key = hashlib.scrypt(PASSWORD.encode(), salt=b"salt", n=2, r=8, p=1, dklen=32)
    known = Hash.parse(KNOWN + base64.b64encode(key).decode())
    monkeypatch.setenv("UMT_USERS", str(tmp_path / "users.json"))
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(access, "_throttle", Throttle())
    for role in Role:
        add_user(User(role, role, password=known))


def sign_in(page: AppTest, name: str, password: str = PASSWORD) -> AppTest:
    page.text_input(key=Key.SIGN_IN_NAME).set_value(name)
    page.text_input(key=Key.SIGN_IN_PASSWORD).set_value(password)
    button(page, "Sign in").click().run()
    assert not page.exception
    return page


def at(view: str, role: str, **params: str) -> AppTest:
    return sign_in(opened(view, **params), role)


def with_tweets(train: AppTest) -> AppTest:
    """The Train page with tweets to train on."""
    return train.multiselect[0].set_value(["sample_data/tweets"]).run()


@pytest.mark.parametrize("view", ["inspect", "correct", "models"])
def test_no_page_shows_anything_before_somebody_has_signed_in(users, view):
    page = opened(view)
    assert [title.value for title in page.title] == ["MNER workbench"]
    assert [b.label for b in page.button] == ["Sign in"]
    assert len(page.get("bidi_component")) == 1  # the cookie's
    assert not page.sidebar.children


def test_files_are_taken_of_sessions_of_people_who_are_in(users):
    async def app(scope, receive, send):
        await PlainTextResponse("taken", status_code=204)(scope, receive, send)

    client = TestClient(Uploads(app))
    file = f"/base/_stcore/upload_file/{SESSION}/file"
    page = opened("inspect")
    assert client.put(file, content=b"x").status_code == 403
    assert (client.options(file).status_code, client.get("/_stcore/health").status_code) == (204, 204)
    sign_in(page, "view")
    assert client.put(file, content=b"x").status_code == 204
    assert client.put("/_stcore/upload_file/another/file", content=b"x").status_code == 403
    button(page, "Sign out").click().run()
    assert client.put(file, content=b"x").status_code == 403


def test_a_wrong_name_and_a_wrong_password_are_told_alike_and_too_many_have_to_wait(users):
    page = opened("errors")
    lines = [sign_in(page, name, "wrong password").error[0].value for name in ("view", "nobody")]
    assert lines == ["Name and password do not fit."] * 2
    assert page.text_input(key=Key.SIGN_IN_PASSWORD).value == ""
    for _ in range(FREE["pair"]):
        sign_in(page, "view", "wrong password")
    assert "Too many tries: wait" in said(sign_in(page, "view"))  # the right one, too
    assert [title.value for title in page.title] == ["MNER workbench"]


def test_who_signs_in_comes_to_the_page_of_the_link(users):
    page = at("correct", "view", data="tiny/test", queue="file", tweet="fixed-too")
    assert {"queue": "file", "tweet": "fixed-too"}.items() <= address(page).items()
    assert "**view**" in said(page)
    button(page, "Sign out").click().run()
    assert [title.value for title in page.title] == ["MNER workbench"]
    page.run()
    assert [b.label for b in page.button] == ["Sign in"]


def test_who_may_only_look_changes_nothing(users):
    page = at("correct", "view")
    why = component_data(page, "correct_editor")["readOnly"]
    assert why.startswith("view has the role view; annotate is needed to correct labels")
    assert not [box.label for box in page.text_input]  # nobody says who they are
    data = at("data", "view")
    assert "Nothing can be added" in said(data)
    train = with_tweets(at("train", "annotate"))
    assert "train is needed to" in said(train)
    assert all(b.disabled for b in train.button if b.label.startswith(("Start", "Put")))


def test_who_may_annotate_does_so_by_the_signed_in_name(users):
    page = at("correct", "annotate")
    drawn = component_data(page, "correct_editor")
    assert (drawn["author"], drawn["readOnly"]) == ("annotate", "")


def test_a_click_on_what_was_drawn_before_the_role_changed_does_nothing(users, monkeypatch):
    monkeypatch.setattr(train_form, "submit", lambda request: pytest.fail("it was done"))
    train = with_tweets(at("train", "train"))
    (start,) = (b for b in train.button if b.key == Key.TRAIN_START)
    assert not start.disabled
    change_user("train", role=Role.ANNOTATE)
    assert "train has the role annotate; train is needed to start" in start.click().run().error[0].value

    monkeypatch.setattr(tweet_form, "add_tweet", lambda *_: pytest.fail("it was done"))
    inspect = at("inspect", "annotate", sample="phoenix-in-july")
    change_user("annotate", role=Role.VIEW)
    button(inspect, "Add to my tweets").click().run()
    assert "annotate has the role view; annotate is needed to" in inspect.error[0].value
    assert button(inspect, "Add to my tweets").disabled


def test_what_all_others_use_is_changed_by_who_may_promote_alone(users, monkeypatch):
    page = at("models", "train")
    monkeypatch.setattr(access, "_token", lambda: page.session_state[Key.TOKEN])
    done: list[str] = []
    models_detail._act(done.append, "v1")
    assert not done
    assert "train has the role train; promote is needed to" in st.session_state.pop(Key.MODELS_SAID)[1]
    change_user("train", role=Role.PROMOTE)
    models_detail._act(done.append, "v2")
    assert done == ["v2"]


def test_a_page_that_is_open_closes_when_its_user_is_removed(users):
    page = at("correct", "annotate")
    remove_user("annotate")
    page.run()
    assert [b.label for b in page.button] == ["Sign in"]


def test_what_the_editor_says_is_stored_for_who_is_signed_in_alone(users, monkeypatch):
    page = at("correct", "annotate")
    monkeypatch.setattr(access, "_token", lambda: page.session_state[Key.TOKEN])
    desk = page.session_state[Key.DESK]
    key = TweetKey("tiny/test", desk.tweet)

    def answer(author: str) -> str:
        action = correct_payload.Action("nonce-of-it", "skip", key, author)
        return str(correct_desk.Answers()._do(action, None, desk)["error"])

    assert answer("annotate") == "the store of corrections cannot be written."  # so far it came
    assert "train did that in this browser" in answer("train")
    change_user("annotate", role=Role.VIEW)
    assert "annotate is needed to" in answer("annotate")
    remove_user("annotate")
    assert "not signed in any more" in answer("annotate")


def test_without_users_nothing_but_the_refusal_is_shown_elsewhere(data, tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_USERS", str(tmp_path / "users.json"))
    option = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: "" if name == "server.address" else option(name))
    page = AppTest.from_file(str(ENTRY), default_timeout=300).run()
    assert [title.value for title in page.title] == ["This workbench is closed"]
    assert "wanted users who may sign in" in page.error[0].value
    assert not page.button
    assert not page.get("bidi_component")


def test_where_the_app_is_open_people_say_who_they_are(data):
    page = opened("correct")
    assert [box.label for box in page.text_input] == ["Your name"]
    assert "Sign out" not in [b.label for b in page.button]


def test_somebody_from_the_provider_needs_an_entry(users, monkeypatch):
    from umt_core.access.door import Door

    add_user(User("Ann", Role.TRAIN, "ann@example.org"))
    monkeypatch.setattr(access, "_token", lambda: "")
    monkeypatch.setattr(access, "door", lambda address: Door(True, True, True))

    class Comer(dict):
        is_logged_in = True

    for claims, name in (
        ({"email": "Ann@example.org"}, "Ann"),
        ({"email": "eve@example.org"}, "eve@example.org may not come in"),
        ({"email": "ann@example.org", "email_verified": False}, "wanted a verified e-mail address"),
        ({}, "wanted a verified e-mail address"),
    ):
        monkeypatch.setattr(access.st, "user", Comer(claims))
        if name == "Ann":
            assert access.person() == access.Person("Ann", Role.TRAIN, by_provider=True)
        else:
            with pytest.raises(AccessError, match=name):
                access.person()
