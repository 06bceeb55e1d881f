"""Smaller ONNX files: int8 and float16. The front end and the last layer stay as they are.

- ``int8-weights``: int8 with a scale for each output channel in the file, float32 after loading: a quarter of the size at the
  speed of float32, on every runtime.
- ``int8-dynamic``: int8 products, with the range of the inputs measured at every call.
- ``int8-static``: int8 products, with ranges measured beforehand on calibration audio.
- ``fp16-weights``: float16 in the file, float32 after loading.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hrf_ser.deploy.export.onnx import FRONT_END, LAST, set_metadata

# Weights smaller than this cost more in nodes than they save in bytes.
_MIN_SIZE = 512
_PRODUCTS = ("MatMul", "Gemm", "Conv")


def quantise(model: onnx.ModelProto, method: str, calibration: Sequence[NDArray[np.float32]] = ()) -> onnx.ModelProto:
    """A smaller copy of a float32 graph.

    Args:
        model: from ``to_onnx``.
        method: ``int8-weights``, ``int8-dynamic``, ``int8-static`` or ``fp16-weights``.
        calibration: waveforms ``(samples,)`` of training speakers, for ``int8-static``.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if not method.endswith("weights"):
        copy = _quantise_products(copy, method, calibration)
    # Weights that the other methods leave in float32, convolutions for instance, are stored as int8 as well.
    _store(copy.graph, TensorProto.FLOAT16 if method == "fp16-weights" else TensorProto.INT8)
    copy.graph.ClearField("value_info")
    copy.producer_name, copy.producer_version = model.producer_name, model.producer_version
    set_metadata(copy, {"quantisation": method})
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
            nodes.append(helper.make_node("Cast", [small], [name], to=TensorProto.FLOAT))
            continue
        scale = np.abs(weight).max(axis=tuple(a for a in range(weight.ndim) if a != axis), keepdims=True) / 127
        scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(np.round(weight / scale).astype(np.int8), small))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
        nodes.append(helper.make_node("Cast", [small], [f"{name}/float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}/float", f"{name}/scale"], [name]))
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _quantise_products(
    model: onnx.ModelProto, method: str, calibration: Sequence[NDArray[np.float32]]
) -> onnx.ModelProto:
    from onnxruntime import quantization
    from onnxruntime.quantization import QuantFormat, QuantType

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        inputs: Iterator[dict[str, Any]] = iter([{"waveform": waveform[None]} for waveform in calibration])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.inputs, None)

    quantiser: Callable[..., None] = quantization.quantize_dynamic
    options: dict[str, Any] = {}
    if method == "int8-static":
        quantiser = quantization.quantize_static
        options = {
            "calibration_data_reader": Reader(),
            "quant_format": QuantFormat.QDQ,
            "activation_type": QuantType.QUInt8,
        }
    logging.disable(logging.WARNING)  # the quantiser's advice would change nothing here
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            quantiser(
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
    finally:
        logging.disable(logging.NOTSET)
