"""Versions of taggers: which one a name stands for, promoting, rolling back, renaming, removing, and bad folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.versioned import FAMILY, write_checkpoint, write_family
from umt_core import promotions
from umt_core.__main__ import main
from umt_core.errors import CheckpointError
from umt_core.manifest import MANIFEST, WEIGHTS
from umt_core.promotions import LOG, records, retrained_folder
from umt_core.registry import (
    Damaged,
    checkpoints,
    checkpoints_folder,
    complaints,
    dataset_of,
    find_checkpoint,
    same_weights,
    survey,
    versions,
    versions_folder,
)
from umt_core.service import server
from umt_core.versions import TRASH, before_served, promote, remove, rename, roll_back


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch):
    monkeypatch.setenv("UMT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UMT_CHECKPOINTS", str(tmp_path / "checkpoints"))


def weights(name: str = FAMILY) -> str:
    return (find_checkpoint(name).folder / WEIGHTS).read_text()


def log_file() -> Path:
    return retrained_folder() / LOG


# --- names ---------------------------------------------------------------------------------------


def test_a_plain_name_stands_for_what_is_served_and_a_name_with_a_version_for_just_that():
    write_family("v1", "v2")
    assert (weights(), weights(f"{FAMILY}@v1"), weights(f"{FAMILY}@original")) == ("original", "v1", "original")
    promote(f"{FAMILY}@v2", "Ann")
    assert (weights(), weights(f"{FAMILY}@v1"), weights(f"{FAMILY}@original")) == ("v2", "v1", "original")
    (served,) = checkpoints()
    assert (served.name, served.version, served.exact, served.family) == (FAMILY, "v2", f"{FAMILY}@v2", FAMILY)
    assert find_checkpoint(f"{FAMILY}@original").exact == FAMILY
    assert [info.name for info in versions(FAMILY)] == [f"{FAMILY}@{v}" for v in ("original", "v1", "v2")]


@pytest.mark.parametrize("command", ["predict", "predict-parquet", "explain"])
def test_taggers_of_one_name_are_refused_where_their_answers_would_be_one_column(command, tmp_path, capsys):
    """A folder is called as what it was trained on, not as where it is: one would answer under the other's name."""
    write_family()
    mine = write_checkpoint(tmp_path / "runs" / "mine", "mine", dataset="tiny", system="bert-crf")
    tweets = tmp_path / "tweets.jsonl"
    tweets.write_text('{"id": "1", "text": "Rain over Lake Geneva"}\n')
    output = tmp_path / ("out.parquet" if command == "predict-parquet" else "out")
    words = [command.partition("-")[0], "--checkpoint", FAMILY, "--checkpoint", str(mine)]
    assert main([*words, "--input", str(tweets), "--output", str(output)]) == 2
    assert f"wanted checkpoints of different names, got {FAMILY} twice: {FAMILY} and {mine}" in capsys.readouterr().err


def test_a_folder_that_no_name_leads_to_is_not_served(tmp_path, capsys):
    write_family()
    mine = write_checkpoint(tmp_path / "runs" / "mine", "mine", dataset="tiny", system="bert-crf")
    assert main(["serve", "--checkpoint", str(mine)]) == 2
    assert "wanted a checkpoint that requests can name, got a folder" in capsys.readouterr().err
    there = checkpoints_folder() / FAMILY
    assert server._named(str(there)) == server._named(FAMILY) == FAMILY


def test_what_was_found_stays_what_it_is_whatever_is_promoted():
    write_family("v1")
    found = find_checkpoint(FAMILY)
    promote(f"{FAMILY}@v1", "Ann")
    assert find_checkpoint(found) is found
    assert weights() == "v1"


def test_the_data_set_of_a_checkpoint_is_its_manifests_whatever_its_set_is_called():
    write_checkpoint(checkpoints_folder() / "tiny-base" / "bert-crf", "x", dataset="tiny", set_name="tiny-base")
    assert dataset_of("tiny-base/bert-crf") == "tiny"
    assert dataset_of("gone/bert-crf") == "gone"


def test_the_folder_of_a_version_is_that_version():
    write_family("v1")
    found = find_checkpoint(versions_folder(FAMILY) / "v1")
    assert (found.name, found.version) == (f"{FAMILY}@v1", "v1")


def test_a_version_is_known_by_its_weights():
    write_family("v1", "v2")
    found = same_weights(FAMILY, find_checkpoint(f"{FAMILY}@v2").manifest.weights_sha256)
    assert found is not None
    assert found.version == "v2"
    assert same_weights(FAMILY, "0" * 64) is None
    assert same_weights("a folder of somebody's", "0" * 64) is None


def test_a_family_may_have_versions_and_no_original():
    write_checkpoint(retrained_folder() / "own" / "bert-crf" / "v1", "v1", dataset="own")
    with pytest.raises(
        CheckpointError, match=r"own/bert-crf: has no original, and no version of it is promoted; .* v1"
    ):
        find_checkpoint("own/bert-crf")
    assert checkpoints() == []
    assert complaints() == []
    promote("own/bert-crf@v1", "Ann")
    assert [info.name for info in checkpoints()] == ["own/bert-crf"]
    with pytest.raises(CheckpointError, match="v1 is served, and nothing was before it"):
        roll_back("own/bert-crf", "Ann")


@pytest.mark.parametrize(
    "name", ["..", ".hidden", "a/b", "../v1", "a\\b", "V1", "", "x" * 41, "naïve", "a b", "a@b", "original"]
)
def test_no_version_is_named_so_that_it_leads_elsewhere(name):
    write_family("v1")
    with pytest.raises(CheckpointError, match=r"wanted a version's name|keeps its name"):
        rename(f"{FAMILY}@v1", name, "Ann")
    with pytest.raises(CheckpointError):
        remove(f"{FAMILY}@{name}", "Ann")
    assert weights(f"{FAMILY}@v1") == "v1"


@pytest.mark.parametrize("family", ["../tiny", "tiny", "tiny/..", "/etc/bert-crf", "a/b/c", ".trash/x", ""])
def test_no_family_leads_elsewhere(family):
    write_family("v1")
    for act in (
        lambda: promote(f"{family}@v1", "Ann"),
        lambda: roll_back(family, "Ann"),
        lambda: versions_folder(family),
    ):
        with pytest.raises(CheckpointError, match="wanted the name of a family"):
            act()


# --- promoting and going back --------------------------------------------------------------------


def test_going_back_again_and_again_ends_at_the_original():
    write_family("v1", "v2", "v3")
    for version in ("v1", "v2", "v3", "v1"):
        promote(f"{FAMILY}@{version}", "Ann")
    seen = []
    while (before := before_served(FAMILY)) is not None:
        seen.append(roll_back(FAMILY, "Bob").version)
        assert seen[-1] == before.version
        assert weights() == seen[-1]
    assert seen == ["v3", "v2", "v1", "original"]
    with pytest.raises(CheckpointError, match="original is served, and nothing was before it"):
        roll_back(FAMILY, "Bob")


def test_the_log_says_who_did_what_and_what_was_served_before():
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", " Ann \n B. ")
    promote(f"{FAMILY}@v2", "Bob")
    roll_back(FAMILY, "Ann")
    rename(f"{FAMILY}@v1", "better", "Ann")
    remove(f"{FAMILY}@v2", "Bob")
    assert [(r.author, r.action, r.version, r.before) for r in records()] == [
        ("Ann B.", "promote", "v1", "original"),
        ("Bob", "promote", "v2", "v1"),
        ("Ann", "roll back", "v1", "v2"),
        ("Ann", "rename", "better", "v1"),
        ("Bob", "remove", "v2", ""),
    ]
    assert weights() == "v1"
    assert complaints() == []


def test_the_original_can_be_promoted_again_and_gone_back_from():
    write_family("v1")
    promote(f"{FAMILY}@v1", "Ann")
    promote(f"{FAMILY}@original", "Ann")
    assert weights() == "original"
    assert roll_back(FAMILY, "Ann").version == "v1"
    assert roll_back(FAMILY, "Ann").version == "original"


def test_what_is_served_already_is_not_promoted_again():
    write_family("v1")
    with pytest.raises(CheckpointError, match="@original: is served already"):
        promote(f"{FAMILY}@original", "Ann")
    promote(f"{FAMILY}@v1", "Ann")
    with pytest.raises(CheckpointError, match="@v1: is served already"):
        promote(f"{FAMILY}@v1", "Ann")
    assert len(records()) == 1


def test_who_looks_at_an_old_page_changes_nothing():
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann", expected="original")
    with pytest.raises(CheckpointError, match="v1 is served now, and not original as on your page"):
        promote(f"{FAMILY}@v2", "Bob", expected="original")
    with pytest.raises(CheckpointError, match="v1 is served now"):
        roll_back(FAMILY, "Bob", expected="v2")
    assert weights() == "v1"


def test_nobody_does_nothing():
    write_family("v1")
    with pytest.raises(CheckpointError, match="wanted the name of who does this"):
        promote(f"{FAMILY}@v1", " \n ")
    assert not records()


def test_weights_that_are_not_the_manifest_s_are_not_promoted():
    write_family("v1")
    (versions_folder(FAMILY) / "v1" / WEIGHTS).write_text("cut")
    with pytest.raises(CheckpointError, match="wanted the weights that its manifest names"):
        promote(f"{FAMILY}@v1", "Ann")
    write_checkpoint(versions_folder(FAMILY) / "other", "other", system="umt-bert-crf")
    with pytest.raises(CheckpointError, match="wanted a bert-crf, got a umt-bert-crf"):
        promote(f"{FAMILY}@other", "Ann")
    assert weights() == "original"


# --- renaming and removing -----------------------------------------------------------------------


def test_a_served_version_is_still_served_under_its_new_name():
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    rename(f"{FAMILY}@v1", "better", "Ann")
    assert (weights(), find_checkpoint(FAMILY).version) == ("v1", "better")
    promote(f"{FAMILY}@v2", "Ann")
    assert roll_back(FAMILY, "Ann").version == "better"
    with pytest.raises(CheckpointError, match="wanted a new name, got 'v2', which is taken"):
        rename(f"{FAMILY}@better", "v2", "Ann")


def test_a_folder_that_was_renamed_by_hand_is_still_served():
    write_family("v1")
    promote(f"{FAMILY}@v1", "Ann")
    (versions_folder(FAMILY) / "v1").rename(versions_folder(FAMILY) / "by-hand")
    assert (weights(), find_checkpoint(FAMILY).version, complaints()) == ("v1", "by-hand", [])


def test_another_version_that_got_a_removed_one_s_name_is_not_served_for_it():
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    promote(f"{FAMILY}@v2", "Ann")
    remove(f"{FAMILY}@v1", "Ann")
    write_checkpoint(versions_folder(FAMILY) / "v1", "another")
    assert roll_back(FAMILY, "Ann").version == "original"


def test_what_is_served_and_the_original_are_not_removed():
    write_family("v1")
    promote(f"{FAMILY}@v1", "Ann")
    with pytest.raises(CheckpointError, match="is served; promote another version or roll back first"):
        remove(f"{FAMILY}@v1", "Ann")
    with pytest.raises(CheckpointError, match="the original cannot be removed"):
        remove(f"{FAMILY}@original", "Ann")
    roll_back(FAMILY, "Ann")
    remove(f"{FAMILY}@v1", "Ann")
    assert not list(versions_folder(FAMILY).iterdir())
    assert not (retrained_folder() / TRASH).exists()
    with pytest.raises(CheckpointError, match="wanted its version 'v1', got none; there are: original"):
        remove(f"{FAMILY}@v1", "Ann")


# --- what is damaged -----------------------------------------------------------------------------


def break_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def lose_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def cut_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"v")


def lose_all(folder: Path) -> None:
    folder.rename(folder.with_name(f".{folder.name}"))


@pytest.mark.parametrize("damage", [break_manifest, lose_weights, cut_weights, lose_all])
def test_a_promoted_version_that_is_damaged_gives_way_to_the_one_before_with_a_line(damage):
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    promote(f"{FAMILY}@v2", "Ann")
    damage(versions_folder(FAMILY) / "v2")
    assert [info.version for info in checkpoints()] == ["v1"]
    (line,) = complaints()
    assert line.startswith(f"{FAMILY}@v2 was promoted and cannot be served, v1 is: ")
    damage(versions_folder(FAMILY) / "v1")
    assert weights() == "original"
    assert len(complaints()) == 2


def test_the_version_that_stands_in_can_be_settled_on():
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    promote(f"{FAMILY}@v2", "Ann")
    break_manifest(versions_folder(FAMILY) / "v2")
    promote(f"{FAMILY}@v1", "Ann")
    assert (weights(), complaints()) == ("v1", [])
    assert roll_back(FAMILY, "Ann").version == "original"


def test_a_damaged_version_is_listed_and_can_be_removed():
    write_family("v1", "v2")
    break_manifest(versions_folder(FAMILY) / "v1")
    found = survey(FAMILY)
    assert [one.name for one in found if isinstance(one, Damaged)] == [f"{FAMILY}@v1"]
    assert [info.version for info in versions(FAMILY)] == ["original", "v2"]
    remove(f"{FAMILY}@v1", "Ann")
    assert not [one for one in survey(FAMILY) if isinstance(one, Damaged)]


def test_a_damaged_original_does_not_hide_what_is_promoted():
    write_family("v1")
    promote(f"{FAMILY}@v1", "Ann")
    break_manifest(checkpoints_folder() / FAMILY)
    assert [info.version for info in checkpoints()] == ["v1"]
    assert len(complaints()) == 1
    with pytest.raises(CheckpointError, match="nothing was before it"):
        roll_back(FAMILY, "Ann")


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_was_cut_short_is_not_read_and_the_next_one_is_whole(cut):
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    whole = log_file().read_bytes()
    promote(f"{FAMILY}@v2", "Ann")
    line = log_file().read_bytes()[len(whole) :]
    log_file().write_bytes(whole + line[:cut])
    assert (weights(), complaints()) == ("v1", [])
    promote(f"{FAMILY}@v2", "Ann")
    assert [r.version for r in records()] == ["v1", "v2"]
    assert complaints() == []


@pytest.mark.parametrize("line", ["rubbish", "[]", '{"time": 1}', "null", '{"version": {}}', "\u2028"])
def test_a_line_that_is_none_of_ours_is_told_and_left_out(line):
    write_family("v1")
    promote(f"{FAMILY}@v1", "Ann")
    log_file().write_text(f"{line}\n{log_file().read_text()}", encoding="utf-8")
    assert weights() == "v1"
    assert [text.rpartition("/")[2] for text in complaints()] == [f"{LOG}:1: not a line of ours; it is left out"]


def test_a_log_that_leads_elsewhere_is_not_followed(tmp_path):
    write_family("v1")
    write_checkpoint(tmp_path / "outside", "outside")
    promote(f"{FAMILY}@v1", "Ann")
    record = json.loads(log_file().read_text()) | {"version": "../../../../outside"}
    log_file().write_text(json.dumps(record | {"weights_sha256": "0"}) + "\n")
    assert weights() == "original"


def test_a_full_disk_leaves_the_log_as_it_was(monkeypatch):
    write_family("v1", "v2")
    promote(f"{FAMILY}@v1", "Ann")
    before = log_file().read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(promotions.os, "fsync", full)
        with pytest.raises(CheckpointError, match=r"promotions.jsonl: wanted to note .* No space left on device"):
            promote(f"{FAMILY}@v2", "Ann")
    assert log_file().read_bytes() == before
    assert weights() == "v1"


# --- by command line -----------------------------------------------------------------------------


def test_the_commands_do_the_same(capsys):
    write_family("v1", "v2")
    for command in (
        f"promote {FAMILY}@v1 --author Ann",
        f"promote {FAMILY}@v2 --author Ann",
        f"rollback {FAMILY} --author Bob",
        f"rename {FAMILY}@v1 better --author Ann",
        f"remove {FAMILY}@v2",
        "list",
        f"versions {FAMILY}",
        "versions",
        "log",
        f"show {FAMILY}@better",
    ):
        assert main(["checkpoints", *command.split()]) == 0, command
    said = capsys.readouterr().out
    assert weights() == "v1"
    assert f"{FAMILY} is its version v1 now" in said
    assert f"{FAMILY}@v1 is {FAMILY}@better now" in said
    assert f"{FAMILY}@v2 is removed" in said
    assert said.count("roll back") == 1
    for wrong in (f"promote {FAMILY}", f"promote {FAMILY}@v9", f"remove {FAMILY}@better", "rollback nowhere"):
        assert main(["checkpoints", *wrong.split()]) == 2, wrong
        assert len(capsys.readouterr().err.splitlines()) == 1
