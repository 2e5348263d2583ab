"""Runtimes that are measured beside torch: what lacks is said, and what is there says the same."""

from __future__ import annotations

import pytest
import torch

from benchmarks import runtimes
from benchmarks.measure import by_turns
from tests.core import tiny


def test_a_runtime_that_is_not_installed_is_left_out_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr(runtimes, "find_spec", lambda package: None if package == "onnxruntime" else object())
    assert runtimes.runtimes() == ["openvino", "openvino_bfloat16"]
    assert capsys.readouterr().err.splitlines() == [
        "onnxruntime: not measured, pip install onnxruntime",
        "onnxruntime_int8: not measured, pip install onnxruntime",
    ]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_says_what_torch_says(runtime):
    if line := runtimes.missing(runtime):
        pytest.skip(line)
    encoder = tiny.system("bert-crf").encoder.eval()
    foreign = runtimes.ForeignText(encoder, runtime)
    subwords, mask = torch.randint(5, 20, (3, 7)), torch.ones(3, 7, dtype=torch.bool)
    mask[1, 4:] = False
    with torch.inference_mode():
        torch.testing.assert_close(foreign(subwords, mask)[mask], encoder(subwords, mask)[mask], atol=1e-4, rtol=1e-4)


def test_turns_are_timed_by_the_clock_that_is_given():
    clock = iter([4.0, 1.0, 2.0, 6.0])  # a, b, then b, a
    assert by_turns({"a": int, "b": int}, 2, lambda _: next(clock)) == {"a": 5.0, "b": 1.5}
