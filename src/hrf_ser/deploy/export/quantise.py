"""Smaller ONNX files: int8 and float16. The front end and the last layer stay as they are.

- ``weights``: int8 with a scale for each output channel in the file, float32 after loading: a quarter of the size at the speed
  of float32, on every runtime.
- ``dynamic``: int8 products, with the range of the inputs measured at every call.
- ``static``: int8 products, with ranges measured beforehand on calibration audio.
- ``fp16``: float16 in the file, float32 after loading.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hrf_ser.deploy.export.formats import INT8_MODES
from hrf_ser.deploy.export.onnx import FRONT_END, LAST, set_metadata

# Weights smaller than this cost more in nodes than they save in bytes.
_MIN_SIZE = 512
_PRODUCTS = ("MatMul", "Gemm", "Conv")


def to_int8(model: onnx.ModelProto, mode: str, calibration: Sequence[NDArray[np.float32]] = ()) -> onnx.ModelProto:
    """An int8 copy of a float32 graph.

    Args:
        model: from ``to_onnx``.
        mode: one of ``INT8_MODES``.
        calibration: waveforms ``(samples,)`` of training speakers; only ``static`` wants them.

    Raises:
        ValueError: an unknown mode, or ``static`` without calibration audio.
    """
    if mode not in INT8_MODES:
        raise ValueError(f"mode {mode!r} is unknown; use one of {', '.join(INT8_MODES)}")
    if mode == "static" and not calibration:
        raise ValueError("static quantisation wants calibration audio")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if mode != "weights":
        copy = _quantise_products(copy, mode, calibration)
    # Weights that the other modes leave in float32, convolutions for instance, are stored as int8 as well.
    _store(copy.graph, TensorProto.INT8)
    copy.graph.ClearField("value_info")
    copy.producer_name, copy.producer_version = model.producer_name, model.producer_version
    set_metadata(copy, {"quantisation": f"int8-{mode}"})
    onnx.checker.check_model(copy)
    return copy


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose weights are stored as float16; it computes in float32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _store(copy.graph, TensorProto.FLOAT16)
    set_metadata(copy, {"quantisation": "fp16-weights"})
    onnx.checker.check_model(copy)
    return copy


def sensitive(graph: onnx.GraphProto) -> list[str]:
    """Nodes that are never quantised: the front end, whose energies span 80 dB, and the last layer of every member."""
    found = [node.name for node in graph.node if node.name.startswith(FRONT_END)]
    makers = {output: node for node in graph.node for output in node.output}
    behind = [LAST]
    while behind:
        node = makers.get(behind.pop())
        if node is None:  # a weight or a constant
            continue
        found.append(node.name)
        if node.op_type in _PRODUCTS:
            # onnxruntime's quantiser makes a product and a sum of a Gemm.
            found.append(f"{node.name}_MatMul")
        else:
            behind.extend(node.input)
    return found


def _store(graph: onnx.GraphProto, kind: int) -> None:
    """Replace the weights of products and convolutions by smaller ones and the nodes that make float32 of them."""
    spared = set(sensitive(graph))
    initializers = {initializer.name: initializer for initializer in graph.initializer}
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _PRODUCTS and node.name not in spared and node.input[1] in initializers:
            turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            axes[node.input[1]] = 0 if node.op_type == "Conv" or turned else 1
    nodes = []
    for name, axis in axes.items():
        weight = numpy_helper.to_array(initializers[name])
        if weight.dtype != np.float32 or weight.ndim < 2 or weight.size < _MIN_SIZE:
            continue
        graph.initializer.remove(initializers[name])
        small = f"{name}/small"
        if kind == TensorProto.FLOAT16:
            graph.initializer.append(numpy_helper.from_array(weight.astype(np.float16), small))
            nodes.append(helper.make_node("Cast", [small], [name], f"{name}/cast", to=TensorProto.FLOAT))
            continue
        scale = np.abs(weight).max(axis=tuple(a for a in range(weight.ndim) if a != axis), keepdims=True) / 127
        scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(np.round(weight / scale).astype(np.int8), small))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
        nodes.append(helper.make_node("Cast", [small], [f"{name}/cast"], f"{name}/cast", to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}/cast", f"{name}/scale"], [name], f"{name}/multiply"))
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _quantise_products(
    model: onnx.ModelProto, mode: str, calibration: Sequence[NDArray[np.float32]]
) -> onnx.ModelProto:
    from onnxruntime import quantization
    from onnxruntime.quantization import QuantFormat, QuantType

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.waveforms: Iterator[NDArray[np.float32]] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            waveform = next(self.waveforms, None)
            return None if waveform is None else {"waveform": waveform[None]}

    quantise: Callable[..., None] = quantization.quantize_dynamic
    options: dict[str, Any] = {}
    if mode == "static":
        quantise = quantization.quantize_static
        options = {
            "calibration_data_reader": Reader(),
            "quant_format": QuantFormat.QDQ,
            "activation_type": QuantType.QUInt8,
        }
    with tempfile.TemporaryDirectory() as folder, _quiet_root_logger():
        path = Path(folder) / "model.onnx"
        quantise(
            model,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sensitive(model.graph),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
            **options,
        )
        return onnx.load(path)


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Hide the advice of onnxruntime's quantiser, which would change nothing here."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)
