"""Predictions for recordings with any classifier of waveforms: as one input, in windows, or as a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.audio import Audio, Source, check_length, open_audio
from hrf_ser.deploy.runtime.prediction import Posterior, Prediction, by_label, top
from hrf_ser.deploy.runtime.stream import Stream
from hrf_ser.deploy.runtime.windows import Window, Windows
from hrf_ser.errors import UserError

# Up to here a recording is one input, as utterances of training were.
WHOLE_S = 30.0
_DEFAULT = Windows()


class Predictor(ABC):
    """Base class: subclasses classify one waveform, this class brings any audio to them.

    Attributes:
        labels: class names.
        sample_rate: of the waveforms, Hz.
    """

    labels: tuple[str, ...]
    sample_rate: int

    @abstractmethod
    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> probabilities ``(classes,)``."""

    def __call__(
        self, source: Source, rate: int | None = None, *, windows: Windows = _DEFAULT, whole_s: float = WHOLE_S
    ) -> Prediction:
        """Predict the emotion of a recording.

        Up to ``whole_s`` it is one input. A longer one is read in windows, in memory that grows with the number of posteriors
        only, and their mean over the windows that are not silent decides.

        Args:
            source: path, file object, or array ``(samples,)`` or ``(samples, channels)``.
            rate: of an array, Hz.
            windows: of a longer recording.
            whole_s: longest recording that is one input, seconds; 0 takes windows always.

        Raises:
            UserError: no audio, unreadable, truncated, shorter than 50 ms, silent, NaN or infinite samples.
        """
        with open_audio(source, rate) as audio:
            posteriors = tuple(self._posteriors(audio, windows, whole_s))
        found = [posterior.probabilities for posterior in posteriors if posterior.probabilities is not None]
        if not found:
            raise UserError(f"{audio.name}: is silent (every sample is zero); replace or remove it.")
        mean = by_label(self.labels, np.mean([list(probabilities.values()) for probabilities in found], axis=0))
        return Prediction(top(mean), mean, posteriors[-1].end, posteriors)

    def windows(self, source: Source, rate: int | None = None, *, windows: Windows = _DEFAULT) -> Iterator[Posterior]:
        """Posteriors window by window as the recording is read: what :meth:`stream` gives for the same audio.

        Raises:
            UserError: as for a call, when the place is reached; silence is none.
        """
        with open_audio(source, rate) as audio:
            yield from self._posteriors(audio, windows, whole_s=0)

    def _posteriors(self, audio: Audio, windows: Windows, whole_s: float) -> Iterator[Posterior]:
        """One for a recording of up to ``whole_s``, else one a window."""
        stream, limit = self.stream(windows), round(whole_s * self.sample_rate)
        samples, kept = 0, []
        for block in audio.at(self.sample_rate):
            samples += len(block)
            kept.append(block)
            if samples > limit:
                for piece in kept:
                    yield from stream.push_resampled(piece)
                kept = []
        check_length(audio.name, samples / self.sample_rate)
        if samples > limit:
            yield from stream.finish()
        else:
            yield stream.classify(Window(np.concatenate(kept), 0))

    def stream(self, windows: Windows | None = None, **options: float) -> Stream:
        """A stream to push chunks to: ``stream(window_s=3, hop_s=1, smoothing_s=2)``.

        Raises:
            UserError: no such windows.
        """
        return Stream(self.posterior, self.labels, self.sample_rate, windows or Windows(**options))

    def follow(
        self, source: Iterable[tuple[NDArray[Any], int]], windows: Windows = _DEFAULT, seconds: float | None = None
    ) -> Iterator[Posterior]:
        """Posteriors of a source that may never end, such as a microphone.

        Args:
            source: chunks ``(samples,)`` or ``(samples, channels)`` with their rate.
            windows: length, hop and smoothing.
            seconds: of audio after which to stop; None reads to the end of the source.

        Raises:
            UserError: a chunk that is no audio.
        """
        stream, read = self.stream(windows), 0.0
        for chunk, rate in source:
            yield from stream.push(chunk, rate)
            read += len(chunk) / rate
            if seconds is not None and read >= seconds:
                break
        yield from stream.finish()
