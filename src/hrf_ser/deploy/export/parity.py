"""Does an exported file decide as the bundle does? The question that every file must pass before it is published."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.runtime.benchmark import take_turns

# ``(samples,)`` float32 -> logits ``(classes,)``.
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Example:
    """A waveform ``(samples,)`` at 16 kHz, and its class number where one is known."""

    waveform: NDArray[np.float32]
    target: int | None = None


@dataclass(frozen=True)
class Limits:
    """What a file may differ by; None limits nothing.

    Attributes:
        logits: largest difference of any logit.
        decisions: share of utterances whose most probable class changed.
        ua: loss of unweighted average recall, 0 to 1; where labels are known.
    """

    logits: float | None
    decisions: float | None
    ua: float | None


# float32 must decide as the bundle does. Of smaller weights the issue is what they cost in UA; the logits' bound is there for
# the case without labels, in which nothing else could catch a broken file.
LIMITS = {
    "onnx": Limits(logits=1e-4, decisions=0.0, ua=0.0),
    "onnx-fp16": Limits(logits=0.05, decisions=0.01, ua=0.005),
    "onnx-int8": Limits(logits=1.5, decisions=0.1, ua=0.005),
    "torch-export": Limits(logits=1e-4, decisions=0.0, ua=0.0),
    "executorch": Limits(logits=1e-3, decisions=0.0, ua=0.0),
    "litert": Limits(logits=1e-3, decisions=0.0, ua=0.0),
}


@dataclass(frozen=True)
class Parity:
    """How far a file is from the bundle.

    Attributes:
        utterances: compared.
        audio: ``real`` or ``synthetic``.
        max_logit_difference: over all utterances and classes; NaN where a file gives NaN.
        decisions_changed: utterances whose most probable class differs.
        ua_before: unweighted average recall of the bundle, None without labels.
        ua_after: of the file.
    """

    utterances: int
    audio: str
    max_logit_difference: float
    decisions_changed: int
    ua_before: float | None
    ua_after: float | None

    def failures(self, limits: Limits) -> list[str]:
        """The limits that are not kept, each as half a sentence; empty if the file may be published."""
        found = []
        # Written so that NaN fails.
        if not math.isfinite(self.max_logit_difference):
            found.append("it gives logits that are not numbers")
        elif limits.logits is not None and not self.max_logit_difference <= limits.logits:
            found.append(f"a logit differs by {self.max_logit_difference:.2g}, more than {limits.logits:g}")
        if limits.decisions is not None and not self.decisions_changed <= limits.decisions * self.utterances:
            allowed = math.floor(limits.decisions * self.utterances)
            found.append(f"{self.decisions_changed} of {self.utterances} decisions changed, more than {allowed}")
        if limits.ua is not None and self.ua_before is not None and self.ua_after is not None:
            loss = self.ua_before - self.ua_after
            if not loss <= limits.ua + 1e-9:
                found.append(f"UA fell from {self.ua_before:.4f} to {self.ua_after:.4f}, more than {limits.ua:g}")
        return found

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def bundle_logits(classifier: SpeechClassifier, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """The bundle's own answer, ``(classes,)``."""
    with torch.inference_mode():
        logits = classifier(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    answer: NDArray[np.float32] = logits[0].numpy()
    return answer


def compare(classifier: SpeechClassifier, run: Run, examples: Iterable[Example], audio: str) -> Parity:
    """Hear every example with the bundle and with the file.

    Args:
        classifier: from ``load_bundle``.
        run: the file.
        examples: what to hear; they may be read one by one.
        audio: ``real`` or ``synthetic``.

    Raises:
        ValueError: there are no examples.
    """
    before, after, targets = [], [], []
    for example in examples:
        before.append(bundle_logits(classifier, example.waveform))
        after.append(np.asarray(run(example.waveform), dtype=np.float32))
        targets.append(example.target)
    if not before:
        raise ValueError("there is nothing to compare on")
    one, other = np.stack(before), np.stack(after)
    known = [target for target in targets if target is not None]
    labelled = len(known) == len(targets)
    return Parity(
        utterances=len(before),
        audio=audio,
        max_logit_difference=float(np.abs(one - other).max()),
        decisions_changed=int((one.argmax(1) != other.argmax(1)).sum()),
        ua_before=recall(one.argmax(1), known) if labelled else None,
        ua_after=recall(other.argmax(1), known) if labelled else None,
    )


def recall(decisions: NDArray[np.int64], targets: Sequence[int]) -> float:
    """Unweighted average recall over the classes that occur."""
    wanted = np.asarray(targets)
    return float(np.mean([(decisions[wanted == label] == label).mean() for label in np.unique(wanted)]))


def synthetic(longest: float = math.inf) -> list[Example]:
    """Signals for parity where no corpus is at hand: tones, chirps, noise, near silence, from one sample to eight seconds, or
    to the ``longest``."""
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


def latency(runs: dict[str, Run], seconds: float, repeats: int = 100) -> dict[str, dict[str, float]]:
    """Milliseconds from waveform to decision, p50 and p95, the files taking turns so that all meet the same machine.

    The audio is noise: it has no silence that would be trimmed, so all of it is work.
    """
    found = take_turns(runs, [seconds], repeats, SAMPLE_RATE)
    return {name: {key: round(times[seconds][key], 3) for key in ("p50", "p95")} for name, times in found.items()}
