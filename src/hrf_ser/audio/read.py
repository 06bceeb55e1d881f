"""Any file that libsndfile or ffmpeg reads -> 16 kHz mono float32."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError
from hrf_ser.media.channels import Downmix
from hrf_ser.media.ffmpeg import UNKNOWN, FfmpegFile
from hrf_ser.media.sound import count_frames, is_truncated, length_unknown, open_sound, readable, skip, stated_frames

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
# A segment that ends beyond this many lengths of its file is in milliseconds or samples.
_FAR = 100
_MAX_TIME = 1e9  # seconds; keeps a sample's number finite


class Recording(NamedTuple):
    """Mono samples, and how they were made.

    Attributes:
        samples: ``(samples,)`` in [-1, 1].
        channels_cancel: whether they are the loudest channel, as the mean has lost more than 20 dB.
    """

    samples: NDArray[np.float32]
    channels_cancel: bool


def read_audio(
    path: Path | str, start: float | None = None, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """The samples of :func:`read_recording`."""
    return read_recording(path, start, end, sample_rate).samples


def read_recording(
    path: Path | str, start: float | None = None, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> Recording:
    """Read (a part of) an audio file as mono samples.

    Args:
        path: wav, flac, ogg, mp3, ... at any rate and with any number of channels, which are averaged unless they cancel;
            m4a, webm, wma, amr, videos, ... where the program ffmpeg is installed.
        start: seconds into the file; None is its beginning.
        end: seconds into the file; None is its end.
        sample_rate: Hz to resample to.

    Raises:
        UserError: a file that is missing, unreadable, truncated, empty, shorter than 50 ms, longer than ``MAX_SAMPLES``,
            silent, of an implausible rate, or that holds NaN, infinity or values far beyond 1; the message names it.
    """
    path, downmix = Path(path), Downmix()
    with _open(path) as file:
        rate, frames = _rate(path, file), stated_frames(file)
        if frames >= UNKNOWN and end is None and not isinstance(file, FfmpegFile):
            raise length_unknown(str(path))
        first = 0 if start is None else _frame(start, rate)
        last = frames if end is None else min(_frame(end, rate), frames)
        if 0 < frames <= first:
            raise UserError(_no_start(path, first / rate, frames / rate))
        most = MAX_SAMPLES * rate // max(rate, sample_rate)
        if end is not None and frames < UNKNOWN and _frame(end, rate) > _FAR * frames:
            raise UserError(
                f"{path}: a segment ends at {round(end, 3)} s but the file at {frames / rate:.3f} s; write times in seconds, "
                "not in milliseconds or samples"
            )
        mono = _mono(path, file, first, max(last - first, 0), most, downmix)
    _check(path, mono, rate)
    if rate != sample_rate:
        import soxr

        mono = soxr.resample(mono, rate, sample_rate)
    return Recording(np.ascontiguousarray(mono, dtype=np.float32), downmix.cancels)


def duration(path: Path) -> float:
    """Seconds of audio in a file, from its header; a file that ffmpeg reads is decoded for it.

    Raises:
        UserError: a file that is missing, or whose header cannot be read or does not say.
    """
    with _open(path) as file:
        rate, frames = _rate(path, file), stated_frames(file)
        if isinstance(file, FfmpegFile):
            frames = count_frames(file)
    if frames >= UNKNOWN:
        raise length_unknown(str(path))
    return frames / rate


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    with open_sound(path, str(path)) as file, readable(str(path)):
        yield file


def _rate(path: Path, file: Any) -> int:
    rate = int(file.samplerate)
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(f"{path}: has {rate:,} samples a second, which no recording has; replace or remove it")
    return rate


def _frame(seconds: float, rate: int) -> int:
    return round(min(seconds, _MAX_TIME) * rate)


def _mono(path: Path, file: Any, first: int, wanted: int, most: int, downmix: Downmix) -> NDArray[np.float32]:
    """``(samples,)``, read in blocks: memory follows the actual length, not the stated one."""
    rate, stated = int(file.samplerate), int(file.frames) < UNKNOWN
    if stated and wanted > most:
        raise UserError(_too_long(path, wanted / rate, most / rate))
    skipped = skip(file, first)
    if skipped < first and not stated:
        raise UserError(_no_start(path, first / rate, skipped / rate))
    blocks: list[NDArray[np.float32]] = []
    size, count = max(_BLOCK // int(file.channels), 1), 0
    while count < wanted:
        samples = file.read(min(size, wanted - count), dtype="float32", always_2d=True)
        if not len(samples):
            break
        count += len(samples)
        if count > most:
            raise UserError(_too_long(path, count / rate, most / rate))
        blocks.append(downmix(samples))
    if stated and is_truncated(file, wanted, count):
        raise UserError(
            f"{path}: ends after {(skipped + count) / rate:.2f} s although it says {(first + wanted) / rate:.2f} s; it is "
            "truncated, replace or remove it"
        )
    return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.zeros(0, np.float32)])


def _no_start(path: Path, start: float, end: float) -> str:
    return f"{path}: starts at {round(start, 3)} s but the file ends at {end:.3f} s; correct its row (times are in seconds)"


def _too_long(path: Path, seconds: float, most: float) -> str:
    return (
        f"{path}: holds {seconds / 60:,.0f} minutes of audio and at most {math.floor(most / 60):,} are read at once; cut it "
        "into utterances, or replace it if it is not as long"
    )


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
