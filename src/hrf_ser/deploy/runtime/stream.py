"""Posteriors over time from audio that arrives in chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.audio import MIN_SECONDS, checked, finish, is_silent, resampler
from hrf_ser.deploy.runtime.prediction import Posterior, by_label
from hrf_ser.deploy.runtime.speech import is_speech
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError
from hrf_ser.media.channels import Downmix


class Stream:
    """Takes chunks of any size and gives a posterior every hop, from the first full window on.

    Memory and the cost of a chunk do not grow. One stream is for one source; several streams may share an ``Emotion``.
    ``posterior`` maps ``(samples,)`` at ``sample_rate`` to probabilities ``(classes,)``.
    """

    def __init__(
        self,
        posterior: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        labels: Sequence[str],
        sample_rate: int,
        windows: Windows,
        abstain: float = 0.0,
        speech_gate: bool = False,
    ) -> None:
        self.abstain, self.speech_gate = abstain, speech_gate
        self.posterior, self.labels, self.sample_rate = posterior, tuple(labels), sample_rate
        self.windower = windows.windower(sample_rate)
        # Of the moving average, a hop later.
        self.weight = math.exp(-windows.hop_s / windows.smoothing_s) if windows.smoothing_s else 0.0
        self.reset()

    def reset(self) -> None:
        """Forget all audio."""
        self.windower.reset()
        self._rate: int | None = None
        self._resampler: Any = None
        self._downmix = Downmix()
        self._average: NDArray[np.float64] | None = None

    def push(self, chunk: NDArray[Any], sampling_rate: int | None = None) -> list[Posterior]:
        """Posteriors of the windows that a chunk completes: often none, several where a chunk is longer than a hop.

        Args:
            chunk: ``(samples,)`` or ``(samples, channels)``, integers or floats in [-1, 1].
            sampling_rate: of the chunk, Hz; None is the model's own. It stays the same until :meth:`finish` or :meth:`reset`.

        Raises:
            UserError: no audio, NaN or infinite samples, another rate than before. The stream is then as it was before.
        """
        sampling_rate = self.sample_rate if sampling_rate is None else sampling_rate
        samples = checked(np.asarray(chunk), "the chunk")
        if self._rate is None:
            self._resampler = resampler(sampling_rate, self.sample_rate)
            self._rate = sampling_rate
        elif sampling_rate != self._rate:
            raise UserError(
                f"sampling_rate={sampling_rate}: the stream began with {self._rate} Hz; call finish() or reset() first."
            )
        return self.push_resampled(self._resampler.resample_chunk(np.ascontiguousarray(self._downmix(samples))))

    def push_resampled(self, samples: NDArray[np.float32]) -> list[Posterior]:
        """As :meth:`push`, of mono samples ``(samples,)`` that already have the model's rate and were checked."""
        return [self.classify(*window) for window in self.windower.push(samples)]

    def finish(self) -> list[Posterior]:
        """The posterior of the end, where no window holds it yet; then reset."""
        found = [] if self._resampler is None else self.push_resampled(finish(self._resampler))
        if self.windower.taken >= MIN_SECONDS * self.sample_rate:
            found += [self.classify(*window) for window in self.windower.finish()]
        self.reset()
        return found

    def classify(self, start: int, samples: NDArray[np.float32]) -> Posterior:
        """The posterior of a window, and the moving average with it; silence and other sounds leave the average as it is."""
        probabilities = None
        silent = is_silent(samples)
        speech = silent or not self.speech_gate or is_speech(samples, self.sample_rate)
        if speech and not silent:
            probabilities = self.posterior(samples)
            new = probabilities.astype(np.float64)
            self._average = new if self._average is None else self.weight * self._average + (1 - self.weight) * new
        return Posterior(
            start / self.sample_rate,
            (start + len(samples)) / self.sample_rate,
            None if probabilities is None else by_label(self.labels, probabilities),
            None if self._average is None else by_label(self.labels, self._average),
            self.abstain,
            speech,
        )
