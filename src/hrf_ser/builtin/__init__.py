"""The built-in model: ``model.onnx`` and ``model.onnx.json`` in this folder, which ``make builtin-model`` writes."""

from pathlib import Path

from hrf_ser.errors import UserError

MODEL = Path(__file__).with_name("model.onnx")


def builtin_model() -> Path:
    """Path of the built-in model.

    Raises:
        UserError: this copy of the package was built without it.
    """
    if not MODEL.is_file():
        raise UserError(
            "this copy of hrf_ser has no built-in model: give an exported .onnx file or a bundle, "
            "or train it in a checkout with make builtin-model."
        )
    return MODEL
