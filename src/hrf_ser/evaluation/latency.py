"""Latency of one utterance: every deployed model of the report side by side in one process, on one CPU thread."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pandas as pd

from hrf_ser.errors import UserError
from hrf_ser.run_folder import BUNDLE

SECONDS = 3.0
_ROUNDS = 30


def add_latency(runs: pd.DataFrame, entries: Sequence[dict[str, Any]]) -> None:
    """Set ``latency_ms`` of the configurations to the median and 95th percentile for one waveform of 3 s.

    HRF is merged away, so configurations of the same model and size share a measurement. A bundle that cannot be loaded is
    left out.
    """
    folders = runs[runs.bundle].groupby("key").folder.first()
    if folders.empty:
        return
    from hrf_ser.deploy.bundle import load_bundle, torch_latency

    classifiers: dict[tuple[Any, ...], Any] = {}
    for entry in entries:
        if entry["key"] in folders and _deployed(entry) not in classifiers:
            with suppress(UserError):
                classifiers[_deployed(entry)] = load_bundle(f"{folders[entry['key']]}/{BUNDLE}")
    times = torch_latency(classifiers, [SECONDS], _ROUNDS) if classifiers else {}
    for entry in entries:
        if found := times.get(_deployed(entry)):
            entry["latency_ms"] = {name: found[SECONDS][name] for name in ("p50", "p95")}


def _deployed(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["model"], (entry["parameters"] or {}).get("deployed"), entry["macs_per_second_of_audio"]
