"""Scores of predictions against the user's labels."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from hrf_ser.evaluation.labelled import BINS, Labelled

CLASSES = ["angry", "happy", "sad"]


def made(labels, predicted, sure=0.8, **unscored):
    rows = [[sure if name == one else (1 - sure) / 2 for name in CLASSES] for one in predicted]
    return Labelled(CLASSES, labels, np.array(rows), unscored)


def test_scores_recalls_and_confusions():
    found = made(["angry", "angry", "angry", "angry", "sad", "sad"], ["angry", "angry", "angry", "sad", "angry", "sad"])
    assert found.confusion.tolist() == [[3, 0, 1], [0, 0, 0], [1, 0, 1]]
    sentences = list(found.sentences())
    assert sentences[0] == "UA 0.625 (chance 0.500), accuracy 0.667, 6 recordings, 2 classes"
    assert sentences[1] == "most predicted: angry, 67% of the recordings (67% have this label)"
    assert sentences[2] == "calibration: mean probability 0.80, accuracy 0.67, ECE 0.133"
    assert len(sentences) == 3
    header, rows = found.table()
    assert header == ["label", "recall", "n", *CLASSES]
    assert rows == [
        ["angry", "0.75", "4", "3", "", "1"],
        ["happy", "", "0", "", "", ""],
        ["sad", "0.50", "2", "1", "", "1"],
    ]


def test_one_class_for_everything_is_said():
    found = made(["angry", "happy", "sad"] * 4, ["sad"] * 12)
    assert any(sentence.startswith("One class gets most recordings") for sentence in found.sentences())


def test_what_is_not_scored_is_counted():
    found = Labelled(CLASSES, ["sad"], np.array([[0.1, 0.1, 0.8]]), {"without speech": 2, "without a label": 0})
    assert [sentence for sentence in found.sentences() if "not scored" in sentence] == ["not scored: 2 without speech"]


def test_calibration_error_is_that_of_training():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 500)
    labels = generator.integers(0, 3, 500)
    found = Labelled(CLASSES, [CLASSES[label] for label in labels], probabilities, {})
    expected = multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(labels), num_classes=3, n_bins=BINS, norm="l1"
    )
    assert found.calibration_error == pytest.approx(float(expected), abs=1e-6)
