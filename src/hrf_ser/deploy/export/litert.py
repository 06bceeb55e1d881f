"""A bundle as a LiteRT (TensorFlow Lite) model, ``.tflite``: shapes are fixed there, and there is no STFT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.export.packages import need, padded
from hrf_ser.deploy.export.parity import Run
from hrf_ser.deploy.export.waveform import PaddedClassifier
from hrf_ser.errors import UserError


def write(classifier: SpeechClassifier, path: Path, seconds: float) -> Run:
    """Write the model and open it as it was written.

    Args:
        classifier: from ``load_bundle``.
        path: the file.
        seconds: length of its input; shorter audio is padded, and its second input says how much of it counts.

    Raises:
        UserError: the extra is not installed, or LiteRT cannot convert the model.
    """
    converter = need("litert_torch", "litert", "litert")
    samples = round(seconds * SAMPLE_RATE)
    example = (torch.randn(1, samples), torch.tensor([samples]))
    try:
        converter.convert(PaddedClassifier(classifier), example).export(str(path))
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"format=litert: LiteRT cannot convert this model ({reason}); use another format.") from error
    return load(path, samples)


def load(path: Path, samples: int) -> Run:
    """The model of a ``.tflite`` file as a function of waveforms of up to ``samples`` samples, on one thread."""
    interpreter = need("ai_edge_litert.interpreter", "litert", "litert").Interpreter(
        model_content=path.read_bytes(), num_threads=1
    )
    interpreter.allocate_tensors()
    inputs = sorted(interpreter.get_input_details(), key=lambda one: len(one["shape"]), reverse=True)
    logits = interpreter.get_output_details()[0]["index"]

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(inputs[0]["index"], padded(waveform, samples))
        interpreter.set_tensor(inputs[1]["index"], np.array([len(waveform)], inputs[1]["dtype"]))
        interpreter.invoke()
        answer: NDArray[np.float32] = interpreter.get_tensor(logits)[0].copy()
        return answer

    return run
