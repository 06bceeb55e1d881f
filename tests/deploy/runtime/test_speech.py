"""The speech gate: what is speech, and what recordings and streams without it get."""

import os
from pathlib import Path

import numpy as np
import pytest

import hrf_ser
from helpers import REPOSITORY
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.deploy.runtime.predictor import Predictor
from hrf_ser.deploy.runtime.speech import is_speech, pitches
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

RATE = 16_000
TIME = np.arange(3 * RATE) / RATE
NOISE = np.random.default_rng(0).normal(0, 1, 3 * RATE)


def tone(hertz):
    return 0.2 * np.sin(2 * np.pi * hertz * TIME)


def voice(seconds=3.0):
    """A buzz whose pitch moves, in syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    syllables = np.sin(2 * np.pi * 1.5 * time).clip(0)
    return (0.1 * np.sign(np.sin(2 * np.pi * (120 + 15 * np.sin(time)) * time)) * syllables).astype(np.float32)


def brown(level):
    walk = np.cumsum(NOISE)
    return level * (walk - np.convolve(walk, np.ones(800) / 800, "same")) / 30


def chord():
    return sum(tone(hertz) for hertz in (220, 277.2, 329.6)) * np.exp(-(TIME % 0.75) * 3)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_pitch_of_a_tone_is_found(rate):
    for hertz in (100.0, 213.7, 400.0):
        sawtooth = (hertz * np.arange(rate) / rate) % 1 - 0.5
        voiced, pitch = pitches(sawtooth.astype(np.float32), rate)
        assert voiced.all()
        octaves = hertz / pitch  # or a whole number of octaves and fifths below, where that is within the range
        assert octaves == pytest.approx(octaves.round(), rel=0.01)
        assert (octaves >= 0.99).all()


@pytest.mark.parametrize(
    "sound",
    [
        *(level * NOISE for level in (1e-4, 1e-2, 0.3)),
        brown(0.01),
        brown(0.3),
        *(tone(hertz) for hertz in (50, 100, 220, 1000)),
        chord(),
        1e-6 * voice(),
    ],
)
def test_noise_tones_chords_and_what_is_too_quiet_are_no_speech(sound):
    assert not is_speech(sound.astype(np.float32), RATE)


def test_moving_voice_is_speech_at_every_level_and_in_noise():
    for level in (0.01, 1, 5):
        assert is_speech(level * voice(), RATE)
    assert is_speech((voice() + 0.01 * NOISE).astype(np.float32), RATE)
    # Longer than a block of frames, with the voice at its end.
    assert is_speech(np.concatenate([np.zeros(30 * RATE, np.float32), voice()]), RATE)


def test_less_than_half_a_second_is_not_judged():
    assert is_speech(NOISE[: RATE // 2 - 1].astype(np.float32), RATE)
    assert not is_speech(NOISE[: RATE // 2].astype(np.float32), RATE)


def test_recorded_speech_is_speech():
    root = Path(os.environ.get("HRF_SER_RAVDESS", REPOSITORY.parent / "shared" / "corpora" / "RAVDESS"))
    files = sorted(root.glob("Actor_*/03-01-0*-01-01-01-*.*"))[::8]
    if not files:
        pytest.skip("needs RAVDESS in HRF_SER_RAVDESS")
    for file in files:
        with open_audio(file, None, RATE) as (_, blocks):
            assert is_speech(np.concatenate(list(blocks)), RATE), file


class Constant(Predictor):
    labels, sample_rate, speech_gate = ("a", "b"), RATE, True

    def posterior(self, waveform):
        return np.array([0.25, 0.75], np.float32)


def test_recording_without_speech_has_no_emotion():
    prediction = Constant()(tone(220), RATE)
    assert (prediction.emotion, prediction.probability, prediction.probabilities) == ("no speech", 0.0, {})
    assert prediction.as_dict()["windows"][0]["emotion"] == "no speech"
    assert Constant()(voice(), RATE).emotion == "b"
    with pytest.raises(UserError, match="is silent"):
        Constant()(np.zeros(RATE), RATE)
    ungated = Constant()
    ungated.speech_gate = False
    assert ungated(tone(220), RATE).emotion == "b"


def test_long_recording_is_the_mean_of_its_windows_with_speech():
    sound = np.concatenate([tone(220).astype(np.float32)] * 2 + [voice(6), np.zeros(6 * RATE, np.float32)])
    prediction = Constant()(sound, RATE, whole_s=5)
    emotions = [window.emotion for window in prediction.windows]
    assert emotions[0] == "no speech"
    assert emotions[-1] is None
    assert prediction.windows[-1].silent
    assert not prediction.windows[0].silent
    assert emotions[6] == prediction.emotion == "b"
    # What has no speech leaves the moving average as it is.
    assert prediction.windows[0].smoothed is None
    assert prediction.windows[-1].smoothed == prediction.windows[6].smoothed


def test_stream_is_gated_too():
    stream = Constant().stream()
    assert [posterior.emotion for posterior in stream.push(0.1 * NOISE)] == ["no speech"]
    assert [posterior.emotion for posterior in Constant()._stream(Windows()).push(voice())] == ["b"]


def test_load_gates_unless_it_is_told_otherwise(exported_run):
    assert hrf_ser.load(exported_run / "export/model.onnx")(tone(220), RATE).emotion == "no speech"
    ungated = hrf_ser.load(exported_run / "export/model.onnx", speech_gate=False)
    assert ungated(tone(220), RATE).emotion in ungated.labels


def test_command_writes_no_speech(exported_run, tmp_path, command):
    import soundfile

    soundfile.write(tmp_path / "hum.wav", tone(50), RATE)
    soundfile.write(tmp_path / "voice.wav", voice(), RATE)
    bundle = f"bundle={exported_run / 'export/model.onnx'}"
    done = command("predict", bundle, "hum.wav", "voice.wav", "out=-", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[1] == "hum.wav,0.000,3.000,no speech,,,,,"
    assert lines[2].split(",")[3] in ("angry", "happy", "sad")
    shown = command("predict", bundle, "hum.wav", cwd=tmp_path)
    assert shown.stdout.splitlines()[1].split() == ["hum.wav", "no", "speech"]
    assert "no speech" not in command("predict", bundle, "hum.wav", "speech_gate=false", cwd=tmp_path).stdout
