"""``reliability.png``: how often predictions of each confidence are right, before and after temperature scaling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.files import new_file
from hrf_ser.training.calibration import BINS


def draw_reliability(path: Path, before: Tensor, after: Tensor, labels: Tensor, title: str) -> None:
    """Draw accuracy by confidence of probabilities ``(N, classes)`` for labels ``(N,)``, with how many lie in each bin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 5.2), layout="constrained", dpi=150)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    for name, probabilities, color in (("uncalibrated", before, "#c9a26b"), ("deployed", after, "#1f5fa8")):
        confidence, accuracy, counts = _bins(probabilities, labels)
        used = counts > 0
        above.plot(confidence[used], accuracy[used], "o-", color=color, label=name, markersize=4)
        below.step(np.linspace(0, 1, BINS + 1), np.append(counts, counts[-1]), where="post", color=color)
    above.set_ylabel("accuracy")
    above.set_title(title, fontsize=10)
    above.legend(frameon=False)
    below.set_xlabel("probability of the predicted class")
    below.set_ylabel("predictions")
    above.set(xlim=(0, 1), ylim=(0, 1))
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png")


def _bins(
    probabilities: Tensor, labels: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean confidence, accuracy and number of predictions of each bin."""
    top, predicted = (values.numpy() for values in probabilities.double().max(1))
    place = np.minimum((top * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, minlength=BINS).astype(float)
    divisor = counts.clip(min=1)
    right = predicted == labels.numpy()
    return np.bincount(place, top, BINS) / divisor, np.bincount(place, right, BINS) / divisor, counts
