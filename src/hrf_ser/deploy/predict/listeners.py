"""What hears: a bundle with torch, or an exported file without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime import Answer, Emotion, Listener
from hrf_ser.deploy.runtime.audio import Source
from hrf_ser.deploy.runtime.listener import WHOLE_S
from hrf_ser.deploy.runtime.windows import Windows

if TYPE_CHECKING:
    from hrf_ser.deploy.bundle import SpeechClassifier


def open_listener(bundle: Path, threads: int | None = None) -> Listener:
    """An ``.onnx`` file on onnxruntime, anything else as the bundle that it should be.

    Args:
        bundle: the file or the folder.
        threads: of one waveform; None leaves torch's own number, and is 1 for onnxruntime.

    Raises:
        UserError: neither, or damaged.
    """
    if bundle.suffix == ".onnx":
        return Emotion(bundle, threads or 1)

    import torch

    from hrf_ser.deploy.bundle import load_bundle

    if threads is not None:
        torch.set_num_threads(threads)
    return BundleListener(load_bundle(bundle))


class BundleListener(Listener):
    """The PyTorch model of a bundle.

    Args:
        classifier: from ``load_bundle``.
    """

    def __init__(self, classifier: SpeechClassifier) -> None:
        from hrf_ser.audio.read import SAMPLE_RATE

        self.classifier = classifier
        self.labels, self.sample_rate = classifier.description.labels, SAMPLE_RATE

    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at 16 kHz -> probabilities ``(classes,)``."""
        import torch

        with torch.inference_mode():
            # A copy: windows are views of a buffer that goes on.
            logits = self.classifier(torch.from_numpy(waveform.copy())[None], torch.tensor([len(waveform)]))
        answer: NDArray[np.float32] = logits[0].softmax(-1).numpy()
        return answer

    def __call__(
        self, source: Source, rate: int | None = None, *, windows: Windows | None = None, whole_s: float = WHOLE_S
    ) -> Answer:
        """As :meth:`Listener.__call__`; a file that is heard at once is read as training read it."""
        if rate is None and isinstance(source, str | os.PathLike):
            from hrf_ser.audio.read import duration, read_audio

            path = Path(source)
            if not path.is_file() or duration(path) <= whole_s:
                source, rate = read_audio(path), self.sample_rate
        return super().__call__(source, rate, windows=windows or Windows(), whole_s=whole_s)
