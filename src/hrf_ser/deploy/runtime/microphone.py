"""A microphone as a source of chunks, through sounddevice (PortAudio)."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError
from hrf_ser.extras import need

_CHUNK_S = 0.1
# A slow machine may lag behind by ten seconds before audio is lost.
_WAITING = 100
# A microphone that is unplugged falls silent without an error.
_TIMEOUT_S = 5.0


def microphone(device: str | int | None = None, timeout_s: float = _TIMEOUT_S) -> Iterator[tuple[NDArray[Any], int]]:
    """Chunks of 100 ms, ``(samples, 1)`` float32, with their rate; without end.

    Args:
        device: number or a part of the name, as sounddevice lists them; None is the system's.
        timeout_s: seconds without a chunk after which the microphone counts as gone.
    """
    sounddevice = _sounddevice()
    chunks: queue.Queue[NDArray[np.float32]] = queue.Queue(_WAITING)
    lost = False

    def take(data: NDArray[np.float32], _frames: int, _time: Any, _status: Any) -> None:
        nonlocal lost
        try:
            chunks.put_nowait(data.copy())
        except queue.Full:
            lost = True

    try:
        rate = round(float(sounddevice.query_devices(device, "input")["default_samplerate"]))
        stream = sounddevice.InputStream(
            samplerate=rate,
            device=device,
            channels=1,
            dtype="float32",
            blocksize=round(_CHUNK_S * rate),
            callback=take,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise UserError(
            f"audio=mic: no microphone can be opened ({error}); connect one, or name another with device=."
        ) from error
    try:
        while True:
            if lost:
                raise UserError("audio=mic: this machine is too slow for every window; give a larger hop_s=.")
            try:
                yield chunks.get(timeout=timeout_s), rate
            except queue.Empty:
                raise UserError("audio=mic: the microphone gives nothing any more; connect it again.") from None
    finally:
        stream.stop()
        stream.close()


def _sounddevice() -> Any:
    try:
        return need("sounddevice", "mic")
    except OSError as error:
        raise UserError(
            f"audio=mic wants PortAudio, which cannot be loaded ({error}): apt install libportaudio2."
        ) from error
