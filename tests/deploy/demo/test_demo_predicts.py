"""The page predicts what Python predicts: files, the microphone, windows and means."""

import base64

import numpy as np
import pytest
import soundfile
from demo_page import ENDED

from hrf_ser.deploy.demo.site import facts
from hrf_ser.deploy.runtime import Stream
from hrf_ser.deploy.runtime.audio import is_silent
from hrf_ser.deploy.runtime.windows import Windower, Windows

RATE = 16_000
COLLECT = """window.found = [];
  document.addEventListener('hrf-ser:prediction', ({detail: {samples, probabilities, end}}) => {
    if (window.found.length > 40) window.found.shift();
    window.found.push({samples, probabilities: [...probabilities], end}); })"""
# The last windows; samples as bytes, since a number as text is ten times as long.
FOUND = """return window.found.slice(-arguments[0]).map(({samples, probabilities, end}) => {
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    let text = '';
    for (let place = 0; place < bytes.length; place += 8192)
      text += String.fromCharCode(...bytes.subarray(place, place + 8192));
    return {samples: btoa(text), probabilities, end}; })"""


def predictions(page, last):
    found = page.js(FOUND, last)
    for one in found:
        one["samples"] = np.frombuffer(base64.b64decode(one["samples"]), np.float32)
    return found


def sound(seconds, seed=0):
    """Noise whose loudness and colour move."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.1, len(time)) * np.sin(2 * np.pi * 0.7 * time).clip(0)
    return (noise + 0.2 * np.sin(2 * np.pi * (200 + 90 * np.sin(time)) * time)).astype(np.float32)


def same(page, prediction, tolerance=1e-3):
    assert page.text("#problem") == ""
    assert page.probabilities() == pytest.approx(list(prediction.probabilities.values()), abs=tolerance)
    # Where values may differ by more, two classes may be nearer to each other than that.
    if tolerance <= 1e-3:
        assert page.text("#word") == prediction.emotion
    return True


def test_a_file_whose_channels_cancel_is_predicted_as_in_python(page, emotion, tmp_path):
    path, wave = tmp_path / "cancel.wav", sound(2)
    soundfile.write(path, np.stack([wave, -0.95 * wave], axis=1), RATE, subtype="FLOAT")
    page.choose(path)
    assert same(page, emotion(path))


def test_chosen_file_is_predicted_as_in_python(page, voice, emotion):
    page.js(COLLECT)
    page.choose(voice)
    assert same(page, emotion(voice))
    shown = page.text("#probability").replace("\u00a0", " ")
    assert shown in (f"{100 * emotion(voice).probability:.0f} %", f"{100 * emotion(voice).probability:.1f} %")
    # The very samples of the file arrive at the model.
    samples, _ = soundfile.read(voice, dtype="float32")
    last = predictions(page, 1)[0]
    # But for half a step of 16 bits: Chromium divides what is above zero by 32767.
    assert np.allclose(last["samples"], samples[-len(last["samples"]) :], rtol=4e-5)
    assert "voice.wav" in page.text("#status")


def test_dropped_file_is_predicted_as_in_python(page, voice, emotion):
    page.js(
        """const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], 'dropped.wav', {type: 'audio/wav'}));
          document.body.dispatchEvent(new DragEvent('dragover', {dataTransfer, bubbles: true, cancelable: true}));
          window.offered = !document.getElementById('drop').hidden;
          document.body.dispatchEvent(new DragEvent('drop', {dataTransfer, bubbles: true, cancelable: true}))""",
        base64.b64encode(voice.read_bytes()).decode(),
    )
    page.until(ENDED)
    assert same(page, emotion(voice))
    assert page.js("return [window.offered, document.getElementById('drop').hidden]") == [True, True]


def test_long_file_is_predicted_as_the_mean_over_its_windows(page, tmp_path, emotion):
    samples = sound(33.3)
    samples[10 * RATE : 15 * RATE] = 0  # Two windows are silent and count nowhere.
    soundfile.write(tmp_path / "long.wav", samples, RATE, subtype="PCM_16")
    prediction = emotion(tmp_path / "long.wav")
    assert len(prediction.windows) == 32
    page.choose(tmp_path / "long.wav")
    assert same(page, prediction)
    assert "mean of 29 windows" in page.text("#under")
    assert sum(window.silent for window in prediction.windows) == 3


def test_other_rates_and_channels_are_brought_to_16_khz_mono(page, tmp_path, emotion):
    for name, rate, channels in (("a.flac", 44_100, 2), ("b.wav", 8_000, 2), ("c.mp3", 48_000, 1)):
        time = np.arange(2 * rate) / rate
        one = 0.3 * np.sin(2 * np.pi * (300 + 400 * time) * time) * np.sin(np.pi * time / 2)
        # One channel without the other is another sound.
        other = 0.6 * np.sin(2 * np.pi * (1500 + 400 * time) * time) * (time > 1) - one
        wave = np.stack([one, other], 1) if channels == 2 else one
        soundfile.write(tmp_path / name, wave, rate)
        page.choose(tmp_path / name)
        # Another resampler, and for mp3 another decoder, than Python's.
        assert same(page, emotion(tmp_path / name), tolerance=0.03)


def test_microphone_is_predicted_as_in_python(page, voice, emotion):
    page.js(COLLECT)
    page.one("#microphone").click()
    page.until("return window.found.length >= 7", seconds=20)
    assert page.text("#microphone span") == "Stop"
    assert page.js("return document.body.dataset.state") == "listening"
    found = predictions(page, 3)
    shown = [page.text("#word"), page.probabilities()]
    for one in found:
        expected = emotion.posterior(one["samples"])
        assert one["probabilities"] == pytest.approx(expected.tolist(), abs=1e-3)
        assert np.argmax(one["probabilities"]) == np.argmax(expected)
    assert len(found[-1]["samples"]) == 3 * RATE
    # What is shown is the class of the largest smoothed probability, and the microphone played the file.
    assert shown[0] == emotion.labels[int(np.argmax(shown[1]))]
    assert "just now; since you began" in page.text("#under")
    samples, _ = soundfile.read(voice, dtype="float32")
    spectrum = np.fft.rfft(np.concatenate([samples, samples]), 1 << 18)
    match = np.fft.irfft(spectrum * np.conj(np.fft.rfft(found[-1]["samples"], 1 << 18)))
    energy = np.linalg.norm(found[-1]["samples"]) * np.linalg.norm(samples)
    assert match.max() > 0.5 * energy
    page.one("#microphone").click()
    page.until(ENDED)
    assert page.text("#microphone span") == "Listen"
    assert "you listened" in page.text("#under")


def test_windows_and_smoothing_are_those_of_the_runtime(page):
    lengths = [800, 16_000, 47_999, 48_000, 48_001, 56_000, 64_000, 64_001, 500_000]
    theirs = page.module(
        "plan.js",
        """const plan = new module.Plan(given[1]);
          const counted = (length) => [...plan.windows(length)].filter((one) => one.counts);
          return given[0].map((length) => counted(length).map((one) => [one.start, one.end]))""",
        lengths,
        {"window": 3, "hop": 1, "smoothing": 2, "whole": 30},
    )
    for length, windows in zip(lengths, theirs, strict=True):
        windower = Windower(3 * RATE, RATE)
        found = [*windower.push(np.zeros(length, np.float32)), *windower.finish()]
        assert [tuple(window) for window in windows] == [(start, start + len(samples)) for start, samples in found]
    given = np.random.default_rng(0).dirichlet([1, 1, 1], 9).astype(np.float32)
    rows = iter(given)
    stream = Stream(lambda _: next(rows), ("a", "b", "c"), RATE, Windows())
    expected = [list(stream.classify(0, np.ones(1, np.float32)).smoothed.values()) for _ in given]
    script = "const one = new module.Smoother(2); return given[0].map((row, index) => one.add(row, index))"
    got = page.module("plan.js", script, given.tolist())
    assert np.allclose(got, expected, atol=1e-6)


def test_plan_comes_from_the_runtime(model):
    windows = Windows()
    expected = {"window": windows.window_s, "hop": windows.hop_s, "smoothing": windows.smoothing_s, "whole": 30.0}
    assert facts(*model)["plan"] == expected
    # The page takes a window every half second from the first second on; the runtime's windows must be among them.
    assert windows.window_s >= 1
    assert windows.window_s % 0.5 == windows.hop_s % 0.5 == 0


def test_silence_is_the_same_as_in_the_runtime(page):
    for value in (0, 9e-6, 1.1e-5, -1.1e-5, 1):
        samples = [0, value, 0]
        assert page.module("plan.js", "return module.isSilent(given[0])", samples) == is_silent(
            np.array(samples, np.float32)
        )


def test_memory_does_not_grow_while_it_listens(page):
    sizes = page.module(
        "session.js",
        """let calls = 0;
          const nothing = new Proxy({}, {get: () => () => undefined});
          const floats = (length) => new Float32Array(length);
          const model = {
            predict: async () => { calls += 1; return {probabilities: [0.5, 0.5], milliseconds: 1}; },
            picture: async (_, count) => ({low: floats(count), high: floats(count), mel: floats(count * 64)}),
          };
          const plan = {window: 3, hop: 1, smoothing: 2, whole: 30};
          const page = {plan, model, labels: ["a", "b"], prediction: nothing, meters: nothing, pictures: nothing};
          const listening = new module.Listening(page);
          const {track, ring} = listening;
          const chunk = floats(1600).fill(0.1);
          const run = async (count) => {
            for (let number = 0; number < count; number += 1) await listening.chunk(chunk);
            return [ring.length, track.points.length, track.filled, track.mel.length];
          };
          return run(400).then((early) => run(6000).then((late) => [early, late, track.end, calls]))""",
    )
    early, late, seconds, windows = sizes
    # Forty seconds and ten minutes.
    assert early[0] == late[0]
    assert early[2:] == late[2:]
    assert seconds == pytest.approx(640)
    assert windows == 2 * 640 - 1
    assert late[0] == 3 * RATE
    assert max(early[1], late[1]) <= 63
