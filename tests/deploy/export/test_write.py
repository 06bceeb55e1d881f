import json
import re
import shutil

import pytest

pytest.importorskip("onnxruntime")

from helpers import REPOSITORY
from hrf_ser.deploy.bundle import BundlePredictor
from hrf_ser.deploy.export.equivalence import synthetic
from hrf_ser.deploy.export.write import Export, export_bundle
from hrf_ser.errors import UserError
from hrf_ser.export import show_report


@pytest.fixture(autouse=True)
def _exported_once(exported, monkeypatch):
    monkeypatch.setattr("hrf_ser.deploy.export.onnx.to_onnx", lambda *_: exported()[2])
    # The shortest signals are enough for what is tested here.
    monkeypatch.setattr("hrf_ser.deploy.export.write.synthetic", lambda longest: synthetic(longest)[:8])
    monkeypatch.setattr("hrf_ser.deploy.export.write._ROUNDS", 1)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_and_report_stand_side_by_side(bundles, tmp_path, capsys):
    out = tmp_path / "new" / "model.onnx"
    report = export_bundle(Export(bundles["conv_transformer"], out, "onnx"))
    assert files(out.parent) == ["model.onnx", "model.onnx.json"]
    assert json.loads((out.parent / "model.onnx.json").read_text()) == report
    assert report["published"] is True
    assert report["failures"] == []
    assert report["equivalence"]["audio"] == "synthetic"
    assert report["equivalence"]["max_logit_difference"] < 1e-4
    assert report["bytes"] == out.stat().st_size
    assert report["labels"] == ["angry", "happy", "sad"]
    assert report["sample_rate"] == 16_000
    assert report["card"] == {"corpus": "demo"}
    assert report["licence"] == "not stated"
    assert report["inputs"] == {"waveform": [1, "samples"]}
    assert report["outputs"] == {"logits": [1, 3], "probabilities": [1, 3], "embedding": [1, 16]}
    assert {"torch", "onnx", "onnxruntime"} <= set(report["versions"])
    show_report(report, out)
    assert "Compared on synthetic signals" in capsys.readouterr().out


def test_every_key_of_the_report_is_described(bundles, tmp_path):
    report = export_bundle(Export(bundles["conv_transformer"], tmp_path / "model.onnx", "onnx"))
    section = (REPOSITORY / "docs/reference/files.md").read_text().partition("### <file>.json")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))) == sorted(report)


def test_a_file_alone_is_trusted_until_a_bit_of_it_changes(bundles, tmp_path):
    from hrf_ser.deploy.runtime import Emotion

    out = tmp_path / "model.onnx"
    export_bundle(Export(bundles["conv_transformer"], out, "onnx"))
    out.with_name("model.onnx.json").unlink()
    assert Emotion(out).labels == ("angry", "happy", "sad")
    content = bytearray(out.read_bytes())
    content[len(content) // 2] ^= 1
    out.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        Emotion(out)


@pytest.mark.parametrize("before", [False, True])
def test_a_file_beyond_its_limits_is_deleted_and_the_report_says_why(bundles, tmp_path, before):
    out = tmp_path / "model.int8.onnx"
    if before:
        export_bundle(Export(bundles["conv_transformer"], out, "onnx-int8"))
        assert out.exists()
    with pytest.raises(
        UserError, match=r"model\.int8\.onnx: is not written, since a logit differs by .*more than 1e-09"
    ):
        export_bundle(Export(bundles["conv_transformer"], out, "onnx-int8", limits={"logits": 1e-9}))
    assert files(tmp_path) == ["model.int8.onnx.json"]
    report = json.loads((tmp_path / "model.int8.onnx.json").read_text())
    assert report["published"] is False
    assert "a logit differs" in report["failures"][0]


def test_a_failed_export_leaves_a_file_alone_that_is_not_its_own(bundles, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    with pytest.raises(UserError, match="is not written"):
        export_bundle(Export(bundles["conv_transformer"], out, "onnx-fp16", limits={"logits": 0.0}))
    assert out.read_text() == "mine"


def test_int8_is_timed_beside_float32(bundles, tmp_path):
    report = export_bundle(Export(bundles["conv_transformer"], tmp_path / "m.onnx", "onnx-int8", int8="dynamic"))
    assert set(report["latency"]["milliseconds"]) == {"bundle", "onnx", "onnx-int8"}


def test_a_tampered_bundle_is_refused_and_nothing_is_written(bundles, tmp_path):
    bundle = shutil.copytree(bundles["conv_transformer"], tmp_path / "bundle")
    data = bytearray((bundle / "model.safetensors").read_bytes())
    data[-3] ^= 1
    (bundle / "model.safetensors").write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="is not the file that"):
        export_bundle(Export(bundle, tmp_path / "out" / "model.onnx", "onnx"))
    assert files(tmp_path / "out") == []


def test_a_place_that_cannot_take_the_file_is_refused(bundles, tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "model.onnx", "file is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            export_bundle(Export(bundles["conv_transformer"], out, "onnx"))
    assert files(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "model",
    ["conv_transformer", *(pytest.param(model, marks=pytest.mark.slow) for model in ("conformer", "speechformer"))],
)
def test_torch_program_is_written_and_loads_again(bundles, tmp_path, model):
    out = tmp_path / "model.pt2"
    report = export_bundle(Export(bundles[model], out, "torch-export"))
    assert report["equivalence"]["max_logit_difference"] < 1e-4
    import torch

    extra = {"labels": ""}
    torch.export.load(out, extra_files=extra)
    assert json.loads(extra["labels"]) == ["angry", "happy", "sad"]


@pytest.mark.parametrize(("format", "package"), [("executorch", "executorch.exir"), ("litert", "litert_torch")])
def test_a_missing_package_is_named_with_its_extra(bundles, tmp_path, monkeypatch, format, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(UserError, match=rf'pip install "hrf_ser\[{format}\]"'):
        export_bundle(Export(bundles["conv_transformer"], tmp_path / "model", format))
    assert files(tmp_path) == []


def test_a_file_of_fixed_length_gets_nothing_longer(bundles, tmp_path, monkeypatch):
    def write(classifier, path, format, seconds):
        path.write_bytes(b"program")

        def run(waveform):
            assert len(waveform) <= seconds * 16_000
            return BundlePredictor(classifier).logits(waveform)

        return run

    monkeypatch.setattr("hrf_ser.deploy.export.programs.write_fixed_length", write)
    monkeypatch.setattr("hrf_ser.deploy.export.write.synthetic", synthetic)
    report = export_bundle(Export(bundles["conv_transformer"], tmp_path / "model.pte", "executorch", seconds=1.5))
    assert report["equivalence"]["utterances"] == 15
    assert report["latency"]["seconds_of_audio"] == 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("format", "package"), [("executorch", "executorch"), ("litert", "litert_torch")])
@pytest.mark.parametrize("model", ["conv_transformer", "conformer", "speechformer"])
def test_fixed_shape_formats_are_written_where_they_are_installed(bundles, tmp_path, format, package, model):
    pytest.importorskip(package)
    report = export_bundle(Export(bundles[model], tmp_path / "model", format, seconds=2))
    assert report["equivalence"]["max_logit_difference"] < 1e-3
