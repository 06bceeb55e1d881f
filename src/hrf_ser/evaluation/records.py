"""Runs as lines of a ``.jsonl`` file, which travel without their folders and give the same tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrf_ser.evaluation.folder import MOST_CELLS
from hrf_ser.evaluation.record import agreeing, checked, damage, loads
from hrf_ser.evaluation.run import Counts, Run

RUNS = "runs.jsonl"
_LONGEST_SETTING, _MOST_SETTINGS = 4_096, 1_000


def to_lines(runs: Sequence[Run]) -> str:
    """A line a run, the newest last: of runs that are there twice it counts.

    It has what ``metrics.json`` holds, ``settings``, and by whom the run was heard: ``labels``, ``speakers`` and ``confusion``,
    a matrix for every speaker whose rows are labels.
    """
    return "".join(json.dumps(_entry(run), allow_nan=False) + "\n" for run in sorted(runs, key=lambda run: run.written))


def read_records(path: Path) -> Iterator[tuple[Run | None, list[str]]]:
    """Every line's run, or None where it is damaged, and sentences on what is wrong with it."""
    written = path.stat().st_mtime_ns
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            empty = False
            try:
                yield _run(loads(line.decode("utf-8")), f"{path}:{number}", written), []
            except (ValueError, RecursionError) as error:
                yield None, [f"{path}, line {number}: is damaged ({damage(error)}); the run is left out."]
    if empty:
        yield None, [f"{path}: holds no record; give a file with a record of a run in each line."]


def _entry(run: Run) -> dict[str, Any]:
    entry = {**run.record, "settings": run.settings} if run.settings else dict(run.record)
    if run.counts is not None:
        entry |= {"labels": run.labels, "speakers": run.speakers, "confusion": run.counts.astype(int).tolist()}
    return entry


def _run(entry: Any, place: str, written: int) -> Run:
    """The run of a line, which may also be no more than a ``metrics.json``.

    Raises:
        ValueError: names what is missing or of the wrong kind.
    """
    record = checked(entry)
    settings, labels, speakers, confusion = (
        record.pop(key, None) for key in ("settings", "labels", "speakers", "confusion")
    )
    heard = confusion is not None
    counts = _counts(labels, speakers, confusion) if heard else None
    if counts is not None:
        agreeing(record, counts)
    return Run(
        place,
        record,
        written,
        labels=tuple(labels) if heard else (),
        speakers=tuple(speakers) if heard else (),
        counts=counts,
        settings=_settings(settings),
    )


def _settings(settings: Any) -> dict[str, str]:
    if settings is None:
        return {}
    if not isinstance(settings, dict) or len(settings) > _MOST_SETTINGS:
        raise ValueError("its settings have the wrong kind")
    if any(not isinstance(value, str) or len(value) > _LONGEST_SETTING for value in settings.values()):
        raise ValueError("its settings are no short texts")
    return settings


def _counts(labels: Any, speakers: Any, confusion: Any) -> Counts:
    """Confusion matrices ``(speakers, classes, classes)``."""
    for names in (labels, speakers):
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("its labels or speakers are no names")
        if len(set(names)) < len(names):
            raise ValueError("its labels or speakers are there twice")
    shape = (len(speakers), len(labels), len(labels))
    if len(labels) < 2 or np.prod(shape, dtype=float) > MOST_CELLS:
        raise ValueError("it has one class, or too many")
    try:
        counts: Counts = np.array(confusion, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("its confusion is no table of numbers") from error
    if counts.shape != shape or not np.isfinite(counts).all() or (counts < 0).any() or not counts.sum():
        raise ValueError("its confusion is not a matrix for every speaker")
    return counts
