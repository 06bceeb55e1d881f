"""Latency of one utterance: every model of the report side by side in one process, on one CPU thread."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from hrf_ser.errors import UserError

SECONDS = 3.0
_ROUNDS = 30

Key = TypeVar("Key", bound=Hashable)


def measure(bundles: Mapping[Key, str]) -> dict[Key, dict[str, float]]:
    """Median and 95th percentile in ms for one waveform of 3 s, the models interleaved.

    ``bundles`` are the folders; one that cannot be loaded is left out.
    """
    if not bundles:
        return {}
    from hrf_ser.deploy.bundle import load_bundle, torch_latency

    classifiers = {}
    for key, folder in bundles.items():
        try:
            classifiers[key] = load_bundle(folder)
        except UserError:
            continue
    found = torch_latency(classifiers, [SECONDS], _ROUNDS)
    return {key: {name: times[SECONDS][name] for name in ("p50", "p95")} for key, times in found.items()}
