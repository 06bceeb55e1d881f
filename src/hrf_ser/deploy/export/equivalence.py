"""The numerical equivalence check: does an exported file predict what the bundle predicts?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.export.formats import Limits

# ``(samples,)`` float32 -> logits ``(classes,)``.
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Example:
    """A waveform ``(samples,)`` at 16 kHz, and its class number where one is known."""

    waveform: NDArray[np.float32]
    target: int | None = None


@dataclass(frozen=True)
class Equivalence:
    """The differences between a file and its bundle."""

    utterances: int
    audio: str  # real or synthetic
    max_logit_difference: float  # over all utterances and classes; NaN where a file gives NaN
    changed_predictions: int  # utterances whose most probable class differs
    ua_before: float | None  # unweighted average recall of the bundle, None without labels
    ua_after: float | None  # of the file

    def failures(self, limits: Limits) -> list[str]:
        """The limits that are exceeded, each as half a sentence; empty if the file passes."""
        found = []
        if not math.isfinite(self.max_logit_difference):
            found.append("it gives logits that are not numbers")
        elif self.max_logit_difference > limits.logits:
            found.append(f"a logit differs by {self.max_logit_difference:.2g}, more than {limits.logits:g}")
        allowed = math.floor(limits.changed_predictions * self.utterances)
        if self.changed_predictions > allowed:
            found.append(f"{self.changed_predictions} of {self.utterances} predictions changed, more than {allowed}")
        before, after = self.ua_before, self.ua_after
        if before is not None and after is not None and before - after > limits.ua + 1e-9:
            found.append(f"UA fell from {before:.4f} to {after:.4f}, more than {limits.ua:g}")
        return found


def compare(bundle: Run, file: Run, examples: Iterable[Example], audio: str) -> Equivalence:
    """Predict every example, of ``real`` or ``synthetic`` audio, with the bundle and with the file."""
    results = [(bundle(one.waveform), np.asarray(file(one.waveform), np.float32), one.target) for one in examples]
    before, after = np.stack([result[0] for result in results]), np.stack([result[1] for result in results])
    targets = [target for _, _, target in results if target is not None]
    labelled = len(targets) == len(results)
    return Equivalence(
        utterances=len(results),
        audio=audio,
        max_logit_difference=float(np.abs(before - after).max()),
        changed_predictions=int((before.argmax(1) != after.argmax(1)).sum()),
        ua_before=recall(before.argmax(1), targets) if labelled else None,
        ua_after=recall(after.argmax(1), targets) if labelled else None,
    )


def recall(predictions: NDArray[np.int64], targets: Sequence[int]) -> float:
    """Unweighted average recall over the classes that occur."""
    wanted = np.asarray(targets)
    return float(np.mean([(predictions[wanted == label] == label).mean() for label in np.unique(wanted)]))


def synthetic(longest: float = math.inf) -> list[Example]:
    """Tones, chirps, noise and near silence of one sample to eight seconds, or to the ``longest``."""
    generator = np.random.default_rng(0)
    signals = [np.zeros(SAMPLE_RATE), np.full(1, 0.1), generator.normal(0, 1e-4, SAMPLE_RATE)]
    for seconds in (0.05, 0.4, 1.0, 2.5, 3.0, 8.0):
        if seconds > longest:
            break
        time_axis = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        rise = 2 * np.pi * (100 + 3000 * time_axis / seconds) * time_axis
        # Loud in the middle only, so that trimming has something to cut.
        swell = np.exp(-(((time_axis - seconds / 2) / (seconds / 6)) ** 2))
        signals += [
            0.3 * np.sin(2 * np.pi * 220 * time_axis),
            0.3 * np.sin(rise),
            generator.normal(0, 0.1, len(time_axis)),
            swell * (0.3 * np.sin(2 * np.pi * 150 * time_axis) + generator.normal(0, 0.02, len(time_axis))),
        ]
    return [Example(signal.astype(np.float32)) for signal in signals]
