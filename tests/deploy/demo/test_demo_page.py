"""The page around the model: offline, keyboard, phone, hostile names, and what can go wrong."""

import contextlib
import dataclasses

import numpy as np
import pytest
import soundfile
from demo_page import ENDED, HOSTILE, PHONE, Page, allow_microphone, serving, site_of

from hrf_ser.deploy.demo.site import build_site

TAB, ENTER, RIGHT = "\ue004", "\ue007", "\ue014"
FOCUS = "return document.activeElement.id"
# Texts with less than 4.5 times the light of their ground, or the other way round (WCAG 2, level AA).
FAINT = """
  const part = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (text) => {
    const [r, g, b] = text.match(/[0-9.]+/g).map((number) => part(Number(number) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const paint = getComputedStyle(node).backgroundColor;
    return /, 0\\)$/.test(paint) ? ground(node.parentElement) : paint;
  };
  const ratio = (node) => {
    const pair = [light(getComputedStyle(node).color), light(ground(node))].sort((one, other) => other - one);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  const texts = 'h1, h2, p, dt, dd, figcaption, summary, button, .button, #bars span, .soft';
  return [...document.querySelectorAll(texts)]
    .filter((node) => node.textContent.trim() && node.getClientRects().length && !(ratio(node) >= 4.5))
    .map((node) => [ratio(node), node.outerHTML.slice(0, 80)])"""


def choose_sample(page):
    page.one("#sample").click()
    page.until(ENDED)
    return page.probabilities()


def tab_to(page, name):
    for _ in range(12):
        if page.js(FOCUS) == name:
            return
        page.keys(TAB)
    raise AssertionError(f"{name} cannot be reached; the focus is on {page.js(FOCUS)!r}")


def test_page_is_isolated_and_says_what_it_runs(page):
    assert page.js("return crossOriginIsolated") is True
    assert "conv_transformer" in page.text("#model-line")
    assert "kB, float32" in page.text("#model-line").replace("\u00a0", " ")
    about = page.text("#about")
    assert "24 actors" in about
    assert "37\u00a0%" in about
    assert "CC BY-NC-SA 4.0" in about
    assert "no diagnosis" in about


def test_synthetic_sound_needs_nothing_and_fills_every_picture(page):
    values = choose_sample(page)
    assert sum(values) == pytest.approx(1, abs=1e-5)
    blank = page.js(
        """return ['waveform', 'mel', 'curve'].filter((id) => {
          const canvas = document.getElementById(id);
          const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
          return new Set(pixels).size < 3; })"""
    )
    assert blank == []
    for name in ("waveform", "mel", "curve"):
        assert "nothing yet" not in page.one(f"#{name}").get_attribute("aria-label")
    assert page.one("#curve").get_attribute("aria-label").split(": ")[1].split(",")[0] in ("angry", "happy", "sad")
    assert 0 < float(page.one("#latency").get_attribute("data-value")) < 3000
    assert 0 < float(page.text("#factor")) < 3
    assert page.text("#windows") == "7"
    assert page.text("#spoken").startswith(page.text("#word"))


def test_it_works_when_the_server_is_gone(browser, model):
    page = Page(browser)
    with serving(build_site(*model)) as running:
        page.open(running.address)
        page.until("return !document.getElementById('offline').hidden")
        before, address = choose_sample(page), running.address
    browser.get(address)
    page.until("return document.body.dataset.state === 'ready'")
    assert page.js("return [crossOriginIsolated, performance.getEntriesByType('navigation')[0].workerStart > 0]") == [
        True,
        True,
    ]
    page.until("return !document.getElementById('offline').hidden")
    assert choose_sample(page) == pytest.approx(before, abs=1e-6)
    # Chromium itself says that the service worker's script is not to be had for an update, and nothing else.
    assert [
        line for line in page.console() if "service-worker.js" not in line and "ERR_CONNECTION_REFUSED" not in line
    ] == []


def test_another_model_at_the_same_port_is_seen_at_once(browser, model):
    page = Page(browser)
    with serving(build_site(*model)) as running:
        page.open(running.address)
        page.until("return !document.getElementById('offline').hidden")
        port = running.server_port
    file, content = model
    other = dataclasses.replace(file, metadata={**file.metadata, "model": "another"}), content
    with serving(build_site(*other), port) as running:
        page.open(running.address)
        assert page.text("#model-line").startswith("another,")
        # What was kept of the first is thrown away.
        folder = next(path for path in build_site(*other) if path.endswith("/icon.svg")).removesuffix("/icon.svg")
        kept = """const [name, done] = arguments;
          const look = async () => (await caches.keys()).join() === name ? done(true) : setTimeout(look, 50);
          look()"""
        assert browser.execute_async_script(kept, f"hrf_ser-demo {folder}") is True
    page.console()


def test_keyboard_alone_is_enough(page):
    page.keys(TAB)
    assert page.js(FOCUS) == "microphone"
    page.keys(TAB)
    assert page.js(FOCUS) == "file"
    # The choice of a file shows its focus although its input is not seen.
    outline = "return getComputedStyle(arguments[0]).outlineStyle"
    assert page.js(outline, page.one("label.button")) == "solid"
    tab_to(page, "sample")
    assert page.js(outline, page.one("#sample")) == "solid"
    page.keys(ENTER)
    page.until(ENDED)
    tab_to(page, "position")
    page.keys(*[RIGHT] * 120)
    assert page.text("#at").startswith("at 1.2 s: ")
    assert page.one("#position").get_attribute("aria-valuetext").startswith("1.2 seconds, ")


def test_recording_is_played_again_and_the_line_follows(page):
    choose_sample(page)
    page.one("#play").click()
    page.until("return document.getElementById('position').valueAsNumber > 0.3")
    assert page.text("#play") == "Pause"
    page.one("#play").click()
    assert page.text("#play") == "Play"
    stopped = page.js("return document.getElementById('position').valueAsNumber")
    assert page.text("#at").startswith("at ")
    assert page.js("return document.getElementById('position').valueAsNumber") == stopped


def test_phone_does_not_scroll_sideways(page):
    page.look(PHONE)
    choose_sample(page)
    page.js("document.querySelector('details').open = true")
    assert page.js("return document.documentElement.scrollWidth") <= 360
    small = page.js(
        """return [...document.querySelectorAll('button, .button, input[type=range]')]
          .filter((node) => node.getClientRects().length && !node.closest('[hidden]'))
          .map((node) => node.getBoundingClientRect().height).filter((height) => height < 44)"""
    )
    assert small == []


def test_text_stands_out_from_its_ground(page):
    for scheme, ground in (("light", "rgb(245, 246, 247)"), ("dark", "rgb(15, 17, 20)")):
        page.look(scheme=scheme)
        assert page.js("return getComputedStyle(document.body).backgroundColor") == ground
        assert page.js(FAINT) == []


def test_hostile_names_are_shown_and_not_run(browser, hostile_file):
    page = Page(browser)
    with serving(site_of(hostile_file)) as running:
        page.open(running.address, PHONE)
        choose_sample(page)
        page.js("document.querySelector('details').open = true")
        assert page.js("return [window.broken, document.querySelectorAll('img').length, document.scripts.length]") == [
            None,
            0,
            1,
        ]
        names = page.js("return [...document.querySelectorAll('#bars .name')].map((node) => node.textContent)")
        assert names == [HOSTILE, "__proto__", "constructor" * 20]
        assert HOSTILE in page.text("#card")
        assert page.js("return document.documentElement.scrollWidth") <= 360
    assert page.console() == []


def test_bad_file_is_a_sentence_and_the_page_goes_on(page, tmp_path):
    quiet = np.zeros(16_000, np.float32)
    broken = quiet + 0.1
    broken[100] = np.nan
    soundfile.write(tmp_path / "silent.wav", quiet, 16_000)
    soundfile.write(tmp_path / "short.wav", quiet[:160] + 0.1, 16_000)
    soundfile.write(tmp_path / "nan.wav", broken, 16_000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    sentences = {
        "silent.wav": "silent.wav is silent: every sample is zero. Choose another file.",
        "short.wav": "short.wav is too short: 0.010 s, and at least 0.05 s are needed.",
        "nan.wav": "nan.wav holds samples that are no numbers. Choose another file.",
        "text.wav": "text.wav: cannot be read as audio (it is a text that begins with 'this is no sound', not audio); "
        "replace or remove it.",
        "empty.wav": "empty.wav is empty. Choose another file.",
    }
    for name, sentence in sentences.items():
        page.choose(tmp_path / name)
        assert page.one("#problem").text == sentence
        assert page.one("#problem").get_attribute("role") == "alert"
        assert page.text("#word") == "–"
        # Nothing of the earlier recording is left.
        assert page.text("#windows") == page.text("#factor") == "–"
        assert page.one("#curve").get_attribute("aria-label") == "Emotion over time: nothing yet"
        choose_sample(page)
        assert page.text("#word") != "–"
        assert not page.one("#problem").is_displayed()


def test_too_long_file_is_refused_before_it_is_decoded(page, tmp_path):
    soundfile.write(tmp_path / "hours.wav", np.zeros(31 * 60 * 4000, np.int16), 4000, subtype="PCM_U8")
    page.choose(tmp_path / "hours.wav")
    assert page.one("#problem").text.startswith("hours.wav is too long for this page: 31 minutes, at most 30.")


def test_refused_microphone_is_a_sentence(page, browser):
    allow_microphone(browser, "denied")
    try:
        page.one("#microphone").click()
        page.until(ENDED)
        assert page.one("#problem").text.startswith("The microphone is not allowed. Allow it")
        assert page.text("#microphone span") == "Listen"
    finally:
        allow_microphone(browser, "granted")


@pytest.mark.parametrize("damage", ["truncated", "names", "gone"])
def test_model_that_cannot_be_loaded_is_a_sentence(browser, model, damage):
    file, content = model
    site = build_site(file, content[:5000] if damage == "truncated" else content)
    if damage == "names":
        site = build_site(dataclasses.replace(file, labels=(*file.labels, "one more")), content)
    if damage == "gone":
        del site[next(path for path in site if path.endswith(".wasm"))]
    page = Page(browser)
    with serving(site) as running:
        page.open(running.address)
        assert page.one("#problem").text.startswith("The model cannot be loaded (")
        assert page.text("#status") == "No model."
        assert page.js("return document.getElementById('sample').disabled") is True
    page.console()


def test_newest_wish_wins(page, voice, emotion):
    # A second file while the first is still at work: its prediction and no other stays.
    page.one("#sample").click()
    page.choose(voice)
    assert page.text("#word") == emotion(voice).emotion
    assert "voice.wav" in page.text("#status")


def test_proxy_would_see_what_leaves(browser, proxy):
    proxy[1].clear()
    with contextlib.suppress(Exception):  # the server is gone
        browser.get("http://elsewhere.example/")
    assert any("elsewhere.example" in line for line in proxy[1])
    proxy[1].clear()
    browser.get("about:blank")
    Page(browser).console()
