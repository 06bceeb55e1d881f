"""Results: a posterior for each window, and one prediction for a whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The emotion of audio whose most probable class is less probable than asked for.
UNSURE = "unsure"
# Of audio in which the speech gate finds no voice.
NO_SPEECH = "no speech"


@dataclass(frozen=True)
class Posterior:
    """The class probabilities of one window."""

    start: float  # seconds from the beginning of the audio
    end: float
    probabilities: dict[str, float] | None  # by class, sum 1; None in a window that is silent or has no speech
    smoothed: dict[str, float] | None  # their moving average over windows; None until a window had speech
    abstain: float = 0.0  # smallest probability of an emotion
    speech: bool = True  # false where the speech gate finds none

    @property
    def silent(self) -> bool:
        """No sample above half a step of 16-bit audio, so nothing to classify."""
        return self.probabilities is None and self.speech

    @property
    def emotion(self) -> str | None:
        """The most probable class of the window itself, or ``unsure`` or ``no speech``; None in silence."""
        if not self.speech:
            return NO_SPEECH
        return None if self.probabilities is None else decide(self.probabilities, self.abstain)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "start": round(self.start, 4),
            "end": round(self.end, 4),
            "emotion": self.emotion,
            "probabilities": self.probabilities,
            "smoothed": self.smoothed,
        }


@dataclass(frozen=True)
class Prediction:
    """The prediction for a whole recording."""

    # By class, sum 1: of the recording as one input, or the mean over windows with speech. Empty where none has.
    probabilities: dict[str, float]
    seconds: float
    windows: tuple[Posterior, ...]  # a single one where the recording was one input
    abstain: float = 0.0  # smallest probability of an emotion

    @property
    def emotion(self) -> str:
        """The most probable class, or ``unsure`` or ``no speech``."""
        if not self.probabilities:
            return NO_SPEECH
        return decide(self.probabilities, self.abstain)

    @property
    def probability(self) -> float:
        """Of the most probable class; 0 without speech."""
        return max(self.probabilities.values(), default=0.0)

    def as_dict(self, windows: bool = True) -> dict[str, Any]:
        """For JSON."""
        content: dict[str, Any] = {
            "emotion": self.emotion,
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


def decide(probabilities: dict[str, float], abstain: float) -> str:
    """The most probable class, or ``unsure`` where its probability is below ``abstain``."""
    best = top(probabilities)
    return best if probabilities[best] >= abstain else UNSURE
