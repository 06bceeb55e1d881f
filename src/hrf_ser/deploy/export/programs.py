"""A bundle as a program that is not ONNX.

- ``torch-export``, ``.pt2``: for torch without this package, and for its ahead-of-time compilers.
- ``executorch``, ``.pte``: lowered to XNNPACK, for phones and boards.
- ``litert``, ``.tflite``: TensorFlow Lite.

The last two have fixed shapes: shorter audio is padded, and a second input says how many samples count.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.export.equivalence import Run
from hrf_ser.deploy.export.waveform import PaddedClassifier, WaveformClassifier
from hrf_ser.errors import UserError
from hrf_ser.extras import need

# The padded waveform ``(1, samples)`` and how many of its samples count -> logits ``(classes,)``.
_Padded = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


def write_torch_export(classifier: SpeechClassifier, path: Path, entries: dict[str, str]) -> Run:
    """Write a program for any batch and any length, with the metadata as extra files, and load it again."""
    dynamic = torch.export.Dim.DYNAMIC
    # Longer than a second, which SpeechFormer wants, and no multiple of anything.
    example = torch.randn(2, 3 * SAMPLE_RATE + 1237)
    model = WaveformClassifier(classifier)
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


def write_fixed_length(classifier: SpeechClassifier, path: Path, format: str, seconds: float) -> Run:
    """Write an ``executorch`` or ``litert`` program for audio of up to so many seconds, and load it again."""
    write = {"executorch": _write_executorch, "litert": _write_litert}[format]
    samples = round(seconds * SAMPLE_RATE)
    try:
        predict = write(PaddedClassifier(classifier), (torch.randn(1, samples), torch.tensor([samples])), path)
    except (ValueError, RuntimeError) as error:
        # Attention whose strides an exported view does not fit, for instance.
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"format={format}: its converter refuses this model ({reason}); use another format.") from error

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        return predict(np.pad(waveform, (0, samples - len(waveform)))[None], len(waveform))

    return run


def _write_executorch(model: PaddedClassifier, example: tuple[Tensor, Tensor], path: Path) -> _Padded:
    exir = need("executorch.exir", "executorch")
    xnnpack = need("executorch.backends.xnnpack.partition.xnnpack_partitioner", "executorch")
    program = torch.export.export(model, example)
    lowered = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)
    method = need("executorch.runtime", "executorch").Runtime.get().load_program(str(path)).load_method("forward")

    def predict(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
        outputs: list[Tensor] = method.execute([torch.from_numpy(waveform), torch.tensor([samples])])
        logits: NDArray[np.float32] = outputs[0][0].numpy().copy()
        return logits

    return predict


def _write_litert(model: PaddedClassifier, example: tuple[Tensor, Tensor], path: Path) -> _Padded:
    need("litert_torch", "litert").convert(model, example).export(str(path))
    library = need("ai_edge_litert.interpreter", "litert")
    interpreter: Any = library.Interpreter(model_content=path.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    audio, count = sorted(interpreter.get_input_details(), key=lambda details: -len(details["shape"]))
    output = interpreter.get_output_details()[0]["index"]

    def predict(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
        interpreter.set_tensor(audio["index"], waveform)
        interpreter.set_tensor(count["index"], np.array([samples], count["dtype"]))
        interpreter.invoke()
        logits: NDArray[np.float32] = interpreter.get_tensor(output)[0].copy()
        return logits

    return predict
