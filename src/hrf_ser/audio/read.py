"""Any file that libsndfile reads -> 16 kHz mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.05


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
        UserError: a file that is missing, unreadable, empty, shorter than 50 ms, silent, or that holds NaN or infinity;
            the message names the file.
    """
    import soundfile

    path = Path(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = file.samplerate, file.frames
            first = 0 if start is None else round(start * rate)
            last = frames if end is None else min(round(end * rate), frames)
            if first >= frames > 0:
                raise UserError(
                    f"{path}: starts at {start} s but the file ends at {frames / rate:.3f} s; correct its row"
                )
            file.seek(first)
            samples = file.read(max(last - first, 0), dtype="float32", always_2d=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such audio file; check the path") from error
    except (soundfile.LibsndfileError, OSError, ValueError) as error:
        if not path.exists():
            raise UserError(f"{path}: no such audio file; check the path") from error
        raise UserError(f"{path}: cannot be read as audio ({_reason(error)}); replace or remove it") from error
    mono = samples.mean(axis=1) if samples.shape[1] != 1 else samples[:, 0]
    _check(path, mono, rate)
    if rate != sample_rate:
        import soxr

        mono = soxr.resample(mono, rate, sample_rate)
    return np.ascontiguousarray(mono, dtype=np.float32)


def duration(path: Path) -> float:
    """Seconds of audio in a file, from its header.

    Raises:
        UserError: a file that is missing or has no readable header.
    """
    import soundfile

    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{path}: cannot be read as audio ({_reason(error)}); replace or remove it") from error
    return float(info.frames / info.samplerate)


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
    if not samples.any():
        raise UserError(f"{path}: is silent (every sample is zero); replace or remove it")
