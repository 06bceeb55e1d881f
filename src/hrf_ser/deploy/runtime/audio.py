"""Any audio as mono float32 blocks at one rate, so that a long recording is never in memory as a whole."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError
from hrf_ser.media.channels import Downmix
from hrf_ser.media.ffmpeg import UNKNOWN, FfmpegFile
from hrf_ser.media.sound import is_truncated, length_unknown, open_sound, readable, stated_frames

Source = str | os.PathLike[str] | IO[bytes] | NDArray[Any]
Blocks = Iterator[NDArray[np.float32]]

MIN_SECONDS = 0.05
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000  # Hz
# Half a step of 16-bit audio.
SILENCE = 1e-5
# A float file may exceed 1 a little; beyond this it holds integers labelled as floats.
_LARGEST = 10.0
_CHANNELS = 32
_BLOCK = 1 << 16
# Of several channels so much is read before it is decided whether they cancel: recordings up to there are mixed as training
# mixes them.
_DECIDED_S, _DECIDED_VALUES = 30.0, 1 << 23


@contextlib.contextmanager
def open_audio(source: Source, rate: int | None, to: int) -> Iterator[tuple[str, Blocks]]:
    """Open a file or an array; yields its name, for messages, and its mono blocks ``(samples,)`` in [-1, 1].

    Args:
        source: path or file object of a wav, flac, ogg, mp3, ..., where the program ffmpeg is installed also m4a, webm, wma,
            amr, ...; or an array, see :func:`checked`.
        rate: of an array, Hz; None for a file.
        to: rate of the blocks, Hz.

    Raises:
        UserError: here or while blocks are read: a source that is missing, unreadable, truncated or no audio.
    """
    source = _as_array(source)
    if isinstance(source, np.ndarray) and source.ndim:
        if rate is None:
            raise UserError(
                "sampling_rate is missing: say how many samples a second the array has, sampling_rate=16000."
            )
        yield "the array", _resample(_mixed(_pieces(source), rate), resampler(rate, to))
    elif isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        if rate is not None:
            raise UserError(f"sampling_rate={rate}: is for arrays; a file states its own, so leave it out.")
        name = str(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "the file object"))
        with _sound_file(source, name) as file:
            if file.frames >= UNKNOWN and not isinstance(file, FfmpegFile):
                raise length_unknown(name)
            try:
                stream = resampler(int(file.samplerate), to)
            except UserError as error:
                raise UserError(f"{name}: {error}") from error
            yield name, _resample(_mixed(_read(file, name), file.samplerate), stream)
    else:
        hint = "io.BytesIO of them" if isinstance(source, bytes) else "a path, a file object or an array (samples,)"
        raise UserError(f"{type(source).__name__}: is no audio; give {hint}.")


def _as_array(source: Any) -> Any:
    """A list of numbers, a tensor or a data frame's column as an array; anything else as it is."""
    if isinstance(source, np.ndarray) or not (hasattr(source, "__array__") or isinstance(source, list)):
        return source
    try:
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:  # on a GPU, with gradients, or lists of different lengths
        raise UserError(f"{type(source).__name__}: is no array of samples ({error}); give a NumPy array.") from error


def resampler(rate: Any, to: int) -> Any:
    """soxr's stream for one channel: blocks of any size give bit for bit what training reads."""
    import soxr

    number = isinstance(rate, int | float | np.integer | np.floating)
    if not number or not LOWEST_RATE <= rate <= HIGHEST_RATE or rate % 1:
        raise UserError(
            f"sampling_rate={rate!r}: is not between {LOWEST_RATE:,} and {HIGHEST_RATE:,} Hz; give whole samples per second."
        )
    return soxr.ResampleStream(int(rate), to, num_channels=1, dtype="float32")


def finish(stream: Any) -> NDArray[np.float32]:
    """The rest of a resampler's output, ``(samples,)``; nothing can be pushed afterwards."""
    rest: NDArray[np.float32] = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    return rest


def checked(samples: NDArray[Any], name: str) -> NDArray[np.float32]:
    """The samples in [-1, 1], ``(samples, channels)``.

    Args:
        samples: ``(samples,)`` or ``(samples, channels)``, floats in [-1, 1] or integers, of which the type's range is 1.
        name: for messages.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= _CHANNELS):
        # More channels than any recorder has are samples: the axes are swapped.
        hint = ", such as array.T" if samples.ndim == 2 and 1 <= samples.shape[0] <= _CHANNELS else ""
        raise UserError(f"{name}: has the shape {samples.shape}; give (samples,) or (samples, channels){hint}.")
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
    return scaled if scaled.ndim == 2 else scaled[:, None]


def check_length(name: str, seconds: float) -> None:
    """Refuse audio of less than 50 ms with a ``UserError``."""
    if seconds == 0:
        raise UserError(f"{name}: holds no audio; replace or remove it.")
    if seconds < MIN_SECONDS:
        raise UserError(f"{name}: {seconds:.3f} s is too short, at least {MIN_SECONDS} s are needed; remove it.")


def is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether no sample is louder than half a step of 16-bit audio."""
    return not len(samples) or float(max(samples.max(), -samples.min())) < SILENCE


def _resample(blocks: Blocks, stream: Any) -> Blocks:
    for block in blocks:
        yield stream.resample_chunk(block)
    yield finish(stream)


def _mixed(blocks: Blocks, rate: float) -> Blocks:
    """``(samples, channels)`` -> ``(samples,)``."""
    downmix, read = Downmix(), 0
    beginning: list[NDArray[np.float32]] | None = []
    for block in blocks:
        mixed = block
        if beginning is not None and block.shape[1] > 1:
            beginning.append(block)
            read += len(block)
            if read <= _DECIDED_S * rate and read * block.shape[1] < _DECIDED_VALUES:
                continue
            mixed, beginning = np.concatenate(beginning), None
        yield np.ascontiguousarray(downmix(mixed))
    if beginning:
        yield np.ascontiguousarray(downmix(np.concatenate(beginning)))


def _pieces(samples: NDArray[Any]) -> Blocks:
    for start in range(0, len(samples), _BLOCK):
        yield checked(samples[start : start + _BLOCK], "the array")


def _sound_file(source: Any, name: str) -> Any:
    if isinstance(source, str | os.PathLike):
        source = Path(source).expanduser()
        if source.is_dir():
            raise UserError(f"{name}: is no file; give an audio file.")
    elif not getattr(source, "seekable", lambda: False)():
        # libsndfile seeks; a pipe cannot.
        source = io.BytesIO(source.read())
    return open_sound(source, name)


def _read(file: Any, name: str) -> Blocks:
    """``(samples, channels)``."""
    rate, read, stated = int(file.samplerate), 0, stated_frames(file)
    size = _BLOCK // min(int(file.channels), _CHANNELS)
    while True:
        with readable(name):
            block = file.read(size, dtype="float32", always_2d=True)
        if not len(block):
            break
        read += len(block)
        yield checked(block, name)
    if stated < UNKNOWN and is_truncated(file, stated, read):
        raise UserError(
            f"{name}: ends after {read / rate:.2f} s although it says {stated / rate:.2f} s; it is truncated, replace it."
        )
