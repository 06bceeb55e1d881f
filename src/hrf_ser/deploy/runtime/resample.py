"""Resampling by a windowed sinc, block by block, in numpy alone.

The filter is that of soxr's HQ recipe, which training reads audio with, as measured on it: flat to 0.91 of the lower rate's
Nyquist frequency, -3 dB at 0.95, more than 110 dB down from 1.0 on. A model hears the same highest bands through both.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

LOWEST, HIGHEST = 4_000, 768_000
# In samples of the lower rate to either side; Kaiser's beta; -6 dB point over Nyquist.
_REACH, _BETA, _CUTOFF = 95, 12.5, 0.9569
# Outputs that one matrix product computes: long enough to be fast, short enough to add little delay (10 ms).
_OUTPUTS = 160
# Longest period of the filter that is computed as one matrix.
_PERIOD = 2_000
# Numbers in the filters of one rate, 100 MB; a rate that would take more is heard as the nearest one with a short period, of so
# many outputs at most.
_LARGEST, _NEAR = 25_000_000, 160
# Groups computed at a time, so that a long block takes no more memory than 64 x 10 ms.
_GROUPS = 64


class Resampler:
    """One channel from one rate to another, continuous across blocks of any size.

    The output of all blocks together, :meth:`finish` included, does not depend on how the input was cut.

    Args:
        rate: of the input, Hz.
        to: of the output, Hz.

    Raises:
        UserError: a rate that no speech has.
    """

    def __init__(self, rate: int, to: int) -> None:
        self.rate, self.to = check_rate(rate), to
        self.filter = _filter(self.rate, to) if self.rate != to else None
        self.reset()

    def reset(self) -> None:
        """Forget all input."""
        self._taken = self._given = self._group = 0
        before = self.filter.before if self.filter else 0
        # The input that outputs still need; its first sample is number `_first` of the input.
        self._rest: NDArray[np.float32] = np.zeros(before, np.float32)
        self._first = -before

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` -> those samples of the output that are complete, ``(samples_out,)``."""
        self._taken += len(block)
        if self.filter is None:
            self._given += len(block)
            return block
        self._rest = np.concatenate([self._rest, block])
        return self._complete(self.filter)

    def finish(self) -> NDArray[np.float32]:
        """The rest of the output, as if the input were followed by silence; then as new."""
        tail = np.zeros(0, np.float32)
        if self.filter is not None:
            wanted = round(self._taken * self.to / self.rate) - self._given
            silence = self.filter.span + math.ceil((wanted + self.filter.outputs) * self.rate / self.to)
            self._rest = np.concatenate([self._rest, np.zeros(silence, np.float32)])
            tail = self._complete(self.filter)[: max(wanted, 0)]
        self.reset()
        return tail

    def _complete(self, plan: _Filter) -> NDArray[np.float32]:
        pieces: list[NDArray[np.float32]] = []
        while True:
            piece = self._some(plan)
            if piece is None:
                break
            pieces.append(piece)
        # A copy, so that what is kept does not hold the whole block.
        start = max(plan.start(self._group) - plan.before - self._first, 0)
        self._rest, self._first = self._rest[start:].copy(), self._first + start
        answer = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        self._given += len(answer)
        return answer

    def _some(self, plan: _Filter) -> NDArray[np.float32] | None:
        """The next groups of outputs whose input is there."""
        place = plan.start(self._group) - plan.before - self._first
        if place + plan.span > len(self._rest):
            return None
        if len(plan.starts) > 1:
            matrix = plan.matrix(self._group % len(plan.starts))
            self._group += 1
            return np.asarray(self._rest[place : place + plan.span] @ matrix)
        count = min((len(self._rest) - place - plan.span) // plan.inputs + 1, _GROUPS)
        self._group += count
        used = self._rest[place : place + (count - 1) * plan.inputs + plan.span]
        rows = np.lib.stride_tricks.sliding_window_view(used, plan.span)[:: plan.inputs]
        return np.asarray(np.ascontiguousarray(rows) @ plan.matrix(0)).ravel()


@dataclass(frozen=True, eq=False)
class _Filter:
    """The outputs of one period as groups: each is one product of a stretch of input with a matrix.

    Attributes:
        up: outputs of a period, rates in lowest terms.
        down: inputs of a period, rates in lowest terms.
        outputs: outputs of a group.
        starts: input at which each group of a period starts.
        inputs: inputs of all groups of a period.
        before: inputs before its start that a group needs.
        span: inputs that a group needs in all.
        matrices: those that were wanted so far.
    """

    up: int
    down: int
    outputs: int
    starts: tuple[int, ...]
    inputs: int
    before: int
    span: int
    matrices: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def start(self, group: int) -> int:
        """Input at which a group starts, counted from the first."""
        period, place = divmod(group, len(self.starts))
        return period * self.inputs + self.starts[place]

    def matrix(self, place: int) -> NDArray[np.float32]:
        """``(span, outputs)`` of the group at a place in the period, computed when it is first wanted."""
        if place not in self.matrices:
            self.matrices[place] = self._matrix(place)
        return self.matrices[place]

    def _matrix(self, place: int) -> NDArray[np.float32]:
        first = place * self.outputs * self.down - self.starts[place] * self.up
        # Where each output lies on the axis of inputs, exactly: the numerators are integers.
        output = (first + np.arange(self.outputs) * self.down) / self.up
        distance = output[None] - (np.arange(self.span) - self.before)[:, None]
        scale = min(1.0, self.up / self.down)
        distance *= scale
        inside = np.abs(distance) < _REACH
        near = distance[inside]
        values: NDArray[np.float64] = np.zeros(distance.shape)
        window = np.i0(_BETA * np.sqrt(1 - (near / _REACH) ** 2))
        values[inside] = np.sinc(_CUTOFF * near) * window
        # Every output has a gain of exactly one for a constant.
        return np.asarray(values / values.sum(0), dtype=np.float32)


@functools.lru_cache(maxsize=8)
def _filter(rate: int, to: int) -> _Filter:
    plan = _plan(Fraction(rate, to))
    if plan.span * plan.outputs * len(plan.starts) > _LARGEST:
        # 767,999 Hz would take 1 GB for a filter that nobody can tell from that of 768,000 Hz.
        plan = _plan(Fraction(rate, to).limit_denominator(_NEAR))
    return plan


def _plan(ratio: Fraction) -> _Filter:
    up, down = ratio.denominator, ratio.numerator
    # Periods above 2,000 outputs come in groups of a divisor near 160, others whole or several together.
    outputs = up * math.ceil(_OUTPUTS / up) if up <= _PERIOD else _divisor(up)
    groups = max(up // outputs, 1)
    starts = tuple(group * outputs * down // up for group in range(groups))
    reach = math.ceil(_REACH * max(1.0, down / up))
    span = 2 * reach + math.ceil(outputs * down / up) + 2
    return _Filter(up, down, outputs, starts, max(outputs, up) * down // up, reach, span)


def _divisor(number: int) -> int:
    return max(value for value in range(1, _OUTPUTS + 1) if number % value == 0)


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
