"""``hrf_ser.load``: the built-in model, an exported file or a bundle, ready to predict."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hrf_ser.builtin import builtin_model

if TYPE_CHECKING:
    from hrf_ser.deploy.runtime import Predictor


def load(
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    abstain: float = 0.0,
    speech_gate: bool = True,
) -> Predictor:
    """Load a model that predicts emotions: ``hrf_ser.load()("speech.wav").emotion``.

    Args:
        path: an exported ``.onnx`` file or a folder with one, which run on onnxruntime without torch; a ``bundle/`` folder,
            which runs in torch where it is installed; None is the built-in model.
        threads: for one waveform; None is 1 on onnxruntime and torch's own default in torch.
        abstain: the emotion is ``unsure`` where the most probable class is less probable.
        speech_gate: the emotion of silence, noise, tones and most music is ``no speech``.

    Returns:
        An object with ``labels`` and ``sample_rate``. Call it with a path, a file object or an array and its
        ``sampling_rate``. ``stream()`` takes chunks, ``embed()`` gives the pooled vector.

    Raises:
        UserError: no model there, one that is damaged, or a package that is missing.
    """
    predictor = _load(builtin_model() if path is None else Path(path).expanduser(), threads)
    predictor.abstain, predictor.speech_gate = abstain, speech_gate
    return predictor


def _load(path: Path, threads: int | None) -> Predictor:
    from hrf_ser.deploy.runtime import Emotion

    if path.suffix == ".onnx" or _holds_export(path) or find_spec("torch") is None:
        return Emotion(path, 1 if threads is None else threads)

    import torch

    from hrf_ser.deploy.bundle import BundlePredictor, load_bundle

    if threads is not None:
        torch.set_num_threads(threads)
    return BundlePredictor(load_bundle(path))


def _holds_export(path: Path) -> bool:
    """Whether a folder is no bundle and has an exported file."""
    from hrf_ser.deploy.runtime.model_file import exported_files

    return path.is_dir() and not (path / "bundle.json").is_file() and bool(exported_files(path))
