"""Waveform -> log-mel -> normalisation: one set of modules for training, prediction and export."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.audio.torchaudio_import import torchaudio

Normalisation = Literal["train", "utterance", "none"]


@dataclass(frozen=True)
class FrontEndConfig:
    """Options of the log-mel front end.

    Attributes:
        n_mels: mel bands.
        window_ms: length of the Hann window.
        hop_ms: distance of frames.
        f_min: lowest frequency, Hz.
        f_max: highest frequency, Hz.
        floor_db: energies further than this below the utterance's largest are raised to it.
        trim_db: frames at both ends whose energy is further than this below the loudest frame's are cut; None cuts
            nothing.
    """

    n_mels: int = 64
    window_ms: float = 25.0
    hop_ms: float = 10.0
    f_min: float = 20.0
    f_max: float = 8000.0
    floor_db: float = 80.0
    trim_db: float | None = 35.0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> FrontEndConfig:
        """From the validated options under ``features``, of which ``normalisation`` belongs to :class:`Normaliser`."""
        numbers = {field.name: options[field.name] for field in fields(cls) if field.name != "n_mels"}
        # 20 and 20.0 must give the same stored features.
        numbers = {name: None if value is None else float(value) for name, value in numbers.items()}
        return cls(n_mels=options["n_mels"], **numbers)

    @property
    def title(self) -> str:
        """Of the progress bar."""
        return "Features"

    @property
    def width(self) -> int:
        """Features of a frame."""
        return self.n_mels

    def as_dict(self) -> dict[str, Any]:
        """The options for JSON."""
        return asdict(self)

    def extractor(self) -> Callable[[Tensor], NDArray[np.float32]]:
        """A function from audio at 16 kHz, ``(samples,)``, to features ``(frames, n_mels)``."""
        log_mel = LogMel(self)

        def compute(waveform: Tensor) -> NDArray[np.float32]:
            features, frames = log_mel(waveform[None], torch.tensor([waveform.shape[0]]))
            return np.asarray(features[0, : int(frames)].contiguous().numpy(), dtype=np.float32)

        return compute


class LogMel(nn.Module):
    """Log-mel spectrogram of 16 kHz audio (natural logarithm of mel energy), silence at both ends cut.

    Frames are centred; an utterance of n samples has ``n // hop + 1`` frames before trimming.
    """

    def __init__(self, config: FrontEndConfig) -> None:
        super().__init__()
        self.config = config
        self.hop = round(config.hop_ms * SAMPLE_RATE / 1000)
        window = round(config.window_ms * SAMPLE_RATE / 1000)
        # Padding with zeros, since reflection needs more samples than very short audio has, and since a batch padded with
        # zeros then gives what each utterance gives alone.
        self.mel = torchaudio().transforms.MelSpectrogram(
            sample_rate=SAMPLE_RATE,
            n_fft=2 ** math.ceil(math.log2(window)),
            win_length=window,
            hop_length=self.hop,
            f_min=config.f_min,
            f_max=config.f_max,
            n_mels=config.n_mels,
            pad_mode="constant",
            norm=None,
            mel_scale="htk",
        )

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of padded waveforms.

        Args:
            waveform: ``(batch, samples)``, float32.
            lengths: ``(batch,)``, samples of each; what lies behind is ignored.

        Returns:
            Features ``(batch, frames, n_mels)`` and frames ``(batch,)``; frames behind the length hold no meaning.
        """
        waveform = waveform * (torch.arange(waveform.shape[1], device=waveform.device) < lengths[:, None])
        energy = self.mel(waveform).transpose(1, 2)
        frames = lengths // self.hop + 1
        valid = torch.arange(energy.shape[1], device=energy.device) < frames[:, None]
        return self.compress(energy * valid[:, :, None], frames)

    def compress(self, energy: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mel energy ``(batch, frames, n_mels)``, zero behind the ``frames`` of each, to what :meth:`forward` returns."""
        features = self.log(energy)
        if self.config.trim_db is None:
            return features, frames
        # The first loud frame is shifted to the front, and the length shortened: no shape depends on data, so it exports.
        first, end = self.ends(energy, frames)
        source = (torch.arange(energy.shape[1], device=energy.device) + first[:, None]).clamp(max=energy.shape[1] - 1)
        # Whole frames are taken: a gather of single numbers costs an exported graph ten times as much.
        source = source + torch.arange(energy.shape[0], device=energy.device)[:, None] * energy.shape[1]
        return features.flatten(0, 1).index_select(0, source.flatten()).view_as(features), end - first

    def log(self, energy: Tensor) -> Tensor:
        """Mel energy ``(batch, frames, n_mels)`` to its logarithm, raised to the floor."""
        top = energy.amax(dim=(1, 2), keepdim=True).clamp(min=1e-10)
        return torch.maximum(energy, top * 10 ** (-self.config.floor_db / 10)).log()

    def ends(self, energy: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """First loud frame of each utterance and the one after its last, ``(batch,)`` each.

        Audio without any energy keeps all of its ``frames``.
        """
        assert self.config.trim_db is not None
        energy = energy.mean(dim=2)
        loud = energy > energy.amax(dim=1, keepdim=True) * 10 ** (-self.config.trim_db / 10)
        index = torch.arange(energy.shape[1], device=energy.device).expand_as(energy)
        last = torch.where(loud, index, -1).amax(dim=1)
        found = last >= 0
        first = torch.where(found, torch.where(loud, index, energy.shape[1]).amin(dim=1), 0)
        return first, torch.where(found, last + 1, frames)


class Normaliser(nn.Module):
    """Zero mean and unit variance for every mel band.

    ``train``: statistics of the training speakers, held as buffers. ``utterance``: of the utterance's own frames.
    ``none``: features as they are.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mode: Normalisation, n_features: int) -> None:
        super().__init__()
        if mode not in ("train", "utterance", "none"):
            raise ValueError(f"normalisation {mode!r} is unknown; use train, utterance or none")
        self.mode = mode
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))

    def forward(self, features: Tensor, frames: Tensor | None) -> Tensor:
        """``(batch, time, bands)`` and ``(batch,)`` -> ``(batch, time, bands)``; padding becomes zero. None: there is none."""
        if self.mode == "train":
            features = (features - self.mean) / self.std
        if frames is None:
            if self.mode == "utterance":
                features = features - features.mean(1, keepdim=True)
                features = features / features.square().mean(1, keepdim=True).sqrt().clamp(min=1e-3)
            return features
        valid = (torch.arange(features.shape[1], device=features.device) < frames[:, None])[:, :, None]
        if self.mode == "utterance":
            count = frames.clamp(min=1)[:, None, None].to(features.dtype)
            mean = torch.where(valid, features, 0.0).sum(1, keepdim=True) / count
            centred = torch.where(valid, features - mean, 0.0)
            std = (centred.square().sum(1, keepdim=True) / count).sqrt()
            features = centred / std.clamp(min=1e-3)
        return torch.where(valid, features, 0.0)
