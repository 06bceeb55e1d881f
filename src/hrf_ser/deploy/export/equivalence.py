"""The numerical equivalence check: does an exported file predict what the bundle predicts?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE

# ``(samples,)`` float32 -> logits ``(classes,)``.
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Example:
    """A waveform ``(samples,)`` at 16 kHz, and its class number where one is known."""

    waveform: NDArray[np.float32]
    target: int | None = None


@dataclass(frozen=True)
class Limits:
    """The allowed differences; None limits nothing.

    Attributes:
        logits: largest difference of any logit.
        decisions: share of changed predictions.
        ua: loss of unweighted average recall, 0 to 1; where labels are known.
    """

    logits: float | None
    decisions: float | None
    ua: float | None


# float32 must predict what the bundle predicts. With smaller weights the loss of UA counts; the logits' bound is there for the
# case without labels, in which nothing else would catch a broken file.
LIMITS = {
    "onnx": Limits(logits=1e-4, decisions=0.0, ua=0.0),
    "onnx-fp16": Limits(logits=0.05, decisions=0.01, ua=0.005),
    "onnx-int8": Limits(logits=1.5, decisions=0.1, ua=0.005),
    "torch-export": Limits(logits=1e-4, decisions=0.0, ua=0.0),
    "executorch": Limits(logits=1e-3, decisions=0.0, ua=0.0),
    "litert": Limits(logits=1e-3, decisions=0.0, ua=0.0),
}


@dataclass(frozen=True)
class Equivalence:
    """The differences between a file and its bundle.

    Attributes:
        utterances: compared.
        audio: ``real`` or ``synthetic``.
        max_logit_difference: over all utterances and classes; NaN where a file gives NaN.
        changed_predictions: utterances whose most probable class differs.
        ua_before: unweighted average recall of the bundle, None without labels.
        ua_after: of the file.
    """

    utterances: int
    audio: str
    max_logit_difference: float
    changed_predictions: int
    ua_before: float | None
    ua_after: float | None

    def failures(self, limits: Limits) -> list[str]:
        """The limits that are exceeded, each as half a sentence; empty if the file passes."""
        found = []
        # Written so that NaN fails.
        if not math.isfinite(self.max_logit_difference):
            found.append("it gives logits that are not numbers")
        elif limits.logits is not None and not self.max_logit_difference <= limits.logits:
            found.append(f"a logit differs by {self.max_logit_difference:.2g}, more than {limits.logits:g}")
        if limits.decisions is not None and not self.changed_predictions <= limits.decisions * self.utterances:
            allowed = math.floor(limits.decisions * self.utterances)
            found.append(f"{self.changed_predictions} of {self.utterances} predictions changed, more than {allowed}")
        if limits.ua is not None and self.ua_before is not None and self.ua_after is not None:
            loss = self.ua_before - self.ua_after
            if not loss <= limits.ua + 1e-9:
                found.append(f"UA fell from {self.ua_before:.4f} to {self.ua_after:.4f}, more than {limits.ua:g}")
        return found


def compare(bundle: Run, file: Run, examples: Iterable[Example], audio: str) -> Equivalence:
    """Predict every example with the bundle and with the file.

    Args:
        bundle: the bundle's logits.
        file: the file's logits.
        examples: may be read one by one.
        audio: ``real`` or ``synthetic``.

    Raises:
        ValueError: there are no examples.
    """
    results = [(bundle(one.waveform), np.asarray(file(one.waveform), np.float32), one.target) for one in examples]
    if not results:
        raise ValueError("there is nothing to compare on")
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
    """Signals for the check without a corpus: tones, chirps, noise, near silence, from one sample to eight seconds, or to the
    ``longest``."""
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
