"""The record of a run: ``predictions.csv`` and, last of all, ``metrics.json``. Where that file stands, the run is finished."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from omegaconf import DictConfig
from torch import Tensor

from hrf_ser import __version__
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.protocols import hash_test_speakers
from hrf_ser.files import write_csv, write_text
from hrf_ser.identity import identity
from hrf_ser.initial_weights import InitialWeights
from hrf_ser.json_values import finite


def describe_run(config: DictConfig, data: SpeechData, initial: InitialWeights | None) -> dict[str, Any]:
    """What ``metrics.json`` says of a run's settings."""
    return {
        "status": "finished",
        "protocol": data.protocol.name,
        "corpus": data.corpus.name,
        "model": config.model.label,
        "hrf": config.hrf,
        "rank": config.rank if config.hrf else None,
        "fold": data.split.fold,
        "seed": config.seed,
        "init_from": None if initial is None else initial.record,
        "test_speakers_hash": hash_test_speakers(data.corpus, data.dataset.split),
        "classes": len(data.labels),
        "leaks": list(data.leaks),
        "versions": {
            "hrf_ser": __version__,
            "torch": torch.__version__,
            "lightning": lightning.__version__,
            "python": platform.python_version(),
        },
        "identity": identity(config),
    }


def write_predictions(
    path: Path, units: Sequence[tuple[str, str, str]], labels: Sequence[str], probabilities: Tensor
) -> None:
    """Write a row for each unit with its predicted class and the probability of every class.

    Args:
        path: the CSV file.
        units: id, speaker and label of each utterance or participant.
        labels: class names.
        probabilities: ``(units, classes)``.
    """
    ordered = sorted(zip(units, probabilities, strict=True), key=lambda pair: pair[0][0])
    rows = ([*unit, labels[int(row.argmax())], *(f"{p:.6f}" for p in row.tolist())] for unit, row in ordered)
    write_csv(path, [["utterance", "speaker", "label", "predicted", *labels], *rows])


def write_metrics(path: Path, record: dict[str, Any]) -> None:
    """Write ``metrics.json`` whole. A number that is not finite becomes null, which JSON has."""
    write_text(path, json.dumps(finite(record), indent=2) + "\n")
