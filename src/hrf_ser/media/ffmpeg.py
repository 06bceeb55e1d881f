"""Decodes through the ``ffmpeg`` program what libsndfile does not read: m4a, webm, wma, amr, the sound of a video."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError
from hrf_ser.media.kinds import Kind

UNKNOWN = 1 << 62  # frames of a file that does not say; libsndfile's value
NEEDS_FFMPEG = "which is read through the program ffmpeg"  # in the error where it is missing
_STALL_S = 60.0  # without a sample
_MEMORY = 1 << 30  # bytes, of the program
_LARGEST_BLOCK = 1 << 28  # bytes, that the program allocates at once
_KEPT = 4_000  # characters of its messages
# Containers of recordings. Playlists and scripts that name further files are not among them.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,avi,caf,eac3,flac,flv,g722,gsm,loas,matroska,mov,mp3,mpeg,mpegts,ogg,qcp,rm,sln,tta,"
    "w64,wav,webm,wv"
)
# What the program prints about a file that ends early; its status is 0.
_TRUNCATED = (
    *("partial file", "ended prematurely", "runcat", "moov atom not found", "End of file"),  # containers
    *("incomplete frame", "Corrupt bitstream", "packet size too small", "buffer exhausted"),  # AC-3, AMR, WMA, AAC
)


def available() -> str | None:
    """The path of the program; None where it is not installed."""
    return shutil.which("ffmpeg")


class FfmpegFile:
    """The first audio track of a file, with the part of ``soundfile.SoundFile`` that readers use.

    Samples are read from a pipe. Memory follows what is read, and closing ends the program.

    Args:
        source: path, or a file object at its beginning, which is copied to a temporary file.
        name: for messages.
        kind: what the file is, for messages.

    Raises:
        UserError: the program is missing, or finds no audio.
    """

    format = "FFMPEG"
    frames = UNKNOWN

    def __init__(self, source: Path | IO[bytes], name: str, kind: Kind) -> None:
        program = available()
        if program is None:
            raise UserError(
                f"{name}: is {kind.name}, {NEEDS_FFMPEG}; install ffmpeg, or convert the file to wav or flac"
            )
        self._name, self._folder = name, None
        if not isinstance(source, Path):
            self._folder = tempfile.TemporaryDirectory(prefix="hrf_ser_")
            source = _copied(source, Path(self._folder.name) / f"recording{Path(name).suffix}")
        self._start(program, source)
        try:
            self.samplerate, self.channels = self._header()
        except BaseException:
            self.close()
            raise

    def _start(self, program: str, path: Path) -> None:
        line = [program, "-nostdin", "-hide_banner", "-v", "error", "-max_alloc", str(_LARGEST_BLOCK), "-threads", "1"]
        line += ["-protocol_whitelist", "file,pipe", "-format_whitelist", _FORMATS, "-i", f"file:{path.absolute()}"]
        line += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _limit_memory(self._process.pid)
        self._messages = bytearray()
        self._listener = threading.Thread(target=self._keep_messages, daemon=True)
        self._listener.start()

    def _keep_messages(self) -> None:
        assert self._process.stderr is not None
        while text := self._process.stderr.read1(4_096):  # type: ignore[attr-defined]
            self._messages += text[: max(_KEPT - len(self._messages), 0)]

    def _header(self) -> tuple[int, int]:
        """Sampling rate and channels, from the header of the AU stream."""
        head = self._bytes(24)
        if len(head) == 24:
            magic, offset, _, _, rate, channels = struct.unpack(">4s5I", head)
            assert magic == b".snd"
            self._bytes(offset - 24)
            if rate and channels:
                return int(rate), int(channels)
        reason = self._end()
        if "matches no streams" in reason or "does not contain any stream" in reason:
            raise UserError(f"{self._name}: holds no audio track; replace or remove it")
        raise UserError(f"{self._name}: cannot be read as audio (ffmpeg: {_last_line(reason)}); replace or remove it")

    def _bytes(self, count: int) -> bytes:
        assert self._process.stdout is not None
        timer = threading.Timer(_STALL_S, self._process.kill)
        timer.start()
        try:
            return self._process.stdout.read(count)
        finally:
            timer.cancel()

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> NDArray[np.float32]:
        """The next ``(frames, channels)``; fewer at the end.

        Raises:
            UserError: the file ends early or is damaged.
        """
        assert dtype == "float32"
        assert always_2d
        width = 4 * self.channels
        data = self._bytes(frames * width)
        if len(data) < frames * width:
            reason = self._end()
            if self._process.returncode or any(text in reason for text in _TRUNCATED):
                raise UserError(
                    f"{self._name}: is truncated or damaged (ffmpeg: {_last_line(reason)}); replace or remove it"
                )
            data = data[: len(data) // width * width]
        return np.frombuffer(data, ">f4").astype(np.float32).reshape(-1, self.channels)

    def _end(self) -> str:
        """Wait for the program's end, and return its messages."""
        try:
            self._process.wait(_STALL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_STALL_S)
        return self._messages.decode(errors="replace").strip() or f"it ended with status {self._process.returncode}"

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """End the program, and remove the copy of a file object."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> FfmpegFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def _copied(source: IO[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)
    return path


def _limit_memory(process: int) -> None:
    if sys.platform == "linux":
        import resource

        try:
            resource.prlimit(process, resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        except OSError:  # it has ended, or the system forbids limits
            return


def _last_line(messages: str) -> str:
    """Without the program's addresses, such as ``[mov,mp4 @ 0x55d2]``, and the file's name."""
    line = next((line for line in messages.splitlines() if line.strip()), "")
    return line.partition("] ")[2].strip() or line.rpartition(": ")[2].strip() or line.strip()
