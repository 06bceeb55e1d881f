"""A waveform to an emotion with onnxruntime."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.deploy.runtime.listener import Listener
from hrf_ser.deploy.runtime.model_file import ModelFile, read_model
from hrf_ser.errors import UserError


class Emotion(Listener):
    """An exported model, loaded and ready.

    Calls may come from several threads at once; they share the session.

    Args:
        path: an exported ``.onnx`` file; or a folder that holds one; or a bundle with ``export/`` beside it.
        threads: of onnxruntime for one waveform.

    Attributes:
        labels: class names.
        sample_rate: that the model hears, Hz; everything else is resampled to it.
        file: path, metadata and checksum of the file.

    Raises:
        UserError: nothing exported there; a file that is damaged, of a newer version, or that is not alone (external data,
            custom operators); onnxruntime is missing.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise UserError(f"threads={threads}: is not a number of at least 1.")
        self.file, content = read_model(path)
        self.labels, self.sample_rate = self.file.labels, self.file.sample_rate
        self._session = _session(self.file, content, threads)

    def posterior(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> probabilities ``(classes,)``."""
        return self._run("probabilities", waveform)

    def logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(samples,)`` at :attr:`sample_rate` -> logits ``(classes,)``."""
        return self._run("logits", waveform)

    def _run(self, output: str, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            answer: NDArray[np.float32] = self._session.run([output], {"waveform": waveform[None]})[0][0]
        except Exception as error:  # onnxruntime's exceptions have no common base
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{self.file.path}: cannot be run by onnxruntime ({reason}); export it again.") from error
        if not np.isfinite(answer).all():
            raise UserError(
                f"{self.file.path}: answered with NaN; export it again and send us the audio if that remains."
            )
        return answer


def _session(file: ModelFile, content: bytes, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "onnxruntime is not installed: pip install 'hrf_ser[runtime]', or hrf_ser_runtime alone without torch."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that spin while they wait take the battery of a phone for nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        # From memory: what was checked is what is loaded, and no path is followed.
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{file.path}: cannot be used by onnxruntime ({reason}); export it again.") from error
    inputs = [(one.name, one.type, len(one.shape)) for one in session.get_inputs()]
    outputs = {one.name: one.shape for one in session.get_outputs()}
    classes = {outputs.get(name, [None])[-1] for name in ("logits", "probabilities")}
    if inputs != [("waveform", "tensor(float)", 2)] or classes != {len(file.labels)}:
        raise UserError(f"{file.path}: takes or gives something else than its labels say; export it again.")
    return session
