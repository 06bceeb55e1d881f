"""Any file that libsndfile reads -> 16 kHz mono float32."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.05
# Samples of one channel, at the file's rate or after resampling: 46 minutes at 48 kHz. It bounds memory whatever a header
# states, also for highly compressed silence.
MAX_SAMPLES = 1 << 27
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000  # Hz
# A float file may exceed 1 a little; beyond this it holds integers labelled as floats.
_LARGEST = 10.0
# Read in one go up to here (256 MB), as a decoder of mp3 rounds differently after a pause.
_BLOCK = 1 << 26
# libsndfile's length where the header states none.
_UNKNOWN = 1 << 62
_MAX_TIME = 1e9  # seconds; keeps a sample's number finite


def read_audio(
    path: Path | str, start: float | None = None, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """Read (a part of) an audio file as mono samples.

    Args:
        path: wav, flac, ogg, mp3, ... at any rate and with any number of channels, which are averaged.
        start: seconds into the file; None is its beginning.
        end: seconds into the file; None is its end.
        sample_rate: Hz to resample to.

    Returns:
        ``(samples,)`` in [-1, 1].

    Raises:
        UserError: a file that is missing, unreadable, truncated, empty, shorter than 50 ms, longer than ``MAX_SAMPLES``,
            silent, of an implausible rate, or that holds NaN, infinity or values far beyond 1; the message names it.
    """
    path = Path(path)
    with _open(path) as file:
        rate, frames = _rate(path, file), int(file.frames)
        if frames >= _UNKNOWN and end is None:
            raise UserError(_unknown(path))
        first = 0 if start is None else _frame(start, rate)
        last = frames if end is None else min(_frame(end, rate), frames)
        if first >= frames > 0:
            raise UserError(f"{path}: starts at {start} s but the file ends at {frames / rate:.3f} s; correct its row")
        mono = _mono(path, file, first, max(last - first, 0), MAX_SAMPLES * rate // max(rate, sample_rate))
    _check(path, mono, rate)
    if rate != sample_rate:
        import soxr

        mono = soxr.resample(mono, rate, sample_rate)
    return np.ascontiguousarray(mono, dtype=np.float32)


def duration(path: Path) -> float:
    """Seconds of audio in a file, from its header.

    Raises:
        UserError: a file that is missing, or whose header cannot be read or does not say.
    """
    with _open(path) as file:
        rate, frames = _rate(path, file), int(file.frames)
    if frames >= _UNKNOWN:
        raise UserError(_unknown(path))
    return frames / rate


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            yield file
    # TypeError: raw samples without a header.
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        if not path.exists():
            raise UserError(f"{path}: no such audio file; check the path") from error
        raise UserError(f"{path}: cannot be read as audio ({_reason(error)}); replace or remove it") from error


def _rate(path: Path, file: Any) -> int:
    rate = int(file.samplerate)
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(f"{path}: has {rate:,} samples a second, which no recording has; replace or remove it")
    return rate


def _frame(seconds: float, rate: int) -> int:
    return round(min(seconds, _MAX_TIME) * rate)


def _mono(path: Path, file: Any, first: int, wanted: int, most: int) -> NDArray[np.float32]:
    """``(samples,)``, the mean of the channels, read in blocks: memory follows the actual length, not the stated one."""
    rate, stated = int(file.samplerate), int(file.frames) < _UNKNOWN
    if stated and wanted > most:
        raise UserError(_too_long(path, wanted / rate, most / rate))
    file.seek(first)
    blocks: list[NDArray[np.float32]] = []
    size, count = max(_BLOCK // int(file.channels), 1), 0
    while count < wanted:
        samples = file.read(min(size, wanted - count), dtype="float32", always_2d=True)
        if not len(samples):
            break
        count += len(samples)
        if count > most:
            raise UserError(_too_long(path, count / rate, most / rate))
        blocks.append(samples.mean(axis=1) if samples.shape[1] != 1 else samples[:, 0])
    if stated and count < wanted:
        raise UserError(
            f"{path}: ends after {(first + count) / rate:.2f} s although it says {(first + wanted) / rate:.2f} s; it is "
            "truncated, replace or remove it"
        )
    return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.zeros(0, np.float32)])


def _unknown(path: Path) -> str:
    # libsndfile cannot find the end of these; FLAC from a pipe is one.
    return f"{path}: does not say how long it is; write it again as a file with flac, sox or ffmpeg"


def _too_long(path: Path, seconds: float, most: float) -> str:
    return (
        f"{path}: holds {seconds / 60:,.0f} minutes of audio and at most {math.floor(most / 60):,} are read at once; cut it "
        "into utterances, or replace it if it is not as long"
    )


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return text.strip().rstrip(".")


def _check(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    seconds = len(samples) / rate
    if len(samples) == 0:
        raise UserError(f"{path}: holds no audio; replace or remove it")
    if seconds < MIN_SECONDS:
        raise UserError(f"{path}: {seconds:.3f} s is too short, at least {MIN_SECONDS} s are needed; remove it")
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: holds NaN or infinite samples; replace or remove it")
    if np.abs(samples).max() > _LARGEST:
        raise UserError(f"{path}: has samples of up to {np.abs(samples).max():,.0f} instead of 1; replace or remove it")
    if not samples.any():
        raise UserError(f"{path}: is silent (every sample is zero); replace or remove it")
