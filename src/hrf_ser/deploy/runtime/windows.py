"""Windows over audio of any length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

# The number of its first sample, and its samples.
Window = tuple[int, NDArray[np.float32]]


@dataclass(frozen=True)
class Windows:
    """How long audio and streams are cut, in seconds; a ``UserError`` where a value is out of range."""

    window_s: float = 3.0
    hop_s: float = 1.0  # from one window to the next, at most the length
    smoothing_s: float = 2.0  # time constant of the moving average over windows; 0 smooths nothing

    def __post_init__(self) -> None:
        for name, least, most in (("window_s", 0.1, 60.0), ("hop_s", 0.01, self.window_s), ("smoothing_s", 0.0, 3600)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not least <= value <= most:
                length = ", the length of a window" if name == "hop_s" else ""
                raise UserError(f"{name}={value}: is not a number of seconds from {least:g} to {most:g}{length}.")

    def windower(self, sample_rate: int) -> Windower:
        """What cuts audio of that rate."""
        return Windower(round(self.window_s * sample_rate), max(round(self.hop_s * sample_rate), 1))


class Windower:
    """Cuts a stream into windows of so many samples, a hop apart, and holds one window of samples."""

    def __init__(self, length: int, hop: int) -> None:
        self.length, self.hop = length, hop
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self.taken = 0  # samples since the beginning
        self._next = 0  # first sample of the next window
        self._held = np.zeros(0, np.float32)  # the last samples, at most a window

    def push(self, samples: NDArray[np.float32]) -> list[Window]:
        """The windows that ``(samples,)`` complete."""
        held = np.concatenate([self._held, samples])
        first = self.taken - len(self._held)
        self.taken += len(samples)
        self._held = held[-self.length :]
        windows = []
        while self._next + self.length <= self.taken:
            windows.append((self._next, held[self._next - first :][: self.length]))
            self._next += self.hop
        return windows

    def finish(self) -> list[Window]:
        """A window that ends with the last sample, unless the last window did; then reset."""
        end = self._next - self.hop + self.length if self._next else 0
        windows = [(self.taken - len(self._held), self._held)] if self.taken > end else []
        self.reset()
        return windows
