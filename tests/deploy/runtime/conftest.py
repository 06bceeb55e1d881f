"""A tiny exported model, and a predictor without any model."""

import hashlib
import json

import numpy as np
import pytest

from hrf_ser.deploy.runtime.predictor import Predictor
from tiny_bundles import write_bundle


def save_export(path, content, **report):
    """An exported file with its report, as ``hrf_ser.export`` leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    report = {"sha256": hashlib.sha256(content).hexdigest(), "published": True} | report
    path.with_name(f"{path.name}.json").write_text(json.dumps(report))
    return path


@pytest.fixture(scope="session")
def run_of_tiny(tmp_path_factory):
    """A run's folder with ``bundle/`` and ``export/model.onnx``."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.bundle import load_bundle
    from hrf_ser.deploy.export.onnx import to_onnx
    from hrf_ser.deploy.export.write import describe

    folder = tmp_path_factory.mktemp("run")
    bundle = write_bundle(folder / "bundle")
    classifier = load_bundle(bundle)
    content = to_onnx(classifier, describe(classifier, bundle)).SerializeToString()
    save_export(folder / "export" / "model.onnx", content)
    return folder


@pytest.fixture(scope="session")
def exported_file(run_of_tiny):
    return run_of_tiny / "export" / "model.onnx"


@pytest.fixture
def save():
    return save_export


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
