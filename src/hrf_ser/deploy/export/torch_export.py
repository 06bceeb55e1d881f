"""A bundle as a ``torch.export`` program, ``.pt2``: for torch without this package, and for its ahead-of-time compilers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.deploy.export.parity import Run
from hrf_ser.deploy.export.waveform import WaveformClassifier

# SpeechFormer has two tokens in its last stage from here on.
_LEAST = 2 * SAMPLE_RATE


def export_program(classifier: SpeechClassifier) -> torch.export.ExportedProgram:
    """``waveform (batch, samples)`` -> logits and probabilities; any batch, any length from one sample on."""
    dynamic = torch.export.Dim.DYNAMIC
    # Longer than a second, which SpeechFormer wants, and no multiple of anything.
    example = torch.randn(2, 3 * SAMPLE_RATE + 1237)
    return torch.export.export(
        WaveformClassifier(classifier, least=_LEAST), (example,), dynamic_shapes={"waveform": {0: dynamic, 1: dynamic}}
    )


def write(classifier: SpeechClassifier, path: Path, entries: dict[str, str]) -> Run:
    """Write the program with what it says of itself as extra files, and open it as it was written."""
    with path.open("wb") as file:
        torch.export.save(export_program(classifier), file, extra_files=dict(entries))
    return load(path)


def load(path: Path) -> Run:
    """The program of a ``.pt2`` file as a function."""
    with path.open("rb") as file:
        module = torch.export.load(file).module()

    def run(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits, _ = module(torch.from_numpy(waveform)[None])
        answer: NDArray[np.float32] = logits[0].numpy()
        return answer

    return run
