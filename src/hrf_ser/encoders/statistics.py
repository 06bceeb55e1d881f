"""Mean and standard deviation over time of an encoder's hidden states, as a front end whose utterances have one frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.encoders.huggingface import EXTRA, HuggingFaceEncoder
from hrf_ser.encoders.whisper import WhisperEncoder, load_whisper
from hrf_ser.errors import UserError
from hrf_ser.extras import need

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one layer of Whisper, or of all hidden states of any encoder, one behind the other.

    Attributes:
        path: folder of the encoder as Hugging Face has it.
        layer: from 1; None for the input of the first layer and the output of every layer.
        key: setting that names the folder, for errors.
    """

    path: Path
    layer: int | None = None
    key: str = "teacher.path"

    @property
    def title(self) -> str:
        """Of the progress bar."""
        return "Teacher's embeddings" if self.layer else "Statistics of the encoder's layers"

    @cached_property
    def kind(self) -> str:
        """``whisper``, or the ``model_type`` of the files."""
        if self.layer is not None:
            return "whisper"
        file = self.path / "config.json"
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["model_type"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.key}={self.path}: config.json is missing or damaged; give the folder of an encoder as Hugging Face "
                "has it."
            ) from error

    @cached_property
    def encoder(self) -> WhisperEncoder | HuggingFaceEncoder:
        """The frozen encoder."""
        if self.kind == "whisper":
            return load_whisper(self.path, self.layer, self.key)
        return HuggingFaceEncoder(self.path, self.key)

    @property
    def states(self) -> int:
        """Hidden states."""
        return 1 if self.layer else self.encoder.states

    @property
    def width(self) -> int:
        """Twice the encoder's width, for each hidden state."""
        return self.states * 2 * self.encoder.width

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the weights."""
        found = next((file for name in _WEIGHTS if (file := self.path / name).is_file()), None)
        if found is None:
            raise UserError(
                f"{self.key}={self.path}: {_WEIGHTS[0]} is missing; give the folder of an encoder as Hugging Face has it."
            )
        return hashlib.sha256(found.read_bytes()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The weights' content stands for their place."""
        layers = {"layer": self.layer} if self.layer else {"layers": "all"}
        return {"encoder": self.kind, "weights": self.checksum, **layers, "statistics": ["mean", "std"]}

    def costs(self, seconds: float) -> dict[str, int]:
        """Parameters, and multiply-adds per second of audio of this length."""
        counter = FlopCounterMode(display=False)
        # The counter does not know the fused CPU kernel, and would count its attention as nothing.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            self.encoder(torch.randn(round(seconds * SAMPLE_RATE)))
        return {
            "parameters": sum(parameter.numel() for parameter in self.encoder.parameters()),
            "macs_per_second_of_audio": round(counter.get_total_flops() / 2 / seconds),
        }

    def extractor(self) -> Callable[[Tensor], NDArray[np.float32]]:
        """A function from audio at 16 kHz, ``(samples,)``, to its statistics, ``(1, width)``."""

        def compute(waveform: Tensor) -> NDArray[np.float32]:
            states = self.encoder(waveform)[None] if self.layer else self.encoder.hidden_states(waveform)
            std, mean = torch.std_mean(states, dim=1, correction=0)
            return torch.cat([mean, std], 1).reshape(1, -1).numpy()

        return compute


def find_encoder(name_or_path: str, key: str) -> Path:
    """The folder of an encoder: a local one, or that of a model of the Hugging Face hub, downloaded once.

    Raises:
        UserError: there is no such folder, and no such model on the hub.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if name_or_path.count("/") > 1 or name_or_path.startswith((".", "~", "/")):
        raise UserError(f"{key}={name_or_path} does not exist: give the folder of an encoder, or its name on the hub.")
    hub = need("huggingface_hub", EXTRA)
    files = ["config.json", "preprocessor_config.json", *_WEIGHTS]
    try:
        return Path(hub.snapshot_download(name_or_path, allow_patterns=files))
    except (OSError, ValueError) as error:  # errors of the hub and of the network are OSErrors
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(f"{key}={name_or_path} is no folder and cannot be downloaded ({reason}).") from error
