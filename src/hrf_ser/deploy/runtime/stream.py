"""Posteriors over time from audio that arrives in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.audio import MIN_SECONDS, is_silent, mono
from hrf_ser.deploy.runtime.prediction import Posterior, by_label
from hrf_ser.deploy.runtime.resample import Resampler, check_rate
from hrf_ser.deploy.runtime.windows import Smoother, Window, Windower, Windows
from hrf_ser.errors import UserError


class Stream:
    """Takes chunks of any size and gives a posterior every hop, from the first full window on.

    Memory and the cost of a chunk do not grow. One stream is for one source; several streams may share an ``Emotion``.

    Args:
        posterior: ``(samples,)`` -> probabilities ``(classes,)``.
        labels: class names.
        sample_rate: of what ``posterior`` takes, Hz.
        windows: length, hop and smoothing.
    """

    def __init__(
        self,
        posterior: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        labels: Sequence[str],
        sample_rate: int,
        windows: Windows,
    ) -> None:
        self.posterior, self.labels, self.sample_rate = posterior, tuple(labels), sample_rate
        self.windower = Windower(round(windows.window_s * sample_rate), max(round(windows.hop_s * sample_rate), 1))
        self.smoother = Smoother(labels, windows)
        self.resampler: Resampler | None = None

    def push(self, chunk: NDArray[Any], rate: int | None = None) -> list[Posterior]:
        """Posteriors of the windows that a chunk completes: often none, several where a chunk is longer than a hop.

        Args:
            chunk: ``(samples,)`` or ``(samples, channels)``, integers or floats in [-1, 1].
            rate: of the chunk, Hz; None is the model's own. It stays the same until :meth:`finish` or :meth:`reset`.

        Raises:
            UserError: no audio, NaN or infinite samples, another rate than before. The stream is then as it was before.
        """
        rate = self.sample_rate if rate is None else check_rate(rate)
        samples = mono(np.asarray(chunk), "the chunk")
        if self.resampler is not None and rate != self.resampler.rate:
            raise UserError(
                f"rate={rate}: the stream began with {self.resampler.rate} Hz; call finish() or reset() first."
            )
        self.resampler = self.resampler or Resampler(rate, self.sample_rate)
        return self.push_resampled(self.resampler.push(samples))

    def push_resampled(self, samples: NDArray[np.float32]) -> list[Posterior]:
        """As :meth:`push`, of mono samples ``(samples,)`` that already have the model's rate and were checked."""
        return [self.classify(window) for window in self.windower.push(samples)]

    def finish(self) -> list[Posterior]:
        """The posterior of the end, where no window holds it yet; then reset."""
        found = self.push_resampled(self.resampler.finish()) if self.resampler is not None else []
        if self.windower.taken >= MIN_SECONDS * self.sample_rate:
            found += [self.classify(window) for window in self.windower.finish()]
        self.reset()
        return found

    def reset(self) -> None:
        """Forget all audio."""
        self.resampler = None
        self.windower.reset()
        self.smoother.reset()

    def classify(self, window: Window) -> Posterior:
        """The posterior of a window, smoothed with those before it."""
        start, end = (place / self.sample_rate for place in (window.start, window.start + len(window.samples)))
        if is_silent(window.samples):
            return Posterior(start, end, None, self.smoother.push(None), silent=True)
        probabilities = self.posterior(window.samples)
        return Posterior(start, end, by_label(self.labels, probabilities), self.smoother.push(probabilities))
