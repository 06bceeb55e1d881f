"""``hrf-ser predict folder/ --labels table.csv``: scores on one's own recordings."""

import re

import pytest

from hrf_ser.entry import expand_flags


@pytest.fixture
def recordings(tone, tmp_path):
    for name in ("a", "b", "c"):
        tone(f"speech/{name}.wav", seconds=0.5)
    (tmp_path / "labels.csv").write_text("path,label\nspeech/a.wav,happy\nspeech/b.wav,sad\nspeech/c.wav,bored\n")
    return tmp_path


def test_scores_are_printed_for_files_with_a_label(command, exported_run, recordings):
    bundle = f"bundle={exported_run / 'export/model.onnx'}"
    done = command("predict", bundle, "speech", "--labels", "labels.csv", "speech_gate=false", cwd=recordings)
    assert done.returncode == 0, done.stderr
    scores = r"^UA [01]\.\d{3} \(chance 0\.500\), accuracy .*, 2 recordings, 2 classes$"
    assert re.search(scores, done.stdout, re.MULTILINE)
    assert "not scored: 1 with a label of no class" in done.stdout
    assert "experiment=fine_tune" in done.stdout
    override = command("predict", bundle, "audio=speech", "labels=labels.csv", "speech_gate=false", cwd=recordings)
    assert override.stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("labels=gone.csv",), "labels=gone.csv: no such file; name a CSV file with the columns path and label."),
        (("--labels", "nothing.csv"), "labels=nothing.csv: none of its files is there"),
        (("--labels", "labels.csv", "--json"), "labels=labels.csv: scores are printed for recordings"),
        (("--labels=others.csv", "speech_gate=false"), "labels=others.csv: no recording has a prediction and one of"),
        (("--labels=lacking.csv",), "lacking.csv lacks the column label"),
    ],
)
def test_mistakes_are_sentences(command, exported_run, recordings, words, sentence):
    (recordings / "nothing.csv").write_text("path,label\ngone.wav,sad\n")
    (recordings / "others.csv").write_text("path,label\nspeech/a.wav,bored\n")
    (recordings / "lacking.csv").write_text("path,speaker\nspeech/a.wav,x\n")
    done = command("predict", f"bundle={exported_run / 'export/model.onnx'}", "speech", *words, cwd=recordings)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_flags_take_the_next_word_or_what_follows_their_sign():
    flags = {"--json": "out=-.json", "--labels": "labels="}
    assert expand_flags(["a.wav", "--labels", "my t.csv", "--json"], flags) == [
        "a.wav",
        "labels=my t.csv",
        "out=-.json",
    ]
    assert expand_flags(["--labels=t.csv", "x=1"], flags) == ["labels=t.csv", "x=1"]
    assert expand_flags(["--labels"], flags) == ["labels="]
