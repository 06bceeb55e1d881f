"""A tiny exported model."""

import pytest

from tiny_bundles import write_bundle


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
