"""Encoders in ONNX Runtime and OpenVINO, to be measured beside ours. Neither is among the app's dependencies."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import cores
from umt_core.encoders.text import TextEncoder
from umt_core.encoders.vision import VisionEncoder

NEEDS = {
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
    "onnxruntime_int8": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
    "openvino_bfloat16": ("openvino", "onnx", "onnxscript"),
}
Session = Callable[..., Tensor]


def missing(runtime: str) -> str | None:
    """A line that says what to install for a runtime; ``None``: all is there."""
    lacking = [package for package in NEEDS[runtime] if find_spec(package) is None]
    return f"{runtime}: not measured, pip install {' '.join(lacking)}" if lacking else None


def runtimes() -> list[str]:
    """Those that are installed; what the others lack is said on stderr."""
    there = []
    for runtime in NEEDS:
        if line := missing(runtime):
            print(line, file=sys.stderr)
        else:
            there.append(runtime)
    return there


class ForeignText(nn.Module):
    """Stands in for a tagger's text encoder, whose layers a runtime computes from the embeddings on."""

    def __init__(self, encoder: TextEncoder, runtime: str) -> None:
        super().__init__()
        self.embedding = encoder.model.get_input_embeddings()
        words, mask = torch.zeros(2, 5, encoder.embedding_size), torch.ones(2, 5, dtype=torch.int64)
        batch, length = torch.export.Dim("batch", max=1024), torch.export.Dim("length", min=2, max=128)
        self.session = session(runtime, _Layers(encoder), (words, mask), ({0: batch, 1: length},) * 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, extra: Tensor | None = None) -> Tensor:
        words = self.embedding(input_ids)
        return self.session(words if extra is None else words + extra, attention_mask.long())


class ForeignVision(nn.Module):
    """A vision encoder whose convolutions a runtime computes: regions (batch, 49, channels) of pixels."""

    def __init__(self, published: VisionEncoder, runtime: str) -> None:
        super().__init__()
        pixels = torch.zeros(2, 3, 224, 224)
        self.session = session(runtime, _Maps(published), (pixels,), ({0: torch.export.Dim("batch", max=1024)},))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.session(pixels).flatten(2).transpose(1, 2)


class _Layers(nn.Module):
    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.model = encoder.model

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        states: Tensor = self.model(inputs_embeds=words, attention_mask=mask).last_hidden_state
        return states


class _Maps(nn.Module):
    def __init__(self, encoder: VisionEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return self.encoder.feature_maps(pixels)


def session(runtime: str, module: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[Any, ...]) -> Session:
    """A module as a runtime computes it, on as many threads as torch would use."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        names = [f"input{i}" for i in range(len(inputs))]
        with warnings.catch_warnings(), torch.no_grad(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), inputs, file, dynamo=True, input_names=names, dynamic_shapes=shapes, external_data=False
            )
        return _openvino(runtime, file) if runtime.startswith("openvino") else _onnxruntime(runtime, file, names)


def _onnxruntime(runtime: str, file: Path, names: list[str]) -> Session:
    onnxruntime = import_module("onnxruntime")
    if runtime.endswith("int8"):
        tools = import_module("onnxruntime.quantization")
        tools.quantize_dynamic(file, file.with_name("int8.onnx"), weight_type=tools.QuantType.QInt8, per_channel=True)
        file = file.with_name("int8.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as our own threads, which sleep
    made = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda *inputs: torch.from_numpy(
        made.run(None, dict(zip(names, (i.numpy() for i in inputs), strict=True)))[0]
    )


def _openvino(runtime: str, file: Path) -> Session:
    openvino = import_module("openvino")
    how = {
        "INFERENCE_NUM_THREADS": cores(),
        "INFERENCE_PRECISION_HINT": "bf16" if runtime.endswith("bfloat16") else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(openvino.Core().read_model(file), "CPU", how).create_infer_request()
    # A copy: the request gives the same memory at each call.
    return lambda *inputs: torch.from_numpy(request.infer([i.numpy() for i in inputs], share_inputs=True)[0].copy())
