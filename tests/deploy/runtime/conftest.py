"""The file of a tiny exported model, and a predictor without any model."""

import hashlib

import numpy as np
import pytest

from hrf_ser.deploy.runtime.model_file import _CHECKSUM_ENTRY, NO_CHECKSUM
from hrf_ser.deploy.runtime.predictor import Predictor


def save_file(path, content):
    """Write a file whose checksum fits its content, so that only the other checks can refuse it."""
    entry = _CHECKSUM_ENTRY.search(content)
    if entry is not None:
        start, end = entry.span(1)
        checksum = hashlib.sha256(content[:start] + NO_CHECKSUM.encode() + content[end:]).hexdigest()
        content = content[:start] + checksum.encode() + content[end:]
    path.write_bytes(content)
    return path


@pytest.fixture
def save():
    return save_file


class Level(Predictor):
    """Predicts the loudness of a window, so that every sample matters."""

    labels = ("quiet", "loud")
    sample_rate = 16_000

    def posterior(self, waveform):
        loud = min(float(np.abs(waveform).mean(dtype=np.float64)), 1.0)
        return np.array([1 - loud, loud], np.float32)


@pytest.fixture
def level():
    return Level()
