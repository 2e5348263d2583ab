"""The Train page without its processes: what it asks, what a request comes to, what it says of jobs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import jobs as app_jobs
from app import markup
from app.panels import train_form
from tests.core import tiny_data
from tests.core.tiny_jobs import BASE, Home, copy_home, make_template
from tests.core.versioned import write_checkpoint
from tests.ui import reading
from tests.ui.reading import said
from umt_core.__main__ import main
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.registry import checkpoints_folder, find_checkpoint, versions_folder
from umt_core.schema import Span
from umt_core.train import jobs, runner
from umt_core.train.compose import Part
from umt_core.train.telling import facts
from umt_core.versions import remove, rename

HOSTILE = "<img src=x onerror=alert(1)> **bold** [x](javascript:1)"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory)


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Tiny checkpoints and data; nobody works on the queue."""
    return copy_home(template, tmp_path, monkeypatch)


def opened(**params: str) -> AppTest:
    return reading.opened("train", **params)


def progress(page: AppTest) -> str:
    (bar,) = page.get("progress")
    return str(bar.proto.text).replace("\\", "")


def press(page: AppTest, label: str) -> AppTest:
    (button,) = [button for button in page.button if button.label == label]
    return button.click().run()


def test_the_form_offers_what_is_there_and_says_what_it_comes_to(home):
    page = opened()
    assert not page.exception
    assert page.selectbox(key="train_base").options == ["BERT-CRF · twitter0 · original (served)"]
    assert page.multiselect[0].value == ["twitter0/train"]
    assert "12 tweets to train on, 4 to choose the epoch by, 4 to test" in said(page)
    assert "No label is corrected yet" in said(page)
    assert f"--base {BASE}@original --train twitter0/train --valid twitter0/valid" in page.code[0].value


def test_a_start_opens_the_job_and_the_link_restores_it(home):
    page = press(opened(), "Start training")
    (job,) = jobs.jobs()
    assert job.request == jobs.JobRequest(
        f"{BASE}@original", (Part("twitter0/train"),), Part("twitter0/valid"), Part("twitter0/test")
    )
    assert reading.address(page)["job"] == job.id
    assert f"Job {job.id}" in said(page)
    assert f"Job {job.id}" in said(opened(job=job.id))
    page = press(opened(), "Open")
    assert f"Job {job.id}" in said(page)


def test_a_second_click_while_the_first_is_at_work_asks_for_nothing(home, monkeypatch):
    """The button that is clicked again is the one that was drawn: it brings the same arguments."""
    submitted: list[jobs.JobRequest] = []
    monkeypatch.setattr(train_form, "submit", lambda request: submitted.append(request) or jobs.submit(request))
    monkeypatch.setattr(train_form.access, "require", lambda role: None)

    def clicked_twice() -> None:
        import streamlit as st

        from app.panels import train_form
        from tests.core.tiny_jobs import BASE
        from umt_core.train.compose import Part
        from umt_core.train.jobs import JobRequest

        request = JobRequest(f"{BASE}@original", (Part("twitter0/train"),))
        for _ in range(2):
            st.query_params.clear()  # what the browser sends along is what it had before the first click
            train_form._start(request, 0)

    page = AppTest.from_function(clicked_twice, default_timeout=300).run()
    assert len(submitted) == 1
    assert page.query_params["job"] == jobs.jobs()[0].id


@pytest.mark.parametrize("asked", [BASE, f"{BASE}@v1"])
def test_a_link_chooses_the_base_by_its_name_or_that_of_its_family(home, asked):
    write_checkpoint(versions_folder(BASE) / "v1", "1", dataset="twitter0")
    write_checkpoint(checkpoints_folder() / "twitter0/another", "0", dataset="twitter0")
    assert opened().selectbox(key="train_base").value == "twitter0/another@original"
    page = opened(base=asked)
    assert page.selectbox(key="train_base").value == (asked if "@" in asked else f"{BASE}@original")
    assert not page.warning


def test_a_link_to_a_base_that_is_not_here_says_so(home):
    page = opened(base=HOSTILE)
    assert f"The link asks for {HOSTILE!r}, which is not here; this is another one." in said(page)
    assert page.selectbox(key="train_base").value == f"{BASE}@original"


def test_the_command_that_the_page_shows_asks_for_the_same(home):
    page = opened()
    page.segmented_control(key="train_mode").set_value("full").run()
    page.slider[0].set_value(40).run()
    page.text_input(key="train_version").set_value("by-hand").run()
    command = page.code[0].value
    press(page, "Start training")
    assert main(shlex.split(command)[3:]) == 0
    clicked, typed = jobs.jobs()
    assert clicked.request == typed.request
    assert (typed.request.mode, typed.request.train[0].share) == ("full", 0.4)


def test_a_store_whose_url_is_none_is_told_and_not_looked_for(home, monkeypatch):
    monkeypatch.setenv("UMT_STORE", "corrections.sqlite")
    page = opened()
    line = "The corrected labels cannot be read: wanted a store's URL, sqlite:///FILE or postgresql://…, got none"
    assert line in [warning.value.replace("\\", "") for warning in page.warning]


def test_teachers_and_tweets_without_labels_are_asked_for_like_by_command(home):
    page = opened()
    tweets = page.multiselect(key="train_unlabelled")
    assert tweets.disabled  # nobody would say anything of them
    page.selectbox(key="train_test_twitter0").set_value("no test").run()
    page.multiselect(key="train_teachers").set_value([f"{BASE}@original"]).run()
    page.multiselect(key="train_unlabelled").set_value(["twitter0/test"]).run()
    assert "12 tweets to train on, 4 without their labels" in said(page)
    command = page.code[0].value
    assert f"--teacher {BASE}@original --unlabelled twitter0/test" in command
    press(page, "Start training")
    assert main(shlex.split(command)[3:]) == 0
    clicked, typed = jobs.jobs()
    assert clicked.request == typed.request
    assert clicked.request.unlabelled == (Part("twitter0/test"),)


def test_without_a_teacher_no_tweet_without_labels_is_asked_for(home):
    page = opened()
    page.multiselect(key="train_teachers").set_value([f"{BASE}@original"]).run()
    page.multiselect(key="train_unlabelled").set_value(["twitter0/test"]).run()
    page.multiselect(key="train_teachers").set_value([]).run()
    assert not page.exception
    assert "--unlabelled" not in page.code[0].value


def test_corrected_labels_are_counted_and_used_unless_switched_off(home):
    tweets = tiny_data.tweets()
    with Store() as store:
        for tweet in tweets[:2]:
            store.append(Edit(TweetKey("twitter0/train", tweet.id), "set", "ann", tweet.spans, (), 0))
    page = opened()
    assert "2 in TWITTER0 train" in said(page)
    assert "differ from the data set's own in 2 of 2 tweets" in said(page)
    page.number_input(key="train_repeat").set_value(3).run()
    assert "16 tweets to train on, with corrected labels for 2 of them" in said(page)
    assert "--corrections default --repeat 3" in page.code[0].value
    page.toggle(key="train_corrected").set_value(False).run()
    assert "12 tweets to train on, 4 to choose" in said(page)


def test_tweets_that_were_skipped_since_are_not_counted_as_corrected(tmp_path):
    url, spans = f"sqlite:///{tmp_path}/store.sqlite", (Span(0, 1, "PER"),)
    with Store(url) as store:
        for tweet in ("t1", "t2"):
            set_ = store.append(Edit(TweetKey("twitter0/train", tweet), "set", "ann", (), spans, 0))
        store.append(Edit(set_.key, "skip", "ann", spans, spans, set_.number))
    assert app_jobs.corrections(url).tweets == {"twitter0/train": 1}


def test_what_cannot_be_done_is_said_and_cannot_be_started(home):
    page = opened()
    page.multiselect[0].set_value(["twitter0/train", "twitter0/test"]).run()
    assert "wanted to train on other tweets than those of test" in said(page)
    (start,) = [button for button in page.button if button.label == "Start training"]
    assert start.disabled
    page.multiselect[0].set_value([]).run()
    assert "Choose tweets to train on" in said(page)


def test_a_version_name_that_is_none_is_refused_in_a_line(home):
    page = opened()
    page.text_input(key="train_version").set_value("../../x").run()
    assert not page.exception
    assert "wanted a version's name" in said(page)


def test_without_training_tweets_none_are_chosen(home):
    shutil.rmtree(home.root / "data")
    page = opened()
    assert page.multiselect[0].options == ["Sample tweets"]
    assert page.multiselect[0].value == []
    assert "Choose tweets to train on" in said(page)


@pytest.mark.parametrize("identity", ["20260101-000000-abcd", "../../etc", HOSTILE])
def test_a_link_to_no_job_says_so_and_shows_the_list(home, identity):
    page = opened(job=identity)
    assert not page.exception
    assert "no job" in said(page)
    assert page.selectbox(key="train_base").value


def test_devices_are_asked_for_up_to_those_there_are_and_the_command_and_the_job_say_so(home, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    page = opened()
    field = page.number_input(key="train_devices")
    assert (field.value, field.min, field.max, field.disabled) == (1, 1, 3, False)
    assert "this machine has 3 CPU cores" in field.help
    field.set_value(2).run()
    assert page.code[0].value.endswith("--devices 2")
    press(page, "Start training")
    (job,) = jobs.jobs()
    assert job.request.devices == 2
    assert facts(job)["Devices"] == "2, which share each batch"


def test_a_machine_with_one_core_offers_no_choice_of_devices(home, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert opened().number_input(key="train_devices").disabled


def test_a_running_job_shows_its_curves_and_can_be_cancelled(home):
    identity = jobs.submit(home.request(epochs=4))
    folder, lock = runner._take()
    rows = [
        {"event": "note", "text": HOSTILE},
        {"event": "before", "dev_f1": 0.4},
        {"event": "step", "epoch": 1, "step": 20, "steps": 40, "loss": 2.5},
        {"event": "epoch", "epoch": 1, "seconds": 10.0, "loss_total": 2.0, "dev_f1": 0.5},
        {"event": "step", "epoch": 2, "step": 20, "steps": 40, "loss": 1.5},
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps({"time": 1.0 + i} | row) + "\n" for i, row in enumerate(rows)))
    page = opened(job=identity)
    assert not page.exception
    assert "epoch 2 of 4, step 20 of 40, loss 1.500" in progress(page)
    assert HOSTILE in page.code[0].value  # as code, which is shown as it is
    assert "onerror" not in "".join(element.value for element in page.markdown)
    press(page, "Cancel")
    assert jobs.status(identity).state == "stopping"
    lock.close()


def test_what_a_click_on_a_job_that_goes_on_came_to_is_told_by_the_page(home):
    def looks(identity: str) -> None:
        import streamlit as st

        from app.panels import train_detail

        if "looked" in st.session_state:
            st.text("the page is drawn again")
            st.stop()
        st.session_state.update(looked=True, train_complaint="refused")
        train_detail._live(identity)

    page = AppTest.from_function(looks, args=(jobs.submit(home.request()),), default_timeout=300).run()
    assert said(page) == "the page is drawn again"


def test_a_job_leads_to_its_version_by_the_name_that_this_has_now(home):
    identity = jobs.submit(home.request())
    folder, lock = runner._take()
    lock.close()
    write_checkpoint(versions_folder(BASE) / "v1", "1", dataset="twitter0")
    jobs.write_outcome(
        folder, "done", checkpoint=f"{BASE}@v1", weights_sha256=find_checkpoint(f"{BASE}@v1").manifest.weights_sha256
    )
    assert [line.value for line in opened(job=identity).success] == [markup.plain(f"The new version is {BASE}@v1.")]
    rename(f"{BASE}@v1", "better", "Ann")
    write_checkpoint(versions_folder(BASE) / "v1", "another", dataset="twitter0")
    page = opened(job=identity)
    assert [line.value for line in page.success] == [markup.plain(f"The new version is {BASE}@better.")]
    remove(f"{BASE}@better", "Ann")
    page = opened(job=identity)
    assert f"The new version was {BASE}@v1; it is not here any more." in said(page)
    assert not [button for button in page.button if button.label == "Before and after"]


def test_an_interrupted_job_can_be_resumed_or_removed(home):
    identity = jobs.submit(home.request())
    _, lock = runner._take()
    lock.close()
    page = opened(job=identity)
    assert "ended from outside" in said(page)
    press(page, "Resume")
    assert jobs.status(identity).state == "queued"
    press(opened(job=identity), "Remove the job")
    assert not jobs.jobs()


def test_a_damaged_job_is_named_beside_the_others(home):
    good, bad = (jobs.submit(home.request()) for _ in range(2))
    (jobs.jobs_folder() / bad / "request.json").write_text("{")
    page = opened()
    assert not page.exception
    assert bad in said(page)
    assert [button.key for button in page.button if button.label == "Open"] == [f"open_{good}"]


def test_without_any_checkpoint_the_page_says_how_to_make_one(home):
    shutil.rmtree(home.root / "checkpoints")
    page = opened()
    assert not page.exception
    assert markup.command("train", "--help") in said(page)
