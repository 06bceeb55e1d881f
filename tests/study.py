"""Made-up runs of a study, in memory and on disk, for the tests of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hrf_ser.evaluation.read import row_of
from hrf_ser.evaluation.scores import scores

Row = dict[str, Any]
LABELS = ("angry", "happy", "neutral", "sad")


def make_record(test: dict[str, float], **cell) -> dict:
    """A record as ``metrics.json`` has it."""
    rank = cell.pop("rank", None)
    large = str(cell.get("model", "")).endswith("_large")
    return {
        "status": "finished",
        "protocol": "validation",
        "corpus": "demo",
        "model": "conformer",
        "hrf": rank is not None,
        "rank": rank,
        "fold": "1",
        "seed": 0,
        "classes": len(LABELS),
        "best_epoch": 3,
        "epochs": 4,
        "val": test,
        "test": test,
        "parameters": {"training": 1_000_000, "deployed": 6_300_000 if large else 217_868},
        "macs_per_second_of_audio": 6_561_728,
        "versions": {"hrf_ser": "0.1.0", "torch": "2.13.0"},
        "seconds": {"fit": 12.5},
        **cell,
    }


def make_run(
    right: float | dict[str, float] = 0.5, each: int = 10, settings: dict[str, str] | None = None, **cell
) -> Row:
    """A run that recognises ``right`` of ``each`` utterances per class and speaker, and takes the others for the next class.

    Args:
        right: fraction, of all speakers or by speaker; speakers are those of the fold unless named.
        each: utterances a speaker and class.
        settings: as read from ``config.yaml``.
        cell: corpus, protocol, model, rank, fold, seed and other keys of the record.
    """
    fold = str(cell.get("fold", "1"))
    by_speaker = right if isinstance(right, dict) else dict.fromkeys((f"{fold}a", f"{fold}b"), right)
    counts = np.zeros((len(by_speaker), len(LABELS), len(LABELS)))
    for row, fraction in enumerate(by_speaker.values()):
        hits = round(fraction * each)
        for label in range(len(LABELS)):
            counts[row, label, label] = hits
            counts[row, label, (label + 1) % len(LABELS)] = each - hits
    test = {name: float(value) for name, value in scores(counts.sum(0)).items()}
    record = make_record(test, **{**cell, "fold": fold})
    folder = "/".join(str(record[key]) for key in ("corpus", "protocol", "model", "rank", "fold", "seed"))
    history = {"train/loss": [2.0, 1.5, 1.2, 1.1], "val/ua": [0.3, 0.4, 0.5, test["ua"]]}
    row = row_of(record, folder, 1)
    predictions = {"labels": LABELS, "speakers": tuple(by_speaker), "confusion": counts}
    return {**row, **predictions, "history": history, "settings": settings or {}}


def replace(run: Row, **changes: Any) -> Row:
    return {**run, **changes}


def write_run(folder: Path, run: Row, config: str = "model:\n  label: conformer\ntrainer:\n  max_epochs: 60\n") -> Path:
    """The run as a folder that training could have left."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(["utterance", "speaker", "label", "predicted", *run["labels"]])]
    for speaker, table in zip(run["speakers"], run["confusion"], strict=True):
        for (label, predicted), count in np.ndenumerate(table):
            for number in range(int(count)):
                name = f"{speaker}-{label}-{predicted}-{number}"
                probabilities = ",".join("0.25" for _ in run["labels"])
                lines.append(f"{name},{speaker},{run['labels'][label]},{run['labels'][predicted]},{probabilities}")
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    (folder / "config.yaml").write_text(config)
    rows = [
        ",".join(map(str, (epoch, 0.1, *row))) for epoch, row in enumerate(zip(*run["history"].values(), strict=True))
    ]
    (folder / "history.csv").write_text("\n".join([",".join(["epoch", "lr", *run["history"]]), *rows]) + "\n")
    (folder / "metrics.json").write_text(json.dumps(run["record"]))
    return folder


def design(
    rng: np.random.Generator,
    folds: int,
    seeds: int = 2,
    effect: float = 0.0,
    fold_spread: float = 0.03,
    seed_spread: float = 0.03,
    speaker_spread: float = 0.08,
) -> dict[tuple[str, int], float]:
    """Paired differences (fold, seed) -> UA, with four speakers a fold and 15 utterances a speaker and class.

    The true difference of a fold spreads around ``effect`` because folds have other training data (``fold_spread``) and other
    speakers (``speaker_spread``); every run adds its luck of training (``seed_spread``).
    """
    differences = {}
    for fold in range(folds):
        speakers = 0.55 + rng.normal(0, 0.1, 4)
        liking = effect + rng.normal(0, fold_spread) + rng.normal(0, speaker_spread, 4)
        for seed in range(seeds):
            plain, hrf = (
                rng.binomial(60, np.clip(speakers + own + rng.normal(0, seed_spread), 0.05, 0.95)).sum() / 240
                for own in (0.0, liking)
            )
            differences[str(fold), seed] = hrf - plain
    return differences
