import numpy as np
import pytest
import soundfile

from hrf_ser.audio.read import duration, read_audio
from hrf_ser.errors import UserError


def peak_hertz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (8_000, 2), (44_100, 2), (48_000, 1)])
def test_any_format_rate_and_channels_become_16_khz_mono(tone, name, rate, channels):
    samples = read_audio(tone(name, seconds=0.5, rate=rate, channels=channels))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    # Lossy codecs pad to whole blocks.
    assert abs(len(samples) - 8_000) <= (1_300 if name.endswith("mp3") else 2)
    assert abs(peak_hertz(samples[:8_000]) - 440) < 4


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    left = np.full(1_600, 0.5)
    soundfile.write(path, np.stack([left, -left / 2], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path), 0.125)


def test_start_and_end_cut_the_stretch(tmp_path):
    path = tmp_path / "ramp.wav"
    ramp = np.linspace(-0.9, 0.9, 32_000)
    soundfile.write(path, ramp, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path, 0.5, 1.25), ramp[8_000:20_000], atol=1e-6)
    np.testing.assert_allclose(read_audio(path, start=1.5), ramp[24_000:], atol=1e-6)
    assert len(read_audio(path, end=99.0)) == 32_000
    with pytest.raises(UserError, match=r"ramp.wav: starts at 3.0 s but the file ends at 2.000 s"):
        read_audio(path, start=3.0)


def write_bad(path, kind):
    if kind == "text":
        path.write_text("this is no audio")
    elif kind == "empty file":
        path.write_bytes(b"")
    elif kind == "truncated":
        whole = path.with_name("whole.flac")
        soundfile.write(whole, np.random.default_rng(0).normal(size=16_000) * 0.1, 16_000)
        path.write_bytes(whole.read_bytes()[:40])
    elif kind == "folder":
        path.mkdir()
    else:
        samples = {
            "no samples": np.zeros(0),
            "silent": np.zeros(16_000),
            "too short": np.full(500, 0.1),
            "nan": np.array([0.1] * 8_000 + [np.nan] + [0.1] * 8_000),
            "infinite": np.array([0.1] * 8_000 + [np.inf] + [0.1] * 8_000),
        }[kind]
        soundfile.write(path, samples, 16_000, subtype="FLOAT", format="WAV")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "cannot be read as audio"),
        ("empty file", "cannot be read as audio"),
        ("truncated", "cannot be read as audio|holds no audio"),
        ("folder", "cannot be read as audio"),
        ("no samples", "holds no audio"),
        ("silent", "is silent"),
        ("too short", "is too short"),
        ("nan", "holds NaN or infinite"),
        ("infinite", "holds NaN or infinite"),
    ],
)
def test_unusable_audio_is_refused_by_name(tmp_path, kind, message):
    path = tmp_path / "bad.wav"
    write_bad(path, kind)
    with pytest.raises(UserError, match=rf"bad\.wav: .*({message})"):
        read_audio(path)


def test_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"gone\.wav: no such audio file"):
        read_audio(tmp_path / "gone.wav")
    with pytest.raises(UserError, match=r"gone\.wav: no such audio file"):
        duration(tmp_path / "gone.wav")


def test_duration_is_that_of_the_header(tone):
    assert duration(tone("a.flac", seconds=1.5, rate=22_050)) == pytest.approx(1.5)
