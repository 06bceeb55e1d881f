import json

import pytest

from tiny_bundles import write_bundle


def test_light_merged_unmerged_and_large_are_measured_side_by_side(command, tmp_path):
    write_bundle(tmp_path / "bundle")
    words = ("bundle=bundle", "rounds=2", "seconds=[0.5]", "onnx=false", "rank=2", "out=numbers.json")
    done = command("benchmark", *words, cwd=tmp_path, fresh=True)
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "numbers.json").read_text())["torch"]
    assert list(models) == ["light", "light + HRF x2, merged", "light + HRF x2, unmerged", "large"]
    light, merged, unmerged, large = (entry["parameters"] for entry in models.values())
    assert light == merged < unmerged < large
    assert "in PyTorch, from waveform to logits" in done.stdout
    assert all(entry["latency_ms"]["0.5"]["p50"] > 0 for entry in models.values())


@pytest.mark.slow
def test_exported_files_are_measured_too(command, tmp_path):
    pytest.importorskip("onnxscript")
    write_bundle(tmp_path / "bundle")
    done = command("benchmark", "bundle=bundle", "rounds=2", "seconds=[0.5]", "out=numbers.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = json.loads((tmp_path / "numbers.json").read_text())["onnxruntime"]["files"]
    assert list(files) == ["light.onnx", "light.int8.onnx", "large.onnx"]
    assert files["light.int8.onnx"]["bytes"] < files["light.onnx"]["bytes"] < files["large.onnx"]["bytes"]
    assert "light.int8.onnx" in done.stdout


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rounds=0", "rounds=0 must be a whole number"),
        ("seconds=3", "seconds=3 must be a list"),
        ("seconds=[-1]", "seconds=[-1] must be a list"),
        ("seconds=[0.01]", "seconds=[0.01] must be a list of numbers from 0.1 to 600"),
        ("seconds=[]", "seconds=[] must be a list"),
        ("rank=0", "rank=0 must be a number greater than 0"),
        ("threads=null", "threads=null must be a whole number"),
        ("out=.", "out=.: is a folder"),
        ("onnx=2", "onnx=2 must be true or false"),
        ("threads=none", "threads=none must be a whole number"),
    ],
)
def test_mistakes_end_in_one_sentence(command, tmp_path, word, message):
    done = command("benchmark", "bundle=bundle", word, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
