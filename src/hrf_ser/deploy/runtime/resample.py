"""Block-wise resampling with soxr, at the quality that training reads audio with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

LOWEST, HIGHEST = 4_000, 768_000


class Resampler:
    """Resamples one channel. All blocks together, :meth:`finish` included, give what ``soxr.resample`` gives for the whole.

    Args:
        rate: of the input, Hz.
        to: of the output, Hz.

    Raises:
        UserError: a rate that no speech has.
    """

    def __init__(self, rate: int, to: int) -> None:
        self.rate = check_rate(rate)
        self._stream: Any = None
        if self.rate != to:
            import soxr

            self._stream = soxr.ResampleStream(self.rate, to, num_channels=1, dtype="float32")

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` -> the samples of the output that are complete, ``(samples_out,)``."""
        return block if self._stream is None else self._resample(block)

    def finish(self) -> NDArray[np.float32]:
        """The rest of the output, ``(samples_out,)``; nothing can be pushed afterwards."""
        rest = np.zeros(0, np.float32)
        return rest if self._stream is None else self._resample(rest, last=True)

    def _resample(self, block: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        resampled: NDArray[np.float32] = self._stream.resample_chunk(block, last)
        return resampled


def check_rate(rate: Any) -> int:
    """The rate as an integer.

    Raises:
        UserError: no number, no integer, or one that no speech has.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating) or rate != rate // 1:
        raise UserError(f"rate={rate!r}: is no sample rate; give samples per second as an integer.")
    if not LOWEST <= rate <= HIGHEST:
        raise UserError(f"rate={rate}: is not between {LOWEST:,} and {HIGHEST:,} Hz; give the rate of the samples.")
    return int(rate)
