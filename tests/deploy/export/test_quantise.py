import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from onnx import TensorProto, numpy_helper

from hrf_ser.deploy.export.formats import INT8_MODES
from hrf_ser.deploy.export.onnx import FRONT_END, LAST, metadata, open_onnx
from hrf_ser.deploy.export.quantise import to_fp16, to_int8


@pytest.fixture(scope="module")
def calibration():
    generator = np.random.default_rng(1)
    return [(0.1 * generator.normal(size=samples)).astype(np.float32) for samples in (8_000, 20_000, 40_000)]


@pytest.fixture(scope="module", params=[*INT8_MODES, "fp16"])
def small(request, exported, calibration):
    """A float32 graph, its quantised copy, and how it was made."""
    graph = exported()[2]
    if request.param == "fp16":
        return graph, to_fp16(graph), request.param
    return graph, to_int8(graph, request.param, calibration), request.param


def front_end(model):
    nodes = [node for node in model.graph.node if node.name.startswith(FRONT_END)]
    used = {name for node in nodes for name in node.input}
    return sorted((node.name, node.op_type, list(node.input)) for node in nodes), {
        initializer.name: numpy_helper.to_array(initializer).tobytes()
        for initializer in model.graph.initializer
        if initializer.name in used
    }


def test_front_end_is_left_as_it_is(small):
    full, quantised, _ = small
    assert front_end(quantised) == front_end(full)


def test_last_layer_is_left_as_it_is(small):
    full, quantised, _ = small
    for model in (full, quantised):
        last = next(node for node in model.graph.node if LAST in node.output)
        while last.op_type in ("Identity", "Add"):
            last = next(node for node in model.graph.node if last.input[0] in node.output)
        assert last.op_type in ("Gemm", "MatMul")
        weight = next(one for one in model.graph.initializer if one.name == last.input[1])
        assert weight.data_type == 1


@pytest.mark.parametrize("mode", [*INT8_MODES, "fp16"])
def test_last_layers_of_all_members_are_left_as_they_are(exported, calibration, mode, monkeypatch):
    monkeypatch.setattr(
        "hrf_ser.deploy.export.quantise._MIN_SIZE", 1
    )  # that of a tiny model would be spared for its size
    classifier, full = exported("conformer")[1:]
    quantised = to_fp16(full) if mode == "fp16" else to_int8(full, mode, calibration)
    kept = [numpy_helper.to_array(one) for one in quantised.graph.initializer if one.data_type == TensorProto.FLOAT]
    for member in classifier.model.members:
        weight = member.classifier.weight.detach().numpy()
        assert any(np.array_equal(weight.T, one) or np.array_equal(weight, one) for one in kept)


def test_backbone_is_quantised_and_predicts_alike(small, calibration):
    full, quantised, mode = small
    kinds = {1: 0, 3: 0, 10: 0}
    for initializer in quantised.graph.initializer:
        kinds[initializer.data_type] = kinds.get(initializer.data_type, 0) + int(np.prod(initializer.dims))
    assert kinds[10 if mode == "fp16" else 3] > 3_000
    assert len(quantised.SerializeToString()) < len(full.SerializeToString())
    run, reference = open_onnx(quantised), open_onnx(full)
    for waveform in calibration:
        difference = np.abs(run(waveform) - reference(waveform)).max()
        assert 0 < difference < (0.01 if mode == "fp16" else 0.2)
    assert metadata(quantised)["quantisation"] == ("fp16-weights" if mode == "fp16" else f"int8-{mode}")
    assert metadata(quantised)["labels"] == metadata(full)["labels"]


def test_static_wants_audio_and_modes_are_known(exported):
    graph = exported()[2]
    with pytest.raises(ValueError, match="wants calibration audio"):
        to_int8(graph, "static")
    with pytest.raises(ValueError, match="'int4' is unknown"):
        to_int8(graph, "int4")
