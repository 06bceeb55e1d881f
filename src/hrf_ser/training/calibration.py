"""Temperature scaling (Guo et al., "On calibration of modern neural networks", ICML 2017) and measures of calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from hrf_ser.data.batches import NO_LABEL, Batch
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.training.module import EmotionModule

BINS = 15
# A few confident utterances must not make a model that is always sure, or never.
_TEMPERATURES = torch.logspace(-2, 2, 401, base=2.0, dtype=torch.float64)


def calibrate(module: EmotionModule, data: SpeechData) -> float | None:
    """The temperature of a merged module for its validation speakers; None where there are none, or they are tested.

    Under ``protocol=out_of_fold`` each utterance counts with the ensemble member that did not train on it.
    """
    if not (data.protocol.selects_checkpoint and data.protocol.test_is_unseen):
        return None
    module = module.cpu().eval()
    module.out_of_fold = data.out_of_fold
    with torch.inference_mode():
        loaded = cast(Iterable[Batch], data.val_dataloader())
        batches = [(module.validation_logits(batch), batch["labels"]) for batch in loaded]
    logits, labels = (torch.cat(values) for values in zip(*batches, strict=True))
    known = labels != NO_LABEL
    return fit_temperature(logits[known], labels[known]) if known.any() else None


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature between 1/4 and 4 with the smallest cross-entropy of ``(N, classes)`` logits for labels ``(N,)``."""
    losses = [float(F.cross_entropy(logits.double() / temperature, labels)) for temperature in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(torch.tensor(losses).argmin())]), 4)


def scale(probabilities: Tensor, temperature: float) -> Tensor:
    """Probabilities ``(N, classes)`` as they are at another temperature."""
    return probabilities if temperature == 1.0 else (probabilities.log() / temperature).softmax(-1)


def calibration_scores(probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
    """Expected calibration error in 15 bins, and Brier score: ``(N, classes)`` and ``(N,)``."""
    classes = probabilities.shape[1]
    error = multiclass_calibration_error(probabilities, labels, num_classes=classes, n_bins=BINS, norm="l1")
    brier = (probabilities - F.one_hot(labels, classes)).square().sum(1).mean()
    return {"ece": float(error), "brier": float(brier)}
