import pytest
import torch

from hrf_ser.audio.augment import FeatureAugment, OfflineAugmentation, offline_augmentations


def test_augmentations_are_the_clean_copy_then_speeds_then_noise_then_a_telephone():
    assert offline_augmentations([0.9, 1.0, 1.1], (10.0, 20.0), telephone=True) == [
        OfflineAugmentation(),
        OfflineAugmentation(speed=0.9),
        OfflineAugmentation(speed=1.1),
        OfflineAugmentation(snr_db=(10.0, 20.0)),
        OfflineAugmentation(telephone=True),
    ]
    assert offline_augmentations([]) == [OfflineAugmentation()]
    assert OfflineAugmentation().is_clean
    assert not OfflineAugmentation(speed=1.1).is_clean
    assert not OfflineAugmentation(telephone=True).is_clean


def test_speed_changes_length_and_pitch():
    time = torch.arange(16_000) / 16_000
    wave = torch.sin(2 * torch.pi * 500 * time)
    fast = OfflineAugmentation(speed=1.25).apply(wave, "u")
    assert abs(len(fast) - 12_800) <= 1
    spectrum = torch.fft.rfft(fast[:12_800]).abs()
    assert abs(float(spectrum.argmax()) * 16_000 / 12_800 - 625) < 5


def test_noise_has_the_drawn_ratio_and_depends_on_the_utterance_alone():
    wave = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    augmentation = OfflineAugmentation(snr_db=(10.0, 20.0))
    noisy = augmentation.apply(wave, "u1")
    assert torch.equal(noisy, augmentation.apply(wave, "u1"))
    assert not torch.equal(noisy, augmentation.apply(wave, "u2"))
    ratio = 10 * torch.log10(wave.square().sum() / (noisy - wave).square().sum())
    assert 9.9 < ratio < 20.1


def test_noise_is_as_white_or_as_brown_as_the_utterance_draws():
    def slope(utterance: str) -> float:
        """Of power over frequency on logarithmic axes: 0 is white, -2 brown."""
        noise = OfflineAugmentation(snr_db=(0.0, 0.0)).apply(torch.full((65_536,), 1e-3), utterance) - 1e-3
        power = torch.fft.rfft(noise).abs().square()[16:-1].log()
        frequency = torch.arange(16, 16 + len(power)).log()
        centred = frequency - frequency.mean()
        return float((centred * power).sum() / centred.square().sum())

    slopes = [slope(f"u{number}") for number in range(12)]
    assert -2.1 < min(slopes) < -1.2
    assert -0.8 < max(slopes) < 0.1


def test_a_telephone_passes_300_to_3400_hz_alone():
    time = torch.arange(16_000) / 16_000

    def passed(hertz: float) -> float:
        """Amplitude of a tone behind the telephone."""
        wave = 0.5 * torch.sin(2 * torch.pi * hertz * time)
        return float(OfflineAugmentation(telephone=True).apply(wave, "u").abs()[4000:12_000].max())

    assert passed(100) < 0.01
    assert passed(6000) < 0.01
    assert passed(1000) == pytest.approx(0.5, abs=0.03)
    assert passed(3000) == pytest.approx(0.5, abs=0.05)


def augment(**options) -> FeatureAugment:
    return FeatureAugment(
        **{"time_masks": 0, "time_width": 0.2, "band_masks": 0, "band_width": 4, "gain_db": 0.0, **options}
    )


def test_masks_cover_whole_frames_and_whole_bands_of_limited_width():
    torch.manual_seed(0)
    features = torch.ones(64, 50, 20)
    frames = (augment(time_masks=1).mask(features) == 0).all(2).sum(1)
    bands = (augment(band_masks=1).mask(features) == 0).all(1).sum(1)
    assert 0 < frames.max() <= 10
    assert 0 < bands.max() <= 4
    assert len(frames.unique()) > 3, "every utterance draws its own mask"


def test_gain_moves_every_value_of_an_utterance_by_the_same_amount_within_its_range():
    torch.manual_seed(0)
    features = torch.randn(256, 3, 4)
    shift = augment(gain_db=6.0).gain(features) - features
    per_utterance = shift[:, 0, 0]
    torch.testing.assert_close(shift, per_utterance[:, None, None].expand_as(shift), atol=1e-5, rtol=0)
    decibels = per_utterance * 10 / torch.log(torch.tensor(10.0))
    assert decibels.abs().max() <= 6.001
    assert decibels.max() > 5
    assert decibels.min() < -5


def test_nothing_changes_without_options():
    features = torch.randn(2, 5, 6)
    assert torch.equal(augment().mask(augment().gain(features)), features)


def test_a_mixture_is_the_weighted_sum_of_an_utterance_and_its_partner_and_as_long_as_the_longer():
    torch.manual_seed(0)
    lengths = torch.tensor([5, 3, 2, 4])
    features = torch.randn(4, 5, 6) * (torch.arange(5) < lengths[:, None])[:, :, None]
    shares = []
    for _ in range(200):
        mix = augment(mixup=0.3).mix(features, lengths)
        torch.testing.assert_close(mix.features, mix.share * features + (1 - mix.share) * features[mix.partner])
        assert torch.equal(mix.lengths, torch.maximum(lengths, lengths[mix.partner]))
        assert sorted(mix.partner.tolist()) == [0, 1, 2, 3]
        shares.append(mix.share)
    assert 0 <= min(shares) < 0.1
    assert 0.9 < max(shares) <= 1
    assert sum(0.1 < share < 0.9 for share in shares) < 150, "Beta(0.3, 0.3) prefers the ends"


@pytest.mark.parametrize("frames", [1, 2])
def test_very_short_batches_survive_masking(frames):
    masked = augment(time_masks=2, band_masks=2).mask(torch.ones(3, frames, 20))
    assert masked.shape == (3, frames, 20)
