import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from hrf_ser.deploy.runtime.benchmark import main, measure_latency, show_files, table


def test_models_are_interleaved_and_each_gets_audio_of_each_length():
    calls = []
    models = {name: lambda waveform, name=name: calls.append((name, len(waveform))) for name in "ab"}
    found = measure_latency(models, [0.5, 1.0], rounds=3)
    assert calls[:4] == [("a", 8_000), ("b", 8_000), ("a", 8_000), ("b", 8_000)]
    assert len(calls) == 2 * 2 * (5 + 3)
    times = found["b"][1.0]
    assert times["p50"] <= times["p95"] <= times["p99"]
    assert times["real_time"] == pytest.approx(times["p50"] / 1000)


def test_ratios_are_to_the_first_entry_and_columns_are_aligned():
    def entry(p50: float, size: int) -> dict:
        return {"bytes": size, "latency_ms": {3.0: {"p50": p50, "p95": p50, "p99": p50, "real_time": p50 / 3000}}}

    entries = {"f.onnx": entry(10.0, 100), "f.int8.onnx": entry(8.0, 25)}
    title, first, second = table(entries, {"bytes": lambda entry: str(entry["bytes"])}).splitlines()
    assert title.split()[-2:] == ["time", "bytes"]
    assert first.split()[-3:] == ["1.00", "0.00333", "100"]
    assert second.split() == ["f.int8.onnx", "3", "8.00", "8.00", "8.00", "0.80", "0.00267", "25"]
    assert len(title) == len(first) == len(second)


def test_a_quantised_file_that_is_slower_is_called_so():
    def entry(p50: float, quantisation: str) -> dict:
        times = {"p50": p50, "p95": p50, "p99": p50, "real_time": p50 / 3000}
        costs = {"bytes": 100, "cold_start_s": 0.2, "memory_mb": 80.0}
        return {"quantisation": quantisation, "latency_ms": {3.0: times}, **costs}

    device = {"processor": "a", "cores": "2", "system": "Linux", "onnxruntime": "1.30"}
    files = {"f.onnx": entry(10.0, "none"), "i.onnx": entry(12.0, "int8"), "large.onnx": entry(90.0, "none")}
    text = show_files({"device": device, "threads": 1, "files": files})
    assert text.splitlines()[-1] == "i.onnx is slower than the first file"
    assert "large.onnx is slower" not in text


def test_files_are_measured_side_by_side_on_the_command_line(capsys, exported_file):
    arguments = [str(exported_file), "--seconds", "0.5", "--rounds", "3"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "onnxruntime" in text.splitlines()[0]
    assert str(exported_file) in text
    assert main([*arguments, "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["files"].values()
    assert entry["bytes"] == exported_file.stat().st_size
    assert 0 < entry["cold_start_s"] < 60
    assert 20 < entry["memory_mb"] < 600
    assert np.isfinite(entry["latency_ms"]["0.5"]["p99"])


def test_a_file_that_is_none_ends_in_a_sentence(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(b"no model")
    assert main([str(tmp_path / "a.onnx")]) == 1
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--seconds", "0.00001"]])
def test_what_cannot_be_measured_ends_in_a_sentence(capsys, exported_file, words):
    assert main([str(exported_file), *words]) == 1
    assert capsys.readouterr().err.startswith(f"Error: {words[0][2:]}={words[1].replace('0.00001', '1e-05')}: is n")
