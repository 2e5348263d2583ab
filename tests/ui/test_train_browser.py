"""Retraining in a browser: a job goes on while the server is killed and started again, and the page finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.serving import waiting
from tests.core.tiny_data import tweets
from tests.core.tiny_jobs import BASE, Home, make_home, wait_for
from tests.ui.conftest import WAIT, serving
from umt_core.data.conll import write_conll
from umt_core.errors import JobError
from umt_core.registry import versions_folder
from umt_core.train import jobs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 5 * WAIT  # a job's process loads torch first
COPIES = 100


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    yield make_home(tmp_path, monkeypatch)
    for job in jobs.jobs():
        with suppress(JobError):
            jobs.cancel(job.id)
    for job in jobs.jobs():
        wait_for(job.id, lambda job: job.state not in jobs.OPEN_STATES)


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(base_url=url)
    page.set_default_timeout(LONG)
    yield page
    page.close()


@contextmanager
def nobody_working() -> Iterator[None]:
    """Jobs stay in the queue."""
    jobs.jobs_folder().mkdir(parents=True)
    lock = jobs.hold(jobs.jobs_folder() / jobs.RUNNER_LOCK)
    assert lock is not None
    with lock:
        yield


def test_a_job_started_on_the_page_survives_reload_and_a_killed_server(home, browser):
    # Epochs long enough for the job to be there still when the second server is.
    many = [replace(tweet, id=f"{tweet.id}-{i}") for i in range(COPIES) for tweet in tweets()[:12]]
    write_conll(home.root / "data" / "twitter0" / "train.txt", many)
    trains = re.compile(r"epoch \d+ of 1000")
    with serving({"UMT_BACKEND": ""}) as (url, process), opened(browser, url) as page:
        page.goto("/train")
        page.get_by_text("The same by command:").wait_for()  # the form's end: nothing moves any more
        page.get_by_text("More settings").click()
        for label in ("Epochs at most", "Patience, in epochs"):
            page.get_by_role("spinbutton", name=label).fill("1000")
            page.get_by_role("spinbutton", name=label).press("Enter")
        page.get_by_text("--epochs 1000 --patience 1000").wait_for()
        page.get_by_role("button", name="Start training").press("Enter")
        page.evaluate(waiting("location.search.includes('job=')"))
        identity = page.url.rpartition("job=")[2]
        page.get_by_text(trains).first.wait_for()
        page.reload()
        page.get_by_text(trains).first.wait_for()
        process.kill()
        process.wait()
    before = len(jobs.status(identity).history)
    wait_for(identity, lambda job: len(job.history) > before)  # nobody looks, and it goes on
    with serving({"UMT_BACKEND": ""}) as (url, _), opened(browser, url) as page:
        page.goto(f"/train?job={identity}")
        page.get_by_text(trains).first.wait_for()
        page.get_by_role("button", name="Cancel").press("Enter")
        page.get_by_text("It was cancelled.").wait_for()
        epochs = len(jobs.status(identity).history)
        assert not versions_folder(BASE).exists()
        page.get_by_role("button", name="Resume").press("Enter")
        page.get_by_text(f"training goes on after epoch {epochs}").wait_for()
        page.get_by_role("button", name="Cancel").press("Enter")
        page.get_by_text("It was cancelled.").wait_for()
        page.get_by_role("button", name="All jobs").press("Enter")
        page.locator(f".st-key-open_{identity} button").wait_for()
        assert "job=" not in page.url


def test_a_job_that_waits_can_be_opened_and_removed_from_its_page(home, browser):
    with nobody_working(), serving({"UMT_BACKEND": ""}) as (url, _), opened(browser, url) as page:
        first, second = (jobs.submit(home.request()) for _ in range(2))
        page.goto("/train")
        page.locator(f".st-key-open_{first} button").press("Enter")
        page.get_by_text(f"Job {first}").wait_for()
        page.get_by_role("button", name="Remove").press("Enter")
        page.get_by_role("button", name="Remove the job").press("Enter")
        page.locator(f".st-key-open_{second} button").press("Enter")
        page.get_by_text(f"Job {second}").wait_for()
        jobs.remove(second)  # in another window
        page.get_by_text(f"no job '{second}'").wait_for()
        page.get_by_text("None yet.").wait_for()
        assert not page.get_by_test_id("stException").count()


def test_a_finished_job_names_its_version(home, browser):
    with serving({"UMT_BACKEND": ""}) as (url, _), opened(browser, url) as page:
        page.goto("/train")
        page.get_by_role("button", name="Start training").press("Enter")
        page.get_by_text("The new version is").wait_for()
        (job,) = jobs.jobs()
        page.get_by_text(str(job.checkpoint)).first.wait_for()
        assert (versions_folder(BASE) / job.id / "manifest.json").exists()
