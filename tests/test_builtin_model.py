"""The built-in model: what ships, and that the documentation shows what was measured of it."""

import json
import re

import pytest
from benchmarks.builtin_model import CLASSES

import hrf_ser
from helpers import REPOSITORY
from hrf_ser.builtin import MODEL

RESULT = json.loads((REPOSITORY / "docs/results/builtin.json").read_text())
ROBUSTNESS = json.loads((REPOSITORY / "docs/results/robustness.json").read_text())
PAGE = (REPOSITORY / "docs/explanation/builtin.md").read_text()


def cells(first: str) -> list[str]:
    """The cells of the table row that begins with this one."""
    (row,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", PAGE, flags=re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


def test_it_is_small_and_says_whose_audio_it_learned_from():
    description = json.loads(MODEL.with_name("model.onnx.json").read_text())
    assert MODEL.stat().st_size + MODEL.with_name("model.onnx.json").stat().st_size <= 500_000
    assert description["labels"] == sorted(CLASSES)
    assert "non-commercial" in description["licence"]
    assert description["card"]["fold"] == "all"
    assert description["card"]["calibration"]["temperature"] == pytest.approx(RESULT["temperature"])


def test_it_recognises_speakers_that_it_was_trained_on(ravdess):
    model = hrf_ser.load()
    (angry,) = ravdess.rglob("03-01-05-02-01-01-01.*")
    assert model(angry).emotion == "angry"
    assert model(angry).seconds > 2


@pytest.mark.parametrize(
    ("name", "key"), [("RAVDESS", "ravdess"), ("EmoDB", "emodb"), ("women", "female"), ("men", "male"), ("both", "all")]
)
def test_scores_by_corpus_and_sex_are_those_measured(name, key):
    score = RESULT["ua"][key]
    assert cells(name) == [f"{score['ua']:.3f}", f"{score['low']:.3f} to {score['high']:.3f}"]


@pytest.mark.parametrize("label", CLASSES)
def test_recalls_are_those_measured(label):
    found = [RESULT["recall"][corpus].get(label) for corpus in ("ravdess", "emodb")]
    assert cells(label) == ["" if value is None else f"{value:.2f}" for value in found]


def test_calibration_and_coverage_are_those_measured():
    before, after = (RESULT["calibration"][key] for key in ("before", "after"))
    assert f"from {before['ece']:.3f} to {after['ece']:.3f}" in PAGE
    for entry in RESULT["coverage"][1:]:
        assert cells(f"{entry['abstain']:g}") == [f"{entry['coverage']:.2f}", f"{entry['accuracy']:.2f}"]


@pytest.mark.parametrize("change", ROBUSTNESS)
def test_robustness_is_that_measured(change):
    entry = ROBUSTNESS[change]
    shown = [f"{entry['ua']:.3f}", f"{entry['ua'] - ROBUSTNESS['none']['ua']:+.3f}"]
    assert cells(change) == [*shown, f"{entry['largest']} {entry['largest_share']:.2f}"]


@pytest.mark.parametrize("training", ["plain", "copies", "copies, features.floor_db=40 features.trim_db=20"])
def test_robustness_of_pilots_is_that_measured(training):
    pilots = json.loads((REPOSITORY / "docs/results/robustness_pilots.json").read_text())
    shown = training.replace("features.floor_db=40 features.trim_db=20", "other floor and trimming")
    assert cells(shown) == [f"{value:.3f}" for value in pilots[training].values()]
