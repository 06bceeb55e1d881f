import numpy as np
import pytest
import soundfile

from hrf_ser.audio.read import read_audio, read_recording
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.media.channels import Downmix

SPEECH = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


def in_the_runtime(source, rate=None):
    with open_audio(source, rate, 16_000) as (_, blocks):
        return np.concatenate(list(blocks))


def stereo(*channels):
    return np.stack(channels, axis=1)


@pytest.mark.parametrize("other", [-1.0, -0.9, -1.1])
def test_the_louder_channel_is_used_where_the_channels_cancel(tmp_path, other):
    path, channels = tmp_path / "cancel.wav", stereo(SPEECH, other * SPEECH)
    soundfile.write(path, channels, 16_000, subtype="FLOAT")
    louder = channels[:, int(abs(other) > 1)]
    recording = read_recording(path)
    assert recording.channels_cancel
    np.testing.assert_array_equal(recording.samples, louder)
    np.testing.assert_array_equal(in_the_runtime(path), louder)
    np.testing.assert_array_equal(in_the_runtime(channels, 16_000), louder)


@pytest.mark.parametrize(
    "channels",
    [
        stereo(SPEECH, SPEECH),
        stereo(SPEECH, -0.7 * SPEECH),  # 16 dB
        stereo(SPEECH, 0 * SPEECH),
        stereo(SPEECH, SPEECH[::-1]),
        stereo(*[SPEECH] + 7 * [0 * SPEECH]),  # 18 dB
    ],
)
def test_other_channels_are_averaged_as_before(tmp_path, channels):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, channels, 16_000, subtype="FLOAT")
    recording = read_recording(path)
    assert not recording.channels_cancel
    np.testing.assert_array_equal(recording.samples, channels.mean(axis=1))
    np.testing.assert_array_equal(in_the_runtime(path), channels.mean(axis=1))


@pytest.mark.parametrize("silent_s", [3, 20])
def test_training_and_the_runtime_mix_a_recording_alike_where_it_starts_with_silence(tmp_path, silent_s):
    path, silence = tmp_path / "cancel.wav", np.zeros(16_000 * silent_s, np.float32)
    wave = np.concatenate([silence, SPEECH, SPEECH])
    soundfile.write(path, stereo(wave, -wave), 16_000)
    samples = read_audio(path)
    assert samples.any()
    np.testing.assert_array_equal(in_the_runtime(path), samples)


def test_a_long_recording_is_mixed_in_blocks():
    wave = np.concatenate([np.zeros(35 * 16_000, np.float32), SPEECH])
    np.testing.assert_array_equal(in_the_runtime(stereo(wave, -wave), 16_000), wave)


def test_a_stream_of_chunks_is_mixed_by_what_came_so_far():
    downmix = Downmix()
    assert not downmix(np.zeros((100, 2), np.float32)).any()
    np.testing.assert_array_equal(downmix(stereo(SPEECH, -SPEECH)), SPEECH)
    np.testing.assert_array_equal(downmix(SPEECH[:, None]), SPEECH)
    np.testing.assert_allclose(downmix(stereo(SPEECH, SPEECH, SPEECH)), SPEECH, rtol=1e-6)
