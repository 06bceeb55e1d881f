"""A bundle as an ExecuTorch program, ``.pte``, lowered to XNNPACK: for phones and boards."""

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
    """Write the program and open it as it was written.

    Args:
        classifier: from ``load_bundle``.
        path: the file.
        seconds: length of its input; shorter audio is padded, and its second input says how much of it counts.

    Raises:
        UserError: the extra is not installed, or ExecuTorch cannot lower the model.
    """
    exir = need("executorch.exir", "executorch", "executorch")
    partitioner = need("executorch.backends.xnnpack.partition.xnnpack_partitioner", "executorch", "executorch")
    samples = round(seconds * SAMPLE_RATE)
    example = (torch.randn(1, samples), torch.tensor([samples]))
    program = torch.export.export(PaddedClassifier(classifier), example)
    try:
        lowered = exir.to_edge_transform_and_lower(program, partitioner=[partitioner.XnnpackPartitioner()])
        buffer = lowered.to_executorch().buffer
    except (ValueError, RuntimeError) as error:
        # Attention whose strides an exported view does not fit, for instance.
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"format=executorch: ExecuTorch cannot lower this model ({reason}); use another format."
        ) from error
    path.write_bytes(buffer)
    return load(path, samples)


def load(path: Path, samples: int) -> Run:
    """The program of a ``.pte`` file as a function of waveforms of up to ``samples`` samples."""
    program = need("executorch.runtime", "executorch", "executorch").Runtime.get().load_program(str(path))
    method = program.load_method("forward")

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        logits, _ = method.execute([torch.from_numpy(padded(waveform, samples)), torch.tensor([len(waveform)])])
        answer: NDArray[np.float32] = logits[0].numpy().copy()
        return answer

    return run
