"""One tiny exported model, one browser and one server for all tests; the console must stay empty and nothing may leave."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from demo_page import HOSTILE, Page, recording_proxy, serving, start_browser

from helpers import REPOSITORY
from hrf_ser.deploy.demo.site import build_site
from hrf_ser.deploy.runtime.model_file import load_model
from tiny_bundles import CARD


@pytest.fixture(scope="session")
def model_file(exports) -> Path:
    """A bundle as the demo itself exports it."""
    (file,) = (exports / "demo/cache").glob("*.onnx")
    return file


@pytest.fixture(scope="session")
def hostile_file(model_file, tmp_path_factory) -> Path:
    """The same model with markup in every name that it brings."""
    import onnx

    from hrf_ser.deploy.export.onnx import seal, set_metadata

    model = onnx.load(model_file)
    labels = [HOSTILE, "__proto__", "constructor" * 20]
    card = {**CARD, "corpus": HOSTILE, "licence": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}, "__proto__": {"ua": HOSTILE}}
    changed = {"labels": json.dumps(labels), "card": json.dumps(card), "model": HOSTILE, "quantisation": HOSTILE}
    set_metadata(model, changed)
    path = tmp_path_factory.mktemp("hostile") / "model.onnx"
    path.write_bytes(seal(model))
    return path


@pytest.fixture(scope="session")
def model(model_file):
    """Description and bytes of the file."""
    file, _, content = load_model(model_file)
    return file, content


@pytest.fixture(scope="session")
def emotion(model_file):
    """The same file in Python."""
    from hrf_ser.deploy.runtime import Emotion

    return Emotion(model_file)


@pytest.fixture(scope="session")
def server(model):
    with serving(build_site(*model)) as running:
        yield running


@pytest.fixture(scope="session")
def voice(tmp_path_factory) -> Path:
    """Speech of RAVDESS as 16 kHz wav; where it is not at hand, noise with the rhythm of syllables."""
    from hrf_ser.audio.read import read_audio

    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    root = Path(os.environ.get("HRF_SER_RAVDESS", REPOSITORY.parent / "shared" / "corpora" / "RAVDESS"))
    spoken = sorted((root / "Actor_01").glob("03-01-05-02-01-01-01.*"))
    time = np.arange(4 * 16_000) / 16_000
    noise = np.random.default_rng(0).normal(0, 0.1, len(time)) * np.sin(2 * np.pi * 1.5 * time).clip(0)
    soundfile.write(path, read_audio(spoken[0]) if spoken else noise, 16_000, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def proxy():
    with recording_proxy() as (port, seen):
        yield port, seen


@pytest.fixture(scope="session")
def browser(voice, proxy):
    driver = start_browser(voice, proxy[0])
    driver.set_script_timeout(15)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, server, proxy):
    """The page, loaded again."""
    opened = Page(browser)
    opened.console()
    proxy[1].clear()
    yield opened.open(server.address)
    assert opened.console() == []
    assert proxy[1] == []
