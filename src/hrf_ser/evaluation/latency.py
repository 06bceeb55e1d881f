"""How long one utterance takes: every model of the report side by side in one process, on one CPU thread."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from hrf_ser.errors import UserError

SECONDS, RATE = 3, 16_000
_WARM_UP, _ROUNDS = 3, 30

Key = TypeVar("Key", bound=Hashable)


def measure(bundles: Mapping[Key, str], rounds: int = _ROUNDS) -> dict[Key, dict[str, float]]:
    """Median and 95th percentile in ms for one waveform of 3 s.

    Rounds are interleaved, a call of every model a round, so that other work on the machine disturbs all alike.

    Args:
        bundles: name -> bundle folder. One that cannot be loaded is left out.
        rounds: calls of each model that count.
    """
    if not bundles:
        return {}
    import torch

    from hrf_ser.deploy.bundle import load_bundle

    classifiers = {}
    for key, folder in bundles.items():
        try:
            classifiers[key] = load_bundle(folder)
        except UserError:
            continue
    waveform = torch.randn(1, SECONDS * RATE, generator=torch.Generator().manual_seed(0)) * 0.1
    lengths = torch.tensor([waveform.shape[1]])
    times: dict[Key, list[float]] = {key: [] for key in classifiers}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(_WARM_UP + rounds):
                for key, classifier in classifiers.items():
                    started = time.perf_counter()
                    classifier(waveform, lengths)
                    if turn >= _WARM_UP:
                        times[key].append((time.perf_counter() - started) * 1000)
    finally:
        torch.set_num_threads(threads)
    return {
        key: {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95))}
        for key, values in times.items()
    }
