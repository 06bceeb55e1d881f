"""Reads any audio as mono float32 blocks, so that a long recording is never in memory as a whole."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.resample import Resampler, check_rate
from hrf_ser.errors import UserError

Source = str | os.PathLike[str] | IO[bytes] | NDArray[Any]
Block = tuple[NDArray[np.float32], int]

MIN_SECONDS = 0.05
# Below half a step of 16-bit audio nothing was recorded.
SILENCE = 1e-5
# A float file may exceed 1 a little; what exceeds this is integers that were called floats.
_LARGEST = 10.0
_CHANNELS = 32
_BLOCK = 1 << 16


@dataclass
class Audio:
    """An open source.

    Attributes:
        name: of the source, for messages.
        blocks: mono blocks ``(samples,)`` in [-1, 1] with the rate of the recording.
    """

    name: str
    blocks: Iterator[Block]

    def at(self, rate: int) -> Iterator[NDArray[np.float32]]:
        """Blocks at another rate, in Hz."""
        resampler: Resampler | None = None
        for block, own in self.blocks:
            resampler = resampler or Resampler(own, rate)
            yield resampler.push(block)
        if resampler is not None:
            yield resampler.finish()


@contextlib.contextmanager
def open_audio(source: Source, rate: int | None = None) -> Iterator[Audio]:
    """Open a file (path or file object) or an array.

    Args:
        source: path of a wav, flac, ogg, mp3, ...; a file object of one; samples ``(samples,)`` or
            ``(samples, channels)``, integers or floats in [-1, 1].
        rate: of an array, Hz; a file knows its own.

    Raises:
        UserError: here or while it is read: no such file, no audio, truncated, empty, NaN or infinite samples. The message
            names the source.
    """
    if isinstance(source, np.ndarray):
        if rate is None:
            raise UserError("rate is missing: say how many samples a second the array has, rate=16000.")
        rate = check_rate(rate)
        yield Audio("the array", _pieces(source, rate))
    elif isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        if rate is not None:
            raise UserError(f"rate={rate}: is for arrays; a file says its own rate, so leave it away.")
        with _sound_file(source) as (name, file):
            yield Audio(name, _read(name, file))
    else:
        raise UserError(f"{type(source).__name__}: is no audio; give a path, a file object or a numpy array.")


def mono(samples: NDArray[Any], name: str = "the array") -> NDArray[np.float32]:
    """Samples of any type and number of channels as one channel in [-1, 1].

    Args:
        samples: ``(samples,)`` or ``(samples, channels)``; integers count as full scale of their type.

    Returns:
        ``(samples,)``, the mean of the channels.

    Raises:
        UserError: shape or type is no audio's, or samples are NaN, infinite or far beyond 1.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= _CHANNELS):
        # More channels than any recorder has are samples: the axes are swapped.
        raise UserError(f"{name}: has the shape {samples.shape}; give (samples,) or (samples, channels).")
    kind = samples.dtype
    if kind.kind == "f":
        scaled = samples.astype(np.float32, copy=False)
    elif kind.kind in "iu" and kind.itemsize <= 4:
        half = 2.0 ** (8 * kind.itemsize - 1)
        scaled = ((samples.astype(np.float64) - (half if kind.kind == "u" else 0)) / half).astype(np.float32)
    else:
        raise UserError(f"{name}: has samples of type {kind}; give floats in [-1, 1] or integers of up to 32 bits.")
    if not np.isfinite(scaled).all():
        raise UserError(f"{name}: holds NaN or infinite samples; replace or remove it.")
    if len(scaled) and np.abs(scaled).max() > _LARGEST:
        raise UserError(
            f"{name}: has samples of up to {np.abs(scaled).max():,.0f}; give floats in [-1, 1] or integers."
        )
    return np.ascontiguousarray(scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32))


def check_length(name: str, seconds: float) -> None:
    """Refuse audio that is too short.

    Raises:
        UserError: no audio, or less than 50 ms.
    """
    if seconds == 0:
        raise UserError(f"{name}: holds no audio; replace or remove it.")
    if seconds < MIN_SECONDS:
        raise UserError(f"{name}: {seconds:.3f} s is too short, at least {MIN_SECONDS} s are needed; remove it.")


def is_silent(samples: NDArray[np.float32]) -> bool:
    """True where not one sample is louder than half a step of 16-bit audio."""
    return not len(samples) or float(max(samples.max(), -samples.min())) < SILENCE


def _pieces(samples: NDArray[Any], rate: int) -> Iterator[Block]:
    # Shape and type at once, before a piece is cut off.
    mono(samples[:0] if samples.ndim else samples)
    for start in range(0, len(samples), _BLOCK):
        yield mono(samples[start : start + _BLOCK]), rate


@contextlib.contextmanager
def _sound_file(source: Any) -> Iterator[tuple[str, Any]]:
    import soundfile

    is_path = isinstance(source, str | os.PathLike)
    name = str(source) if is_path else str(getattr(source, "name", "the file object"))
    if is_path:
        path = Path(source).expanduser()
        if not path.exists():
            raise UserError(f"{name}: no such audio file; check the path.")
        if not path.is_file():
            raise UserError(f"{name}: is no file; give an audio file.")
        target: Any = path
    else:
        # libsndfile seeks; a pipe cannot.
        seekable = getattr(source, "seekable", lambda: False)()
        target = source if seekable else io.BytesIO(source.read())
    try:
        file = soundfile.SoundFile(target)
    except (soundfile.LibsndfileError, OSError, ValueError, TypeError) as error:
        raise UserError(f"{name}: cannot be read as audio ({_reason(error)}); replace or remove it.") from error
    with file:
        yield name, file


def _read(name: str, file: Any) -> Iterator[Block]:
    import soundfile

    rate, read, stated = int(file.samplerate), 0, int(file.frames)
    size = _BLOCK // min(int(file.channels), _CHANNELS)
    try:
        check_rate(rate)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    while True:
        try:
            block = file.read(size, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError, ValueError) as error:
            raise UserError(f"{name}: cannot be read as audio ({_reason(error)}); replace or remove it.") from error
        if not len(block):
            break
        read += len(block)
        yield mono(block, name), rate
    if read < stated:
        raise UserError(
            f"{name}: ends after {read / rate:.2f} s although it says {stated / rate:.2f} s; it is truncated, replace it."
        )


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return str(text).strip().rstrip(".")
