import csv
import json

import torch

from hrf_ser.training.confusion_plot import draw_confusion
from hrf_ser.training.record import write_metrics, write_predictions


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
