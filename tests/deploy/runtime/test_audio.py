import io
import os

import numpy as np
import pytest
import soundfile

from hrf_ser.deploy.runtime.audio import checked, open_audio
from hrf_ser.errors import UserError
from hrf_ser.media.channels import Downmix


def read(source, rate=None, at=16_000):
    with open_audio(source, rate, at) as (_, blocks):
        return np.concatenate(list(blocks))


def speechlike(rate, seconds=1.0):
    time = np.arange(round(rate * seconds)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)


def encoded(samples, rate, form):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form)
    return file.getvalue()


def as_mono(samples):
    return Downmix()(checked(samples, "the array"))


def test_integers_count_as_full_scale():
    wave = speechlike(16_000)
    for kind in (np.int16, np.int32):
        np.testing.assert_allclose(as_mono((wave * (np.iinfo(kind).max + 1.0)).astype(kind)), wave, atol=4e-5)
    np.testing.assert_allclose(as_mono(np.round(wave * 128 + 128).astype(np.uint8)), wave, atol=4e-3)
    np.testing.assert_allclose(as_mono(wave.astype(np.float64)), wave)


def test_channels_are_averaged():
    wave = speechlike(16_000)
    np.testing.assert_allclose(as_mono(np.stack([wave, np.zeros_like(wave)], 1)), wave / 2)
    np.testing.assert_allclose(as_mono(wave[:, None]), wave)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(16_000, np.nan), "NaN"),
        (np.array([0.1] * 15_999 + [np.inf]), "NaN or infinite"),
        (np.full((2, 16_000), 0.1), "shape"),
        (np.zeros((10, 4, 2)), "shape"),
        (np.full(16_000, 1_000.0), "floats in"),
        (np.zeros(16_000, complex), "type complex"),
        (np.zeros(16_000, bool), "type bool"),
        (np.array(0.5), "ndarray: is no audio"),
    ],
)
def test_what_is_no_audio_is_refused_and_not_guessed(samples, message):
    with pytest.raises(UserError, match=message):
        read(samples, 16_000)


def test_an_array_needs_its_rate_and_a_file_has_its_own():
    with pytest.raises(UserError, match="rate is missing"):
        read(np.zeros(16_000, np.float32))
    with pytest.raises(UserError, match="leave it out"):
        read(io.BytesIO(encoded(speechlike(16_000), 16_000, "WAV")), 8_000)
    with pytest.raises(UserError, match="rate is missing"):
        read([0.0] * 16_000)


def test_stereo_8_khz_mp3_is_the_wave_that_was_encoded():
    wave = speechlike(8_000, 2.0)
    samples = read(io.BytesIO(encoded(np.stack([wave, wave], 1), 8_000, "MP3")))
    assert abs(len(samples) - 32_000) < 1_200
    expected = speechlike(16_000, 2.0)
    best = max(
        np.corrcoef(samples[lag : lag + 30_000], expected[:30_000])[0, 1] for lag in range(0, len(samples) - 30_000)
    )
    assert best > 0.99


def test_path_file_object_and_pipe_are_the_same(tmp_path):
    data = encoded(speechlike(22_050), 22_050, "FLAC")
    (tmp_path / "speech.flac").write_bytes(data)
    expected = read(str(tmp_path / "speech.flac"))
    np.testing.assert_array_equal(read(tmp_path / "speech.flac"), expected)
    with (tmp_path / "speech.flac").open("rb") as file:
        np.testing.assert_array_equal(read(file), expected)
    end, start = os.pipe()
    with os.fdopen(end, "rb", buffering=0) as reader:
        with os.fdopen(start, "wb") as writer:
            writer.write(data[:50_000])
        assert len(data) < 50_000
        np.testing.assert_array_equal(read(reader), expected)


@pytest.mark.parametrize("form", ["FLAC", "MP3"])
def test_a_truncated_file_is_refused(form):
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000)
    data = encoded(noise, 16_000, form)
    with pytest.raises(UserError, match=r"truncated|cannot be read"):
        read(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("content", [b"", b"not audio", b"RIFF\x00\x00\x00\x00WAVE", b"\x00" * 4_096])
def test_a_file_that_is_no_audio_is_named(tmp_path, content):
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"speech\.wav: cannot be read as audio"):
        read(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="no such audio file"):
        read(tmp_path / "gone.wav")
    with pytest.raises(UserError, match="is no file"):
        read(tmp_path)


def test_nan_in_a_float_file_is_refused(tmp_path):
    samples = speechlike(16_000)
    samples[12_345] = np.nan
    soundfile.write(tmp_path / "speech.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(UserError, match=r"speech\.wav: holds NaN"):
        read(tmp_path / "speech.wav")


def _samples(source):
    with open_audio(source, 16_000, 16_000) as (_, blocks):
        return np.concatenate(list(blocks))


@pytest.mark.parametrize("kind", ["list", "series", "tensor", "masked"])
def test_what_holds_samples_is_read_as_their_array(kind):
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    make = {
        "list": np.ndarray.tolist,
        "series": lambda wave: pytest.importorskip("pandas").Series(wave),
        "tensor": lambda wave: pytest.importorskip("torch").tensor(wave),
        "masked": np.ma.array,
    }
    np.testing.assert_array_equal(_samples(make[kind](wave)), _samples(wave))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"RIFF", "bytes: is no audio; give io.BytesIO of them"),
        ((16_000, np.zeros(9)), "tuple: is no audio; give a path, a file object or an array"),
        ({"array": [0.0]}, "dict: is no audio; give a path"),
        ([[0.0], [0.0, 1.0]], "list: is no array of samples"),
        (np.zeros((2, 16_000)), r"has the shape \(2, 16000\); give .* such as array\.T"),
    ],
)
def test_what_holds_no_samples_is_refused_with_what_to_give(source, sentence):
    with pytest.raises(UserError, match=sentence):
        _samples(source)
