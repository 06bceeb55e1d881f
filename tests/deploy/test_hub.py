"""The repository of the Hugging Face hub, written to a folder; the upload is huggingface_hub's."""

import json
import sys
from types import SimpleNamespace

import pytest
import yaml

from hrf_ser import push
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.deploy.bundle import BundleDescription
from hrf_ser.deploy.hub import metadata
from hrf_ser.errors import UserError
from tiny_bundles import write_bundle

FILES = [
    *("README.md", "bundle.json", "config.json", "model.int8.onnx", "model.int8.onnx.json"),
    *("model.onnx", "model.onnx.json", "model.safetensors"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a bundle, and the repository made of it: the folder stands for its bundle."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("run")
    card = {"corpus": "ravdess", "licence": "CC BY-NC-SA 4.0", "test": {"ua": 0.6, "wa": None}}
    (write_bundle(folder / "bundle", card=card) / "README.md").write_text("# A model\n\nWhat it is for.\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrf_ser.deploy.export.write._ROUNDS", 1)
        push.main([str(folder), str(folder / "repository")])
    return folder


def test_folder_has_the_files_that_the_hub_expects(run):
    assert sorted(path.name for path in (run / "repository").iterdir()) == FILES
    config = json.loads((run / "repository/config.json").read_text())
    assert config["id2label"] == {"0": "angry", "1": "happy", "2": "sad"}
    assert config["label2id"]["sad"] == 2
    assert config["sampling_rate"] == 16_000


def test_card_begins_with_metadata_and_keeps_the_text_of_the_bundle(run):
    _, block, text = (run / "repository/README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(block)
    assert metadata["license"] == "cc-by-nc-sa-4.0"
    assert metadata["pipeline_tag"] == "audio-classification"
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "ua", "name": "UA", "value": 0.6}]
    assert text.startswith("\n# A model\n\nWhat it is for.\n")


def test_folder_predicts_as_the_bundle(run, tone):
    import hrf_ser

    path = tone("speech.wav", seconds=1.0)
    expected = hrf_ser.load(run / "bundle")(path).probabilities
    for model in (run / "repository", run / "repository/model.onnx"):
        assert hrf_ser.load(model)(path).probabilities == pytest.approx(expected, abs=1e-5)


def test_upload_is_of_the_folder_and_private_unless_public(run, monkeypatch, capsys):
    calls = []

    class Api:
        def create_repo(self, name, **options):
            calls.append((name, options))
            return f"https://huggingface.co/{name}"

        def upload_folder(self, **options):
            calls.append(options)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=Api))
    monkeypatch.setattr("hrf_ser.deploy.hub.write_repository", lambda *_: None)
    push.main([str(run / "bundle"), "hf:someone/model"])
    assert calls[0] == ("someone/model", {"private": True, "exist_ok": True})
    assert calls[1]["folder_path"] == str(run / "hub")
    assert "https://huggingface.co/someone/model" in capsys.readouterr().out
    push.main([str(run / "bundle"), "hf:someone/model", "--public"])
    assert calls[2][1]["private"] is False


def test_a_missing_package_is_named_with_its_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'pip install "hrf_ser\[hub\]"'):
        push.main([str(run / "bundle"), "hf:someone/model"])
    assert not (run / "hub").exists()


def test_scores_of_speakers_that_trained_are_not_ranked():
    description = BundleDescription("conformer", {}, ("angry", "sad"), FrontEndConfig(), "train", {"test": {"ua": 0.9}})
    assert metadata(description)["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9
    description.card["leaks"] = ["fold=all trains on all speakers"]
    assert "model-index" not in metadata(description)
