"""Interleaved measurements of several candidates in one process, and their ratios.

On a machine that does other work too, milliseconds wander by tens of percent; the ratio of two neighbours in the same round
hardly does. So every figure is the median over rounds of the ratio to the first candidate of the same round, with its
quartiles.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Candidate = Callable[[], object]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "process": time.process_time}


def interleave(
    candidates: Mapping[str, Candidate], rounds: int, warm_up: int = 3, clock: str = "wall"
) -> dict[str, list[float]]:
    """Seconds of every candidate in every round.

    Args:
        candidates: name -> function without arguments.
        rounds: that count.
        warm_up: rounds before them, which fill caches.
        clock: ``wall``, or ``process`` for the processor time of all threads, which other programs hardly touch.
    """
    now = CLOCKS[clock]
    times: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    gc.disable()
    try:
        for number in range(warm_up + rounds):
            for name, candidate in candidates.items():
                started = now()
                candidate()
                if number >= warm_up:
                    times[name].append(now() - started)
    finally:
        gc.enable()
    return times


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high}


def compare(times: Mapping[str, list[float]], base: str | None = None) -> dict[str, dict[str, Any]]:
    """Milliseconds and, by round, the ratio to ``base`` (the first candidate unless told): median and quartiles of each."""
    reference = times[base if base is not None else next(iter(times))]
    return {
        name: {
            "ms": spread([1000 * one for one in values]),
            "ratio": spread([one / other for one, other in zip(values, reference, strict=True)]),
        }
        for name, values in times.items()
    }
