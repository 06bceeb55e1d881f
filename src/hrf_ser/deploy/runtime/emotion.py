"""Predictions of an exported model with onnxruntime."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.model_file import load_model
from hrf_ser.deploy.runtime.predictor import Predictor
from hrf_ser.errors import UserError


class Emotion(Predictor):
    """An exported model, loaded and ready.

    Calls may come from several threads at once; they share the session.

    Args:
        path: an exported ``.onnx`` file; or a folder that holds one; or a bundle with ``export/`` beside it.
        threads: of onnxruntime for one waveform.

    Raises:
        UserError: as :func:`~hrf_ser.deploy.runtime.model_file.load_model`.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        if type(threads) is not int or threads < 1:
            raise UserError(f"threads={threads}: is not a number of at least 1.")
        self.file, self._session, _ = load_model(path, threads)
        self.labels, self.sample_rate = self.file.labels, self.file.sample_rate
        self._outputs = {output.name for output in self._session.get_outputs()}

    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> probabilities ``(classes,)``."""
        probabilities = self._run("probabilities", waveform)
        if not np.isfinite(probabilities).all():
            raise UserError(f"{self.file.path}: gave NaN; export it again and send us the audio if that remains.")
        return probabilities

    def logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> logits ``(classes,)``, which may be NaN."""
        return self._run("logits", waveform)

    def embedding(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> the pooled vector before the classifier, ``(width,)``."""
        if "embedding" not in self._outputs:
            raise UserError(f"{self.file.path}: has no output embedding; export it again.")
        return self._run("embedding", waveform)

    def _run(self, output: str, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            values: NDArray[np.float32] = self._session.run([output], {"waveform": waveform[None]})[0][0]
        except Exception as error:  # onnxruntime's exceptions have no common base
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{self.file.path}: cannot be run by onnxruntime ({reason}); export it again.") from error
        return values
