"""The formats by name, and their limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much a file may differ from its bundle."""

    logits: float  # largest difference
    changed_predictions: float = 0.0  # share of the utterances whose most probable class differs
    ua: float = 0.0  # loss of unweighted average recall, 0 to 1, where labels are known


@dataclass(frozen=True)
class Format:
    """One format; ``fixed_length`` files take audio of up to a length that is set at export."""

    suffix: str
    limits: Limits
    fixed_length: bool = False


# With smaller weights the loss of UA counts; the bound of logits finds a broken file where there are no labels.
FORMATS = {
    "onnx": Format(".onnx", Limits(1e-4)),
    "onnx-int8": Format(".int8.onnx", Limits(1.5, changed_predictions=0.1, ua=0.005)),
    "onnx-fp16": Format(".fp16.onnx", Limits(0.05, changed_predictions=0.01, ua=0.005)),
    "torch-export": Format(".pt2", Limits(1e-4)),
    "executorch": Format(".pte", Limits(1e-3), fixed_length=True),
    "litert": Format(".tflite", Limits(1e-3), fixed_length=True),
}
