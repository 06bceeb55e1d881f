"""A tiny exported model, and a predictor without any model."""

import hashlib

import numpy as np
import pytest

from hrf_ser.deploy.runtime.model_file import _CHECKSUM_ENTRY, NO_CHECKSUM
from hrf_ser.deploy.runtime.predictor import Predictor
from tiny_bundles import write_bundle


def save_file(path, content):
    """Write a file whose checksum fits its content, so that only the other checks can refuse it."""
    entry = _CHECKSUM_ENTRY.search(content)
    if entry is not None:
        start, end = entry.span(1)
        checksum = hashlib.sha256(content[:start] + NO_CHECKSUM.encode() + content[end:]).hexdigest()
        content = content[:start] + checksum.encode() + content[end:]
    path.write_bytes(content)
    return path


@pytest.fixture(scope="session")
def run_of_tiny(tmp_path_factory):
    """A run's folder with ``bundle/`` and ``export/model.onnx``."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.bundle import load_bundle
    from hrf_ser.deploy.export.onnx import seal, to_onnx
    from hrf_ser.deploy.export.write import describe

    folder = tmp_path_factory.mktemp("run")
    bundle = write_bundle(folder / "bundle")
    classifier = load_bundle(bundle)
    (folder / "export").mkdir()
    (folder / "export" / "model.onnx").write_bytes(seal(to_onnx(classifier, describe(classifier, bundle))))
    return folder


@pytest.fixture(scope="session")
def exported_file(run_of_tiny):
    return run_of_tiny / "export" / "model.onnx"


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
