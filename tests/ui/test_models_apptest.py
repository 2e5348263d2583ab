"""The Models page, as Streamlit runs it: versions, before and after, and what its buttons do."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import lineage, markup
from tests.core.fabricated_results import write_row
from tests.core.versioned import write_checkpoint
from tests.ui.reading import address, component_data, said
from tests.ui.reading import opened as opened_page
from umt_core.analysis.reproduction import Row
from umt_core.corrections.events import Edit, TweetKey
from umt_core.corrections.store import Store, default_url
from umt_core.data.jsonl import write_jsonl
from umt_core.labels import LABELS
from umt_core.manifest import MANIFEST
from umt_core.promotions import retrained_folder
from umt_core.registry import CheckpointInfo, checkpoints_folder, find_checkpoint, versions_folder
from umt_core.schema import Example, Span
from umt_core.versions import promote

FAMILY = "tiny/bert-crf"
HOSTILE = "<img src=x onerror=alert(1)>"
HISTORY = [{"epoch": 1, "loss_total": 2.0, "dev_f1": 0.5}, {"epoch": 2, "loss_total": 1.0, "dev_f1": 0.75}]


def figures(f1: float) -> dict[str, Any]:
    return {"precision": f1, "recall": f1, "f1": f1, "spans": 4, "by_type": {label: {"f1": f1} for label in LABELS}}


@pytest.fixture
def world(made, tmp_path, monkeypatch):
    """An original and ``v1``, which have read ``tiny/test`` as BERT-CRF and MT of ``tiny_set`` have; and ``v2``."""
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "checkpoints"))
    scores = {"valid": figures(0.5), "test": figures(0.25)}
    write_checkpoint(checkpoints_folder() / FAMILY, "0", weights_sha256="sum of bert-crf", scores=scores)
    parent = {"name": f"{FAMILY}@original", "weights_sha256": "sum of bert-crf"}
    corrections = {"digest": "abc", "events": 7, "tweets": 5, "changed": 3}
    fields = {"parent": parent, "corrections": corrections, "history": HISTORY, "data": {"train": {"tweets": 1234}}}
    folder = retrained_folder() / FAMILY
    created = "2026-01-0{}T00:00:00+00:00"
    write_checkpoint(folder / "v1", "1", weights_sha256="sum of mt-bert-crf", created=created.format(2), **fields)
    own = hashlib.sha256(b"2").hexdigest()
    write_checkpoint(folder / "v2", "2", weights_sha256=own, created=created.format(3), parent=parent)
    return made


def opened(**params: str) -> AppTest:
    return opened_page("models", **params)


def rows(page: AppTest, key: str) -> list[list[str]]:
    """The cells of a linked table, with their second lines."""
    table = component_data(page, key)
    return [[c["text"] + (f" ({c['sub']})" if c.get("sub") else "") for c in row["cells"]] for row in table["rows"]]


def click(page: AppTest, label: str) -> None:
    next(b for b in page.button if b.label == label).click().run()
    assert not page.exception


def versions(page: AppTest) -> dict[str, str]:
    return {row[0]: row[1] for row in rows(page, "models_versions")}


def test_every_version_stands_in_the_overview_with_its_figures(world):
    page = opened(model=f"{FAMILY}@v1")
    original, first, second = rows(page, "models_versions")
    assert original[:2] == ["BERT-CRF · tiny · original", "● served"]
    assert original[6] == "50.00"
    # Of the predictions, not the manifest's: 3 right of 6 predicted and 6 gold.
    assert re.fullmatch(r"50\.00 \(\d+\.\d – \d+\.\d\)", original[7])
    assert first[:6] == [
        "BERT-CRF · tiny · v1 (shown below)", "kept", "BERT-CRF · tiny · original", "2026-01-02 00:00", "1,234", "5",
    ]  # fmt: skip
    assert second[0] == "BERT-CRF · tiny · v2"
    links = [row["cells"][0]["href"] for row in component_data(page, "models_versions")["rows"]]
    assert links[1] == "models?model=tiny%2Fbert-crf%40v1"


def test_without_a_link_the_newest_version_is_shown(world):
    page = opened()
    assert "BERT-CRF · tiny · v2" in said(page)
    assert "BERT-CRF · tiny · v2 (shown below)" in versions(page)


def test_before_and_after_counts_on_the_published_labels_and_leads_to_the_tweets(world):
    page = opened(model=f"{FAMILY}@v1")
    (side,) = rows(page, "models_sides")
    # fixed: "fixed"; broken: "broken"; removed: what both of these had wrong and "removed"; added: half of a name
    assert side[0] == "as published (6 entities)"
    assert side[5:9] == ["1", "1", "2", "1"]
    link = component_data(page, "models_sides")["rows"][0]["cells"][5]["link"]
    assert link == {
        "data": "tiny/test",
        "baseline": "twitter2017/bert-crf",
        "system": "twitter2017/mt-bert-crf",
        "outcome": "fixed",
    }
    assert "Nobody has corrected a label of this split" in said(page)


def test_corrected_labels_give_a_second_line_and_their_tweets(world):
    with Store(default_url()) as store:
        key = TweetKey("tiny/test", "wrong")
        store.append(Edit(key, "set", "Ann", (Span(1, 3, "ORG"),), (Span(1, 3, "LOC"),), 0))
    page = opened(model=f"{FAMILY}@v1")
    published, corrected = rows(page, "models_sides")
    assert corrected[0].startswith("as corrected")
    assert float(corrected[1]) > float(published[1])  # what both said was right
    assert "1 tweet has other labels now: 0 added, 0 removed, 1 changed." in said(page)
    ((tweet, before, after, outcome),) = rows(page, "models_tweets")
    assert (tweet, before, after) == ("wrong", "ORG “Tate Modern”", "LOC “Tate Modern”")
    assert outcome == "= both right 1"


def test_a_version_that_has_not_read_the_split_is_offered_to(world):
    page = opened(model=f"{FAMILY}@v2")
    assert "BERT-CRF · tiny · v2 has not read TINY test yet." in said(page)
    assert any(b.label == "Read it now" for b in page.button)
    assert any("--checkpoint tiny/bert-crf@v2" in code.value for code in page.code)


def test_promote_and_roll_back_say_what_is_served(world):
    page = opened(model=f"{FAMILY}@v2")
    click(page, "Promote it")
    assert f"{FAMILY}@v2 is served from now on." in [e.value.replace("\\", "") for e in page.success]
    assert find_checkpoint(FAMILY).version == "v2"
    assert versions(page)["BERT-CRF · tiny · v2 (shown below)"] == "● served"
    assert page.dataframe[-1].value["What"].tolist() == ["promoted"]
    click(page, "Roll back")
    assert find_checkpoint(FAMILY).version == "original"
    assert address(page)["model"] == f"{FAMILY}@original"
    assert page.dataframe[-1].value["What"].tolist() == ["went back to", "promoted"]


def test_what_somebody_else_promoted_meanwhile_is_told(world):
    page = opened(model=f"{FAMILY}@v2")
    write_checkpoint(versions_folder(FAMILY) / "v3", "3")
    promote(f"{FAMILY}@v3", "Bob")
    click(page, "Promote it")
    assert "v3 is served now, and not original" in page.error[0].value.replace("\\", "")
    assert find_checkpoint(FAMILY).version == "v3"


def test_rename_and_remove(world):
    page = opened(model=f"{FAMILY}@v2")
    next(t for t in page.text_input if t.label == "New name").set_value("Too Loud").run()
    click(page, "Rename it")
    assert "wanted a version's name" in page.error[0].value.replace("\\", "")
    next(t for t in page.text_input if t.label == "New name").set_value("better").run()
    click(page, "Rename it")
    assert address(page)["model"] == f"{FAMILY}@better"
    click(page, "Remove it")
    assert not (versions_folder(FAMILY) / "better").exists()
    assert list(versions(page)) == ["BERT-CRF · tiny · original (shown below)", "BERT-CRF · tiny · v1"]


def test_nobody_changes_nothing(world):
    page = opened(model=f"{FAMILY}@v2")
    next(t for t in page.text_input if t.label == "Your name").set_value(" ").run()
    assert "Give your name in the sidebar" in said(page)
    click(page, "Promote it")
    assert "wanted the name of who does this" in page.error[0].value
    assert find_checkpoint(FAMILY).version == "original"


def test_a_damaged_version_is_listed_with_its_line_and_can_be_removed(world):
    (versions_folder(FAMILY) / "v1" / MANIFEST).write_text("{")
    page = opened(model=f"{FAMILY}@v1")
    assert versions(page)["BERT-CRF · tiny · v1 (shown below)"] == "damaged (open it to see why)"
    assert "wanted a manifest in JSON" in page.error[0].value.replace("\\", "")
    click(page, "Remove it")
    assert not (versions_folder(FAMILY) / "v1").exists()


def test_a_link_to_what_is_not_here_says_so(world):
    page = opened(model="<img src=x>@v9")
    assert "The link asks for '<img src=x>@v9', which is not here" in page.warning[0].value.replace("\\", "")


def test_without_any_tagger_the_page_says_how_to_get_one(tmp_path, data, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "none"))
    assert "No tagger is here" in said(opened())


def test_names_in_a_manifest_are_text_and_no_markup(world):
    path = versions_folder(FAMILY) / "v1" / MANIFEST
    values = json.loads(path.read_text())
    values["images"], values["parent"] = "<script>alert(1)</script>", {"name": "<b>x</b>/y", "weights_sha256": ""}
    path.write_text(json.dumps(values))
    page = opened(model=f"{FAMILY}@v1")
    html = "".join(e.proto.body for e in page.get("html"))
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>" not in html


def test_the_parents_dev_figure_is_shown_only_where_it_is_of_the_same_labels():
    def manifest(valid, f1=0.8):
        return SimpleNamespace(data={"valid": valid}, scores={"valid": {"f1": f1}})

    parent = manifest({"sha256": "a", "tweets": 9})
    same = {"sha256": "composed", "tweets": 9, "from": [{"sha256": "a", "tweets": 9, "corrected": 0}]}
    assert lineage.dev_before(parent, manifest(same)) == 0.8
    assert lineage.dev_before(parent, manifest({"sha256": "a", "tweets": 9})) == 0.8
    assert lineage.dev_before(parent, manifest(same | {"tweets": 3})) is None
    assert lineage.dev_before(parent, manifest(same | {"from": [{"sha256": "b", "tweets": 9, "corrected": 0}]})) is None
    assert lineage.dev_before(parent, manifest(same | {"from": [{"sha256": "a", "tweets": 9, "corrected": 2}]})) is None


def test_figures_of_other_tweets_or_labels_than_the_original_s_are_marked(world):
    manifest = find_checkpoint(FAMILY).manifest
    whole = {"data": "tiny/valid", "sha256": "a", "tweets": 9, "corrected": 0}
    original = replace(manifest, data={"valid": {"sha256": "a", "tweets": 9}})  # it does not say by what it was tested

    def marks(valid: Any, test: Any) -> list[str]:
        version = replace(manifest, data={"valid": valid, "test": test})
        found = [
            CheckpointInfo(f"{FAMILY}@original", Path(), original),
            CheckpointInfo(f"{FAMILY}@v1", Path(), version, "v1"),
        ]
        _, (first, second) = lineage.overview_cells([lineage.Line(one, False, 0, {}) for one in found], "")
        assert not any(cell.get("sub") for cell in first["cells"])
        return [cell.get("sub") for cell in second["cells"][6:8]]

    other = "other tweets or labels"
    test = [{"data": "tiny/test", "sha256": "t", "tweets": 5, "corrected": 0}]
    assert marks({"tweets": 9, "from": [whole]}, {"tweets": 5, "from": test}) == ["", ""]
    assert marks({"tweets": 4, "from": [whole | {"tweets": 4}]}, {"from": [{"data": "own/tweets"}]}) == [other, other]
    assert marks({"tweets": 9, "from": [whole | {"corrected": 2}]}, {"from": test * 2}) == [other, other]
    assert marks("as anybody may write it", {"from": 1}) == [other, ""]


def test_where_nothing_was_served_before_no_command_goes_back_to_it(world):
    page = opened(model=f"{FAMILY}@original")
    assert not [code.value for code in page.code if "checkpoints rollback" in code.value]
    promote(f"{FAMILY}@v2", "Ann")
    page = opened(model=f"{FAMILY}@v2")
    assert markup.command("checkpoints", "rollback", FAMILY) in [code.value for code in page.code]


def test_a_family_s_name_is_text_and_no_markup(world):
    family = "ti*n*y/[a](b)"
    write_checkpoint(checkpoints_folder() / family, "0")
    for folder in (checkpoints_folder() / family, versions_folder(family) / "v1"):
        folder.mkdir(parents=True, exist_ok=True)
    (versions_folder(family) / "v1" / MANIFEST).write_text("{")
    for version in ("original", "v1"):  # a whole one and a damaged one
        name = f"{family}@{version}"
        assert opened(model=name).subheader[0].value == markup.plain(lineage.title(name))


def test_versions_of_a_checkpoint_set_are_compared_on_what_its_data_set_is_tested_on(world):
    family = "tiny-base/bert-crf"
    write_checkpoint(checkpoints_folder() / family, "0", set_name="tiny-base")
    write_checkpoint(versions_folder(family) / "v1", "1", set_name="tiny-base")
    assert opened(model=f"{family}@v1").selectbox(key="models_data_tiny").value == "tiny/test"


def test_who_has_taught_a_version_is_named(world):
    folder = versions_folder(FAMILY) / "taught"
    teachers = [{"name": "tiny-base/umt-bert-crf", "weights_sha256": "1"}, {"name": HOSTILE, "weights_sha256": "2"}]
    write_checkpoint(folder, "3", teachers=teachers)
    rows = lineage.facts(find_checkpoint(f"{FAMILY}@taught"), served=False, parent=None)
    assert rows["Taught by"] == f"tiny-base/umt-bert-crf, {HOSTILE}"
    page = opened(model=f"{FAMILY}@taught")
    assert not page.exception
    assert HOSTILE not in "".join(block.proto.body for block in page.get("html"))
    assert "Taught by" not in lineage.facts(find_checkpoint(f"{FAMILY}@v1"), served=False, parent=None)


def test_each_data_sets_versions_are_compared_on_their_own_test_split(world, tmp_path):
    """The choice of one is not the choice of the next that is looked at."""
    write_checkpoint(checkpoints_folder() / "other/bert-crf", "0", dataset="other")
    write_checkpoint(versions_folder("other/bert-crf") / "v1", "1", dataset="other")
    file = tmp_path / "data" / "other" / "test.jsonl"
    file.parent.mkdir()
    write_jsonl(file, [Example("1", ("word",), spans=())])
    page = opened(model=f"{FAMILY}@v1")
    assert page.selectbox(key="models_data_tiny").value == "tiny/test"
    page.query_params["model"] = "other/bert-crf@v1"
    page.run()
    assert page.selectbox(key="models_data_other").value == "other/test"


def test_what_is_missing_comes_with_commands_for_the_folders_and_pictures_that_are_meant(world, tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_RESULTS", str(tmp_path / "results"))
    write_row(tmp_path / "results", Row("twitter2017", "mt-bert-crf", 0))
    page, reproduce = opened(), markup.command("reproduce")
    train, row = [code.value for code in page.code if "bilstm-crf" in code.value]
    assert train.startswith(markup.command(*"train --system bilstm-crf --train twitter2017/train.txt --valid ".split()))
    assert train.endswith(f" --test twitter2017/test.txt --output {checkpoints_folder()}/twitter2017/bilstm-crf")
    as_the_other = f"--data {tmp_path}/data --output {tmp_path}/results --set epochs=2"
    assert row == f"{reproduce} {as_the_other} --only twitter2017/bilstm-crf"
    # Nobody but the reader knows what the reader's pictures are; and a row that is done is not run twice.
    (system,) = [box for box in page.selectbox if box.key.startswith("models_system")]
    system.set_value("mt-bert-crf").run()
    train, row = [code.value for code in page.code if "mt-bert-crf" in code.value]
    about = "--about-images 'what your pictures are'"
    assert f" --images IMAGES {about} --output " in train
    as_the_other = f"--data {tmp_path}/data --output runs/own {about} --set epochs=2"
    assert row == f"{reproduce} {as_the_other} --only twitter2017/mt-bert-crf"
    assert "with UMT_RESULTS=runs/own; here that row is done" in said(page)
    Row("twitter2017", "mt-bert-crf", 0).file(tmp_path / "results").write_text("{")
    assert "seed-0.json: wanted results in JSON" in said(opened())


def test_a_version_that_was_trained_on_what_it_is_judged_by_is_named(world, monkeypatch):
    known = "trained on these very tweets"
    monkeypatch.setattr("app.panels.models_before_after.trained_on", lambda found, run: known)
    lines = [w.value for w in opened(model=f"{FAMILY}@v1").warning if known in w.value]
    named = ["tiny · original", "tiny · v1"]
    assert all(version in line for version, line in zip(named, lines, strict=True))
    monkeypatch.setattr("app.panels.models_before_after.trained_on", lambda found, run: None)
    assert not [w.value for w in opened(model=f"{FAMILY}@v1").warning if known in w.value]
