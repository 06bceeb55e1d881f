"""eSpeak NG through ctypes, as a separate program: a JSON object on standard input, WAV files on disk.

The library has global state: in a fresh process with a fixed order of utterances the samples are bit-identical, and a crash
in native code leaves the caller alone.

Input: ``{"library": path, "data": path, "speech": [{"path", "voice", "text", "rate", "pitch", "range", "volume"}]}``;
rate in words a minute (80-450), pitch and range 0-99, volume 0-200 (100 is eSpeak's own).
Output: 16-bit mono WAV files at eSpeak's rate, 22,050 Hz, and the library's version on standard output.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Values of speak_lib.h
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _OK = 2, 0x8000, 1, 0
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
_LONGEST_DATA_PATH = 120  # the library keeps it in 160 bytes, file names included
_RAND_SEED = 1

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The synthesiser, of which a process can have one. Raises :class:`RuntimeError`."""

    def __init__(self, library: str, data: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), _DONT_EXIT))
        if self.sample_rate <= 0:
            raise RuntimeError(f"eSpeak NG does not start with its data in {data}")
        self._samples: list[bytes] = []
        self._callback = _CALLBACK(self._receive)  # kept: the library holds only the pointer
        self._library.espeak_SetSynthCallback(self._callback)

        self.version = str(self._library.espeak_Info(None).decode())

    def speak(self, text: str, voice: str, **parameters: int) -> bytes:
        """16-bit samples of a sentence in a voice such as ``en-us+f2``; ``rate``, ``volume``, ``pitch`` and ``range``."""
        self._samples.clear()
        # The library seeds its breath noise with the time of day.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_RAND_SEED))
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise RuntimeError(f"eSpeak NG has no voice {voice}")
        for name, value in parameters.items():
            self._library.espeak_SetParameter(_PARAMETERS[name], value, 0)
        utf8 = text.encode()
        status = self._library.espeak_Synth(
            ctypes.c_char_p(utf8), ctypes.c_size_t(len(utf8) + 1), 0, 1, 0, _UTF8, None, None
        )
        if status != _OK or not self._samples:
            raise RuntimeError(f"eSpeak NG does not say {text!r} with the voice {voice}")
        return b"".join(self._samples)

    def _receive(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._samples.append(ctypes.string_at(samples, 2 * count))
        return 0


@contextmanager
def _short(data: str) -> Iterator[str]:
    """A path to the data that fits into the library's buffer."""
    if len(os.fsencode(data)) <= _LONGEST_DATA_PATH:
        yield data
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "espeak-ng-data")
        link.symlink_to(data, target_is_directory=True)
        yield str(link)


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    with _short(request["data"]) as data:
        espeak = Espeak(request["library"], data)
        for speech in request["speech"]:
            path = Path(speech.pop("path"))
            samples = espeak.speak(**speech)
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, espeak.sample_rate, 0, "NONE", ""))
                file.writeframes(samples)
        print(espeak.version)


if __name__ == "__main__":
    main()
