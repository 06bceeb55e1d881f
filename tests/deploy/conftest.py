"""A tiny exported model."""

import pytest


@pytest.fixture(scope="session")
def exported_file(exported_run):
    return exported_run / "export" / "model.onnx"
