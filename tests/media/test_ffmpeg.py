"""Files of phones, browsers and telephony that libsndfile does not read."""

import io
import os
import random
import stat
import threading
import time

import numpy as np
import pytest
import soundfile

from hrf_ser.audio import read
from hrf_ser.audio.read import duration, read_audio
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.errors import UserError
from hrf_ser.media import ffmpeg
from hrf_ser.media.ffmpeg import FfmpegFile
from hrf_ser.media.sound import open_sound

# Name and arguments of an encoder; what wrote such files.
ENCODED = {
    "iphone.m4a": ("-c:a", "aac"),
    "lossless.m4a": ("-c:a", "alac"),
    "recorder.aac": ("-c:a", "aac"),
    "android.3gp": ("-c:a", "aac"),
    "chrome.webm": ("-c:a", "libopus"),
    "firefox.webm": ("-c:a", "libvorbis"),
    "safari.mp4": ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"),
    "windows.wma": ("-c:a", "wmav2"),
    "linphone.mka": ("-c:a", "pcm_alaw"),
    "skype.spx": ("-c:a", "libspeex"),
    "called.wav": ("-c:a", "libmp3lame"),  # MP3 in WAV, as dictaphones write it
    "g726.wav": ("-c:a", "g726", "-b:a", "16k", "-ar", "8000"),
    "g722.wav": ("-c:a", "g722"),
    "exchange.g722": ("-c:a", "g722"),
    "g723.wav": ("-c:a", "g723_1", "-b:a", "6300", "-ar", "8000"),
    "memo.caf": ("-c:a", "alac"),
    "tv.ac3": ("-c:a", "ac3"),
    "stream.ts": ("-c:a", "aac"),
    "film.mov": ("-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=2", "-c:v", "mpeg4", "-c:a", "aac"),
    "film.avi": ("-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=2", "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "film.mkv": ("-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=2", "-c:v", "mpeg4", "-c:a", "libopus"),
}


def runtime(source):
    with open_audio(source, None, 16_000) as (_, blocks):
        return np.concatenate(list(blocks))


def peak_hertz(samples):
    middle = samples[4_000:20_000]
    return float(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax())


@pytest.mark.parametrize("name", ENCODED)
def test_files_of_phones_browsers_and_telephony_are_read(encode, name):
    path = encode(name, *ENCODED[name])
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(32_000, abs=2_600)  # codecs pad to whole frames
    assert peak_hertz(samples) == pytest.approx(440, abs=2)
    assert 0.2 < np.abs(samples[4_000:20_000]).max() < 0.4
    assert duration(path) == pytest.approx(len(samples) / 16_000, abs=0.05 if name == "called.wav" else 1e-3)
    np.testing.assert_array_equal(runtime(path), samples)
    with path.open("rb") as file:
        np.testing.assert_array_equal(runtime(file), samples)


def amr(frames=100):
    """AMR of Android recorders and of MMS: 20 ms each, 4.75 kbit/s, of random speech parameters."""
    rng = random.Random(0)
    return b"#!AMR\n" + b"".join(b"\x04" + rng.randbytes(12) for _ in range(frames))


def test_amr_is_read(encode, tmp_path):
    path = tmp_path / "mms.amr"
    path.write_bytes(amr())
    samples = read_audio(path)
    assert len(samples) == 32_000
    np.testing.assert_array_equal(runtime(path), samples)


def test_rate_and_channels_are_those_of_the_file(encode):
    with open_sound(encode("speech.m4a", "-c:a", "alac", rate=44_100, channels=2), "speech.m4a") as file:
        assert (file.samplerate, file.channels) == (44_100, 2)
        samples = file.read(100_000)
    assert samples.shape == (88_200, 2)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_a_segment_is_the_same_as_of_the_whole(encode):
    path = encode("speech.m4a", "-c:a", "aac")
    whole = read_audio(path)
    np.testing.assert_array_equal(read_audio(path, 0.5, 1.25), whole[8_000:20_000])
    np.testing.assert_array_equal(read_audio(path, 1.5, 99.0), whole[24_000:])
    with pytest.raises(UserError, match=r"speech\.m4a: starts at 5\.0 s but the file ends at 2\.\d+ s"):
        read_audio(path, 5.0)


def test_flac_from_a_pipe_is_read(encode, tmp_path):
    path = tmp_path / "speech.flac"
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(path, samples, 16_000)
    whole, data = read_audio(path), bytearray(path.read_bytes())
    data[21] &= 0xF0  # 36 bits of STREAMINFO: samples of the file
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_audio(path), whole)
    np.testing.assert_array_equal(runtime(path), whole)
    np.testing.assert_array_equal(runtime(io.BytesIO(data)), whole)
    assert duration(path) == 1.0


BEGINNINGS = {
    "memo.m4a": (b"\x00\x00\x00\x18ftypM4A " + bytes(100), "an MP4 or QuickTime file"),
    "chrome.webm": (b"\x1a\x45\xdf\xa3" + bytes(100), "a WebM or Matroska file"),
    "mms.amr": (amr(), "an AMR file"),
    "recorder.aac": (b"\xff\xf1\x50\x80" + bytes(100), "an AAC file"),
    "windows.wma": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(100), "a Windows Media file"),
    "renamed.wav": (b"\x00\x00\x00\x18ftypM4A " + bytes(100), "an MP4 or QuickTime file"),
    "called.wav": (b"RIFF\xff\x00\x00\x00WAVEfmt \x1e\x00\x00\x00\x55\x00\x01\x00" + bytes(99), "codec 0x0055"),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_without_ffmpeg_the_sentence_names_it(no_ffmpeg, tmp_path, name):
    content, kind = BEGINNINGS[name]
    path = tmp_path / name
    path.write_bytes(content)
    for reader in (read_audio, duration, runtime):
        with pytest.raises(
            UserError, match=rf"{name}: is .*{kind}.* read through the program ffmpeg; install ffmpeg, or"
        ):
            reader(path)
    with pytest.raises(UserError, match="install ffmpeg"):
        runtime(io.BytesIO(content))


def test_a_video_without_sound_is_refused(encode, tmp_path):
    path = encode("mute.mp4", "-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=1", "-map", "1:v", "-c:v", "mpeg4")
    for reader in (read_audio, duration, runtime):
        with pytest.raises(UserError, match=r"mute\.mp4: holds no audio track"):
            reader(path)


@pytest.mark.parametrize(
    "name", ["iphone.m4a", "fast.m4a", "android.3gp", "chrome.webm", "windows.wma", "linphone.mka", "tv.ac3"]
)
def test_a_truncated_download_is_refused(encode, name):
    path = encode(name, *{"fast.m4a": ("-c:a", "aac", "-movflags", "+faststart"), **ENCODED}[name])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    for reader in (read_audio, duration, runtime):
        with pytest.raises(UserError, match=rf"{name}: (is truncated or damaged|cannot be read as audio) \(ffmpeg: \w"):
            reader(path)


@pytest.mark.parametrize("content", [b"\xff\xf1" + bytes(500), b"\x1a\x45\xdf\xa3", b"wvpk" + b"\xff" * 900])
def test_a_damaged_file_ends_in_one_sentence(encode, tmp_path, content):
    path = tmp_path / "bad.m4a"
    path.write_bytes(content)
    for reader in (read_audio, runtime):
        with pytest.raises(UserError, match=r"bad\.m4a: ") as error:
            reader(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["-i.m4a", "http:example.org.m4a", "concat:a|b.m4a", "a b'$(touch x).m4a", "%d.m4a"])
def test_a_name_is_never_an_option_a_protocol_or_a_command(encode, tmp_path, monkeypatch, name):
    encode("speech.m4a", "-c:a", "aac").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read_audio(name)) > 30_000
    assert not (tmp_path / "x").exists()


def test_a_playlist_in_disguise_opens_no_other_file(encode, tmp_path):
    secret = encode("secret.aac", "-c:a", "aac")
    lists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:{secret}\n#EXT-X-ENDLIST\n".encode(),
        f"ffconcat version 1.0\nfile '{secret.name}'\n".encode(),
    )
    path = tmp_path / "list.m4a"
    for content in lists:
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as audio"):
            read_audio(path)
        with pytest.raises(UserError, match="cannot be read as audio"):  # the program itself refuses it, too
            FfmpegFile(path, "list.m4a", ffmpeg.Kind("a test"))


def fake_ffmpeg(folder, monkeypatch, script):
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    path = folder / "speech.amr"
    path.write_bytes(amr())
    return path


HEADER = r"printf '.snd\0\0\0\030\377\377\377\377\0\0\0\006\0\0\076\200\0\0\0\001'"


@pytest.mark.parametrize("script", ["exec sleep 60", f"{HEADER}; exec sleep 60"])
def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch, script):
    path = fake_ffmpeg(tmp_path, monkeypatch, script)
    monkeypatch.setattr(ffmpeg, "_STALL_S", 0.5)
    for reader in (read_audio, duration, runtime):
        began = time.monotonic()
        with pytest.raises(UserError, match=r"speech\.amr: .*ffmpeg: it ended with status -9"):
            reader(path)
        assert time.monotonic() - began < 10


def test_samples_without_end_stop_at_the_limit(tmp_path, monkeypatch):
    path = fake_ffmpeg(tmp_path, monkeypatch, f"{HEADER}; exec cat /dev/zero")
    monkeypatch.setattr(read, "MAX_SAMPLES", 1 << 20)
    monkeypatch.setattr(read, "_BLOCK", 1 << 18)
    with pytest.raises(UserError, match="at most 1 are read at once"):
        read_audio(path)


def test_messages_without_end_are_not_kept(tmp_path, monkeypatch):
    path = fake_ffmpeg(tmp_path, monkeypatch, "yes 'an error' | head -c 3000000 >&2; exit 1")
    with pytest.raises(UserError, match=r"speech\.amr: cannot be read as audio \(ffmpeg: an error\)"):
        read_audio(path)


def test_closing_early_ends_the_program_and_its_threads(encode, tmp_path):
    path = encode("speech.m4a", "-c:a", "aac")
    threads = threading.active_count()
    with open_sound(path, "speech.m4a") as file:
        file.read(100)
    assert file._process.poll() is not None
    with path.open("rb") as source, open_sound(source, "speech.m4a") as file:
        folder = file._folder.name
        assert os.path.isdir(folder)
    assert not os.path.isdir(folder)
    assert threading.active_count() == threads


def test_cancelling_channels_are_noticed_here_too(encode, tmp_path):
    path = encode("speech.m4a", "-af", "pan=stereo|c0=c0|c1=-1*c0", "-c:a", "alac")
    assert peak_hertz(read_audio(path)) == pytest.approx(440, abs=2)
    np.testing.assert_array_equal(runtime(path), read_audio(path))


@pytest.mark.parametrize("as_file_object", [False, True])
def test_a_recording_that_was_cut_off_before_its_header_was_complete_is_read(tmp_path, monkeypatch, as_file_object):
    path = tmp_path / "crashed.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    content[40:44] = bytes(4)  # the number of bytes of samples
    path.write_bytes(content)
    if ffmpeg.available():
        assert len(runtime(io.BytesIO(content))) == 16_000 if as_file_object else len(read_audio(path)) == 16_000
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="says that it is empty, as its recording was cut off; install ffmpeg"):
        read_audio(path)


def test_flac_in_ogg_is_read(encode):
    assert len(read_audio(encode("a.oga", "-c:a", "flac", "-f", "ogg"))) == 32_000
