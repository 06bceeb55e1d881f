"""Opens any recording: with libsndfile, else through ffmpeg; what is no audio is refused by what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hrf_ser.errors import UserError
from hrf_ser.media.ffmpeg import UNKNOWN, FfmpegFile, available
from hrf_ser.media.kinds import HEAD, Kind, kind_of

# libsndfile's log about a header that states more bytes of samples than the file has.
_WITH_SIZES = ("WAV", "WAVEX", "AIFF", "AU")
_SHORTER = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
# Programs that write to a pipe state the largest length, about 2 or 4 GB.
_FROM_PIPE = 0x7FFF_0000
_TOLERANCE = 0.05  # seconds, for headers that count their own bytes
_BLOCK = 1 << 16


def open_sound(source: Path | IO[bytes], name: str) -> Any:
    """A ``soundfile.SoundFile``, or a :class:`FfmpegFile` where libsndfile does not read the format.

    Args:
        source: path, or a file object that can seek.
        name: for messages.

    Raises:
        UserError: it is missing, no audio, or needs the program ffmpeg, which is missing.
    """
    import soundfile

    begin = None if isinstance(source, Path) else source.tell()
    try:
        file = soundfile.SoundFile(source)
    # TypeError: raw samples without a header.
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        kind = _kind(source, begin, name)
        if kind is not None and kind.by_ffmpeg:
            return FfmpegFile(source, name, kind)
        raise _refusal(name, kind, error) from error
    # libsndfile takes whatever is called .au, .gsm or .vox for samples without a header.
    if file.format == "RAW" and isinstance(source, Path) and (kind := _kind(source, None, name)) is not None:
        file.close()
        raise _refusal(name, kind, None)
    if _says_that_it_is_empty(file, source, begin):
        file.close()
        if not available():
            raise UserError(
                f"{name}: says that it is empty, as its recording was cut off; install ffmpeg, or repair it with ffmpeg or sox"
            )
        if not isinstance(source, Path):
            source.seek(begin or 0)
        return FfmpegFile(source, name, Kind("a WAV file whose recording was cut off", by_ffmpeg=True))
    if file.frames >= UNKNOWN and available():
        file.close()
        if not isinstance(source, Path):
            source.seek(begin or 0)
        return FfmpegFile(source, name, Kind("a file that does not say how long it is", by_ffmpeg=True))
    return file


def _says_that_it_is_empty(file: Any, source: Path | IO[bytes], begin: int | None) -> bool:
    """Whether a WAV file states no samples and has some, as its recorder had no time to write how many."""
    if file.frames or file.format not in ("WAV", "WAVEX"):
        return False
    size = source.stat().st_size if isinstance(source, Path) else source.seek(0, 2) - (begin or 0)
    return size > HEAD


def length_unknown(name: str) -> UserError:
    """The error of a file that libsndfile opens and cannot find the end of; FLAC from a pipe is one."""
    return UserError(
        f"{name}: does not say how long it is; install the program ffmpeg, or write it again as a file with flac or sox"
    )


def stated_frames(file: Any) -> int:
    """Frames that the header states, also where the file ends before; ``UNKNOWN`` where it does not say."""
    frames = int(file.frames)
    found = _SHORTER.search(file.extra_info) if file.format in _WITH_SIZES else None
    if found is None:
        return frames
    stated, there = int(found[1]), int(found[2])
    whole = round(frames * stated / max(there, 1))
    if stated >= _FROM_PIPE or whole - frames < _TOLERANCE * file.samplerate:
        return frames
    return whole


def is_truncated(file: Any, wanted: int, count: int) -> bool:
    """Whether ``count`` frames are too few where the header states ``wanted``; of MP3 in WAV it states an estimate."""
    estimated = file.format in _WITH_SIZES and file.subtype.startswith("MPEG")
    return wanted - count > (_TOLERANCE * file.samplerate if estimated else 0)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Name the file in errors of libsndfile."""
    import soundfile

    try:
        yield
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        raise _refusal(name, None, error) from error


def skip(file: Any, frames: int) -> int:
    """Move to a frame from the beginning, also in a file that cannot seek; returns the frames that were there."""
    if frames and file.seekable():
        return int(file.seek(min(frames, int(file.frames))))
    skipped = 0
    while skipped < frames:
        block = file.read(min(_BLOCK, frames - skipped), dtype="float32", always_2d=True)
        if not len(block):
            break
        skipped += len(block)
    return skipped


def count_frames(file: Any) -> int:
    """Frames from here to the end, decoded and discarded."""
    return skip(file, UNKNOWN)


def _kind(source: Path | IO[bytes], begin: int | None, name: str) -> Kind | None:
    if isinstance(source, Path):
        if not source.exists():
            if source.is_symlink():
                raise UserError(
                    f"{name}: is a link to a file that is not here; fetch it, with git annex get if it is an annex"
                )
            raise UserError(f"{name}: no such audio file; check the path")
        if source.is_dir():
            return Kind("a folder, not audio")
        try:
            with source.open("rb") as file:
                return kind_of(file.read(HEAD), name)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror}); make it readable") from error
    assert begin is not None
    source.seek(begin)
    head = source.read(HEAD)
    source.seek(begin)
    return kind_of(head, name)


def _refusal(name: str, kind: Kind | None, error: Exception | None) -> UserError:
    if kind is not None:
        return UserError(f"{name}: cannot be read as audio (it is {kind.name}); {kind.remedy}")
    reason = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return UserError(f"{name}: cannot be read as audio ({reason.strip().rstrip('.')}); replace or remove it")
