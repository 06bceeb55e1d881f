"""Predictions for recordings with any classifier of waveforms: as one input, in windows, or as a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.audio import Source, check_length, is_silent, open_audio
from hrf_ser.deploy.runtime.prediction import Posterior, Prediction, by_label
from hrf_ser.deploy.runtime.stream import Stream
from hrf_ser.deploy.runtime.windows import Window, Windows
from hrf_ser.errors import UserError

# Up to here a recording is one input, as utterances of training were.
WHOLE_S = 30.0
_DEFAULT = Windows()


class Predictor(ABC):
    """Base class: subclasses classify one waveform, this class brings any audio to them."""

    labels: tuple[str, ...]
    sample_rate: int  # of the waveforms, Hz; other rates are resampled
    abstain: float = 0.0  # below this probability the emotion is ``unsure``
    speech_gate: bool = False  # the emotion of silence, noise, tones and most music is ``no speech``

    @abstractmethod
    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> probabilities ``(classes,)``."""

    def embedding(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> the pooled vector before the classifier, ``(width,)``."""
        raise NotImplementedError

    def __call__(
        self, source: Source, sampling_rate: int | None = None, *, windows: Windows = _DEFAULT, whole_s: float = WHOLE_S
    ) -> Prediction:
        """Predict the emotion of a recording.

        Up to ``whole_s`` it is one input. A longer one is read in windows, in memory that grows with the number of posteriors
        only, and predicted by their mean over the windows that are not silent, with a speech gate over those with speech.

        Args:
            source: path, file object, or array ``(samples,)`` or ``(samples, channels)``.
            sampling_rate: of an array, Hz.
            windows: of a longer recording.
            whole_s: longest recording that is one input, seconds; 0 takes windows always.

        Raises:
            UserError: audio that is unreadable, truncated, shorter than 50 ms, silent, NaN or infinite.
        """
        with open_audio(source, sampling_rate, self.sample_rate) as (name, blocks):
            posteriors = tuple(self._posteriors(name, blocks, windows, whole_s))
        found = [posterior.probabilities for posterior in posteriors if posterior.probabilities is not None]
        if not found:
            if all(posterior.silent for posterior in posteriors):
                raise _silent(name)
            return Prediction({}, posteriors[-1].end, posteriors, self.abstain)
        mean = by_label(self.labels, np.mean([list(probabilities.values()) for probabilities in found], axis=0))
        return Prediction(mean, posteriors[-1].end, posteriors, self.abstain)

    def embed(
        self, source: Source, sampling_rate: int | None = None, *, windows: Windows = _DEFAULT, whole_s: float = WHOLE_S
    ) -> NDArray[np.float32]:
        """The pooled vector before the classifier, ``(width,)``, of an ensemble those of its members side by side.

        Of a longer recording it is the mean over the windows that are not silent; arguments and errors are those of a call.
        """
        with open_audio(source, sampling_rate, self.sample_rate) as (name, blocks):
            found = [
                self.embedding(samples)
                for _, samples in self._cut(name, blocks, windows, whole_s)
                if not is_silent(samples)
            ]
        if not found:
            raise _silent(name)
        mean: NDArray[np.float32] = np.mean(found, axis=0)
        return mean

    def windows(
        self, source: Source, sampling_rate: int | None = None, *, windows: Windows = _DEFAULT
    ) -> Iterator[Posterior]:
        """Posteriors window by window as the recording is read, silent ones included: as :meth:`stream` gives them."""
        with open_audio(source, sampling_rate, self.sample_rate) as (name, blocks):
            yield from self._posteriors(name, blocks, windows, whole_s=0)

    def _posteriors(
        self, name: str, blocks: Iterator[NDArray[np.float32]], windows: Windows, whole_s: float
    ) -> Iterator[Posterior]:
        stream = self._stream(windows)
        for window in self._cut(name, blocks, windows, whole_s):
            yield stream.classify(*window)

    def _cut(
        self, name: str, blocks: Iterator[NDArray[np.float32]], windows: Windows, whole_s: float
    ) -> Iterator[Window]:
        """The recording as one window, or the windows of a longer one."""
        windower, limit = windows.windower(self.sample_rate), round(whole_s * self.sample_rate)
        samples, kept = 0, []
        for block in blocks:
            samples += len(block)
            kept.append(block)
            if samples > limit:
                yield from windower.push(np.concatenate(kept))
                kept = []
        check_length(name, samples / self.sample_rate)
        if samples > limit:
            yield from windower.finish()
        else:
            yield 0, np.concatenate(kept)

    def stream(self, **options: float) -> Stream:
        """A stream to push chunks to: ``stream(window_s=3, hop_s=1, smoothing_s=2)``."""
        return self._stream(Windows(**options))

    def _stream(self, windows: Windows) -> Stream:
        return Stream(self.posterior, self.labels, self.sample_rate, windows, self.abstain, self.speech_gate)

    def follow(
        self, source: Iterable[tuple[NDArray[Any], int]], windows: Windows = _DEFAULT, seconds: float | None = None
    ) -> Iterator[Posterior]:
        """Posteriors of a source of chunks with their rate, such as a microphone, for so many ``seconds`` or to its end."""
        stream, read = self._stream(windows), 0.0
        for chunk, rate in source:
            yield from stream.push(chunk, rate)
            read += len(chunk) / rate
            if seconds is not None and read >= seconds:
                break
        yield from stream.finish()


def _silent(name: str) -> UserError:
    return UserError(f"{name}: is silent (every sample is zero); replace or remove it.")
