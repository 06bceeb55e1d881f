import numpy as np
import pytest
import soundfile
import soxr

from hrf_ser.audio.read import read_audio
from hrf_ser.deploy.runtime.audio import finish, open_audio, resampler
from hrf_ser.errors import UserError

RATES = [8_000, 11_025, 22_050, 44_100, 48_000]


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.3, samples).astype(np.float32)


def in_blocks(samples, rate, size):
    stream = resampler(rate, 16_000)
    blocks = [stream.resample_chunk(samples[start : start + size]) for start in range(0, len(samples), size)]
    return np.concatenate([*blocks, finish(stream)])


@pytest.mark.parametrize("rate", [*RATES, 16_000, 32_000, 96_000, 44_099])
@pytest.mark.parametrize("size", [1, 7, 160, 4_096, 10**9])
def test_blocks_of_any_size_give_bit_for_bit_what_training_reads(rate, size):
    for samples in (noise(rate // 2 + 77), noise(1), noise(161)):
        expected = samples if rate == 16_000 else soxr.resample(samples, rate, 16_000)
        np.testing.assert_array_equal(in_blocks(samples, rate, size), expected)


@pytest.mark.parametrize("rate", RATES)
def test_a_file_is_bit_for_bit_what_training_reads(tmp_path, rate):
    # Longer than one block of the reader.
    soundfile.write(tmp_path / "noise.wav", noise(7 * rate), rate, subtype="FLOAT")
    with open_audio(tmp_path / "noise.wav", None, 16_000) as (_, blocks):
        np.testing.assert_array_equal(np.concatenate(list(blocks)), read_audio(tmp_path / "noise.wav"))


@pytest.mark.parametrize("rate", RATES)
def test_blocks_come_without_much_delay(rate):
    """A stream's prediction is late by what the resampler holds back."""
    stream = resampler(rate, 16_000)
    pushed = complete = 0
    for number in range(30):
        pushed += rate // 10
        complete += len(stream.resample_chunk(noise(rate // 10, number)))
        assert 0 <= pushed / rate - complete / 16_000 < (0.05 if rate > 16_000 else 0.12)


@pytest.mark.parametrize("rate", [0, -16_000, 3_999, 1e9, 16_000.5, "16000", None, True, float("nan")])
def test_a_rate_that_no_speech_has_is_refused(rate):
    with pytest.raises(UserError, match="rate="):
        resampler(rate, 16_000)
