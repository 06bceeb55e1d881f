"""Tiny bundles of every backbone, exported once for all tests."""

import pytest

from hrf_ser.deploy.bundle import load_bundle
from tiny_bundles import OPTIONS, write_bundle


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Path of the bundle of each backbone."""
    folder = tmp_path_factory.mktemp("bundles")
    return {model: write_bundle(folder / model, model) for model in OPTIONS}


@pytest.fixture(scope="session")
def exported(bundles):
    """``exported(model)`` -> path of the bundle, its classifier, its ONNX graph."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from hrf_ser.deploy.export.onnx import to_onnx
    from hrf_ser.deploy.export.write import describe

    made = {}

    def export(model="conv_transformer"):
        if model not in made:
            classifier = load_bundle(bundles[model])
            made[model] = (bundles[model], classifier, to_onnx(classifier, describe(classifier, bundles[model])))
        return made[model]

    return export
