import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from onnx import TensorProto, numpy_helper

from hrf_ser.deploy.export.onnx import FRONT_END, LAST, metadata, seal
from hrf_ser.deploy.export.quantise import quantise
from hrf_ser.deploy.runtime import Emotion

METHODS = ["int8-weights", "int8-dynamic", "int8-static", "fp16-weights"]


@pytest.fixture(scope="module")
def calibration():
    generator = np.random.default_rng(1)
    return [(0.1 * generator.normal(size=samples)).astype(np.float32) for samples in (8_000, 20_000, 40_000)]


@pytest.fixture(scope="module", params=METHODS)
def small(request, exported, calibration):
    """A float32 graph, its quantised copy, and how it was made."""
    graph = exported()[2]
    return graph, quantise(graph, request.param, calibration), request.param


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
        while last.op_type in ("Identity", "Add", "Div"):
            last = next(node for node in model.graph.node if last.input[0] in node.output)
        assert last.op_type in ("Gemm", "MatMul")
        weight = next(one for one in model.graph.initializer if one.name == last.input[1])
        assert weight.data_type == 1


@pytest.mark.parametrize("method", METHODS)
def test_last_layers_of_all_members_are_left_as_they_are(exported, calibration, method, monkeypatch):
    monkeypatch.setattr(
        "hrf_ser.deploy.export.quantise._MIN_SIZE", 1
    )  # that of a tiny model would be spared for its size
    classifier, full = exported("conformer")[1:]
    quantised = quantise(full, method, calibration)
    kept = [numpy_helper.to_array(one) for one in quantised.graph.initializer if one.data_type == TensorProto.FLOAT]
    for member in classifier.model.members:
        weight = member.classifier.weight.detach().numpy()
        assert any(np.array_equal(weight.T, one) or np.array_equal(weight, one) for one in kept)


def test_backbone_is_quantised_and_predicts_alike(small, calibration, tmp_path):
    full, quantised, method = small
    kinds = {1: 0, 3: 0, 10: 0}
    for initializer in quantised.graph.initializer:
        kinds[initializer.data_type] = kinds.get(initializer.data_type, 0) + int(np.prod(initializer.dims))
    assert kinds[10 if method == "fp16-weights" else 3] > 3_000
    assert len(quantised.SerializeToString()) < len(full.SerializeToString())
    (tmp_path / "full.onnx").write_bytes(seal(full))
    (tmp_path / "small.onnx").write_bytes(seal(quantised))
    run, reference = Emotion(tmp_path / "small.onnx"), Emotion(tmp_path / "full.onnx")
    for waveform in calibration:
        difference = np.abs(run.logits(waveform) - reference.logits(waveform)).max()
        assert 0 < difference < (0.01 if method == "fp16-weights" else 0.2)
    assert metadata(quantised)["quantisation"] == method
    assert metadata(quantised)["labels"] == metadata(full)["labels"]
