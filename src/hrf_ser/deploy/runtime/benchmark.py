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

_WARM_UP = 5
_RATE = 16_000  # of every model, Hz
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


def measure_latency(
    models: Mapping[Name, Callable[[NDArray[np.float32]], object]],
    seconds: Sequence[float],
    rounds: int,
) -> dict[Name, dict[float, Latency]]:
    """Milliseconds from waveform to prediction, by model and length of the audio.

    The models are interleaved in every round, so that other load of the machine affects all alike. The audio is noise: it has
    no silence that would be trimmed.

    Args:
        models: name -> function of a waveform ``(samples,)``.
        seconds: lengths of the audio.
        rounds: that count, after some that warm up.

    Returns:
        ``p50``, ``p95``, ``p99`` and ``real_time``, the median as a share of the audio's duration.
    """
    found: dict[Name, dict[float, Latency]] = {name: {} for name in models}
    generator = np.random.default_rng(0)
    for length in seconds:
        waveform = (0.1 * generator.standard_normal(round(length * _RATE))).astype(np.float32)
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
                **cold_start(model.file.path, threads, seconds[0]),
                "latency_ms": latency[name],
            }
            for name, model in models.items()
        },
    }


def show_files(result: Mapping[str, Any]) -> str:
    """What :func:`measure_files` gives as lines of text."""
    device = result["device"]
    machine = f"{device['processor']}, {device['cores']} cores, {device['system']}, onnxruntime {device['onnxruntime']}"
    costs = {
        "kB": lambda entry: f"{entry['bytes'] / 1000:.0f}",
        "start s": lambda entry: f"{entry['cold_start_s']:.2f}",
        "memory MB": lambda entry: f"{entry['memory_mb']:.0f}",
    }
    lines = [f"{machine}, {result['threads']} thread(s)", "", table(result["files"], costs)]
    first = next(iter(result["files"].values()))["latency_ms"]
    for name, entry in result["files"].items():
        ratios = [times["p50"] / first[length]["p50"] for length, times in entry["latency_ms"].items()]
        if entry["quantisation"] != "none" and np.median(ratios) > 1.05:
            lines.append(f"{name} is slower than the first file")
    return "\n".join(lines)


def table(entries: Mapping[str, Mapping[str, Any]], costs: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> str:
    """A line for each entry and length of its ``latency_ms``; ratios are to the first entry, ``costs`` are more columns."""
    first = next(iter(entries.values()))["latency_ms"]
    rows = [("", "audio s", "p50 ms", "p95 ms", "p99 ms", "ratio", "real time", *costs)]
    for name, entry in entries.items():
        for length, times in entry["latency_ms"].items():
            latency = (f"{times[key]:.2f}" for key in ("p50", "p95", "p99"))
            ratio, share = f"{times['p50'] / first[length]['p50']:.2f}", f"{times['real_time']:.5f}"
            rows.append((name, f"{length:g}", *latency, ratio, share, *(cost(entry) for cost in costs.values())))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = (map(str.rjust, cells, widths[1:]) for _, *cells in rows)
    return "\n".join("  ".join((row[0].ljust(widths[0]), *cells)) for row, cells in zip(rows, aligned, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m hrf_ser.deploy.runtime.benchmark", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="exported .onnx files; ratios are to the first")
    parser.add_argument("--seconds", nargs="+", type=float, default=[1.0, 3.0, 10.0], help="lengths of the audio")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    try:
        if options.rounds < 1:
            raise UserError(f"rounds={options.rounds}: is not a number of at least 1.")
        for length in options.seconds:
            if not 0.1 <= length <= 600:
                raise UserError(f"seconds={length}: is not a length of 0.1 to 600 s.")
        result = measure_files(options.files, options.seconds, options.threads, options.rounds)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2) if options.json else show_files(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
