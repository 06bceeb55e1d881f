"""Results: a posterior for each window, and one prediction for a whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Posterior:
    """The class probabilities of one window.

    Attributes:
        start: seconds from the beginning of the audio.
        end: seconds from the beginning of the audio.
        probabilities: by class, sum 1; None in a silent window.
        smoothed: their moving average over windows; None until a window had sound.
    """

    start: float
    end: float
    probabilities: dict[str, float] | None
    smoothed: dict[str, float] | None

    @property
    def silent(self) -> bool:
        """No sample above half a step of 16-bit audio, so nothing to classify."""
        return self.probabilities is None

    @property
    def label(self) -> str | None:
        """The most probable class of the window itself; None in silence."""
        return None if self.probabilities is None else top(self.probabilities)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "start": round(self.start, 4),
            "end": round(self.end, 4),
            "label": self.label,
            "probabilities": self.probabilities,
            "smoothed": self.smoothed,
        }


@dataclass(frozen=True)
class Prediction:
    """The prediction for a whole recording.

    Attributes:
        label: the most probable class.
        probabilities: by class, sum 1: of the recording as one input, or the mean over its windows with sound.
        seconds: length of the recording.
        windows: one posterior a window; a single one where the recording was one input.
    """

    label: str
    probabilities: dict[str, float]
    seconds: float
    windows: tuple[Posterior, ...]

    @property
    def probability(self) -> float:
        """Of the label."""
        return self.probabilities[self.label]

    def as_dict(self, windows: bool = True) -> dict[str, Any]:
        """For JSON."""
        content: dict[str, Any] = {
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "seconds": round(self.seconds, 4),
        }
        if windows:
            content["windows"] = [window.as_dict() for window in self.windows]
        return content


def by_label(labels: Sequence[str], probabilities: NDArray[np.floating[Any]]) -> dict[str, float]:
    """``(classes,)`` -> class by class."""
    return dict(zip(labels, map(float, probabilities), strict=True))


def top(probabilities: dict[str, float]) -> str:
    """The most probable class; of equals the first, as ``argmax`` has it."""
    return max(probabilities, key=probabilities.__getitem__)
