"""Augmentation, on waveforms before features are computed and on features while training."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.audio.torchaudio_import import torchaudio

_TELEPHONE_RATE = 8_000


@dataclass(frozen=True)
class OfflineAugmentation:
    """Augmentation of a waveform. Features of every augmented copy are stored; an epoch samples one for each utterance.

    Attributes:
        speed: resampling factor; 1.1 is 10 % faster and higher.
        snr_db: signal-to-noise ratio range in dB from which each utterance draws; None adds no noise.
        telephone: see :func:`telephone`; before the noise.
        seed: of the noise.
    """

    speed: float = 1.0
    snr_db: tuple[float, float] | None = None
    telephone: bool = False
    seed: int = 0

    @property
    def is_clean(self) -> bool:
        return self == OfflineAugmentation(seed=self.seed)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self, waveform: Tensor, utterance: str) -> Tensor:
        """``(samples,)`` -> ``(samples',)``. The noise depends on the utterance's name and the seed alone."""
        if self.speed != 1.0:
            waveform, _ = torchaudio().functional.speed(waveform, SAMPLE_RATE, self.speed)
        if self.telephone:
            waveform = telephone(waveform)
        if self.snr_db is not None:
            generator = torch.Generator().manual_seed(zlib.crc32(utterance.encode()) + self.seed)
            low, high = self.snr_db
            snr = low + (high - low) * torch.rand((), generator=generator)
            noise = _coloured_noise(waveform.shape[-1], generator)
            noisy: Tensor = torchaudio().functional.add_noise(waveform, noise, snr)
            return noisy
        return waveform


def offline_augmentations(
    speeds: Sequence[float], noise_snr_db: tuple[float, float] | None = None, telephone: bool = False
) -> list[OfflineAugmentation]:
    """The clean copy, one for each other speed, a noisy one where a range is given, and one through a telephone."""
    copies = [OfflineAugmentation(), *[OfflineAugmentation(speed=speed) for speed in speeds if speed != 1.0]]
    if noise_snr_db is not None:
        copies.append(OfflineAugmentation(snr_db=noise_snr_db))
    if telephone:
        copies.append(OfflineAugmentation(telephone=True))
    return copies


def telephone(waveform: Tensor) -> Tensor:
    """300 to 3400 Hz at 8 kHz in 8-bit mu-law, as a landline (ITU-T G.711); ``(samples,)`` -> ``(samples,)``."""
    functional = torchaudio().functional
    narrow = functional.resample(waveform, SAMPLE_RATE, _TELEPHONE_RATE)
    spectrum = torch.fft.rfft(narrow)
    frequency = torch.linspace(0, _TELEPHONE_RATE / 2, len(spectrum))
    narrow = torch.fft.irfft(spectrum * ((frequency >= 300) & (frequency <= 3400)), n=len(narrow))
    coded = functional.mu_law_decoding(functional.mu_law_encoding(narrow.clamp(-1, 1), 256), 256)
    out: Tensor = functional.resample(coded, _TELEPHONE_RATE, SAMPLE_RATE)
    return out[: len(waveform)]


class Mix(NamedTuple):
    """A batch of mixtures ``share * utterance + (1 - share) * partner``.

    features ``(batch, time, bands)``, lengths ``(batch,)``, partner ``(batch,)``: the partner's index in the batch.
    """

    features: Tensor
    lengths: Tensor
    partner: Tensor
    share: float


class FeatureAugment(nn.Module):
    """Random gain on log-mel features; SpecAugment (Park et al., Interspeech 2019) and mixup (Zhang et al., ICLR 2018) on
    normalised ones.

    Args:
        time_masks: number of masks along time.
        time_width: largest width of each, as a fraction of the batch's longest utterance.
        band_masks: number of masks along mel bands.
        band_width: largest width of each, in bands.
        gain_db: each utterance's level moves by up to this, in dB; ``utterance`` normalisation takes it out again.
        mixup: a batch's share is drawn from Beta(mixup, mixup), near 0 or 1 for a small value; 0 mixes nothing.
    """

    def __init__(
        self,
        time_masks: int,
        time_width: float,
        band_masks: int,
        band_width: int,
        gain_db: float,
        mixup: float = 0.0,
    ) -> None:
        super().__init__()
        self.time_masks, self.time_width = time_masks, time_width
        self.band_masks, self.band_width = band_masks, band_width
        self.gain_db = gain_db
        self.mixup = mixup

    def gain(self, features: Tensor) -> Tensor:
        """Random gain on log-mel features ``(batch, time, bands)`` before normalisation, where it is a constant."""
        if self.gain_db == 0:
            return features
        decibels = (torch.rand(features.shape[0], 1, 1, device=features.device) * 2 - 1) * self.gain_db
        return features + decibels * (torch.log(torch.tensor(10.0)) / 10)

    def mask(self, features: Tensor) -> Tensor:
        """Masks on normalised features ``(batch, time, bands)``; a masked value is 0, the training mean."""
        mask_along = torchaudio().functional.mask_along_axis_iid
        spectrogram: Tensor = features[:, None]
        for _ in range(self.time_masks):
            spectrogram = mask_along(spectrogram, max(1, int(self.time_width * features.shape[1])), 0.0, 2)
        for _ in range(self.band_masks):
            spectrogram = mask_along(spectrogram, self.band_width, 0.0, 3)
        return spectrogram.squeeze(1)

    def mix(self, features: Tensor, lengths: Tensor) -> Mix:
        """Mix every utterance of ``(batch, time, bands)`` with another; the longer of the two gives the length.

        Padding must be zero, the training mean.
        """
        share = float(torch.distributions.Beta(self.mixup, self.mixup).sample())
        partner = torch.randperm(len(lengths), device=features.device)
        mixed = torch.lerp(features[partner], features, share)
        return Mix(mixed, torch.maximum(lengths, lengths[partner]), partner, share)


def _coloured_noise(samples: int, generator: torch.Generator) -> Tensor:
    """Noise whose power falls with frequency: as white noise, not at all, to as brown noise."""
    spectrum = torch.fft.rfft(torch.randn(samples, generator=generator))
    frequency = torch.arange(1, spectrum.shape[0] + 1, dtype=torch.float32)
    slope = torch.rand((), generator=generator)
    noise: Tensor = torch.fft.irfft(spectrum / frequency**slope, n=samples)
    return noise
