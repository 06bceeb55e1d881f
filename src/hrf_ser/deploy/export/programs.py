"""A bundle as a program that is not ONNX.

- ``torch-export``, ``.pt2``: for torch without this package, and for its ahead-of-time compilers.
- ``executorch``, ``.pte``: lowered to XNNPACK, for phones and boards. Its shapes are fixed.
- ``litert``, ``.tflite``: TensorFlow Lite. Its shapes are fixed.

Where shapes are fixed, shorter audio is padded, and a second input says how many samples count.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.export.equivalence import Run
from hrf_ser.deploy.export.waveform import PaddedClassifier, WaveformClassifier
from hrf_ser.errors import UserError
from hrf_ser.extras import need

# SpeechFormer has two tokens in its last stage from here on.
_MIN_SAMPLES = 2 * SAMPLE_RATE


def write_torch_export(classifier: SpeechClassifier, path: Path, entries: dict[str, str]) -> Run:
    """Write a program for any batch and any length, with the metadata as extra files, and load it again."""
    dynamic = torch.export.Dim.DYNAMIC
    # Longer than a second, which SpeechFormer wants, and no multiple of anything.
    example = torch.randn(2, 3 * SAMPLE_RATE + 1237)
    model = WaveformClassifier(classifier, min_samples=_MIN_SAMPLES)
    program = torch.export.export(model, (example,), dynamic_shapes={"waveform": {0: dynamic, 1: dynamic}})
    with path.open("wb") as target:
        torch.export.save(program, target, extra_files=dict(entries))
    with path.open("rb") as source:
        module = torch.export.load(source).module()

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = module(torch.from_numpy(waveform)[None])[0][0].numpy()
        return logits

    return run


def write_executorch(classifier: SpeechClassifier, path: Path, seconds: float) -> Run:
    """Write a program for audio of up to so many seconds, and load it again.

    Raises:
        UserError: the extra is not installed, or ExecuTorch cannot lower the model.
    """
    exir = need("executorch.exir", "executorch")
    partitioner = need("executorch.backends.xnnpack.partition.xnnpack_partitioner", "executorch")
    samples, example = _example(seconds)
    program = torch.export.export(PaddedClassifier(classifier), example)
    try:
        lowered = exir.to_edge_transform_and_lower(program, partitioner=[partitioner.XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)
    except (ValueError, RuntimeError) as error:
        # Attention whose strides an exported view does not fit, for instance.
        raise _unsupported("executorch", "ExecuTorch cannot lower", error) from error
    runtime = need("executorch.runtime", "executorch").Runtime.get()
    method = runtime.load_program(str(path)).load_method("forward")

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        logits, _ = method.execute([torch.from_numpy(_pad(waveform, samples)), torch.tensor([len(waveform)])])
        values: NDArray[np.float32] = logits[0].numpy().copy()
        return values

    return run


def write_litert(classifier: SpeechClassifier, path: Path, seconds: float) -> Run:
    """Write a model for audio of up to so many seconds, and load it again, on one thread.

    Raises:
        UserError: the extra is not installed, or LiteRT cannot convert the model.
    """
    converter = need("litert_torch", "litert")
    samples, example = _example(seconds)
    try:
        converter.convert(PaddedClassifier(classifier), example).export(str(path))
    except (ValueError, RuntimeError) as error:
        raise _unsupported("litert", "LiteRT cannot convert", error) from error
    interpreter = need("ai_edge_litert.interpreter", "litert").Interpreter(
        model_content=path.read_bytes(), num_threads=1
    )
    interpreter.allocate_tensors()
    inputs = sorted(interpreter.get_input_details(), key=lambda details: len(details["shape"]), reverse=True)
    output = interpreter.get_output_details()[0]["index"]

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(inputs[0]["index"], _pad(waveform, samples))
        interpreter.set_tensor(inputs[1]["index"], np.array([len(waveform)], inputs[1]["dtype"]))
        interpreter.invoke()
        logits: NDArray[np.float32] = interpreter.get_tensor(output)[0].copy()
        return logits

    return run


def _example(seconds: float) -> tuple[int, tuple[torch.Tensor, torch.Tensor]]:
    samples = round(seconds * SAMPLE_RATE)
    return samples, (torch.randn(1, samples), torch.tensor([samples]))


def _pad(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """``(n,)`` -> ``(1, samples)``."""
    return np.pad(waveform, (0, samples - len(waveform)))[None]


def _unsupported(format: str, problem: str, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0]
    return UserError(f"format={format}: {problem} this model ({reason}); use another format.")
