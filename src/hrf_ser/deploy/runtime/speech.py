"""Speech or not: voiced sound whose pitch moves, as a voice's does and that of noise, tones and most notes does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_S, HOP_S = 0.05, 0.02  # a frame and the distance of frames, seconds
LOWEST_HZ, HIGHEST_HZ = 65, 420  # of a voice's pitch
# The band of the first harmonics; up to EDGE_HZ it rises by 6 dB an octave, since a voice falls, and so does brown noise.
BAND_HZ, EDGE_HZ = (90, 1500), 1000
LEAST_RMS = 1e-4  # of a frame
VOICED = 0.45  # least autocorrelation at the pitch
MOVES = (0.004, 0.12)  # octaves from one frame to the next: less is a note, more is an error of the pitch
# So many frames, and this share of the voiced ones, move in speech; `benchmarks.speech_gate` measures both.
LEAST_FRAMES, LEAST_SHARE = 3, 0.2
SHORTEST_S = 0.5  # too little to tell below
_BLOCK = 512  # frames at once


def is_speech(samples: NDArray[np.float32], sample_rate: int) -> bool:
    """Whether mono ``(samples,)`` hold speech; true below half a second."""
    if len(samples) < SHORTEST_S * sample_rate:
        return True
    voiced, pitch = pitches(samples, sample_rate)
    pairs = voiced[1:] & voiced[:-1]
    change = np.abs(np.log2(pitch[1:] / pitch[:-1]))
    moving = int((pairs & (change > MOVES[0]) & (change < MOVES[1])).sum())
    return moving >= LEAST_FRAMES and moving >= LEAST_SHARE * int(pairs.sum())


def pitches(samples: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each frame whether it is voiced, and its pitch in Hz, ``(frames,)`` each."""
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    blocks = [_pitches(frames[start : start + _BLOCK], sample_rate) for start in range(0, len(frames), _BLOCK)]
    voiced, pitch = zip(*blocks, strict=True)
    return np.concatenate(voiced), np.concatenate(pitch)


def _pitches(frames: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    size = frames.shape[1]
    window, length = np.hanning(size), 1 << (size - 1).bit_length()
    hertz = np.fft.rfftfreq(length, 1 / sample_rate)
    weight = np.where((hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1]), np.minimum(hertz, EDGE_HZ), 0)
    first, last = sample_rate // HIGHEST_HZ, sample_rate // LOWEST_HZ
    correlation = _autocorrelation(np.abs(np.fft.rfft(frames * window, length)) * weight, last + 1)
    # A window falls to both sides, and its own correlation with it; half of that is taken back.
    correlation /= np.sqrt(_autocorrelation(np.abs(np.fft.rfft(window, 2 * length))[None], last + 1))
    best = correlation[:, first:last].argmax(1) + first
    row = np.arange(len(frames))
    before, at, after = (correlation[row, best + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    # The peak of the parabola through the three, between samples.
    offset = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=np.abs(bend) > 1e-9).clip(-0.5, 0.5)
    loud = np.square(frames).mean(1) > LEAST_RMS**2
    return loud & (at > VOICED), sample_rate / (best + offset)


def _autocorrelation(magnitudes: NDArray[Any], lags: int) -> NDArray[np.float64]:
    """``(frames, bins)`` -> ``(frames, lags)``, 1 at lag 0."""
    correlation: NDArray[np.float64] = np.fft.irfft(np.square(magnitudes), axis=1)[:, :lags]
    return correlation / np.maximum(correlation[:, :1], 1e-20)
