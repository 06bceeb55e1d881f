"""One finished run, as the report sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
LARGE = "_large"


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies, as the user's path reaches it; ``file.jsonl:line`` for a line of records.
        record: what ``metrics.json`` holds.
        written: when the record was written, nanoseconds.
        labels: class names; empty without predictions.
        speakers: of the test part; empty without predictions.
        counts: ``(speakers, classes, classes)``, confusion by speaker, rows are labels; None without predictions.
        history: column -> a value an epoch; empty without ``history.csv``.
        settings: what the run was trained with, key -> value, without what names the run, paths, loggers and devices.
        root: ``data.root`` of its configuration.
        bundle: whether a bundle lies in the folder.
    """

    folder: str
    record: dict[str, Any]
    written: int = 0
    labels: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    counts: Counts | None = None
    history: dict[str, list[float]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    root: str | None = None
    bundle: bool = False

    @property
    def corpus(self) -> str:
        return str(self.record["corpus"])

    @property
    def protocol(self) -> str:
        return str(self.record["protocol"])

    @property
    def model(self) -> str:
        return str(self.record["model"])

    @property
    def rank(self) -> float | None:
        """The rank of a model trained with HRF; None for the plain one."""
        return float(self.record["rank"]) if self.record["hrf"] else None

    @property
    def fold(self) -> str:
        return str(self.record["fold"])

    @property
    def seed(self) -> int:
        return int(self.record["seed"])

    def score(self, name: str) -> float:
        """A score of the test part: ``ua``, ``wa``, ``wf1`` or ``f1``."""
        return float(self.record["test"][name])


def natural(text: str) -> tuple[int, float, str]:
    """Sorts fold 10 after fold 9, and names after numbers."""
    return (0, float(text), text) if text.isdecimal() else (1, 0.0, text)
