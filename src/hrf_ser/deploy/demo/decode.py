"""Recordings that a browser does not decode, as the samples that the page classifies."""

from __future__ import annotations

import io

import numpy as np

from hrf_ser.deploy.demo.site import SAMPLE_RATE
from hrf_ser.deploy.runtime.audio import check_length, open_audio
from hrf_ser.errors import UserError

LARGEST = 256 << 20  # bytes of a recording
MOST_S = 30 * 60


class Upload(io.BytesIO):
    """A recording that the page sent."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def decode(content: bytes, name: str) -> bytes:
    """Mono float32 samples at 16 kHz, little-endian.

    Raises:
        UserError: no audio, damaged, too short, longer than 30 minutes, or a format of ffmpeg where that is missing.
    """
    kept, samples = [], 0
    with open_audio(Upload(content, name), None, SAMPLE_RATE) as (_, blocks):
        for block in blocks:
            samples += len(block)
            if samples > MOST_S * SAMPLE_RATE:
                raise UserError(f"{name}: is longer than {MOST_S // 60} minutes; cut it, or use hrf_ser.predict.")
            kept.append(block.astype("<f4"))
    check_length(name, samples / SAMPLE_RATE)
    return np.concatenate(kept).tobytes()
