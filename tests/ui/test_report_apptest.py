"""Explain, Report, and Patterns, Relevance: what they offer and say, without a browser."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pyarrow as pa
import pytest

from app import relevance_cells
from tests.ui import fake, reading
from tests.ui.reading import component_data, said
from tests.ui.tiny_set import TWEETS, write_set
from umt_core.analysis.paper import percent
from umt_core.corrections.database import file_url
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store
from umt_core.errors import CheckpointError
from umt_core.explain.kept import write_kept
from umt_core.explain.router import KIND, by_relevance, read_pair, route
from umt_core.schema import Span

RELEVANCE = {"fixed": 0.9, "broken": 0.2, "right": 0.6}
BASELINE, UMT = "twitter2017/bert-crf", "twitter2017/umt-bert-crf"
report = partial(reading.opened, "explain", part="report")
patterns = partial(reading.opened, "patterns", part="relevance")


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    """Home and store of the test alone."""
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))


def keep(found):
    scores = [RELEVANCE.get(row[0]) for row in TWEETS]
    table = pa.table({"tweet": pa.array(range(len(scores)), pa.int32()), "relevance": pa.array(scores, pa.float32())})
    about = {"model": "0" * 64, "others": "499", "dev": "0.7582", "images": "stand-in photographs"}
    write_kept(found, None, KIND, table, about)


@pytest.fixture
def scored(made, data, tmp_path):
    """The set with relevance; and a dev set of the same tweets."""
    keep(made)
    shutil.copy(data, data.with_name("valid.jsonl"))
    dev = write_set(data.with_name("valid.jsonl"), tmp_path / "predictions")
    keep(dev)
    return made, dev


def contents(page):
    table = next(frame.value for frame in page.dataframe if "In the report" in frame.value)
    return dict(zip(table["What"], table["In the report"], strict=True))


# --- the report --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("made")
def test_the_page_says_what_the_report_holds():
    page = report(tweet="broken")
    held = contents(page)
    assert held["Words"] == "4"
    assert held["Gold labels"] == "1"
    assert held["UMT"] == "tags, attention, other pictures"
    assert held["BERT-CRF"] == "tags"
    assert held["Corrections"] == "0"
    assert "opens without network" in said(page)
    assert {button.proto.label for button in page.get("download_button")} == {"Save the report", "The same as JSON"}


@pytest.mark.usefixtures("made")
def test_a_tagger_without_gate_has_its_maps_in_the_report(monkeypatch):
    fabricate = fake.fabricate
    monkeypatch.setattr(fake, "fabricate", lambda *asked: replace(fabricate(*asked), gate=None))
    monkeypatch.setattr("app.services.DEVICE", "another without gates")
    assert contents(report(tweet="broken"))["UMT"] == "tags, attention, other pictures"


@pytest.mark.usefixtures("made")
def test_the_history_of_a_tweet_is_told(tmp_path, monkeypatch):
    url = file_url(tmp_path / "store.sqlite")
    monkeypatch.setenv("UMT_STORE", url)
    with Store(url) as store:
        before, after = (Span(0, 2, "PER"),), (Span(0, 2, "ORG"),)
        store.append(Edit(TweetKey("tiny/test", "broken"), "set", "Kim", before, after, 0))
    assert contents(report(tweet="broken"))["Corrections"] == "1"
    assert contents(report(tweet="fixed"))["Corrections"] == "0"


@pytest.mark.usefixtures("made")
def test_attributions_are_there_where_they_were_asked_for():
    page = report(tweet="broken")
    page.selectbox(key="report_method").select("occlusion").run()
    assert not page.exception
    assert contents(page)["UMT"] == "tags, attention, other pictures, attributions"


@pytest.mark.usefixtures("made")
def test_a_damaged_relevance_model_counts_as_none(tmp_path):
    folder = tmp_path / "home" / "relevance"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"format": 1, "fi')
    page = report(tweet="broken")
    assert contents(page)["Does the picture fit"].startswith("not asked")
    assert "The report does not say whether the picture fits" in said(page)


@pytest.mark.usefixtures("made")
def test_relevance_weights_that_cannot_be_loaded_count_as_none(monkeypatch):
    def broken(*_):
        raise CheckpointError("the weights are cut off")

    monkeypatch.setattr("app.routing.model", lambda: SimpleNamespace(weights_sha256="0" * 64))
    monkeypatch.setattr("app.services.fit", broken)
    page = report(tweet="broken")
    assert contents(page)["Does the picture fit"].startswith("not asked")
    assert "whether the picture fits: the weights are cut off" in said(page)


# --- relevance ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("made")
def test_without_a_score_the_page_says_how_to_train_it():
    page = patterns()
    assert "Nobody has trained that score here yet" in said(page)
    assert "relevance train" in page.code[0].value


def test_the_table_by_relevance_is_that_of_the_router_module(scored):
    page = patterns()
    found = read_pair(scored[0], BASELINE, UMT)
    parts = by_relevance(found)
    shown = component_data(page, "relevance_parts")
    assert [row["cells"][0]["text"] for row in shown["rows"]] == [
        "no picture" if p.low is None else f"{p.low:.2f} to {p.high:.2f}" for p in parts
    ]
    assert [row["cells"][2]["text"] for row in shown["rows"]] == [str(p.outcomes["fixed"]) for p in parts]
    assert "by chance 0.5" in said(page)
    assert "stand-in photographs" in said(page)


def test_the_routers_figures_and_verdict_are_shown(scored):
    page = patterns()
    pairs = [read_pair(found, BASELINE, UMT) for found in reversed(scored)]
    routed = route(*pairs)
    rows = component_data(page, "router_")["rows"]
    assert [row["cells"][2]["text"] for row in rows] == [
        percent(value.value)
        for value in (
            *(routed.test[k] for k in ("baseline", "system", "router")),
            routed.shuffled,
            routed.test["oracle"],
        )
    ]
    assert relevance_cells.rule_line(routed, "BERT-CRF", "UMT") in said(page)
    assert relevance_cells.verdict_line(routed, "BERT-CRF", "UMT") in said(page)


def test_without_a_dev_set_there_is_no_router_and_the_page_says_why(made):
    keep(made)
    assert "A threshold is chosen on tiny/valid, of which there are no predictions yet." in said(patterns())


def test_a_histogram_counts_every_tweet_once():
    table = relevance_cells.histogram(pa.array([0.0, 0.04, 0.5, 1.0]).to_numpy())
    assert table["Tweets"].tolist() == [2, *[0] * 9, 1, *[0] * 8, 1]
