"""The timeline of a recording, its table, the level of the microphone, the speech gate, and the page on a phone."""

import csv
import io
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from demo_page import ENDED, Page, serving, start_browser

from hrf_ser.deploy.demo.certificate import self_signed
from hrf_ser.deploy.demo.serve import EVERY_ADDRESS, Server, reachable
from hrf_ser.deploy.demo.site import build_site
from hrf_ser.deploy.runtime.speech import is_speech

RATE = 16_000
# What the page would download, as text.
TABLE = """const create = URL.createObjectURL;
  URL.createObjectURL = (blob) => { blob.text().then((text) => { window.table = text; }); return create.call(URL, blob); };
  HTMLAnchorElement.prototype.click = function () { window.file = this.download; }"""
HOVER = """const canvas = document.getElementById('curve'), box = canvas.getBoundingClientRect();
  const at = {clientX: box.left + arguments[0] * box.width, clientY: box.top + 5, pointerType: 'mouse', bubbles: true};
  canvas.dispatchEvent(new PointerEvent(arguments[1], at))"""
NUMBERS = "return [...document.querySelectorAll('#readout b')].map((node) => parseFloat(node.textContent) / 100)"


@pytest.fixture
def speech_and_silence(voice, tmp_path):
    """Twice the voice with six seconds of nothing in between."""
    samples, _ = soundfile.read(voice, dtype="float32")
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.concatenate([samples, np.zeros(6 * RATE), samples]), RATE, subtype="PCM_16")
    return path


def test_table_has_every_window_as_python_predicts_it(page, emotion, speech_and_silence):
    page.js(TABLE)
    page.choose(speech_and_silence)
    page.one("#csv").click()
    rows = list(csv.DictReader(io.StringIO(page.until("return window.table"))))
    assert page.js("return window.file") == "talk.csv"
    assert list(rows[0]) == ["file", "start", "end", "emotion", "probability", *emotion.labels]
    samples, _ = soundfile.read(speech_and_silence, dtype="float32")
    assert float(rows[-1]["end"]) == pytest.approx(len(samples) / RATE, abs=1e-3)
    silent = [row for row in rows if not row["emotion"]]
    assert silent
    assert all(row["angry"] == row["probability"] == "" for row in silent)
    for row in (rows[0], rows[5], rows[-1]):
        start, end = (round(float(row[key]) * RATE) for key in ("start", "end"))
        expected = emotion.posterior(samples[start:end])
        assert [float(row[label]) for label in emotion.labels] == pytest.approx(expected.tolist(), abs=1e-3)
        assert row["emotion"] == emotion.labels[int(np.argmax(expected))]


def test_probabilities_of_a_moment_are_read_with_mouse_and_keys(page, speech_and_silence):
    page.choose(speech_and_silence)
    assert page.js(NUMBERS) == [None] * 3
    page.js(HOVER, 0.1, "pointermove")
    assert sum(page.js(NUMBERS)) == pytest.approx(1, abs=0.02)
    assert page.text("#at").startswith("at ")
    page.js(HOVER, 0.5, "pointermove")
    assert page.text("#at").endswith(": no speech")
    assert page.js(NUMBERS) == [None] * 3
    page.js(HOVER, 0.5, "pointerleave")
    assert page.text("#at") == ""
    page.js("document.getElementById('position').focus()")
    page.keys(*["\ue014"] * 50)
    assert sum(page.js(NUMBERS)) == pytest.approx(1, abs=0.02)
    assert "no speech from" in page.one("#curve").get_attribute("aria-label")


def test_level_is_shown_while_it_listens(page):
    assert not page.one("#level").is_displayed()
    page.one("#microphone").click()
    bar = "Number(document.querySelector('#level .bar').getAttribute('aria-valuenow'))"
    page.until(f"return {bar} > -55")
    assert page.one("#level").is_displayed()
    assert page.one("#level .bar").get_attribute("role") == "meter"
    page.until("return / dB/.test(document.querySelector('#level .number').textContent)")
    # The first prediction comes after a second; without one there is no table.
    page.until("return Number(document.querySelector('#latency').dataset.value) > 0")
    page.one("#microphone").click()
    page.until(ENDED)
    assert not page.one("#level").is_displayed()
    assert page.one("#csv").is_displayed()


def test_gate_of_the_page_is_that_of_the_runtime(page, voice):
    samples, _ = soundfile.read(voice, dtype="float32")
    time = np.arange(2 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    glide = np.sign(np.sin(2 * np.pi * (120 + 20 * time) * time)) * 0.1
    sounds = (samples[: 3 * RATE], noise, 0.2 * np.sin(2 * np.pi * 220 * time), glide, glide[:4000], noise[:4000])
    for sound in (wave.astype(np.float32) for wave in sounds):
        found = page.module("speech.js", "return module.isSpeech(Float32Array.from(given[0]))", sound.tolist())
        assert found == is_speech(sound, RATE)
    assert is_speech(glide.astype(np.float32), RATE)


def test_gated_page_gives_no_speech_for_noise_and_an_emotion_for_speech(browser, model, emotion, tmp_path):
    page = Page(browser)
    time = np.arange(4 * RATE) / RATE
    glide = np.sign(np.sin(2 * np.pi * (120 + 20 * time) * time)) * np.sin(2 * np.pi * time).clip(0) * 0.1
    for name, sound in (("noise", np.random.default_rng(0).normal(0, 0.1, 4 * RATE)), ("glide", glide)):
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE)
    with serving(build_site(*model, speech_gate=True)) as running:
        page.open(running.address).choose(tmp_path / "noise.wav")
        assert page.text("#word") == "no speech"
        assert page.text("#under").startswith("the whole recording: silence, noise")
        page.choose(tmp_path / "glide.wav")
        assert page.text("#word") == emotion(tmp_path / "glide.wav").emotion
    assert page.console() == []


def test_file_that_the_browser_does_not_decode_comes_from_the_server(page, emotion, voice, tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on the PATH")
    path = tmp_path / "voice.wma"
    subprocess.run(["ffmpeg", "-v", "error", "-i", voice, "-ar", "16000", path], check=True)
    page.choose(path)
    assert page.text("#problem") == ""
    assert page.probabilities() == pytest.approx(list(emotion(path).probabilities.values()), abs=1e-3)


@pytest.fixture
def network(model, monkeypatch):
    """Starts the server on every address of this computer; skips where it has none but loopback."""
    if reachable(EVERY_ADDRESS).startswith("127."):
        pytest.skip("no network address")

    def start(certificate):
        original = Server.__init__
        monkeypatch.setattr(
            Server, "__init__", lambda self, site, port: original(self, site, port, EVERY_ADDRESS, certificate)
        )
        return serving(build_site(*model))

    return start


@pytest.fixture
def guest(voice, proxy):
    """A browser that takes any certificate and goes to this computer's own address directly."""
    driver = start_browser(
        voice, proxy[0], "--ignore-certificate-errors", f"--proxy-bypass-list={reachable(EVERY_ADDRESS)}"
    )
    driver.set_script_timeout(15)
    yield Page(driver)
    driver.quit()


def test_phone_without_https_reads_why_it_has_no_microphone_and_files_work(guest, network, voice, emotion):
    with network(None) as running:
        guest.open(running.address)
        assert guest.one("#no-microphone").text.startswith("No microphone here: browsers give it to a page of another")
        assert not guest.one("#microphone").is_enabled()
        guest.choose(voice)
        assert guest.text("#word") == emotion(voice).emotion


def test_phone_with_https_has_a_microphone(guest, network):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH")
    context, _ = self_signed(reachable(EVERY_ADDRESS))
    with network(context) as running:
        guest.open(running.address)
        assert not guest.one("#no-microphone").is_displayed()
        guest.one("#microphone").click()
        guest.until(
            "return document.querySelectorAll('#readout b').length && document.body.dataset.state === 'listening'"
        )
        guest.until("return document.getElementById('word').textContent.length > 1")
