"""How well predictions fit the labels of one's own recordings: scores, confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.evaluation.scores import scores

BINS = 15
# More than this share of the predictions, and twice the class's share of the labels: the predictions say little.
_MUCH = 0.5


@dataclass(frozen=True)
class Labelled:
    """Predictions of recordings whose label is known.

    Attributes:
        classes: of the model.
        labels: a class's name for each recording.
        probabilities: ``(recordings, classes)``.
        unscored: recordings without a prediction, by reason; they do not count.
    """

    classes: Sequence[str]
    labels: Sequence[str]
    probabilities: NDArray[np.float64]
    unscored: Mapping[str, int]

    @property
    def truth(self) -> NDArray[np.int64]:
        """``(recordings,)`` class numbers."""
        return np.array([self.classes.index(label) for label in self.labels])

    @property
    def predicted(self) -> NDArray[np.int64]:
        """``(recordings,)`` class numbers."""
        most_probable: NDArray[np.int64] = self.probabilities.argmax(1)
        return most_probable

    @property
    def confusion(self) -> NDArray[np.float64]:
        """``(classes, classes)`` counts; rows are labels."""
        counts = np.zeros((len(self.classes),) * 2)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts

    @property
    def calibration_error(self) -> float:
        """Expected calibration error in 15 bins."""
        confidence, right = self.probabilities.max(1), self.predicted == self.truth
        place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        gaps = np.bincount(place, right - confidence, BINS)
        return float(np.abs(gaps).sum() / len(confidence))

    def sentences(self) -> Iterator[str]:
        """Scores and what they mean."""
        counts = self.confusion
        found = scores(counts)
        present = int((counts.sum(1) > 0).sum())
        yield (
            f"UA {found['ua']:.3f} (chance {1 / present:.3f}), accuracy {found['wa']:.3f}, {len(self.labels)} recordings, "
            f"{present} classes"
        )
        shares = counts.sum(0) / counts.sum()
        most = int(shares.argmax())
        yield (
            f"most predicted: {self.classes[most]}, {shares[most]:.0%} of the recordings "
            f"({counts[most].sum() / counts.sum():.0%} have this label)"
        )
        confidence = self.probabilities.max(1).mean()
        yield f"calibration: mean probability {confidence:.2f}, accuracy {found['wa']:.2f}, ECE {self.calibration_error:.3f}"
        yield from (f"not scored: {count} {reason}" for reason, count in self.unscored.items() if count)
        if shares[most] > _MUCH and shares[most] * counts.sum() > 2 * counts[most].sum():
            yield "One class gets most recordings: they are unlike those of the training (microphone, noise, language)."

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows: label, recall, recordings, how many of them were predicted as each class."""
        rows = []
        for label, row in zip(self.classes, self.confusion, strict=True):
            recall = f"{row[self.classes.index(label)] / row.sum():.2f}" if row.sum() else ""
            rows.append([label, recall, f"{row.sum():.0f}", *(f"{count:.0f}" if count else "" for count in row)])
        return ["label", "recall", "n", *self.classes], rows
