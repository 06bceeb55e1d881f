"""Measures exported files side by side: ``python -m hrf_ser.deploy.runtime.benchmark light.onnx large.onnx``.

Needs what the runtime needs and nothing else, so that it runs on the device itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

Name = TypeVar("Name", bound=Hashable)
Latency = dict[str, float]

LENGTHS = "0.1 to 600 s"
_WARM_UP = 5
# In another process: seconds until the first prediction, and the memory that it takes.
_COLD_START = """
import sys, time
started = time.perf_counter()
import numpy
from hrf_ser.deploy.runtime import Emotion
emotion = Emotion(sys.argv[1], threads=int(sys.argv[2]))
emotion.posterior(numpy.zeros(round(float(sys.argv[3]) * emotion.sample_rate), dtype="float32"))
seconds = time.perf_counter() - started
try:
    # Linux's own count of getrusage has the parent's memory in it.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    megabytes = int(status["VmHWM"].split()[0]) * 1024 / 1e6
except OSError:
    import resource
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(seconds, megabytes)
"""


def is_length(seconds: object) -> bool:
    """Whether so much audio can be measured; ``LENGTHS`` states the range."""
    return type(seconds) in (int, float) and 0.1 <= float(seconds) <= 600  # type: ignore[arg-type]


def measure_latency(
    models: Mapping[Name, Callable[[NDArray[np.float32]], object]],
    seconds: Sequence[float],
    rounds: int,
    rate: int = 16_000,
) -> dict[Name, dict[float, Latency]]:
    """Milliseconds from waveform to prediction, by model and length of the audio.

    The models are interleaved in every round, so that other load of the machine affects all alike. The audio is noise: it has
    no silence that would be trimmed.

    Args:
        models: name -> function of a waveform ``(samples,)``.
        seconds: lengths of the audio.
        rounds: that count, after some that warm up.
        rate: samples a second.

    Returns:
        ``p50``, ``p95``, ``p99`` and ``real_time``, the share of the audio's own duration that the median takes.
    """
    found: dict[Name, dict[float, Latency]] = {name: {} for name in models}
    generator = np.random.default_rng(0)
    for length in seconds:
        waveform = (0.1 * generator.standard_normal(round(length * rate))).astype(np.float32)
        times: dict[Name, list[float]] = {name: [] for name in models}
        for turn in range(_WARM_UP + rounds):
            for name, model in models.items():
                started = time.perf_counter()
                model(waveform)
                if turn >= _WARM_UP:
                    times[name].append(time.perf_counter() - started)
        for name, values in times.items():
            p50, p95, p99 = (1000 * float(value) for value in np.percentile(values, (50, 95, 99)))
            found[name][length] = {"p50": p50, "p95": p95, "p99": p99, "real_time": p50 / 1000 / length}
    return found


def cold_start(file: Path, threads: int, seconds: float) -> dict[str, float]:
    """Seconds from the start of Python to the first prediction, and the peak memory of that process in MB."""
    command = [sys.executable, "-c", _COLD_START, str(file), str(threads), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{file}: cannot be measured ({done.stderr.strip().splitlines()[-1]}).")
    started, memory = done.stdout.split()
    return {"cold_start_s": float(started), "memory_mb": float(memory)}


def processor() -> str:
    """Name of this machine's processor; of a Raspberry Pi, the board's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model")))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def measure_files(files: Sequence[Path], seconds: Sequence[float], threads: int, rounds: int) -> dict[str, Any]:
    """Measure exported files side by side.

    Returns:
        ``device``, ``threads``, and ``files``: name -> bytes, quantisation, cold start, memory and ``latency_ms`` by length.
    """
    import onnxruntime

    from hrf_ser.deploy.runtime import Emotion

    models = {str(file): Emotion(file, threads=threads) for file in files}
    latency = measure_latency({name: model.posterior for name, model in models.items()}, seconds, rounds)
    return {
        "device": {
            "processor": processor(),
            "cores": str(os.cpu_count()),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
        },
        "threads": threads,
        "files": {
            name: {
                "bytes": model.file.path.stat().st_size,
                "quantisation": model.file.metadata.get("quantisation", "none"),
                "bundle": model.file.metadata.get("bundle_sha256", ""),
                **cold_start(model.file.path, threads, seconds[0]),
                "latency_ms": latency[name],
            }
            for name, model in models.items()
        },
    }


def remarks(result: Mapping[str, Any]) -> list[str]:
    """A sentence for each quantised file on its speed and size beside the float32 file of the same bundle."""
    files = result["files"]
    plain = {entry["bundle"]: entry for entry in files.values() if entry["quantisation"] == "none"}
    sentences = []
    for name, entry in files.items():
        other = plain.get(entry["bundle"])
        if other is None or entry["quantisation"] == "none":
            continue
        ratios = [times["p50"] / other["latency_ms"][length]["p50"] for length, times in entry["latency_ms"].items()]
        ratio = float(np.median(ratios))
        verb = "slower: it takes" if ratio > 1.05 else "takes"
        sentences.append(
            f"{name} {verb} {ratio:.2f} times as long as float32, {entry['bytes'] / other['bytes']:.2f} of its size"
        )
    return sentences


def table(result: Mapping[str, Any]) -> str:
    """The result as lines of text; ratios are to the first file."""
    files, device = result["files"], result["device"]
    first = next(iter(files.values()))
    rows = [("file", "audio s", "p50 ms", "p95 ms", "p99 ms", "ratio", "real time", "kB", "start s", "memory MB")]
    for name, entry in files.items():
        costs = (f"{entry['bytes'] / 1000:.0f}", f"{entry['cold_start_s']:.2f}", f"{entry['memory_mb']:.0f}")
        for length, times in entry["latency_ms"].items():
            ratio = times["p50"] / first["latency_ms"][length]["p50"]
            p50, p95, p99 = (f"{times[key]:.2f}" for key in ("p50", "p95", "p99"))
            rows.append((name, f"{length:g}", p50, p95, p99, f"{ratio:.2f}", f"{times['real_time']:.5f}", *costs))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    machine = f"{device['processor']}, {device['cores']} cores, {device['system']}, onnxruntime {device['onnxruntime']}"
    lines = [f"{machine}, {result['threads']} thread(s)", ""]
    for name, *cells in rows:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join((name.ljust(widths[0]), *aligned)))
    return "\n".join([*lines, *remarks(result)])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m hrf_ser.deploy.runtime.benchmark", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="exported .onnx files; ratios are to the first")
    parser.add_argument("--seconds", nargs="+", type=float, default=[1.0, 3.0, 10.0], help="lengths of the audio")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the result there as well")
    options = parser.parse_args(arguments)
    try:
        _check(options)
        result = measure_files(options.files, options.seconds, options.threads, options.rounds)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse, before anything is measured, what could not be measured or written."""
    if options.rounds < 1:
        raise UserError(f"rounds={options.rounds}: is not a number of at least 1.")
    for length in options.seconds:
        if not is_length(length):
            raise UserError(f"seconds={length}: is not a length of {LENGTHS}.")
    if options.json and (options.json.is_dir() or not options.json.resolve().parent.is_dir()):
        raise UserError(f"json={options.json}: is no file in a folder that exists; choose another place.")


if __name__ == "__main__":
    sys.exit(main())
