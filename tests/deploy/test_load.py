"""``hrf_ser.load``: one object for the built-in model, an exported file and a bundle."""

import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

import hrf_ser
from hrf_ser import builtin
from hrf_ser.deploy.bundle import BundlePredictor
from hrf_ser.deploy.runtime import Emotion
from hrf_ser.errors import UserError


def run(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture
def built_in(monkeypatch, exported_file, tmp_path):
    """The tiny model in place of the built-in one."""
    monkeypatch.setattr(builtin, "MODEL", shutil.copy(exported_file, tmp_path / "model.onnx"))


def test_an_exported_file_needs_no_torch(exported_file, tone):
    code = """
        import sys, hrf_ser
        model = hrf_ser.load(sys.argv[1], speech_gate=False)
        found = model(sys.argv[2])
        print(found.emotion, sum(found.probabilities.values()), len(model.embed(sys.argv[2])), model.sample_rate)
        print([name for name in ("torch", "hydra", "omegaconf", "pandas", "rich") if name in sys.modules])
    """
    done = run(code, exported_file, tone("speech.wav", seconds=1.0))
    first, second = done.stdout.splitlines()
    emotion, total, width, rate = first.split()
    assert emotion in ("angry", "happy", "sad")
    assert float(total) == pytest.approx(1, abs=1e-5)
    assert (width, rate) == ("16", "16000")
    assert second == "[]"


def test_the_built_in_model_needs_no_path_and_no_torch(exported_file, tone):
    code = """
        import sys, pathlib, hrf_ser
        from hrf_ser import builtin
        builtin.MODEL = pathlib.Path(sys.argv[1])
        print(hrf_ser.load(speech_gate=False)(sys.argv[2]).emotion, "torch" in sys.modules)
    """
    emotion, imported = run(code, exported_file, tone("speech.wav", seconds=1.0)).stdout.split()
    assert emotion in ("angry", "happy", "sad")
    assert imported == "False"


def test_without_the_built_in_model_the_remedy_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(builtin, "MODEL", tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"has no built-in model: give an exported \.onnx file or a bundle"):
        hrf_ser.load()


def test_the_model_in_the_package_is_small_and_has_its_description():
    if not builtin.MODEL.is_file():
        pytest.skip("this checkout has no built-in model")
    described = builtin.MODEL.with_name("model.onnx.json")
    assert builtin.MODEL.stat().st_size + described.stat().st_size <= 500_000
    assert json.loads(described.read_text())["labels"] == list(hrf_ser.load().labels)


def test_a_path_an_array_and_a_stream_are_predicted_alike(built_in, tone):
    import soundfile

    model, path = hrf_ser.load(speech_gate=False), tone("speech.wav", seconds=2.0, rate=22_050)
    samples, rate = soundfile.read(path, dtype="float32")
    expected = model(path)
    assert expected.emotion == max(expected.probabilities, key=expected.probabilities.get)
    assert model(samples, sampling_rate=rate).probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    stream = model.stream(window_s=2.0, hop_s=1.0)
    found = [*stream.push(samples, sampling_rate=rate), *stream.finish()]
    assert found[-1].probabilities == pytest.approx(expected.probabilities, abs=1e-4)


def test_a_bundle_runs_in_torch_and_embeds_alike(exported_run, exported_file, tone):
    path = tone("speech.wav", seconds=1.5)
    in_torch, exported = (
        hrf_ser.load(exported_run / "bundle", speech_gate=False),
        hrf_ser.load(exported_file, speech_gate=False),
    )
    assert isinstance(in_torch, BundlePredictor)
    assert isinstance(exported, Emotion)
    assert in_torch(path).probabilities == pytest.approx(exported(path).probabilities, abs=2e-5)
    np.testing.assert_allclose(in_torch.embed(path), exported.embed(path), atol=2e-5)


def test_a_folder_with_an_exported_file_and_a_bundle_without_torch_run_on_onnxruntime(exported_run, monkeypatch):
    assert isinstance(hrf_ser.load(exported_run), Emotion)
    monkeypatch.setattr("hrf_ser.deploy.load.find_spec", lambda _: None)
    assert isinstance(hrf_ser.load(str(exported_run / "bundle")), Emotion)


def test_embedding_of_a_long_recording_is_the_mean_over_windows_with_sound(built_in):
    model = hrf_ser.load()
    noise = (0.1 * np.random.default_rng(0).normal(size=2 * 16_000)).astype(np.float32)
    recording = np.concatenate([noise, np.zeros(2 * 16_000, np.float32), noise[::-1]])
    windows = hrf_ser.deploy.runtime.windows.Windows(window_s=2.0, hop_s=2.0)
    expected = (model.embedding(noise) + model.embedding(noise[::-1])) / 2
    np.testing.assert_allclose(model.embed(recording, 16_000, windows=windows, whole_s=3), expected, atol=1e-5)
    with pytest.raises(UserError, match="is silent"):
        model.embed(np.zeros(16_000, np.float32), 16_000)


def test_a_model_without_a_pooled_vector_says_so(exported_run, exported_file, monkeypatch):
    in_torch = hrf_ser.load(exported_run / "bundle")
    in_torch.classifier.model = torch.nn.Identity()
    with pytest.raises(UserError, match="has no pooled vector"):
        in_torch.embed(np.ones(16_000, np.float32), 16_000)
    exported = hrf_ser.load(exported_file)
    monkeypatch.setattr(exported, "_outputs", {"logits", "probabilities"})
    with pytest.raises(UserError, match="has no output embedding; export it again"):
        exported.embed(np.ones(16_000, np.float32), 16_000)


def test_threads_are_those_of_one_waveform(exported_file, exported_run):
    hrf_ser.load(exported_file, threads=2)
    with pytest.raises(UserError, match="threads=0"):
        hrf_ser.load(exported_file, threads=0)
    before = torch.get_num_threads()
    try:
        hrf_ser.load(exported_run / "bundle", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_no_model_there_ends_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"gone\.onnx: does not exist"):
        hrf_ser.load(tmp_path / "gone.onnx")
    with pytest.raises(UserError, match=r"holds no bundle\.json"):
        hrf_ser.load(tmp_path)


def test_below_the_asked_probability_the_emotion_is_unsure(exported_file, tone):
    path = tone("one.wav", seconds=2.0)
    sure = hrf_ser.load(exported_file, speech_gate=False)(path)
    assert (sure.emotion, sure.probability) == max(sure.probabilities.items(), key=lambda item: item[1])
    for abstain, emotion in ((sure.probability - 0.01, sure.emotion), (sure.probability + 0.01, "unsure")):
        model = hrf_ser.load(exported_file, abstain=abstain, speech_gate=False)
        result = model(path)
        assert (result.emotion, result.probability) == (emotion, sure.probability)
        assert result.as_dict()["emotion"] == result.windows[0].emotion == emotion
        assert [posterior.emotion for posterior in model.windows(path)] == [emotion]
