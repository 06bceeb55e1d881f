"""Scores, costs and merge error of the model of the best epoch, and the files with its predictions."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.protocols import SPLITS
from hrf_ser.distillation.targets import Targets
from hrf_ser.encoders.statistics import LayerStatistics
from hrf_ser.hrf import compare
from hrf_ser.identity import is_pretrained
from hrf_ser.models import count_macs, count_parameters
from hrf_ser.run_folder import CONFUSION, PREDICTIONS, RELIABILITY, SEGMENTS
from hrf_ser.training.calibration import calibrate, calibration_scores, scale
from hrf_ser.training.confusion_plot import draw_confusion
from hrf_ser.training.metrics import UnitConfusion, confusion, mean_by_unit, recalls, scores
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.record import write_predictions
from hrf_ser.training.reliability_plot import draw_reliability

# Long enough that attention and merging stages weigh as they do on real utterances.
_MACS_SECONDS = 4.0


def evaluate(
    config: DictConfig,
    data: SpeechData,
    module: EmotionModule,
    weights: dict[str, Tensor],
    deployed: EmotionModule,
    folder: Path,
) -> dict[str, Any]:
    """Score the test predictions, write them in the run's folder, and compare the merged model with the trained one.

    Args:
        module: that was trained.
        weights: its state dict in the selected epoch.
        deployed: the merged module with these weights, tested.

    Returns:
        Its part of ``metrics.json``.
    """
    row_numbers, uncalibrated = (torch.cat(batches).cpu() for batches in zip(*deployed.predictions, strict=True))
    temperature = calibrate(deployed, data) if config.temperature is None else float(config.temperature)
    probabilities = scale(uncalibrated, temperature or 1.0)
    rows = row_numbers.tolist()
    units = [(one.utterance, one.speaker, one.label) for one in map(data.utterance, rows)]
    if data.scores_participants:
        write_predictions(folder / SEGMENTS, units, data.labels, probabilities)
        tested = torch.from_numpy(data.units)[rows]
        numbers, probabilities = mean_by_unit(probabilities, tested)
        _, uncalibrated = mean_by_unit(uncalibrated, tested)
        rows = [int(np.flatnonzero(data.units == number)[0]) for number in numbers]
        units = [(one.speaker, one.speaker, one.label) for one in map(data.utterance, rows)]
    write_predictions(folder / PREDICTIONS, units, data.labels, probabilities)
    predicted = probabilities.argmax(1)
    labels = torch.from_numpy(data.targets)[rows]
    table = confusion(labels, predicted, len(data.labels))
    test = scores(table)
    draw_confusion(folder / CONFUSION, table, data.labels, _title(config, data, test["ua"]))
    before, after = (calibration_scores(each, labels) for each in (uncalibrated, probabilities))
    draw_reliability(
        folder / RELIABILITY,
        uncalibrated,
        probabilities,
        labels,
        f"ECE {before['ece']:.3f}, deployed {after['ece']:.3f}",
    )

    # In single precision, as the merged model is deployed, whatever trainer.precision made of it.
    trained = copy.deepcopy(module).cpu().float()
    trained.load_state_dict(weights)
    merge = compare(trained, deployed.cpu(), ((b["features"], b["lengths"]) for b in data.test_dataloader()))
    encoder = _encoder(data)
    costs = _macs(trained, deployed, config, data)
    parameters = {"training": count_parameters(trained.model), "deployed": count_parameters(deployed.model)}
    if encoder is not None:
        # The encoder is not trained, and deployed with the classifier.
        parameters["deployed"] += encoder["parameters"]
        costs = {name: value + encoder["macs_per_second_of_audio"] for name, value in costs.items()}
    recall = dict(zip(data.labels, recalls(table).tolist(), strict=True))
    return {
        "test": test,
        "recall": {label: value for label, value in recall.items() if not math.isnan(value)},
        "calibration": {"temperature": temperature, "ece_uncalibrated": before["ece"], **after},
        "sexes": _scores_by_sex(data, rows, predicted),
        "utterances": {name: len(data.split.rows(name)) for name in SPLITS},
        "evaluation_unit": data.corpus.evaluation_unit,
        "scored": {name: len(np.unique(data.units[list(data.split.rows(name))])) for name in ("val", "test")},
        "parameters": parameters,
        **costs,
        "encoder": encoder,
        "merge": {key: getattr(merge, key) for key in ("max_abs_diff", "argmax_changes", "compared")},
    }


def evaluate_teacher(config: DictConfig, data: SpeechData, targets: Targets) -> dict[str, Any]:
    """Scores of the teacher itself on the splits that the model is evaluated on; None where it does not know all of one."""
    probabilities = targets.probabilities(data.out_of_fold)
    labels, units = torch.from_numpy(data.targets), torch.from_numpy(data.units)
    found: dict[str, Any] = {"name": str(config.teacher.label)}
    for name in ("val", "test"):
        rows = list(data.split.rows(name))
        matrix = UnitConfusion(len(data.labels))
        if not rows or probabilities[rows].isnan().any():
            found[name] = None
            continue
        matrix.update(probabilities[rows], labels[rows], units[rows])
        found[name] = scores(matrix.compute())
    return found


def _macs(trained: EmotionModule, deployed: EmotionModule, config: DictConfig, data: SpeechData) -> dict[str, int]:
    """Multiply-adds per second of audio, forward. In training a product over weights is taken once for a whole batch."""
    width = data.front_end.width
    # The statistics of an encoder are one frame, however long the audio is.
    frames = 1 if is_pretrained(config) else round(_MACS_SECONDS * 1000 / config.features.hop_ms)
    plain, factorised = (count_macs(module.model, frames, width) for module in (deployed, trained))
    shared = config.batch_size if config.reparam.mode == "parametrized" else 1
    return {
        "macs_per_second_of_audio": round(plain / _MACS_SECONDS),
        "macs_per_second_of_audio_training": round((plain + (factorised - plain) / shared) / _MACS_SECONDS),
    }


def _encoder(data: SpeechData) -> dict[str, Any] | None:
    """What the frozen encoder of a pretrained model is and costs, which its classifier's numbers leave out."""
    if not isinstance(data.front_end, LayerStatistics):
        return None
    return {**data.front_end.as_dict(), **data.front_end.costs(_MACS_SECONDS)}


def _scores_by_sex(data: SpeechData, rows: list[int], predicted: Tensor) -> dict[str, dict[str, float]]:
    """UA over the speakers of each sex that the corpus names."""
    sexes = np.array([data.utterance(row).sex for row in rows])
    labels = torch.from_numpy(data.targets)[rows]
    found = {}
    for sex in sorted({*sexes.tolist()} - {""}):
        own = torch.from_numpy(sexes == sex)
        table = confusion(labels[own], predicted[own], len(data.labels))
        found[sex] = {"ua": scores(table)["ua"], "scored": int(own.sum())}
    return found


def _title(config: DictConfig, data: SpeechData, ua: float) -> str:
    name = f"{config.model.label} + HRF x{config.rank:g}" if config.hrf else str(config.model.label)
    marks = f" (protocol {data.protocol.name})" if data.protocol.warning else ""
    marks += " (leaking)" if data.leaks else ""
    return f"{name} on {data.corpus.name}, fold {data.split.fold}: UA {ua:.3f}{marks}"
