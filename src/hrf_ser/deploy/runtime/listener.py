"""Hearing recordings with any classifier of waveforms: at once, in windows, or as a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.answer import Answer, Posterior, named, top
from hrf_ser.deploy.runtime.audio import Audio, Source, check_length, is_silent, open_audio
from hrf_ser.deploy.runtime.stream import Stream
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

# Up to here a recording is heard at once, as utterances of training were.
WHOLE_S = 30.0
_STANDARD = Windows()


class Listener(ABC):
    """Subclasses say what is heard in one waveform; this class brings any audio to them.

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
        self, source: Source, rate: int | None = None, *, windows: Windows = _STANDARD, whole_s: float = WHOLE_S
    ) -> Answer:
        """What is heard in a recording.

        Up to ``whole_s`` it is heard at once. A longer one is heard in windows as it is read, in memory that does not depend
        on its length but for the posteriors, and the answer is the class of the largest mean probability over the windows
        that are not silent.

        Args:
            source: path, file object, or array ``(samples,)`` or ``(samples, channels)``.
            rate: of an array, Hz.
            windows: of a longer recording.
            whole_s: longest recording that is heard at once, seconds; 0 hears everything in windows.

        Raises:
            UserError: no audio, unreadable, truncated, shorter than 50 ms, silent, NaN or infinite samples.
        """
        with open_audio(source, rate) as audio:
            return self._answer(audio, windows, whole_s)

    def windows(self, source: Source, rate: int | None = None, *, windows: Windows = _STANDARD) -> Iterator[Posterior]:
        """Window by window as the recording is read: what :meth:`stream` gives for the same audio.

        Raises:
            UserError: as for a call, when the place is reached; silence is none.
        """
        with open_audio(source, rate) as audio:
            stream = self.stream(windows)
            heard = 0
            for block in audio.at(self.sample_rate):
                heard += len(block)
                yield from stream.hear(block)
            check_length(audio.name, heard / self.sample_rate)
            yield from stream.finish()

    def stream(self, windows: Windows | None = None, **options: float) -> Stream:
        """A stream to push chunks to: ``stream(window_s=3, hop_s=1, smoothing_s=2)``.

        Raises:
            UserError: no such windows.
        """
        return Stream(self.posterior, self.labels, self.sample_rate, windows or Windows(**options))

    def _answer(self, audio: Audio, windows: Windows, whole_s: float) -> Answer:
        limit = round(whole_s * self.sample_rate)
        kept: list[NDArray[np.float32]] = []
        heard, stream, found = 0, None, []
        for block in audio.at(self.sample_rate):
            heard += len(block)
            kept.append(block)
            if stream is None and heard > limit:
                stream = self.stream(windows)
            if stream is not None:
                found += [posterior for piece in kept for posterior in stream.hear(piece)]
                kept.clear()
        seconds = heard / self.sample_rate
        check_length(audio.name, seconds)
        if stream is not None:
            return self._over_windows(audio.name, seconds, found + stream.finish())
        waveform = np.concatenate(kept)
        _check_sound(audio.name, not is_silent(waveform))
        return self._at_once(seconds, self.posterior(waveform))

    def _at_once(self, seconds: float, posterior: NDArray[np.float32]) -> Answer:
        probabilities = named(self.labels, posterior)
        one = Posterior(0.0, seconds, probabilities, probabilities)
        return Answer(top(probabilities), probabilities, seconds, (one,))

    def _over_windows(self, name: str, seconds: float, found: list[Posterior]) -> Answer:
        heard = [list(one.probabilities.values()) for one in found if one.probabilities is not None]
        _check_sound(name, bool(heard))
        mean: NDArray[Any] = np.mean(np.array(heard), axis=0)
        probabilities = named(self.labels, mean)
        return Answer(top(probabilities), probabilities, seconds, tuple(found))


def _check_sound(name: str, sound: bool) -> None:
    if not sound:
        raise UserError(f"{name}: is silent (every sample is zero); replace or remove it.")
