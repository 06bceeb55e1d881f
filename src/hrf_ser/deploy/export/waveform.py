"""Modules for export: 16 kHz waveform -> logits and probabilities, front end inside.

They compute what :class:`~hrf_ser.deploy.bundle.SpeechClassifier` computes, with the spectrum as two matrix products instead of
an FFT, which runtimes lack or do slowly.
"""

from __future__ import annotations

import copy
import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.audio.front_end import LogMel
from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.models.backbone import Backbone
from hrf_ser.models.ensemble import Ensemble, can_embed

# From here on SpeechFormer has two tokens in its last stage.
_MIN_SAMPLES = 2 * SAMPLE_RATE


class MatrixMel(nn.Module):
    """Mel energies as torchaudio's ``MelSpectrogram`` gives them, by matrix products only.

    A Hann window is even around its centre, so a frame's real part needs the even half of the frame and its imaginary part
    the odd half: two products over half a window each, half the multiply-adds of a DFT as convolution. The phase is
    counted from the window's centre, which the energy does not see.

    The matrices are ``table[(row * column) % n_fft] * window``, the filters triangles: an ONNX file keeps the table and the
    edges of the triangles (see ``onnx.py``).
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self, front_end: LogMel) -> None:
        super().__init__()
        mel = front_end.mel
        self.n_fft, self.hop, self.reach = int(mel.n_fft), front_end.hop, int(mel.win_length) // 2
        filters = mel.mel_scale.fb
        used = filters.any(1).nonzero().flatten()
        # Bins that no band uses are not computed.
        self.first, self.last = int(used.min()), int(used.max()) + 1
        cosine_table, window = self.tables()
        sine_table = cosine_table.roll(self.n_fft // 4)
        index = torch.arange(self.reach)[:, None] * torch.arange(self.first, self.last) % self.n_fft
        self.register_buffer("cosines", (cosine_table[index] * window).float())
        self.register_buffer("sines", (sine_table[index] * window).float())
        self.register_buffer("filters", filters[self.first : self.last].clone())
        self.edges = _edges(mel.mel_scale)

    def tables(self) -> tuple[Tensor, Tensor]:
        """One period of the cosine ``(n_fft,)`` and half a window ``(reach, 1)`` from its centre on, float64."""
        cosine = torch.cos(2 * math.pi * torch.arange(self.n_fft, dtype=torch.float64) / self.n_fft)
        sample = torch.arange(self.reach, dtype=torch.float64)
        window = 0.5 + 0.5 * torch.cos(math.pi * sample / self.reach)
        window[0] /= 2  # The centre is in both halves.
        return cosine, window[:, None]

    def forward(self, waveform: Tensor) -> Tensor:
        """``(batch, samples)`` -> mel energy ``(batch, n_mels, samples // hop + 1)``."""
        after = self._frames(waveform, 0)
        before = self._frames(waveform, self.reach - 1).flip(2)
        real, imaginary = (after + before) @ self.cosines, (after - before) @ self.sines
        energy: Tensor = (real * real + imaginary * imaginary) @ self.filters
        return energy.transpose(1, 2)

    def _frames(self, waveform: Tensor, before: int) -> Tensor:
        """Half windows ``(batch, frames, reach)`` from ``before`` samples before each hop: as rows of a hop each, since
        copying rows costs less than gathering.
        """
        frames = waveform.shape[1] // self.hop + 1
        rows = math.ceil(self.reach / self.hop) - 1
        # What is beyond the rows is cut off: where the window is much longer than a hop, ``before`` alone may fill some.
        padded = F.pad(waveform, (before, (frames + rows) * self.hop - before - waveform.shape[1]))
        hops: Tensor = padded.reshape(-1, frames + rows, self.hop)
        pieces = [hops[:, row : row + frames] for row in range(rows)]
        pieces.append(hops[:, rows : rows + frames, : self.reach - rows * self.hop])
        return torch.cat(pieces, 2)


def _edges(scale: Any) -> Tensor:
    """Where the triangles of the HTK mel scale begin, peak and end, Hz, ``(n_mels + 2,)``, in torchaudio's own steps."""
    low, high = (2595.0 * math.log10(1.0 + frequency / 700.0) for frequency in (scale.f_min, scale.f_max))
    edges: Tensor = 700.0 * (10.0 ** (torch.linspace(low, high, int(scale.n_mels) + 2) / 2595.0) - 1.0)
    return edges


def with_matrices(front_end: LogMel) -> LogMel:
    """A copy that computes its spectrum by :class:`MatrixMel`, where its window has a centre."""
    front_end = copy.deepcopy(front_end)
    if front_end.mel.win_length % 2 == 0:
        front_end.mel = MatrixMel(front_end)
    return front_end


class UtteranceFrontEnd(nn.Module):
    """One waveform -> log-mel features, and the first and last frame of speech. The cut follows in the graph."""

    def __init__(self, front_end: LogMel) -> None:
        super().__init__()
        self.log_mel = with_matrices(front_end)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(1, samples)`` -> features ``(1, frames, n_mels)``, first frame of speech and the one after its last, ``(1,)``."""
        energy = self.log_mel.mel(waveform).transpose(1, 2)
        frames = torch.full((1,), energy.shape[1], device=energy.device)
        if self.log_mel.config.trim_db is None:
            return self.log_mel.log(energy), torch.zeros_like(frames), frames
        return self.log_mel.log(energy), *self.log_mel.ends(energy, frames)


class UtteranceClassifier(nn.Module):
    """The features of one utterance -> logits at the bundle's temperature, and the pooled vector where the model has one.

    There is no mask.
    """

    def __init__(self, classifier: SpeechClassifier, model: nn.Module) -> None:
        super().__init__()
        self.normaliser, self.model = classifier.normaliser, model
        self.calibrated = classifier.calibrated
        self.embeds = can_embed(model)

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """``(1, frames, n_mels)`` -> ``(1, classes)`` and ``(1, width)``."""
        features = self.normaliser(features, None)
        if not self.embeds:
            return self.calibrated(cast(Tensor, self.model(features, None)))
        assert isinstance(self.model, Backbone | Ensemble)
        embedding = self.model.embed(features, None)
        return self.calibrated(self.model.classify(embedding)), embedding


class PaddedClassifier(nn.Module):
    """The graph for runtimes with fixed shapes: ``(batch, samples)`` and how many of the samples count, ``(batch,)``."""

    def __init__(self, classifier: SpeechClassifier) -> None:
        super().__init__()
        self.classifier = copy.deepcopy(classifier)
        self.classifier.front_end = with_matrices(classifier.front_end)
        self.eval().requires_grad_(False)

    def forward(self, waveform: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        logits = cast(Tensor, self.classifier(waveform, samples))
        return logits, logits.softmax(-1)


class WaveformClassifier(PaddedClassifier):
    """Waveforms of one length: ``(batch, samples)`` -> logits and probabilities, ``(batch, classes)`` each."""

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        batch, length = waveform.shape
        samples = torch.full((batch,), length, device=waveform.device)
        # torch's exporter assumes that no axis has length 1.
        waveform = F.pad(waveform, (0, torch.sym_max(0, _MIN_SAMPLES - length)))
        return super().forward(waveform, samples)
