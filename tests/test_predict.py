import shutil

import pytest


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def bundle(train, run_folder):
    """The bundle of one run, trained once for this file."""
    if not (run_folder / "metrics.json").exists():
        train(run_folder, "trainer.max_epochs=1")
    return run_folder / "bundle"


def test_a_file_a_folder_and_a_pattern_are_heard(command, bundle, tone, tmp_path):
    tone("speech/one.wav", seconds=0.5, rate=44_100, channels=2)
    tone("speech/deeper/two.flac", seconds=0.7)
    (tmp_path / "speech/._two.flac").write_bytes(b"resource fork")
    (tmp_path / "speech/notes.txt").write_text("not audio")
    for audio, count in (("speech/one.wav", 1), ("speech", 2), ("speech/*.wav", 1), ("speech/**/*.*a?", 2)):
        if "**" in audio:
            (tmp_path / "speech/notes.txt").unlink(missing_ok=True)
        finished = command("predict", f"bundle={bundle}", f"audio={audio}", cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
        lines = [line for line in finished.stdout.splitlines() if "one.wav" in line or "two.flac" in line]
        assert len(lines) == count, finished.stdout
        assert all(any(label in line for label in ("angry", "happy", "neutral", "sad")) for line in lines)


def test_names_need_no_quoting(command, bundle, tone, tmp_path):
    name = "my speech, take (1) = it's.wav"
    tone(name, seconds=0.5)
    finished = command("predict", f"bundle={bundle}", f"audio={name}", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "take (1)" in finished.stdout


def test_a_bad_file_among_good_ones_is_told_and_the_rest_is_heard(command, bundle, tone, tmp_path):
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
        (f"bundle={bundle}",): "Error: audio has no value",
    }
    for arguments, message in cases.items():
        finished = command("predict", *arguments, cwd=tmp_path)
        assert finished.returncode == 1
        assert finished.stderr.startswith(message)
        assert len(finished.stderr.strip().splitlines()) == 1
        assert finished.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "one.wav"]
