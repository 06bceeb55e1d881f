import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import REPOSITORY
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.errors import UserError
from hrf_ser.models import create_model
from hrf_ser.models.ensemble import members_of
from tiny_bundles import OPTIONS, write_bundle

MODELS = ["conv_transformer", "conformer", "speechformer"]


def predict(model, waveform):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["logits", "probabilities"], {"waveform": waveform})


@pytest.mark.parametrize("model", MODELS)
def test_file_equals_bundle_for_any_length(exported, model):
    _, classifier, graph = exported(model)
    generator = np.random.default_rng(0)
    # 16, 17, 32 and 33 frames are on and beside the edge of a block of SpeechFormer's first stage.
    for samples in (1, 399, 2_400, 2_560, 4_960, 5_120, 48_000, 200_001):
        waveform = (0.1 * generator.normal(size=(1, samples))).astype(np.float32)
        if samples > 20_000:
            waveform[0, : samples // 5] = waveform[0, -samples // 4 :] = 0  # Silence that the file cuts off.
        logits, probabilities = predict(graph, waveform)
        with torch.inference_mode():
            expected = classifier(torch.from_numpy(waveform), torch.tensor([samples]))
        np.testing.assert_allclose(logits, expected, atol=2e-5)
        np.testing.assert_allclose(probabilities, expected.softmax(-1), atol=2e-5)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_backbone_for_export_is_the_same_function(model, members):
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.export.onnx import for_export

    torch.manual_seed(0)
    backbone = create_model(model, n_features=20, n_classes=3, **{**OPTIONS[model], "ensemble_size": members}).eval()
    features = torch.randn(1, 331, 20)
    with torch.inference_mode():
        torch.testing.assert_close(for_export(backbone)(features, None), backbone(features, None), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "front_end",
    [pytest.param({}, marks=pytest.mark.slow), {"window_ms": 80, "hop_ms": 40, "f_min": 50, "f_max": 7_000}],
)
def test_matrices_that_the_runtime_computes_give_the_posteriors_of_stored_ones(tmp_path, monkeypatch, front_end):
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.export import onnx
    from hrf_ser.deploy.export.write import describe

    bundle = write_bundle(tmp_path / "bundle", n_mels=64, **front_end)
    classifier = load_bundle(bundle)
    entries = describe(classifier, bundle)
    computed = onnx.to_onnx(classifier, entries)
    monkeypatch.setattr(onnx, "_compute_matrices", lambda *_: None)
    stored = onnx.to_onnx(classifier, entries)
    assert len(stored.SerializeToString()) > len(computed.SerializeToString()) + 400_000
    waveform = (0.1 * np.random.default_rng(0).normal(size=(1, 40_000))).astype(np.float32)
    np.testing.assert_allclose(predict(computed, waveform)[1], predict(stored, waveform)[1], rtol=0, atol=1e-6)


def test_members_of_an_ensemble_share_the_front_end(exported):
    classifier, graph = exported("conformer")[1:]
    assert len(classifier.model.members) == 2
    operators = [node.op_type for node in graph.graph.node if node.name.startswith("front_end/")]
    assert operators.count("Log") == 1
    assert [node.op_type for node in graph.graph.node].count("Log") == 1


@pytest.mark.parametrize("model", MODELS)
def test_embedding_is_the_pooled_vector_and_of_an_ensemble_all_of_them_side_by_side(exported, model):
    import onnxruntime

    _, classifier, graph = exported(model)
    waveform = (0.1 * np.random.default_rng(0).normal(size=(1, 48_000))).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (embedding,) = session.run(["embedding"], {"waveform": waveform})
    with torch.inference_mode():
        features, frames = classifier.front_end(torch.from_numpy(waveform), torch.tensor([48_000]))
        features = classifier.normaliser(features, frames)
        expected = [member.embed(features, frames) for member in members_of(classifier.model)]
    np.testing.assert_allclose(embedding, torch.cat(expected, 1), atol=2e-5)
    assert session.get_outputs()[2].shape == list(embedding.shape)


def test_a_model_without_a_pooled_vector_has_no_embedding():
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.export.waveform import UtteranceClassifier

    plain = torch.nn.Module()
    plain.forward = lambda features, _: features.mean(1)
    whole = SimpleNamespace(normaliser=torch.nn.Identity(), calibrated=torch.nn.Identity())
    classifier = UtteranceClassifier(whole, plain)
    assert not classifier.embeds


@pytest.mark.parametrize("model", MODELS)
def test_silence_and_one_sample_give_finite_logits(exported, model):
    graph = exported(model)[2]
    for waveform in (np.zeros((1, 16_000), np.float32), np.zeros((1, 1), np.float32)):
        assert np.isfinite(predict(graph, waveform)[0]).all()


def test_metadata_has_all_that_a_runtime_needs(exported):
    from hrf_ser.deploy.export.onnx import metadata

    bundle, classifier, graph = exported()
    entries = metadata(graph)
    assert entries["format"] == "hrf_ser export"
    assert entries["version"] == "1"
    assert json.loads(entries["labels"]) == list(classifier.description.labels)
    assert entries["sample_rate"] == "16000"
    assert entries["model"] == "conv_transformer"
    assert entries["quantisation"] == "none"
    assert entries["bundle_sha256"] == hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()
    assert [one.name for one in graph.graph.input] == ["waveform"]
    assert entries["licence"] == "not stated"
    assert [one.name for one in graph.graph.output] == ["logits", "probabilities", "embedding"]
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", 20)]


@pytest.mark.parametrize("model", MODELS)
def test_file_is_small_and_holds_nothing_of_the_machine_that_wrote_it(exported, model):
    _, classifier, graph = exported(model)
    data = graph.SerializeToString()
    weights = sum(4 * parameter.numel() for parameter in classifier.model.parameters())
    # The DFT matrices alone would be 400 kB, the mel filters of a window of 80 ms 260 kB.
    assert len(data) < weights + 80_000
    assert str(REPOSITORY).encode() not in data
    assert b"site-packages" not in data


def test_a_model_that_torch_cannot_export_ends_in_one_sentence(bundles, monkeypatch):
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.export.onnx import to_onnx
    from hrf_ser.deploy.export.write import describe

    def refuse(*_, **__):
        raise torch.onnx.errors.OnnxExporterError("Failed to decompose the FX graph.\nA page of details")

    monkeypatch.setattr("torch.onnx.export", refuse)
    classifier = load_bundle(bundles["conv_transformer"])
    with pytest.raises(UserError, match=r"torch cannot export this model \(Failed to decompose the FX graph\); use"):
        to_onnx(classifier, describe(classifier, bundles["conv_transformer"]))
