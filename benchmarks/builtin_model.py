"""Trains the built-in model: measures its recipe on held-out speakers, trains it on all speakers, and puts it in place.

    python -m benchmarks.builtin_model --ravdess /path/to/RAVDESS --emodb /path/to/EmoDB --whisper /path/to/whisper-base

The six folds and the final run lie in ``--runs``; what is finished there is not trained again. The temperature of the final
model is that of the held-out predictions, since no speaker is left to fit it on.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score as ua

from hrf_ser.builtin import MODEL
from hrf_ser.data.corpora import Corpus, read_corpus
from hrf_ser.files import write_text
from hrf_ser.training.calibration import calibration_scores, fit_temperature, scale

FOLDS = 6
# Calm is RAVDESS's second neutral, which EmoDB does not have; boredom is in EmoDB alone, without any speaker of English.
CLASSES = {
    "neutral": ("neutral", "calm"),
    "happy": ("happy", "happiness"),
    "sad": ("sad", "sadness"),
    "angry": ("angry", "anger"),
    "fearful": ("fearful", "fear"),
    "disgust": ("disgust",),
    "surprised": ("surprised",),
}
LICENCE = (
    "weights for non-commercial use, as RAVDESS is CC BY-NC-SA 4.0 (Livingstone and Russo, 2018); EmoDB is CC0 1.0 as "
    "audEERING states it (Burkhardt et al., 2005); the code is MIT"
)
RESULT = Path("docs/results/builtin.json")
_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class HeldOut:
    """Predictions of every utterance by the fold's model that has not seen its speaker.

    Attributes:
        table: a row for each utterance: corpus, speaker, sex, label.
        probabilities: ``(utterances, classes)``, uncalibrated.
        fold: ``(utterances,)``, the fold that tested each.
    """

    table: pd.DataFrame
    probabilities: torch.Tensor
    fold: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def labels(self) -> torch.Tensor:
        """``(utterances,)`` class numbers."""
        return torch.tensor([list(CLASSES).index(label) for label in self.table.label])


def main() -> None:
    """Train, measure, and replace the model in the package."""
    arguments = parser().parse_args()
    joint = arguments.runs / "joint.csv"
    arguments.runs.mkdir(parents=True, exist_ok=True)
    write_table(joint, [read_corpus("ravdess", arguments.ravdess), read_corpus("emodb", arguments.emodb)])
    common = [f"data.root={joint}", f"teacher.path={arguments.whisper}", f"hydra.sweep.dir={arguments.runs}"]
    folds = ",".join(f"{number}of{FOLDS}" for number in range(1, FOLDS + 1))
    _train([*common, f"fold={folds}"])
    held_out = read_held_out(joint, arguments.runs)
    temperature = fit_temperature(held_out.probabilities.log(), held_out.labels)
    _train([*common, "fold=all", f"temperature={temperature}", f"data.options.licence='{LICENCE}'"])
    (run,) = [path.parent for path in arguments.runs.glob("*_foldall_*/metrics.json")]
    write_text(RESULT, json.dumps(summary(held_out, temperature), indent=2) + "\n")
    put_in_place(run, joint)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, what in (("ravdess", "the corpus"), ("emodb", "the corpus"), ("whisper", "the teacher's encoder")):
        made.add_argument(f"--{name}", type=Path, required=True, help=f"folder of {what}")
    made.add_argument("--runs", type=Path, default=Path("runs/builtin"), help="where runs lie")
    return made


def write_table(path: Path, corpora: Sequence[Corpus]) -> None:
    """Write the utterances of all classes of :data:`CLASSES` as one table, whose speakers are named after their corpora."""
    class_of = {label: name for name, labels in CLASSES.items() for label in labels}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance", "path", "label", "speaker", "sex"])
        for corpus in corpora:
            for one in corpus.utterances:
                if one.label in class_of:
                    names = (f"{corpus.name}_{one.utterance}", one.path.resolve())
                    writer.writerow([*names, class_of[one.label], f"{corpus.name}_{one.speaker}", one.sex])


def _train(overrides: Sequence[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "hrf_ser.train",
        "-m",
        "experiment=builtin",
        "logger=none",
        "trainer.enable_progress_bar=false",
        *overrides,
    ]
    subprocess.run(command, check=True)


def read_held_out(joint: Path, runs: Path) -> HeldOut:
    """The predictions of the folds, at temperature 1."""
    files = [next(runs.glob(f"*_fold{number}of{FOLDS}_*/predictions.csv")) for number in range(1, FOLDS + 1)]
    tables = [pd.read_csv(file).assign(fold=number) for number, file in enumerate(files, 1)]
    predicted = pd.concat(tables).set_index("utterance").sort_index()
    known = pd.read_csv(joint).set_index("utterance").sort_index()
    if not predicted.index.equals(known.index):
        raise SystemExit(
            f"{runs}: the folds do not test every utterance of {joint} once; delete the runs and start again."
        )
    table = known.assign(corpus=[name.split("_")[0] for name in known.speaker]).reset_index()
    probabilities = torch.from_numpy(predicted[list(CLASSES)].to_numpy()).clamp(min=1e-7)
    return HeldOut(table, probabilities, predicted.fold.to_numpy())


def summary(held_out: HeldOut, temperature: float) -> dict[str, Any]:
    """Scores on held-out speakers: by corpus, class and sex, calibration, and accuracy against coverage."""
    labels, table = held_out.labels, held_out.table
    calibrated = _cross_fitted(held_out)
    predicted = np.array(list(CLASSES))[held_out.probabilities.argmax(1).numpy()]
    right = (held_out.probabilities.argmax(1) == labels).numpy()
    top = calibrated.max(1).values.numpy()
    return {
        "utterances": len(table),
        "speakers": int(table.speaker.nunique()),
        "temperature": temperature,
        "ua": {
            name: _ua(table[rows], predicted[rows])
            for name, rows in (
                ("all", np.full(len(table), True)),
                *((corpus, (table.corpus == corpus).to_numpy()) for corpus in ("ravdess", "emodb")),
                *((sex, (table.sex == sex).to_numpy()) for sex in ("female", "male")),
            )
        },
        "recall": {
            corpus: {
                label: float(right[rows].mean())
                for label in CLASSES
                if (rows := ((table.label == label) & (table.corpus == corpus)).to_numpy()).any()
            }
            for corpus in ("ravdess", "emodb")
        },
        "speaker_ua": _spread([ua(own.label, predicted[own.index]) for _, own in table.groupby("speaker")]),
        "calibration": {
            "before": calibration_scores(held_out.probabilities, labels),
            "after": calibration_scores(calibrated, labels),
        },
        "coverage": [
            {"abstain": limit, "coverage": float((top >= limit).mean()), "accuracy": float(right[top >= limit].mean())}
            for limit in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
        ],
    }


def _cross_fitted(held_out: HeldOut) -> torch.Tensor:
    """Calibrated probabilities, each fold by the temperature of the others."""
    calibrated = held_out.probabilities.clone()
    for fold in np.unique(held_out.fold):
        own = torch.from_numpy(held_out.fold == fold)
        temperature = fit_temperature(held_out.probabilities[~own].log(), held_out.labels[~own])
        calibrated[own] = scale(held_out.probabilities[own], temperature)
    return calibrated


def _ua(table: pd.DataFrame, predicted: np.ndarray[Any, Any]) -> dict[str, float]:
    """UA with a 95 % interval of a bootstrap over speakers."""
    places = [np.flatnonzero((table.speaker == name).to_numpy()) for name in sorted(table.speaker.unique())]
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(_BOOTSTRAPS):
        rows = np.concatenate([places[number] for number in generator.integers(len(places), size=len(places))])
        draws.append(ua(table.label.iloc[rows], predicted[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"ua": ua(table.label, predicted), "low": float(low), "high": float(high)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"lowest": min(values), "median": float(np.median(values)), "highest": max(values)}


def put_in_place(run: Path, joint: Path) -> None:
    """Export the run as int8 ONNX into the package, compared with the bundle on every utterance."""
    place = [f"bundle={run / 'bundle'}", "format=onnx-int8", f"out={MODEL}", "data=table", f"data.root={joint}"]
    subprocess.run([sys.executable, "-m", "hrf_ser.export", *place], check=True)
    print(f"{MODEL}: {MODEL.stat().st_size / 1000:.0f} kB; scores in {RESULT}")


if __name__ == "__main__":
    main()
