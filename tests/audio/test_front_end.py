import dataclasses

import pytest
import torch

from hrf_ser.audio.front_end import FrontEndConfig, LogMel, Normaliser
from hrf_ser.audio.read import read_audio

CONFIG = FrontEndConfig()


def speech_like(seconds: float, silence: float = 0.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    loud = torch.randn(round(seconds * 16_000), generator=generator) * 0.1
    quiet = torch.randn(round(silence * 16_000), generator=generator) * 1e-5
    return torch.cat([quiet, loud, quiet])


@pytest.mark.parametrize("trim_db", [None, 35.0])
def test_padding_changes_no_frame(trim_db):
    log_mel = LogMel(dataclasses.replace(CONFIG, trim_db=trim_db))
    waves = [speech_like(0.7, 0.2, 1), speech_like(0.31, 0.1, 2), speech_like(0.05, 0.0, 3)]
    lengths = torch.tensor([len(wave) for wave in waves])
    batch = torch.full((3, int(lengths.max()) * 2), 7.0)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    features, frames = log_mel(batch, lengths)
    for index, wave in enumerate(waves):
        alone, count = log_mel(wave[None], torch.tensor([len(wave)]))
        assert frames[index] == count[0]
        torch.testing.assert_close(features[index, : count[0]], alone[0, : count[0]])


def test_trimming_cuts_silence_at_both_ends_and_nothing_within():
    whole = LogMel(dataclasses.replace(CONFIG, trim_db=None))
    trimmed = LogMel(CONFIG)
    wave = torch.cat([speech_like(0.5, 0.3, 1), speech_like(0.5, 0.3, 2)])
    lengths = torch.tensor([len(wave)])
    everything, _ = whole(wave[None], lengths)
    features, frames = trimmed(wave[None], lengths)
    count = int(frames[0])
    # 0.5 s, a pause of 0.6 s, 0.5 s; a frame of 25 ms reaches over each edge.
    assert abs(count - 160) <= 4
    first = int((everything[0, :, 0] - features[0, 0, 0]).abs().argmin())
    assert abs(first - 29) <= 3
    torch.testing.assert_close(features[0, :count], everything[0, first : first + count])


def test_tone_lies_in_its_band_and_level_moves_every_band_alike():
    log_mel = LogMel(CONFIG)
    time = torch.arange(16_000) / 16_000
    lengths = torch.tensor([16_000])
    low, _ = log_mel(0.1 * torch.sin(2 * torch.pi * 200 * time)[None], lengths)
    high, _ = log_mel(0.1 * torch.sin(2 * torch.pi * 4_000 * time)[None], lengths)
    assert low[0, 50].argmax() < 12
    assert high[0, 50].argmax() > 45
    louder, _ = log_mel(0.2 * torch.sin(2 * torch.pi * 200 * time)[None], lengths)
    # Twice the amplitude is four times the energy.
    torch.testing.assert_close(louder[0, 20:80] - low[0, 20:80], torch.full((60, 64), 4.0).log(), atol=1e-3, rtol=0)


def test_audio_shorter_than_a_window_gives_finite_features():
    features, frames = LogMel(CONFIG)(torch.full((1, 30), 0.1), torch.tensor([30]))
    assert frames[0] == 1
    assert torch.isfinite(features).all()


def test_silence_keeps_its_frames_and_is_finite():
    features, frames = LogMel(CONFIG)(torch.zeros(1, 8_000), torch.tensor([8_000]))
    assert frames[0] == 51
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("mode", ["train", "utterance", "none"])
def test_normalisation_ignores_padding_and_clears_it(mode):
    normaliser = Normaliser(mode, 4)
    normaliser.mean.fill_(2.0)
    normaliser.std.fill_(3.0)
    features = torch.randn(1, 6, 4)
    padded = torch.cat([features, torch.full((1, 5, 4), 99.0)], dim=1)
    frames = torch.tensor([6])
    out = normaliser(padded, frames)
    torch.testing.assert_close(out[:, :6], normaliser(features, frames))
    assert not out[:, 6:].any()
    if mode == "train":
        torch.testing.assert_close(out[:, :6], (features - 2) / 3)
    if mode == "utterance":
        torch.testing.assert_close(out[0, :6].mean(0), torch.zeros(4), atol=1e-5, rtol=0)
        torch.testing.assert_close(out[0, :6].std(0, correction=0), torch.ones(4), atol=1e-4, rtol=0)


def test_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="use train, utterance or none"):
        Normaliser("speaker", 4)


def test_real_speech_loses_its_silent_ends(ravdess):
    wave = torch.from_numpy(read_audio(ravdess / "Actor_01" / "03-01-05-01-01-01-01.flac"))
    features, frames = LogMel(CONFIG)(wave[None], torch.tensor([len(wave)]))
    # 3.4 s with about a second of near-silence at both ends.
    assert 80 < int(frames[0]) < 250 < features.shape[1]


def test_options_become_floats():
    options = {**CONFIG.as_dict(), "hop_ms": 20, "trim_db": None, "normalisation": "train"}
    assert FrontEndConfig.from_options(options) == dataclasses.replace(CONFIG, hop_ms=20.0, trim_db=None)
