import csv
import io
import json
import shutil

import pytest
from omegaconf import OmegaConf

from hrf_ser import predict
from hrf_ser.entry import conf_dir
from hrf_ser.errors import UserError

# A sounddevice whose microphone gives three seconds of noise at once.
FAKE_MICROPHONE = """
import numpy

class PortAudioError(Exception):
    pass

def query_devices(device, kind):
    return {"default_samplerate": 44100.0}

class InputStream:
    def __init__(self, samplerate, blocksize, callback, **options):
        self.blocksize, self.callback = blocksize, callback

    def start(self):
        for seed in range(30):
            noise = numpy.random.default_rng(seed).normal(0, 0.1, (self.blocksize, 1))
            self.callback(noise.astype("float32"), self.blocksize, None, None)

    def stop(self):
        pass

    def close(self):
        pass
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def command(command):
    """Without the speech gate: tones are no speech. Its own tests are in tests/deploy/runtime/test_speech.py."""
    return lambda verb, *words, **options: command(verb, *words, "speech_gate=false", **options)


@pytest.fixture
def bundle(train, run_folder):
    """The bundle of one run, trained once for this file."""
    if not (run_folder / "metrics.json").exists():
        train(run_folder, "trainer.max_epochs=1")
    return run_folder / "bundle"


def test_a_file_a_folder_and_a_pattern_are_predicted(command, bundle, tone, tmp_path):
    tone("speech/one.wav", seconds=0.5, rate=44_100, channels=2)
    tone("speech/deeper/two.flac", seconds=0.7)
    (tmp_path / "speech/._two.flac").write_bytes(b"resource fork")
    (tmp_path / "speech/notes.txt").write_text("not audio")
    for audio, count in (("speech/one.wav", 1), ("speech", 2), ("speech/*.wav", 1), ("speech/**/*.*a?", 2)):
        if "**" in audio:
            (tmp_path / "speech/notes.txt").unlink(missing_ok=True)
        finished = command("predict", f"bundle={bundle}", f"audio={audio}", cwd=tmp_path, fresh=audio == "speech")
        assert finished.returncode == 0, finished.stderr
        lines = [line for line in finished.stdout.splitlines() if "one.wav" in line or "two.flac" in line]
        assert len(lines) == count, finished.stdout
        assert all(any(label in line for label in ("angry", "happy", "neutral", "sad")) for line in lines)


def test_recordings_of_a_phone_are_predicted(command, bundle, tmp_path):
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech/mms.amr").write_bytes(b"#!AMR\n" + 50 * (b"\x04" + bytes(range(12))))
    finished = command("predict", f"bundle={bundle}", "audio=speech", cwd=tmp_path)
    if shutil.which("ffmpeg") is None:
        assert finished.returncode == 1
        assert "speech/mms.amr: is an AMR file, which is read through the program ffmpeg" in finished.stderr
    else:
        assert finished.returncode == 0, finished.stderr
        assert "mms.amr" in finished.stdout


def test_names_need_no_quoting(command, bundle, tone, tmp_path):
    name = "my speech, take (1) = it's.wav"
    tone(name, seconds=0.5)
    finished = command("predict", f"bundle={bundle}", f"audio={name}", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "take (1)" in finished.stdout


def test_a_bad_file_is_named_and_the_others_are_predicted(command, bundle, tone, tmp_path):
    tone("speech/one.wav", seconds=0.5)
    (tmp_path / "speech/two.wav").write_text("not audio")
    finished = command("predict", f"bundle={bundle}", "audio=speech", cwd=tmp_path)
    assert finished.returncode == 1
    assert "one.wav" in finished.stdout
    assert finished.stderr.startswith("Error: speech/two.wav: cannot be read as audio")


def test_mistakes_end_in_one_sentence(command, bundle, tone, tmp_path):
    tone("one.wav")
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "bundle.json").write_text("{")
    cases = {
        ("bundle=nowhere", "audio=one.wav"): "Error: nowhere: holds no bundle.json",
        (f"bundle={copy}", "audio=one.wav"): f"Error: {copy}/bundle.json: is damaged",
        (f"bundle={bundle}", "audio=gone.wav"): "Error: audio=gone.wav: no audio file is there",
        (f"bundle={bundle}", "out=[a.csv,b.csv]", "audio=one.wav"): "Error: out takes one path, not a list",
        (f"bundle={bundle}",): "Error: audio has no value",
    }
    for arguments, message in cases.items():
        finished = command("predict", *arguments, cwd=tmp_path)
        assert finished.returncode == 1
        assert finished.stderr.startswith(message), finished.stderr
        assert len(finished.stderr.strip().splitlines()) == 1
        assert finished.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "one.wav"]


def test_results_are_written_for_good_and_bad_files(command, bundle, tone, tmp_path):
    tone("speech/one.wav", seconds=0.5)
    tone("speech/two.wav", seconds=0.7, rate=8_000, channels=2)
    (tmp_path / "speech/bad.wav").write_text("not audio")
    for out in ("results.csv", "results.json", "-"):
        finished = command("predict", f"bundle={bundle}", "audio=speech", f"out={out}", cwd=tmp_path)
        assert finished.returncode == 1, finished.stderr
        assert finished.stderr.startswith("Error: speech/bad.wav: cannot be read as audio")
        if out == "-":
            assert finished.stdout == (tmp_path / "results.csv").read_text()
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["file"] for row in rows] == ["speech/bad.wav", "speech/one.wav", "speech/two.wav"]
    assert rows[0]["error"].startswith("speech/bad.wav: cannot be read")
    assert rows[0]["emotion"] == rows[1]["error"] == ""
    content = json.loads((tmp_path / "results.json").read_text())
    for row, one in zip(rows[1:], content[1:], strict=True):
        assert row["emotion"] == one["emotion"]
        assert sum(float(row[label]) for label in ("angry", "happy", "neutral", "sad")) == pytest.approx(1, abs=1e-5)
        assert float(row["end"]) == pytest.approx(one["seconds"], abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.json", "speech"]


def test_names_come_from_standard_input(command, bundle, tone, tmp_path):
    tone("one.wav", seconds=0.5)
    tone("with space.wav", seconds=0.5)
    names = "one.wav\n\nwith space.wav\ngone.wav\n"
    finished = command("predict", f"bundle={bundle}", "audio=-", "out=-", cwd=tmp_path, input=names)
    assert finished.returncode == 1
    assert finished.stderr == "Error: gone.wav: no such audio file; check the path\n"
    rows = list(csv.DictReader(finished.stdout.splitlines()))
    assert [row["file"] for row in rows] == ["one.wav", "with space.wav", "gone.wav"]
    finished = command("predict", f"bundle={bundle}", "audio=-", cwd=tmp_path, input="\n")
    assert finished.returncode == 1
    assert finished.stderr.startswith("Error: audio=-: the standard input is no recording and names no file")


def test_plain_paths_are_predicted_for_pipes(command, bundle, tone, tmp_path):
    tone("one.wav", seconds=0.5)
    tone("more/two (1).wav", seconds=0.5)
    finished = command("predict", "one.wav", "more", f"bundle={bundle}", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    content = json.loads(finished.stdout)
    assert [one["file"] for one in content] == ["one.wav", "more/two (1).wav"]
    finished = command("predict", "more/two (1).wav", "--csv", "--bundle", str(bundle), cwd=tmp_path)
    (row,) = csv.DictReader(finished.stdout.splitlines())
    assert row["emotion"] == content[1]["emotion"]
    finished = command("predict", "one.wav", f"bundle={bundle}", "abstain=0.99", "--csv", cwd=tmp_path)
    (row,) = csv.DictReader(finished.stdout.splitlines())
    assert (row["emotion"], row["probability"]) == ("unsure", f"{content[0]['probability']:.6f}")


def test_a_recording_on_standard_input_is_predicted(bundle, tone, capsys, monkeypatch):
    path = tone("one.wav", seconds=0.5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    (recording,) = predict.audio_files("-")
    assert str(recording) == "-"
    from hrf_ser import load

    model = load(bundle)
    assert model(recording).probabilities == pytest.approx(model(path).probabilities, abs=1e-6)
    with pytest.raises(UserError, match=r"^-: cannot be read"):
        model(predict.Recording(bytes(range(256))))


def test_without_a_bundle_the_built_in_model_predicts(tone, monkeypatch, tmp_path):
    from hrf_ser import builtin, load

    monkeypatch.setattr(builtin, "MODEL", tmp_path / "gone.onnx")
    with pytest.raises(UserError, match="has no built-in model"):
        load(None)
    assert OmegaConf.load(conf_dir() / "predict.yaml").bundle is None


def test_an_exported_file_is_predicted_without_torch(command, exported_run, tone, tmp_path):
    # 3.5 s, in windows of 1 s.
    tone("long.wav", seconds=3.5, rate=44_100)
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    windows = ("rows=window", "whole_s=2", "window_s=1", "hop_s=1", "out=-", "audio=long.wav")
    rows = {}
    for model in ("export/model.onnx", "bundle"):
        file = model != "bundle"
        arguments = [word.replace("long.wav", str(tmp_path / "long.wav")) for word in windows]
        line = ("predict", f"bundle={exported_run / model}", *arguments)
        finished = command(*line, cwd=tmp_path if file else exported_run, fresh=file)
        assert finished.returncode == 0, finished.stderr
        rows[model] = list(csv.DictReader(finished.stdout.splitlines()))
    assert [row["end"] for row in rows["export/model.onnx"]] == ["1.000", "2.000", "3.000", "3.500"]
    for one, other in zip(rows["export/model.onnx"], rows["bundle"], strict=True):
        assert one["emotion"] == other["emotion"]
        assert float(one["happy"]) == pytest.approx(float(other["happy"]), abs=1e-4)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("rows=word", "rows=word is unknown"),
        ("out=results.txt", "out=results.txt: is neither a .csv nor a .json"),
        ("out=folder.csv", "out=folder.csv: is a folder"),
        ("hop_s=9", "hop_s=9: is not a number of seconds from 0.01 to 3, the length of a window"),
        ("window_s=0.5", "hop_s=1.0: is not a number of seconds from 0.01 to 0.5, the length of a window"),
        ("whole_s=inf", "whole_s=inf must be finite"),
        ("threads=0", "threads=0 must be a whole number greater than or equal to 1"),
        ("whole_s=null", "whole_s=null must be a number"),
    ],
)
def test_options_that_are_none_end_in_one_sentence(command, bundle, tone, tmp_path, argument, message):
    tone("one.wav")
    (tmp_path / "folder.csv").mkdir()
    finished = command("predict", f"bundle={bundle}", "audio=one.wav", argument, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith(f"Error: {message}")
    assert len(finished.stderr.splitlines()) == 1


def test_a_missing_microphone_is_an_error(command, bundle, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise ImportError('sounddevice')")
    finished = command("predict", f"bundle={bundle}", "audio=mic", cwd=tmp_path)
    assert finished.returncode == 1
    assert finished.stderr == 'Error: sounddevice is not installed: pip install "hrf_ser[mic]".\n'


def test_a_microphone_is_followed_for_so_many_seconds(command, bundle, tmp_path):
    (tmp_path / "sounddevice.py").write_text(FAKE_MICROPHONE)
    arguments = ("audio=mic", "seconds=2.2", "window_s=1", "hop_s=0.5", "out=results.csv")
    finished = command("predict", f"bundle={bundle}", *arguments, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert [line.split()[0] for line in finished.stdout.splitlines()] == ["1.00", "1.50", "2.00", "2.20"]
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["end"] for row in rows] == ["1.000", "1.500", "2.000", "2.200"]
    assert all(row["emotion"] in ("angry", "happy", "neutral", "sad") for row in rows)
