"""The formats by name, and the packages that only some of them want."""

from __future__ import annotations

import importlib
from typing import Any

from hrf_ser.errors import UserError

SUFFIXES = {
    "onnx": ".onnx",
    "onnx-int8": ".int8.onnx",
    "onnx-fp16": ".fp16.onnx",
    "torch-export": ".pt2",
    "executorch": ".pte",
    "litert": ".tflite",
}
FIXED_LENGTH = {"executorch", "litert"}
INT8_MODES = ("weights", "dynamic", "static")
STFT = ("matrix", "native")


def need(module: str, format: str, extra: str) -> Any:
    """A module, imported.

    Raises:
        UserError: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"format={format} wants a package that is not installed ({error.name}): pip install 'hrf_ser[{extra}]'."
        ) from error
