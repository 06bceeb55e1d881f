"""Smaller ONNX files: int8 and float16, after the merge, the front end and the last layer left alone.

``weights``: int8 in the file, float32 at work. A weight is written as int8 with a scale for each output channel, and multiplied
out once, when the runtime loads the file: a quarter of the size at the speed of float32, on every runtime.
``dynamic``: int8 products, with the range of the inputs measured at every call. ``static``: with ranges measured beforehand,
on calibration audio.
``fp16`` stores weights as float16, likewise multiplied out when the file is loaded.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hrf_ser.deploy.export.formats import INT8_MODES
from hrf_ser.deploy.export.onnx import FRONT_END, LAST, set_metadata

# Weights smaller than this cost more in nodes than they save in bytes.
_LEAST = 512
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
    if mode == "dynamic":
        copy = _dynamic(copy)
    elif mode == "static":
        copy = _static(copy, calibration)
    # What the other modes left in float32, convolutions for instance, is stored as int8 as well.
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
    """Nodes that are never quantised: the front end, whose energies span eighty decibels, and the last layer, of an ensemble
    every member's."""
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
        if weight.dtype != np.float32 or weight.ndim < 2 or weight.size < _LEAST:
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


def _dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _Silence():
        path = Path(folder) / "model.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sensitive(model.graph),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
        return onnx.load(path)


def _static(model: onnx.ModelProto, calibration: Sequence[NDArray[np.float32]]) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.waveforms: Iterator[NDArray[np.float32]] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            waveform = next(self.waveforms, None)
            return None if waveform is None else {"waveform": waveform[None]}

    with tempfile.TemporaryDirectory() as folder, _Silence():
        path = Path(folder) / "model.onnx"
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sensitive(model.graph),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
        return onnx.load(path)


class _Silence:
    """onnxruntime's quantiser advises on the root logger, of steps that would change nothing here."""

    def __enter__(self) -> None:
        self.level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)

    def __exit__(self, *error: object) -> None:
        logging.getLogger().setLevel(self.level)
