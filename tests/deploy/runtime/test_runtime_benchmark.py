import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from hrf_ser.deploy.runtime.benchmark import main, measure_latency, remarks


def test_models_are_interleaved_and_each_gets_audio_of_each_length():
    calls = []
    models = {name: lambda waveform, name=name: calls.append((name, len(waveform))) for name in "ab"}
    found = measure_latency(models, [0.5, 1.0], rounds=3)
    assert calls[:4] == [("a", 8_000), ("b", 8_000), ("a", 8_000), ("b", 8_000)]
    assert len(calls) == 2 * 2 * (5 + 3)
    times = found["b"][1.0]
    assert times["p50"] <= times["p95"] <= times["p99"]
    assert times["real_time"] == pytest.approx(times["p50"] / 1000)


@pytest.mark.parametrize(("milliseconds", "words"), [(8.0, "takes 0.80 times"), (12.0, "slower: it takes 1.20 times")])
def test_a_smaller_file_that_is_slower_is_called_so(milliseconds, words):
    def entry(p50: float, quantisation: str, size: int) -> dict:
        return {"bundle": "b", "quantisation": quantisation, "bytes": size, "latency_ms": {3.0: {"p50": p50}}}

    files = {"f.onnx": entry(10.0, "none", 100), "i.onnx": entry(milliseconds, "int8", 25)}
    (sentence,) = remarks({"files": files})
    assert sentence == f"i.onnx {words} as long as float32, 0.25 of its size"


def test_files_are_measured_side_by_side_on_the_command_line(tmp_path, capsys, exported_file):
    out = tmp_path / "result.json"
    words = [str(exported_file), "--seconds", "0.5", "--rounds", "3", "--json", str(out)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "onnxruntime" in text.splitlines()[0]
    assert str(exported_file) in text
    (entry,) = json.loads(out.read_text())["files"].values()
    assert entry["bytes"] == exported_file.stat().st_size
    assert 0 < entry["cold_start_s"] < 60
    assert 20 < entry["memory_mb"] < 600
    assert np.isfinite(entry["latency_ms"]["0.5"]["p99"])


def test_a_file_that_is_none_ends_in_a_sentence(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(b"no model")
    assert main([str(tmp_path / "a.onnx")]) == 1
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--seconds", "0.00001"], ["--json", "no_folder/a.json"]])
def test_what_cannot_be_measured_or_written_ends_in_a_sentence(capsys, exported_file, words):
    assert main([str(exported_file), *words]) == 1
    assert capsys.readouterr().err.startswith(f"Error: {words[0][2:]}={words[1].replace('0.00001', '1e-05')}: is n")
