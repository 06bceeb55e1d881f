"""A bundle as one ONNX file: ``waveform (1, samples)`` -> ``logits``, ``probabilities`` and the pooled vector ``embedding``.

Front end and backbone are exported apart and joined, with a cut between them that removes leading and trailing silence. The
graph takes one utterance at a time, so that nothing is padding and no operation masks it. All that the runtime needs beside
the graph is in ``metadata_props``.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import warnings
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hrf_ser import __version__
from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.export.attention import RowAttention, RowStage
from hrf_ser.deploy.export.waveform import MatrixMel, UtteranceClassifier, UtteranceFrontEnd
from hrf_ser.deploy.runtime.model_file import CHECKSUM, NO_CHECKSUM
from hrf_ser.errors import UserError
from hrf_ser.models.attention import SelfAttention
from hrf_ser.models.conformer import ConvolutionModule
from hrf_ser.models.ensemble import members_of
from hrf_ser.models.speechformer import SpeechFormer, SpeechFormerLayer, Stage

# Names of all nodes of the front end begin with this; the tensor with the logits has this name.
FRONT_END, LAST = "front_end/", "logits"
# Has all operators that are used; read by onnxruntime from 1.17 on.
_OPSET = 20
# Tokens on the time axis of the example; SpeechFormer wants more than a second.
_FRAMES = 331


def to_onnx(classifier: SpeechClassifier, entries: dict[str, str]) -> onnx.ModelProto:
    """The float32 graph of a loaded bundle, with metadata from :func:`~hrf_ser.deploy.export.write.describe`."""
    dynamic = torch.export.Dim.DYNAMIC
    front_end = UtteranceFrontEnd(classifier.front_end)
    outputs = ["features", "first", "end"]
    first = _export(front_end, (torch.randn(1, SAMPLE_RATE),), ({1: dynamic},), ["waveform"], outputs)
    backbone = UtteranceClassifier(classifier, for_export(classifier.model))
    features = torch.randn(1, _FRAMES, classifier.description.front_end.n_mels)
    # torch names a value "embedding" itself where a model looks positions up.
    results = ["logits", "pooled_vector"] if backbone.embeds else ["logits"]
    second = _export(backbone, (features,), ({1: dynamic},), ["features"], results)
    model = _join(first, second, len(classifier.description.labels))
    if isinstance(front_end.log_mel.mel, MatrixMel):
        _compute_matrices(model.graph, front_end.log_mel.mel)
    set_metadata(model, entries)
    onnx.checker.check_model(model)
    return model


def for_export(model: nn.Module) -> nn.Module:
    """A copy of the backbone for a graph: the same function in fewer operations.

    Attention: see :mod:`hrf_ser.deploy.export.attention`. SpeechFormer: the weight ``r`` of DeepNorm's residuals goes into the
    branches, since ``LayerNorm(r x + b)`` is ``LayerNorm(x + b / r)`` with the epsilon over ``r`` squared.
    """
    model = copy.deepcopy(model)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, SpeechFormerLayer):
                for linear in (layer.attention.out, layer.ffn.linear2):
                    linear.weight.div_(layer.residual)
                    linear.bias.div_(layer.residual)
                for norm in (layer.attention_norm, layer.ffn_norm):
                    norm.eps /= layer.residual**2
                layer.residual = 1.0
    for member in members_of(model):
        if isinstance(member, SpeechFormer):
            for number, stage in enumerate(member.stages):
                member.stages[number] = RowStage(cast(Stage, stage), many=number == 0)
    for name, module in list(model.named_modules()):
        if isinstance(module, SelfAttention):
            model.set_submodule(name, RowAttention(module))
        elif isinstance(module, ConvolutionModule):
            _fold_batch_norm(module)
    return model


def _fold_batch_norm(module: ConvolutionModule) -> None:
    """Merge batch normalisation, as at evaluation, into the depthwise convolution before it."""
    convolution, norm = module.depthwise, module.batch_norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        convolution.weight.mul_(scale[:, None, None])
        convolution.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
    module.batch_norm = _Unmasked()  # type: ignore[assignment]


class _Unmasked(nn.Module):
    def forward(self, x: torch.Tensor, _mask: torch.Tensor | None) -> torch.Tensor:
        return x


def set_metadata(model: onnx.ModelProto, entries: dict[str, str]) -> None:
    """Set entries of ``metadata_props``, leaving others."""
    helper.set_model_props(model, metadata(model) | entries)


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """``metadata_props`` as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def shapes(tensors: Iterable[onnx.ValueInfoProto]) -> dict[str, list[int | str]]:
    """Inputs or outputs by name; a dimension is a number or, where it varies, its name."""
    return {
        tensor.name: [dim.dim_value or dim.dim_param for dim in tensor.type.tensor_type.shape.dim] for tensor in tensors
    }


def seal(model: onnx.ModelProto) -> bytes:
    """The file, with its checksum in the metadata: damage is found where the file lies alone."""
    set_metadata(model, {CHECKSUM: NO_CHECKSUM})
    set_metadata(model, {CHECKSUM: hashlib.sha256(model.SerializeToString()).hexdigest()})
    content: bytes = model.SerializeToString()
    return content


def _export(module: nn.Module, example: Any, shapes: Any, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    # The exporter warns of packages that are not installed.
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.|onnxscript|copyreg|onnxruntime")
        try:
            program = torch.onnx.export(
                module.eval().requires_grad_(False),
                example,
                dynamic_shapes=shapes,
                input_names=inputs,
                output_names=outputs,
                opset_version=_OPSET,
                custom_translation_table=_translations(),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")
            raise UserError(
                f"format=onnx: torch cannot export this model ({reason}); use another format or model."
            ) from error
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    graph = proto.graph
    graph.ClearField("value_info")
    proto.ClearField("metadata_props")
    # The exporter adds to every node the path and line of its source on this machine.
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Shorter forms of two operations than the exporter's, valid for our models."""
    from onnxscript import opset20 as op

    def attention(query: Any, key: Any, value: Any, attn_mask: Any = None, **_: Any) -> Any:
        """Every query attends to some key, so that no NaN has to be replaced."""
        scale = op.Constant(value=helper.make_tensor("scale", TensorProto.FLOAT, [], [query.shape[-1] ** -0.5]))
        scores = op.MatMul(op.Mul(query, scale), op.Transpose(key, perm=[0, 1, 3, 2]))
        if attn_mask is not None:
            scores = op.Add(scores, attn_mask)
        return op.MatMul(op.Softmax(scores, axis=-1), value)

    def floor_divide(dividend: Any, divisor: Any) -> Any:
        """Of lengths, which are not negative."""
        return op.Div(dividend, op.Constant(value_int=divisor) if isinstance(divisor, int) else divisor)

    aten = torch.ops.aten
    return {aten.scaled_dot_product_attention.default: attention, aten.floor_divide.default: floor_divide}


def _join(front_end: onnx.ModelProto, model: onnx.ModelProto, classes: int) -> onnx.ModelProto:
    """Front end, cut to the speech, backbone, softmax."""
    graph = front_end.graph
    _constant(graph, "join/time", np.array([1]))
    graph.node.append(helper.make_node("Slice", ["features", "first", "end", "join/time"], ["join/spoken"], "join/cut"))
    bands = graph.output[0].type.tensor_type.shape.dim[2].dim_value
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("join/spoken", TensorProto.FLOAT, [1, "spoken", bands]))
    for node in graph.node:
        node.name = f"{FRONT_END}{node.name}"
    # Short, since names are an eighth of a file with int8 weights.
    model = onnx.compose.add_prefix(model, "m/")
    joined = onnx.compose.merge_models(front_end, model, io_map=[("join/spoken", "m/features")])
    graph = joined.graph
    graph.node.append(helper.make_node("Identity", ["m/logits"], ["logits"], "logits"))
    graph.node.append(helper.make_node("Softmax", ["m/logits"], ["probabilities"], "probabilities", axis=-1))
    widths = {"logits": classes, "probabilities": classes}
    for output in model.graph.output:
        if output.name == "m/pooled_vector":
            graph.node.append(helper.make_node("Identity", ["m/pooled_vector"], ["embedding"], "embedding"))
            widths["embedding"] = output.type.tensor_type.shape.dim[1].dim_value
    del graph.output[:], graph.input[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, "samples"]))
    for name, width in widths.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width]))
    del joined.opset_import[:]
    joined.opset_import.append(helper.make_opsetid("", _OPSET))
    joined.producer_name, joined.producer_version = "hrf_ser", __version__
    graph.name = "hrf_ser"
    return joined


def _compute_matrices(graph: onnx.GraphProto, mel: MatrixMel) -> None:
    """Replace the front end's matrices by their computation, which the runtime does once when it loads the file.

    An entry of a DFT matrix is one of ``n_fft`` cosines times one of the window; the filters are triangles over the bins.
    """
    nodes: list[onnx.NodeProto] = []

    def add(operator: str, output: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], f"{FRONT_END}{output}", **attributes))
        return output

    def constant(name: str, values: Any) -> str:
        _constant(graph, name, np.asarray(values))
        return name

    names = {}
    for initializer in list(graph.initializer):
        kind = initializer.name.rpartition("mel.")[2]
        if kind in ("cosines", "sines", "filters"):
            names[kind] = initializer.name
            graph.initializer.remove(initializer)
    cosines, window = mel.tables()
    zero, step, period = constant("dft/zero", 0), constant("dft/step", 1), constant("dft/period", mel.n_fft)
    table = constant("dft/table", cosines.numpy().astype(np.float32))
    half_window = constant("dft/window", window.numpy().astype(np.float32))
    samples = add("Range", "dft/samples", zero, constant("dft/reach", mel.reach), step)
    bins = add("Range", "dft/bins", constant("dft/first", mel.first), constant("dft/last", mel.last), step)
    rows = add("Unsqueeze", "dft/rows", samples, constant("dft/axis", [1]))
    turns = add("Mul", "dft/turns", rows, bins)
    # A sine is the cosine three quarters of a period later.
    later = add("Add", "dft/later", turns, constant("dft/shift", 3 * mel.n_fft // 4))
    for kind, turn in (("cosines", turns), ("sines", later)):
        index = add("Mod", f"dft/{kind}/index", turn, period)
        add("Mul", names[kind], add("Gather", f"dft/{kind}/values", table, index), half_window)
    lower, centre, upper = (
        constant(f"mel/{name}", mel.edges[first : first + len(mel.edges) - 2].numpy())
        for first, name in enumerate(("lower", "centre", "upper"))
    )
    column = add("Unsqueeze", "mel/column", add("Cast", "mel/bins", bins, to=TensorProto.FLOAT), "dft/axis")
    hertz = add("Mul", "mel/hertz", column, constant("mel/width", np.float32(SAMPLE_RATE / mel.n_fft)))
    rise = add("Div", "mel/rise", add("Sub", "mel/above", hertz, lower), add("Sub", "mel/before", centre, lower))
    fall = add("Div", "mel/fall", add("Sub", "mel/below", upper, hertz), add("Sub", "mel/after", upper, centre))
    add("Relu", names["filters"], add("Min", "mel/triangle", rise, fall))
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _constant(graph: onnx.GraphProto, name: str, values: np.ndarray[Any, Any]) -> None:
    graph.initializer.append(numpy_helper.from_array(values, name))
