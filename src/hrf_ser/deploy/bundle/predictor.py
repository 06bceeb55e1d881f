"""Predictions of a bundle's PyTorch model, and their latency."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE, duration, read_audio
from hrf_ser.deploy.bundle.bundle import SpeechClassifier
from hrf_ser.deploy.runtime import Prediction, Predictor
from hrf_ser.deploy.runtime.audio import Source
from hrf_ser.deploy.runtime.benchmark import Latency, measure_latency
from hrf_ser.deploy.runtime.predictor import WHOLE_S
from hrf_ser.deploy.runtime.windows import Windows

Name = TypeVar("Name", bound=Hashable)


class BundlePredictor(Predictor):
    """The classifier of a bundle, from ``load_bundle``, for recordings and streams."""

    def __init__(self, classifier: SpeechClassifier) -> None:
        self.classifier = classifier
        self.labels, self.sample_rate = classifier.description.labels, SAMPLE_RATE

    def logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at 16 kHz -> logits ``(classes,)``."""
        with torch.inference_mode():
            logits: torch.Tensor = self.classifier(torch.tensor(waveform)[None], torch.tensor([len(waveform)]))
        return logits[0].numpy()

    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at 16 kHz -> probabilities ``(classes,)``."""
        probabilities: NDArray[np.float32] = torch.from_numpy(self.logits(waveform)).softmax(-1).numpy()
        return probabilities

    def embedding(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at 16 kHz -> the pooled vector before the classifier, ``(width,)``."""
        with torch.inference_mode():
            vector = self.classifier.embed(torch.tensor(waveform)[None], torch.tensor([len(waveform)]))
        return vector[0].numpy()

    def __call__(
        self,
        source: Source,
        sampling_rate: int | None = None,
        *,
        windows: Windows | None = None,
        whole_s: float = WHOLE_S,
    ) -> Prediction:
        """As :meth:`Predictor.__call__`; a file that is one input is read as training reads it."""
        if (
            sampling_rate is None
            and isinstance(source, str | os.PathLike)
            and duration(path := Path(source)) <= whole_s
        ):
            source, sampling_rate = read_audio(path), self.sample_rate
        return super().__call__(source, sampling_rate, windows=windows or Windows(), whole_s=whole_s)


def torch_latency(
    models: Mapping[Name, SpeechClassifier], seconds: Sequence[float], rounds: int, threads: int = 1
) -> dict[Name, dict[float, Latency]]:
    """:func:`~hrf_ser.deploy.runtime.benchmark.measure_latency` of models in PyTorch on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return measure_latency({name: BundlePredictor(model).logits for name, model in models.items()}, seconds, rounds)
    finally:
        torch.set_num_threads(before)
