"""WA, UA, weighted and macro F1 of many confusion matrices at once.

The definitions are those of :mod:`hrf_ser.training.metrics`, here for stacks of weighted counts and without torch: a class
without utterances is left out of averages.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
SCORES = ("ua", "wa", "wf1", "f1")


def scores(confusion: Counts) -> dict[str, NDArray[np.float64]]:
    """The four scores ``(...)`` of counts ``(..., classes, classes)`` with labels as rows; NaN without any utterance."""
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    labelled, predicted = confusion.sum(-1), confusion.sum(-2)
    present = labelled > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(present, correct / labelled, 0.0)
        f1 = np.where(present, 2 * correct / (labelled + predicted), 0.0)
        classes, total = present.sum(-1), labelled.sum(-1)
        return {
            "ua": recall.sum(-1) / classes,
            "wa": correct.sum(-1) / total,
            "wf1": (f1 * labelled).sum(-1) / total,
            "f1": f1.sum(-1) / classes,
        }
