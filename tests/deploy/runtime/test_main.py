import json

import pytest

from hrf_ser.deploy.runtime import Emotion
from hrf_ser.deploy.runtime.__main__ import main


def test_a_file_is_predicted_as_from_python(exported_file, tone, capsys):
    path = tone("speech.wav", seconds=1.5, rate=44_100, channels=2)
    assert main([str(exported_file), str(path)]) == 0
    assert capsys.readouterr().out == f"{path}  no speech\n"  # a tone
    assert main([str(exported_file), str(path), "--no-speech-gate"]) == 0
    expected = Emotion(exported_file)(path)
    assert capsys.readouterr().out == f"{path}  {expected.emotion}  {expected.probability:.2f}\n"
    assert main([str(exported_file), str(path), "--no-speech-gate", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"file": str(path), **expected.as_dict(windows=False)}


def test_a_stream_gives_a_line_a_window(exported_file, tone, capsys):
    path = tone("speech.wav", seconds=2.6)
    assert main([str(exported_file), str(path), "--stream", "--json", "--window", "1", "--hop", "0.5"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["end"] for line in lines] == [1.0, 1.5, 2.0, 2.5, 2.6]
    assert main([str(exported_file), str(path), "--stream", "--window", "1", "--hop", "0.5"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_bad_files_are_named_and_the_others_predicted(exported_file, tone, tmp_path, capsys):
    good = tone("speech.wav")
    (tmp_path / "bad.wav").write_text("not audio")
    for more in ([], ["--stream"]):
        assert main([str(exported_file), str(tmp_path / "bad.wav"), str(good), *more]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith(f"Error: {tmp_path / 'bad.wav'}: cannot be read as audio")
        assert str(good) in printed.out


@pytest.mark.parametrize("options", [["--window", "0"], ["--threads", "0"], ["--hop", "4"]])
def test_options_that_are_none_end_in_a_sentence(exported_file, tone, capsys, options):
    assert main([str(exported_file), str(tone("speech.wav")), *options]) == 1
    assert capsys.readouterr().err.startswith(f"Error: {options[0][2:]}")


def test_no_model_ends_in_a_sentence(tmp_path, tone, capsys):
    assert main([str(tmp_path / "gone.onnx"), str(tone("speech.wav"))]) == 1
    assert capsys.readouterr().err.startswith(f"Error: {tmp_path / 'gone.onnx'}: does not exist")
