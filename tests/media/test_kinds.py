"""What is no audio is refused by what it is, in training and in the runtime."""

import io
import struct
import zipfile

import numpy as np
import pytest
import soundfile

from hrf_ser.audio.read import duration, read_audio
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.errors import UserError
from hrf_ser.media.kinds import kind_of

PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body></body></html>\n"
NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000)


def runtime(path):
    with open_audio(path, None, 16_000) as (_, blocks):
        return np.concatenate(list(blocks))


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("speech.wav", b"RIFF")
    return buffer.getvalue()


NO_AUDIO = {
    "page.mp3": (PAGE, "a web page, not audio.*download the file again"),
    "page.wav": (b"\xef\xbb\xbf\n <html>" + PAGE, "a web page, not audio"),
    "page.au": (PAGE * 9, "a web page, not audio"),  # libsndfile takes it for samples
    "page.gsm": (PAGE * 9, "a web page, not audio"),
    "page.vox": (PAGE * 9, "a web page, not audio"),
    "denied.wav": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "reply.flac": (b'{"message": "rate limit exceeded"}', "a JSON text.*download it again"),
    "pointer.wav": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
    "annex.wav": (b"/annex/objects/MD5E-s12--4d7a.wav\n", "git annex get"),
    "archive.wav": (archive(), "a zip archive, not audio.*unpack it"),
    "archive.mp3": (b"\x1f\x8b\x08\x00" + bytes(100), "a gzip file"),
    "empty.wav": (b"", "empty"),
    "zeros.flac": (bytes(4_096), "a file of zeros.*download is not complete"),
    "fork.wav": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ", "a resource fork that macOS wrote"),
    "list.m4a": (b"#EXTM3U\n#EXTINF:1,\nfile:/etc/passwd\n", "a playlist"),
    "picture.wav": (b"\x89PNG\r\n\x1a\n" + bytes(100), "an image"),
    "paper.wav": (b"%PDF-1.5\n", "a PDF document"),
    "notes.wav": (b"speaker,label\n1,angry\n", "a text that begins with 'speaker,label'"),
    "voice.amr": (b"\x02#!SILK_V3" + bytes(100), "a SILK recording of WeChat.*SILK decoder"),
    "memo.dss": (b"\x02dss" + bytes(range(1, 200)), "a recording of a dictaphone.*its own program"),
    "memo.ds2": (b"\x03ds2" + bytes(range(1, 200)), "a recording of a dictaphone"),
    "memo.dvf": (b"MS_VOICE" + bytes(range(1, 200)), "a recording of a dictaphone"),
    "array.wav": (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}" + bytes(100), "a NumPy array.*soundfile.write"),
    "base64.wav": (b"UklGRmztAABXQVZFZm10IBAAAAAB", "base64 text, not audio.*decode it"),
    "url.webm": (b"data:audio/webm;base64,GkXfo59ChoEB", "a data URL, not audio.*base64"),
    "song.mid": (b"MThd\x00\x00\x00\x06\x00\x01" + bytes(100), "a MIDI file"),
    "call.pcm": (bytes(range(1, 201)) * 20, "without a header.*ffmpeg -f s16le -ar 16000 -i in.pcm out.wav"),
    "call.raw": (bytes(range(1, 201)) * 20, "without a header.*ffmpeg -f s16le -ar 16000 -i in.raw out.wav"),
    "call.al": (bytes(range(1, 201)) * 20, "without a header.*ffmpeg -f alaw -ar 8000"),
    "call.ulaw": (bytes(range(1, 201)) * 20, "without a header.*ffmpeg -f mulaw -ar 8000"),
    "sphere.wav": (b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\n", "sph2pipe"),
}


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_audio_is_named(tmp_path, name):
    content, message = NO_AUDIO[name]
    path = tmp_path / name
    path.write_bytes(content)
    for reader in (read_audio, duration, runtime):
        with pytest.raises(UserError, match=rf"{name}: cannot be read as audio \(it is .*{message}"):
            reader(path)


def test_a_file_object_that_is_no_audio_is_named():
    with pytest.raises(UserError, match="a web page, not audio"):
        runtime(io.BytesIO(PAGE))


def test_a_link_to_nothing_and_a_missing_file_are_told_apart(tmp_path):
    link = tmp_path / "speech.wav"
    link.symlink_to(tmp_path / ".git" / "annex" / "objects" / "speech.wav")
    for reader in (read_audio, duration, runtime):
        with pytest.raises(UserError, match=r"speech\.wav: is a link to a file that is not here; fetch it"):
            reader(link)
        with pytest.raises(UserError, match=r"gone\.wav: no such audio file"):
            reader(tmp_path / "gone.wav")


@pytest.mark.parametrize(("form", "suffix"), [("WAV", "wav"), ("WAVEX", "wav"), ("AIFF", "aiff"), ("AU", "au")])
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
def test_a_truncated_download_is_refused(tmp_path, form, suffix, subtype):
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, NOISE, 16_000, format=form, subtype=subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    for reader in (read_audio, runtime):
        with pytest.raises(UserError, match=rf"speech\.{suffix}: ends after 0\.\d\d s although it says 1\.00 s"):
            reader(path)
    assert duration(path) == pytest.approx(1.0, abs=0.001)
    assert len(read_audio(path, 0.1, 0.4)) == 4_800
    with pytest.raises(UserError, match="truncated"):
        read_audio(path, 0.8, 0.9)


@pytest.mark.parametrize("stated", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 32_000 + 100])
def test_a_recorder_that_wrote_to_a_pipe_or_counted_its_header_is_read(tmp_path, stated):
    path = tmp_path / "speech.wav"
    soundfile.write(path, NOISE, 16_000)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", stated)
    path.write_bytes(data)
    assert len(read_audio(path)) == len(runtime(path)) == 16_000
    assert duration(path) == 1.0


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "GSM610"), ("AIFF", "GSM610"), ("WAV", "G721_32"), ("WAV", "NMS_ADPCM_16"), ("WAV", "NMS_ADPCM_32")],
)
def test_codecs_of_telephony_that_cannot_seek_are_read_whole_and_in_segments(tmp_path, form, subtype):
    if subtype not in soundfile.available_subtypes(form):
        pytest.skip(f"this libsndfile writes no {subtype}")
    path = tmp_path / f"call.{form.lower()}"
    soundfile.write(path, NOISE[:8_000], 8_000, format=form, subtype=subtype)
    whole = read_audio(path)
    assert len(whole) == pytest.approx(16_000, abs=640)
    np.testing.assert_array_equal(runtime(path), whole)
    assert duration(path) == len(whole) / 16_000
    raw, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read_audio(path, 0.25, 0.75, sample_rate=8_000), raw[2_000:6_000])
    with pytest.raises(UserError, match=r"starts at 3\.0 s but the file ends at"):
        read_audio(path, 3.0)


@pytest.mark.parametrize("suffix", ["gsm", "vox"])
def test_samples_without_a_header_are_read_by_their_suffix(tmp_path, suffix):
    subtype = {"gsm": "GSM610", "vox": "VOX_ADPCM"}[suffix]
    path = tmp_path / f"call.{suffix}"
    soundfile.write(path, NOISE[:8_000], 8_000, format="RAW", subtype=subtype)
    assert len(read_audio(path)) == pytest.approx(16_000, abs=640)


def test_audio_is_nothing_else():
    for name, form, subtype in (("a.wav", "WAV", "PCM_16"), ("a.flac", "FLAC", "PCM_16"), ("a.mp3", "MP3", None)):
        buffer = io.BytesIO()
        soundfile.write(buffer, NOISE, 16_000, format=form, subtype=subtype)
        assert kind_of(buffer.getvalue()[:1_024], name) is None


def _header(size):
    header = struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + header + b"data" + struct.pack("<I", size)


@pytest.mark.parametrize(
    ("format", "subtype", "endian"),
    [
        *(("WAV", subtype, "FILE") for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")),
        *(("WAV", subtype, "FILE") for subtype in ("IMA_ADPCM", "MS_ADPCM")),
        *(("WAVEX", "PCM_24", "FILE"), ("RF64", "PCM_16", "FILE"), ("W64", "PCM_16", "FILE"), ("WAV", "PCM_16", "BIG")),
        *(("NIST", "PCM_16", "FILE"), ("CAF", "PCM_16", "FILE"), ("AIFF", "PCM_16", "FILE"), ("VOC", "PCM_16", "FILE")),
    ],
)
def test_files_of_recorders_editors_and_telephony_are_read_whatever_they_are_called(tmp_path, format, subtype, endian):
    path = tmp_path / "recording.mp3"
    soundfile.write(path, NOISE, 16_000, format=format, subtype=subtype, endian=endian)
    assert abs(len(read_audio(path)) - 16_000) < 1_200  # codecs fill their last block


@pytest.mark.parametrize(
    "content",
    [
        lambda pcm: _header(len(pcm)) + pcm + b"LIST" + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf58.76.100\0",
        lambda pcm: b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + _header(len(pcm)) + pcm,
        lambda pcm: _header(len(pcm)) + pcm + bytes(1_001),
        lambda pcm: _header(len(pcm) - 1) + pcm[:-1],
    ],
    ids=["metadata at the end", "tags before the header", "bytes behind the end", "half a sample"],
)
def test_what_programs_add_to_a_wav_file_does_not_matter(tmp_path, content):
    path = tmp_path / "recording.wav"
    path.write_bytes(content((NOISE * 32_767).astype("<i2").tobytes()))
    assert 15_999 <= len(read_audio(path)) <= 16_000
