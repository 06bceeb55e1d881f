"""The record of a run: ``predictions.csv`` and, last of all, ``metrics.json``. Where that file stands, the run is finished."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hrf_ser import __version__
from hrf_ser.files import write_text
from hrf_ser.json_values import finite
from hrf_ser.run_folder import METRICS


def is_finished(folder: Path) -> bool:
    """Whether ``folder`` holds a finished run."""
    return (folder / METRICS).exists()


@dataclass(frozen=True)
class Scored:
    """What is scored as one: an utterance, or a participant with all segments."""

    name: str
    speaker: str
    label: str


def write_predictions(path: Path, scored: Sequence[Scored], labels: Sequence[str], probabilities: Tensor) -> None:
    """Write one row for each that is scored: id, speaker, label, predicted class, and a probability for every class.

    Args:
        path: the CSV file.
        scored: of the test part.
        labels: class names, in the order of columns.
        probabilities: ``(scored, classes)``, rows in the order of ``scored``.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["utterance", "speaker", "label", "predicted", *labels])
    for one, row in sorted(zip(scored, probabilities, strict=True), key=lambda pair: pair[0].name):
        predicted = labels[int(row.argmax())]
        writer.writerow([one.name, one.speaker, one.label, predicted, *(f"{p:.6f}" for p in row.tolist())])
    write_text(path, buffer.getvalue())


def write_metrics(path: Path, record: dict[str, Any]) -> None:
    """Write ``metrics.json`` whole. A number that is not finite becomes null, which JSON has."""
    write_text(path, json.dumps(finite(record), indent=2) + "\n")


def versions() -> dict[str, str]:
    """Versions of what computed a run."""
    import lightning
    import torch

    return {
        "hrf_ser": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }
