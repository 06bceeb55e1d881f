"""The mean of channels, or the loudest channel where they cancel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Power that the mean may lose against the loudest channel: 20 dB.
_LARGEST_LOSS = 100.0


class Downmix:
    """Mixes blocks of one recording to mono.

    The mean of channels of opposite polarity is silent. Where it has lost more than 20 dB against the loudest channel, that
    channel is used instead. The energies are those of the recording so far, including the block.

    Attributes:
        cancels: whether the last block is the loudest channel instead of the mean.
    """

    def __init__(self) -> None:
        self.cancels = False
        self._energies = np.zeros(0)
        self._energy_of_mean = 0.0

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples, channels)`` -> ``(samples,)``."""
        if samples.shape[1] == 1:
            return samples[:, 0]
        mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
        if len(self._energies) != samples.shape[1]:
            self._energies, self._energy_of_mean = np.zeros(samples.shape[1]), 0.0
        # Of one channel at a time: numpy sums contiguous values fast, and in float64 nothing overflows.
        self._energies = self._energies + [_energy(channel) for channel in samples.T]
        self._energy_of_mean += _energy(mean)
        self.cancels = bool(self._energy_of_mean * _LARGEST_LOSS < self._energies.max())
        return samples[:, int(self._energies.argmax())] if self.cancels else mean


def _energy(samples: NDArray[np.float32]) -> float:
    values = samples.astype(np.float64)
    return float(values @ values)
