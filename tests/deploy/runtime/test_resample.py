import numpy as np
import pytest
import soxr

from hrf_ser.deploy.runtime.resample import Resampler
from hrf_ser.errors import UserError

RATES = [48_000, 44_100, 22_050, 8_000, 11_025, 32_000, 96_000, 44_099]


def whole(samples, rate):
    resampler = Resampler(rate, 16_000)
    return np.concatenate([resampler.push(samples), resampler.finish()])


def sine(hertz, rate, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def gain(hertz, rate):
    """Of a sine, beginning and end left away, in dB."""
    heard = whole(sine(hertz, rate), rate)[2_000:-2_000]
    return 20 * np.log10(np.sqrt(2 * np.mean(heard.astype(np.float64) ** 2)) + 1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_speech_band_equals_soxr(rate):
    generator = np.random.default_rng(0)
    top = 0.9 * min(rate, 16_000) / 2
    samples = sum(0.1 * sine(hertz, rate) for hertz in generator.uniform(50, top, 9))
    expected = soxr.resample(samples, rate, 16_000)
    heard = whole(samples, rate)
    assert len(heard) == len(expected)
    middle = slice(1_000, -1_000)
    np.testing.assert_allclose(heard[middle], expected[middle], atol=1e-3)


@pytest.mark.parametrize("rate", RATES)
def test_passband_is_flat_to_a_hundredth_of_a_decibel(rate):
    nyquist = min(rate, 16_000) / 2
    for share in (0.05, 0.3, 0.6, 0.91):
        assert abs(gain(share * nyquist, rate)) < 0.01


@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000, 96_000])
def test_what_would_alias_is_110_decibels_down(rate):
    for hertz in (8_010, 9_000, 11_111, 15_000):
        assert gain(hertz, rate) < -110


def test_images_of_a_lower_rate_are_110_decibels_down():
    heard = whole(sine(1_500, 8_000, 2.0), 8_000)[4_000:-4_000]
    spectrum = np.abs(np.fft.rfft(heard * np.kaiser(len(heard), 18)))
    hertz = np.fft.rfftfreq(len(heard), 1 / 16_000)
    assert 20 * np.log10(spectrum[hertz > 4_000].max() / spectrum.max()) < -110


@pytest.mark.parametrize("rate", RATES)
def test_transition_band_is_that_of_training(rate):
    # The highest mel bands lie in it. soxr has -3 dB at 0.95 of Nyquist.
    nyquist = min(rate, 16_000) / 2
    samples = sine(0.95 * nyquist, rate)
    expected = np.sqrt(2 * np.mean(soxr.resample(samples, rate, 16_000)[2_000:-2_000].astype(np.float64) ** 2))
    assert abs(gain(0.95 * nyquist, rate) - 20 * np.log10(expected)) < 0.2


@pytest.mark.parametrize("rate", [*RATES, 16_000])
def test_blocks_of_any_size_give_what_the_whole_gives(rate):
    generator = np.random.default_rng(1)
    samples = generator.normal(size=rate // 2 + 77).astype(np.float32)
    expected = whole(samples, rate)
    resampler = Resampler(rate, 16_000)
    for sizes in (30, 300):
        cuts = np.sort(generator.integers(0, len(samples), sizes))
        pieces = [resampler.push(piece) for piece in np.split(samples, cuts)]
        # The same object again: finish() leaves it as new.
        np.testing.assert_allclose(np.concatenate([*pieces, resampler.finish()]), expected, atol=2e-5)


def test_what_is_kept_between_blocks_does_not_grow():
    resampler = Resampler(44_100, 16_000)
    sizes = []
    for _ in range(300):
        resampler.push(np.zeros(4_410, np.float32))
        sizes.append(len(resampler._rest))
    assert max(sizes[100:]) <= max(sizes[:100]) < 2_000


@pytest.mark.parametrize("rate", [0, -16_000, 3_999, 1e9, 16_000.5, "16000", None, True, float("nan")])
def test_a_rate_that_no_speech_has_is_refused(rate):
    with pytest.raises(UserError, match="rate="):
        Resampler(rate, 16_000)
