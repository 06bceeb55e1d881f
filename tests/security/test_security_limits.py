"""Small files that declare huge sizes take neither memory nor time."""

import resource
import signal
import struct
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import releases_daic_woz
import releases_iemocap
import soundfile

from hrf_ser.audio import read
from hrf_ser.audio.read import duration, read_audio
from hrf_ser.data.corpora import read_corpus
from hrf_ser.deploy.runtime.audio import finish, resampler
from hrf_ser.errors import UserError


@contextmanager
def within(seconds=20, megabytes=300):
    """Limit the time and memory of a block."""

    def stop(*_):
        raise TimeoutError(f"over {seconds} s")

    with suppress(OSError):  # resets the peak of earlier tests where the kernel allows it
        Path("/proc/self/clear_refs").write_text("5")
    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000 * megabytes


def noise(seconds, rate=16_000):
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))


def test_a_length_stated_by_the_header_alone_allocates_no_memory(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(0.5), 16_000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # 36 bits of STREAMINFO: samples of the file
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with within(), pytest.raises(UserError, match=r"a\.flac: holds 71,583 minutes of audio and at most 139"):
        read_audio(path)


def test_a_file_of_unknown_length_is_refused_without_ffmpeg_but_a_segment_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(2), 16_000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    for reader in (read_audio, duration):
        with within(), pytest.raises(UserError, match=r"a\.flac: does not say how long it is"):
            reader(path)
    assert len(read_audio(path, 0.5, 1.5)) == 16_000


def test_audio_beyond_the_limit_is_refused_but_a_segment_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_SAMPLES", 16_000)
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1.5), 16_000)
    with pytest.raises(UserError, match=r"a\.wav: holds 0 minutes of audio and at most 0 are read at once"):
        read_audio(path)
    assert len(read_audio(path, 0.2, 1.0)) == 12_800
    # The limit holds after resampling, too.
    soundfile.write(path, noise(1.5, 8_000), 8_000)
    with pytest.raises(UserError, match="at most"):
        read_audio(path)


@pytest.mark.parametrize("rate", [1, 3_999, 1_000_000, 2**31 - 1])
def test_an_implausible_sampling_rate_is_refused(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1), 16_000)
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", rate)
    path.write_bytes(data)
    for reader in (read_audio, duration):
        with within(), pytest.raises(UserError, match=r"a\.wav: has [\d,]+ samples a second"):
            reader(path)


def test_out_of_range_samples_and_files_without_audio_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1) * 1e30, 16_000, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav: has samples of up to"):
        read_audio(path)
    path = tmp_path / "a.raw"  # libsndfile cannot detect its format
    path.write_bytes(bytes(1_000))
    with pytest.raises(UserError, match=r"a\.raw: cannot be read as audio"):
        read_audio(path)


@pytest.mark.parametrize("rate", [767_999, 767_992, 191_999, 44_101, 4_001])
def test_no_rate_has_a_filter_that_fills_the_memory_of_a_phone(rate):
    samples = noise(1.0, rate).astype(np.float32)
    with within(60, megabytes=50):
        stream = resampler(rate, 16_000)
        resampled = np.concatenate([stream.resample_chunk(samples), finish(stream)])
    assert len(resampled) == 16_000


def test_a_long_line_of_spaces_is_parsed_in_time(tmp_path):
    root = releases_iemocap.miniature(tmp_path)
    for folder in ("EmoEvaluation", "transcriptions"):
        path = next(one for one in sorted(root.rglob(f"{folder}/Ses*.txt")))
        path.write_bytes(path.read_bytes() + b"C-E2:" + b" " * 200_000 + b")\nSes01" + b"\t" * 200_000 + b"\n")
    with within():
        assert read_corpus("iemocap", root).utterances


def test_implausible_times_create_no_unbounded_number_of_windows(tmp_path):
    root = releases_daic_woz.miniature(tmp_path / "daic", without=[373]).root
    transcript = root / "303_P" / "303_TRANSCRIPT.csv"
    text = transcript.read_text().replace("\r\n", "\n")
    # Floats in a WAV: its header does not say how long it is to a reader without an audio library.
    soundfile.write(root / "303_P" / "303_AUDIO.wav", noise(50), 16_000, subtype="FLOAT")
    transcript.write_text(text + "\n100\t1e300\tParticipant\tyes\n")
    with within():
        corpus = read_corpus("daic_woz", root, unit="window")
    assert max(one.end for one in corpus.utterances if one.speaker == "303") < 100
    assert any("rows without times and speaker" in sentence for sentence in corpus.count_mismatches)
    transcript.write_text(text + "\n0\t20000\tParticipant\tyes" * 100)
    with within(), pytest.raises(UserError, match=r"303_TRANSCRIPT\.csv has turns of 556 hours in all"):
        read_corpus("daic_woz", root, unit="window")


def test_predictions_with_too_many_classes_are_damaged(tmp_path):
    from hrf_ser.evaluation.read import read_run
    from study import make_run, write_run

    folder = write_run(tmp_path / "run", make_run())
    classes = ",".join(f"c{number}" for number in range(100_000))
    (folder / "predictions.csv").write_text(f"utterance,speaker,label,predicted,{classes}\nu,s,c0,c1,0.5\n")
    with within():
        run, (sentence,) = read_run(str(folder))
    assert run["confusion"] is None
    assert "it has 100,000 classes" in sentence
