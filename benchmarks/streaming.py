"""python -m benchmarks.streaming --model runs/<run>/bundle

Memory and cost of a stream over hours of audio in chunks of 100 ms, as a microphone would give it but without waiting. Costs
are processor time of this thread, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from hrf_ser.deploy.runtime import Emotion

_CHUNK_S = 0.1


def resident_mb() -> float:
    """Memory of this process, MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    return {f"p{rank}": round(1e3 * float(np.percentile(seconds, rank)), 3) for rank in (50, 95)}


def latency(emotion: Emotion, repeats: int = 300) -> dict[str, float]:
    """3 s of 16 kHz audio to a prediction, milliseconds of processor time and of waiting."""
    waveform = 0.1 * np.random.default_rng(0).normal(size=48_000).astype(np.float32)
    waited, worked = np.zeros(repeats), np.zeros(repeats)
    for _ in range(20):
        emotion(waveform, 16_000)
    for number in range(repeats):
        before = time.perf_counter(), time.thread_time()
        emotion(waveform, 16_000)
        waited[number], worked[number] = time.perf_counter() - before[0], time.thread_time() - before[1]
    return {"wall_p50_ms": percentiles(waited)["p50"], "cpu_p50_ms": percentiles(worked)["p50"]}


def stream(emotion: Emotion, hours: float, rate: int, window_s: float, hop_s: float) -> dict[str, object]:
    """Push chunks for so many hours of audio, and compare the last tenth with the first."""
    count = round(hours * 3600 / _CHUNK_S)
    generator = np.random.default_rng(0)
    second = (0.1 * generator.normal(size=rate)).astype(np.float32)
    chunks = np.split(second, 10)
    source = emotion.stream(window_s=window_s, hop_s=hop_s)
    costs, memory, with_window = np.zeros(count), [], np.zeros(count, bool)
    began = time.perf_counter()
    for number in range(count):
        if number % (count // 10) == 0:
            memory.append(round(resident_mb(), 1))
        before = time.thread_time()
        with_window[number] = bool(source.push(chunks[number % 10], rate))
        costs[number] = time.thread_time() - before
    memory.append(round(resident_mb(), 1))
    # The first windows are still warming up caches, and are left away.
    first, last = slice(count // 100, count // 10), slice(-count // 10, None)
    ratios = {}
    for name, which in (("with a window", with_window), ("without", ~with_window)):
        early, late = costs[first][which[first]], costs[last][which[last]]
        ratios[name] = {
            "first_tenth_ms": percentiles(early),
            "last_tenth_ms": percentiles(late),
            "ratio_of_p50": round(float(np.median(late) / np.median(early)), 3),
        }
    return {
        "hours": hours,
        "rate": rate,
        "windows": int(with_window.sum()),
        "chunk_ms_of_processor": ratios,
        "times_faster_than_real_time": round(hours * 3600 / (time.perf_counter() - began), 1),
        "memory_mb_at_each_tenth": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="an exported .onnx file, or the folder that holds one")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--window", type=float, default=3.0)
    parser.add_argument("--hop", type=float, default=1.0)
    options = parser.parse_args()
    emotion = Emotion(options.model)
    result = {
        "model": emotion.file.metadata["model"],
        "3 s to a prediction": latency(emotion),
        "stream": stream(emotion, options.hours, options.rate, options.window, options.hop),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
