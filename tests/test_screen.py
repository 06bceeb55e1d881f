"""What a finished run prints."""

import io
from pathlib import Path

from rich.console import Console

from hrf_ser.screen import show_result

RECORD = {
    "protocol": "validation",
    "corpus": "demo",
    "model": "conformer",
    "hrf": True,
    "rank": 4,
    "fold": "1",
    "seed": 0,
    "classes": 4,
    "leaks": [],
    "best_epoch": 8,
    "epochs": 12,
    "val": {"wa": 0.5, "ua": 0.6, "wf1": 0.5, "f1": 0.5},
    "test": {"wa": 0.7, "ua": 0.75, "wf1": 0.7, "f1": None},
    "parameters": {"training": 1_700_000, "deployed": 220_000},
    "macs_per_second_of_audio": 7_000_000,
    "macs_per_second_of_audio_training": 8_000_000,
    "teacher": None,
    "calibration": {"temperature": 1.4, "ece": 0.031, "ece_uncalibrated": 0.12, "brier": 0.55},
    "merge": {"max_abs_diff": 4e-7, "argmax_changes": 0, "compared": 192},
}


def shown(record) -> str:
    console = Console(record=True, width=100, file=io.StringIO())
    show_result(record, Path("/runs/one two"), Path("/audio/a b.wav"), console)
    return console.export_text()


def test_the_last_screen_tells_scores_costs_places_and_the_next_command():
    text = shown(RECORD)
    for words in ("test UA 0.750", "chance 0.250", "1,700,000", "220,000", "4.0e-07", "0 of 192", "n/a", "by 1.40"):
        assert words in text
    assert "bundle='/runs/one two/bundle'" in text or "'bundle=/runs/one two/bundle'" in text
    assert "test_oracle" not in text


def test_the_last_screen_says_where_no_checkpoint_was_selected():
    text = shown({**RECORD, "protocol": "last_epoch", "val": None})
    assert "protocol last_epoch: epoch 9 of 12, the last one; no checkpoint was selected" in " ".join(
        text.replace("│", " ").split()
    )
    assert "validation" not in text


def test_the_last_screen_warns_of_the_test_oracle():
    text = " ".join(shown({**RECORD, "protocol": "test_oracle"}).replace("│", " ").split())
    assert "the checkpoint was selected on the test split. The scores are no estimate for unseen speakers." in text


def test_the_last_screen_compares_the_teacher_with_the_model():
    scores = {"wa": 0.7, "ua": 0.8, "wf1": 0.7, "f1": 0.7}
    taught = {**RECORD, "teacher": {"name": "whisper_base", "val": scores, "test": scores}}
    assert "teacher whisper_base: validation UA 0.800; this model 0.600" in shown(taught)
    without = {**taught, "val": None, "protocol": "last_epoch"}
    assert "teacher whisper_base: test UA 0.800; this model 0.750" in shown(without)
