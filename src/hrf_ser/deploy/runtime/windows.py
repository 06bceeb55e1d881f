"""Windows over audio of any length, and their posteriors over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.prediction import by_label
from hrf_ser.errors import UserError


@dataclass(frozen=True)
class Windows:
    """How long audio and streams are cut.

    Attributes:
        window_s: length of a window, seconds.
        hop_s: distance of windows, seconds, at most the length.
        smoothing_s: time constant of the moving average over windows, seconds; 0 smooths nothing.

    Raises:
        UserError: no such windows.
    """

    window_s: float = 3.0
    hop_s: float = 1.0
    smoothing_s: float = 2.0

    def __post_init__(self) -> None:
        for name, least, most in (("window_s", 0.1, 60.0), ("hop_s", 0.01, self.window_s), ("smoothing_s", 0.0, 3600)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not least <= value <= most:
                length = ", the length of a window" if name == "hop_s" else ""
                raise UserError(f"{name}={value}: is not a number of seconds from {least:g} to {most:g}{length}.")


@dataclass(frozen=True)
class Window:
    """Samples ``(length,)``, valid until the next is taken, and the number of the first."""

    samples: NDArray[np.float32]
    start: int


class Windower:
    """Cuts a stream of samples into windows, holding one window and one hop of samples.

    Args:
        length: of a window, samples.
        hop: from one window to the next, samples, at most the length.
    """

    def __init__(self, length: int, hop: int) -> None:
        self.length, self.hop = length, hop
        self._buffer = np.zeros(length + hop, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self.taken = 0  # Samples since the beginning.
        # How many the buffer holds, and how many are missing to the next window.
        self._filled, self._missing = 0, self.length

    def push(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """The windows that ``(samples,)`` complete."""
        place = 0
        while place < len(samples):
            if self._filled == len(self._buffer):
                self._buffer[: -self.hop] = self._buffer[self.hop :]
                self._filled -= self.hop
            room = len(self._buffer) - self._filled
            count = min(len(samples) - place, self._missing, room)
            self._buffer[self._filled : self._filled + count] = samples[place : place + count]
            self._filled += count
            self._missing -= count
            self.taken += count
            place += count
            if not self._missing:
                self._missing = self.hop
                yield self._last()

    def finish(self) -> Iterator[Window]:
        """A window that ends with the last sample, where some samples were in none yet; then reset."""
        waiting = self._missing < self.hop if self.taken >= self.length else self.taken > 0
        if waiting:
            yield self._last()
        self.reset()

    def _last(self) -> Window:
        samples = self._buffer[max(self._filled - self.length, 0) : self._filled]
        return Window(samples, self.taken - len(samples))


class Smoother:
    """Moving average of posteriors, each past one weighing less by ``exp(-hop / smoothing)``.

    Args:
        labels: class names.
        windows: with hop and time constant.
    """

    def __init__(self, labels: Sequence[str], windows: Windows) -> None:
        self.labels = tuple(labels)
        self.keep = math.exp(-windows.hop_s / windows.smoothing_s) if windows.smoothing_s else 0.0
        self.reset()

    def reset(self) -> None:
        """Forget all posteriors."""
        self._mean: NDArray[np.float64] | None = None

    def push(self, probabilities: NDArray[np.float32] | None) -> dict[str, float] | None:
        """The average with one more posterior ``(classes,)``; silence, None, leaves it as it is."""
        if probabilities is not None:
            new = probabilities.astype(np.float64)
            self._mean = new if self._mean is None else self.keep * self._mean + (1 - self.keep) * new
        return None if self._mean is None else by_label(self.labels, self._mean)
