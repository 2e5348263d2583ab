"""The benchmarks' own arithmetic, and that what they compare with gives the same tags. Nothing is timed here."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from benchmarks import plain
from benchmarks.measure import Measure, interleaved, write_results
from tests.core import tiny
from umt_core.data.images import ImageIndex
from umt_core.predict import Predictor


def test_an_aim_is_met_on_its_own_side():
    fast = Measure("a", 1.4, "times", 1.0, aim=1.5)
    speed = Measure("b", 5.1, "times", 1.0, aim=5.0, more_is_better=True)
    assert fast.met
    assert speed.met
    assert Measure("a", 1.5, "times", 1.0, aim=1.5).met is False
    assert Measure("b", 4.9, "times", 1.0, aim=5.0, more_is_better=True).met is False
    assert Measure("c", 3.0, "s", 2.0).met is None


def test_results_are_written_by_name(tmp_path):
    write_results(tmp_path / "results" / "latest.json", [Measure("a", 1.23456789, "times", 1.0, aim=1.5)])
    assert json.loads((tmp_path / "results" / "latest.json").read_text()) == {
        "a": {"value": 1.2346, "unit": "times", "baseline": 1.0, "aim": 1.5, "met": True}
    }


def test_both_sides_run_equally_often_and_by_turns():
    order = []
    ours, baseline = interleaved(lambda: order.append("o"), lambda: (order.append("b"), time.sleep(0.01)), 3)
    assert "".join(order) == "obboob"
    assert ours < 0.01 <= baseline


@pytest.mark.parametrize("system", ["mt-bert-crf", "umt-bert-crf"])
def test_the_plain_loop_gives_our_tags(tmp_path, monkeypatch, system):
    monkeypatch.setenv("UMT_CACHE", str(tmp_path / "cache"))
    encoder = tiny.save_encoder(tmp_path / "encoder")
    folder = tiny.save_tagger(tmp_path, tiny.system(system, text_encoder=encoder))
    images = tmp_path / "images"
    images.mkdir()
    examples = []
    for i, example in enumerate(3 * tiny.TWEETS):  # more than one batch of 16, every third without a picture
        examples.append(replace(example, id=str(i), image=str(i)))
        if i % 3:
            tiny.photograph(i).save(images / f"{i}.png")
    predictor = Predictor.load(folder, "cpu", vision=tiny.TinyVision())
    index = ImageIndex.open(images)
    tags = predictor.tags(examples, index)
    assert plain.plain_tags(predictor, examples, index) == tags
    assert len({tag for row in tags for tag in row}) > 1, "a tagger that says one thing shows nothing"
