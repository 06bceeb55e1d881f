import csv
import io
import json
from pathlib import Path

import torch
from rich.console import Console

from hrf_ser.training.confusion_plot import draw_confusion
from hrf_ser.training.record import write_metrics, write_predictions
from hrf_ser.training.screen import show_result


def test_predictions_are_sorted_and_hold_the_most_probable_class(tmp_path):
    units = [(name, "s", "sad") for name in ("b", "a")]
    write_predictions(tmp_path / "p.csv", units, ("angry", "sad"), torch.tensor([[0.9, 0.1], [0.2, 0.8]]))
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["utterance"], row["predicted"], row["sad"]) for row in rows] == [
        ("a", "sad", "0.800000"),
        ("b", "angry", "0.100000"),
    ]


def test_a_number_that_is_not_finite_becomes_null_and_the_file_is_json(tmp_path):
    write_metrics(tmp_path / "metrics.json", {"test": {"ua": float("nan"), "wa": 0.5}, "list": [float("inf")]})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"test": {"ua": None, "wa": 0.5}, "list": [None]}


def test_the_picture_is_a_png_of_many_colours(tmp_path):
    draw_confusion(tmp_path / "c.png", torch.tensor([[9, 1], [4, 6]]), ("angry", "sad"), "a title")
    data = (tmp_path / "c.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    from matplotlib.image import imread

    assert len({tuple(pixel) for row in imread(tmp_path / "c.png") for pixel in row}) > 20


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
    "val": {"wa": 0.5, "ua": 0.6, "wf1": 0.5, "f1": 0.5},
    "test": {"wa": 0.7, "ua": 0.75, "wf1": 0.7, "f1": None},
    "parameters": {"training": 1_700_000, "deployed": 220_000},
    "macs_per_second_of_audio": 7_000_000,
    "macs_per_second_of_audio_training": 8_000_000,
    "merge": {"max_abs_diff": 4e-7, "argmax_changes": 0, "compared": 192},
}


def shown(record) -> str:
    console = Console(record=True, width=100, file=io.StringIO())
    show_result(record, Path("/runs/one two"), Path("/audio/a b.wav"), console)
    return console.export_text()


def test_the_last_screen_tells_scores_costs_places_and_the_next_command():
    text = shown(RECORD)
    for words in ("test UA 0.750", "chance 0.250", "1,700,000", "220,000", "4.0e-07", "0 of 192", "n/a"):
        assert words in text
    assert "bundle='/runs/one two/bundle'" in text or "'bundle=/runs/one two/bundle'" in text
    assert "test_oracle" not in text


def test_the_last_screen_says_where_no_checkpoint_was_selected():
    text = shown({**RECORD, "protocol": "last_epoch", "val": None})
    assert "protocol last_epoch: epoch 8, the last one; no checkpoint was selected" in " ".join(
        text.replace("│", " ").split()
    )
    assert "validation" not in text


def test_the_last_screen_warns_of_the_test_oracle():
    text = " ".join(shown({**RECORD, "protocol": "test_oracle"}).replace("│", " ").split())
    assert "the checkpoint was selected on the test split. The scores are no estimate for unseen speakers." in text
