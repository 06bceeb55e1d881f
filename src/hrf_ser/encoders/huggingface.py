"""WavLM, HuBERT, wav2vec 2.0 and other speech encoders of Hugging Face's transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.errors import UserError
from hrf_ser.extras import need

EXTRA = "encoders"
# The convolutions of the encoders need this much audio for one frame; shorter utterances are padded.
_LEAST = SAMPLE_RATE // 20


def transformers() -> Any:
    """The module transformers. Its audio functions import torchaudio, which must be prepared beside a CPU torch.

    Raises:
        UserError: it is not installed.
    """
    torchaudio()
    return need("transformers", EXTRA)


class HuggingFaceEncoder(nn.Module):
    """A speech encoder that takes waveforms, in evaluation mode.

    Args:
        folder: ``config.json``, the weights, and optionally ``preprocessor_config.json``, as Hugging Face has them.
        key: setting that names the folder, for errors.
    """

    def __init__(self, folder: Path, key: str) -> None:
        super().__init__()
        library = transformers()
        try:
            self.model = library.AutoModel.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            self.normalises = _normalises(library, folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise UserError(f"{key}={folder}: does not hold a speech encoder ({reason}).") from error
        if getattr(self.model, "main_input_name", "") != "input_values":
            raise UserError(f"{key}={folder}: a {self.model.config.model_type} does not take a waveform.")
        self.eval().requires_grad_(False)

    @property
    def states(self) -> int:
        """Hidden states: the input of the first layer and the output of every layer."""
        return int(self.model.config.num_hidden_layers) + 1

    @property
    def width(self) -> int:
        """Of a hidden state."""
        return int(self.model.config.hidden_size)

    def forward(self, waveform: Tensor) -> Tensor:
        """Audio at 16 kHz, ``(samples,)``, -> the last hidden state ``(T, width)``."""
        return self.hidden_states(waveform)[-1]

    def hidden_states(self, waveform: Tensor) -> Tensor:
        """Audio at 16 kHz, ``(samples,)``, -> ``(states, T, width)``."""
        waveform = F.pad(waveform, (0, max(0, _LEAST - len(waveform))))
        if self.normalises:
            waveform = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
        return torch.cat(self.model(waveform[None], output_hidden_states=True).hidden_states)


def _normalises(library: Any, folder: Path) -> bool:
    """Whether the encoder was trained on waveforms of mean 0 and variance 1."""
    if not (folder / "preprocessor_config.json").is_file():
        return True
    extractor = library.AutoFeatureExtractor.from_pretrained(str(folder), local_files_only=True)
    return bool(getattr(extractor, "do_normalize", True))
