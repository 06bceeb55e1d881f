"""WA, UA and F1 of a confusion matrix; and the matrix, by utterance or by participant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities import dim_zero_cat

SCORES = ("wa", "ua", "wf1", "f1")


def scores(confusion: Tensor) -> dict[str, float]:
    """Accuracy ``wa``, unweighted average recall ``ua``, weighted F1 ``wf1`` and macro F1 ``f1``; NaN without any utterance.

    Averages are over the classes that occur among the labels of ``confusion``: a class without utterances has no recall, and
    counting it as 0 or 1 would make folds with different classes incomparable.
    """
    counts = confusion.double()
    correct, labelled, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    present = labelled > 0
    recall = recalls(confusion)[present]
    f1 = 2 * correct[present] / (labelled[present] + predicted[present])
    return {
        "wa": float(correct.sum() / labelled.sum()),
        "ua": float(recall.mean()),
        "wf1": float((f1 * labelled[present]).sum() / labelled.sum()),
        "f1": float(f1.mean()),
    }


def recalls(confusion: Tensor) -> Tensor:
    """``(classes,)`` share of each class's rows that are right; NaN for a class without any."""
    counts = confusion.double()
    return counts.diagonal() / counts.sum(1)


def confusion(labels: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """``(classes, classes)`` counts of class numbers; rows are labels, columns predictions."""
    counts: Tensor = multiclass_confusion_matrix(predicted, labels, classes, validate_args=False)
    return counts


def mean_by_unit(values: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """The units that occur, ascending, and the mean of each one's rows of ``values``: ``(units,)`` and ``(units, ...)``."""
    names, place, counts = torch.unique(units, return_inverse=True, return_counts=True)
    sums = values.new_zeros((len(names), *values.shape[1:])).index_add_(0, place, values)
    return names, sums / counts.view(-1, *[1] * (values.dim() - 1))


class UnitConfusion(Metric):
    """The confusion matrix of utterances, or of participants by the mean posterior of their segments."""

    full_state_update = False
    probabilities: list[Tensor]
    labels: list[Tensor]
    units: list[Tensor]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        for name in ("probabilities", "labels", "units"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, probabilities: Tensor, labels: Tensor, units: Tensor) -> None:
        """Add posteriors ``(batch, classes)``, labels and units ``(batch,)``."""
        self.probabilities.append(probabilities)
        self.labels.append(labels)
        self.units.append(units)

    def compute(self) -> Any:
        """``(classes, classes)`` counts of units; rows are labels, columns predictions."""
        units = dim_zero_cat(self.units)
        _, means = mean_by_unit(dim_zero_cat(self.probabilities), units)
        _, labels = mean_by_unit(dim_zero_cat(self.labels).double(), units)
        return confusion(labels.long(), means.argmax(-1), self.classes)
