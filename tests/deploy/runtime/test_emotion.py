import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import soxr
import torch

from hrf_ser.deploy.runtime import Emotion
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError

RATE = 16_000


def noise(seconds, rate=RATE, loud=0.1, seed=0):
    return (loud * np.random.default_rng(seed).normal(size=round(seconds * rate))).astype(np.float32)


@pytest.fixture(scope="module")
def emotion(exported_file):
    return Emotion(exported_file)


@pytest.fixture(scope="module")
def of_bundle(exported_run):
    from hrf_ser.deploy.bundle import load_bundle

    classifier = load_bundle(exported_run / "bundle")

    def predict(waveform):
        with torch.inference_mode():
            logits = classifier(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
        return logits[0].softmax(-1).numpy()

    return predict


def test_real_speech_is_predicted_as_by_the_bundle(emotion, of_bundle, ravdess, tmp_path):
    from hrf_ser.audio.read import read_audio

    files = sorted(path for path in ravdess.glob("Actor_*/*") if path.suffix in (".wav", ".flac"))[::90]
    assert len(files) >= 10
    for file in files:
        expected = of_bundle(read_audio(file))
        prediction = emotion(file)
        assert list(prediction.probabilities.values()) == pytest.approx(expected, abs=2e-5)
        assert prediction.emotion == emotion.labels[int(expected.argmax())]
        # At another rate, so that both resample.
        high = soxr.resample(read_audio(file), RATE, 44_100)
        soundfile.write(tmp_path / "high.wav", high, 44_100, subtype="FLOAT")
        expected = of_bundle(read_audio(tmp_path / "high.wav"))
        assert list(emotion(tmp_path / "high.wav").probabilities.values()) == pytest.approx(expected, abs=2e-5)


def test_up_to_whole_s_audio_is_one_input(emotion, of_bundle):
    waveform = noise(7.3)
    prediction = emotion(waveform, RATE)
    assert list(prediction.probabilities.values()) == pytest.approx(of_bundle(waveform), abs=2e-5)
    assert prediction.seconds == pytest.approx(7.3)
    assert [(one.start, one.end) for one in prediction.windows] == [(0.0, pytest.approx(7.3))]
    assert prediction.probability == max(prediction.probabilities.values())


def test_longer_audio_is_the_mean_over_windows_with_sound(emotion):
    waveform = np.concatenate([noise(4, loud=0.3), np.zeros(5 * RATE, np.float32), noise(4.5, loud=0.01, seed=1)])
    windows = Windows(window_s=2.0, hop_s=1.0)
    prediction = emotion(waveform, RATE, windows=windows, whole_s=10)
    assert [one.start for one in prediction.windows] == pytest.approx([*range(12), 11.5])
    assert [one.silent for one in prediction.windows] == [4 <= number <= 7 for number in range(13)]
    sound = [emotion.posterior(waveform[int(s * RATE) :][: 2 * RATE]) for s in (0, 1, 2, 3, 8, 9, 10, 11, 11.5)]
    assert list(prediction.probabilities.values()) == pytest.approx(np.mean(sound, axis=0), abs=1e-5)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_int16_stereo_and_float_mono_are_predicted_alike(emotion):
    waveform = noise(1.0)
    stereo = np.repeat((waveform * 32_768).astype(np.int16)[:, None], 2, axis=1)
    assert emotion(stereo, RATE).probabilities == pytest.approx(emotion(waveform, RATE).probabilities, abs=2e-3)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(0, np.float32), "holds no audio"),
        (np.zeros(RATE, np.float32), "is silent"),
        (np.zeros(40 * RATE, np.float32), "is silent"),
        (np.full(500, 0.1, np.float32), "too short"),
        (np.array([np.nan] * RATE), "NaN"),
    ],
)
def test_unusable_audio_is_refused(emotion, waveform, message):
    with pytest.raises(UserError, match=message):
        emotion(waveform, RATE)


def test_the_smallest_sample_of_16_bits_is_not_silence(emotion):
    samples = np.zeros(RATE, np.int16)
    samples[5_000] = 1
    assert emotion(samples, RATE).emotion in emotion.labels


def test_calls_from_many_threads_do_not_mix(emotion):
    waveforms = [noise(0.3 + 0.2 * number, loud=0.02 * 2**number, seed=number) for number in range(6)]
    expected = [emotion(waveform, RATE).probabilities for waveform in waveforms]
    barrier = threading.Barrier(6)

    def predict(number):
        barrier.wait()
        return [emotion(waveforms[number], RATE).probabilities for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        for number, predictions in enumerate(pool.map(predict, range(6))):
            assert all(prediction == pytest.approx(expected[number], abs=1e-6) for prediction in predictions)


def test_more_threads_predict_the_same(emotion, exported_file):
    waveform = noise(2.0)
    two = Emotion(exported_file, threads=2)
    assert two(waveform, RATE).probabilities == pytest.approx(emotion(waveform, RATE).probabilities, abs=1e-5)
    for threads in (0, -1, 1.5, True, "2"):
        with pytest.raises(UserError, match="threads="):
            Emotion(exported_file, threads=threads)


def test_memory_does_not_depend_on_the_length_of_a_file(level, tmp_path):
    peaks = {}
    for minutes in (2, 20):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16") as file:
            for _ in range(minutes):
                file.write(noise(60))
        tracemalloc.start()
        try:
            prediction = level(path)
            peaks[minutes] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(prediction.windows) == minutes * 60 - 2
    # 38 MB of int16 samples against 4; posteriors are all that stays.
    assert peaks[20] < peaks[2] + 2_000_000
