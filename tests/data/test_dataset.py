"""Classes of a run: what training needs of them, and the warning about those without a training utterance."""

from pathlib import Path

import pytest

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.dataset import make_dataset
from hrf_ser.data.protocols import untrained_classes
from hrf_ser.errors import UserError


def corpus(labels_of_speaker: dict[str, str]) -> Corpus:
    """An utterance of each speaker and label, a fold a speaker."""
    utterances = [
        Utterance(f"{speaker}_{label}", Path("a.wav"), label, speaker, group=speaker)
        for speaker, labels in labels_of_speaker.items()
        for label in labels
    ]
    labels = tuple(sorted(set("".join(labels_of_speaker.values()))))
    return Corpus("c", utterances, labels, {speaker: (speaker,) for speaker in labels_of_speaker})


def test_one_class_alone_is_refused():
    with pytest.raises(UserError, match="All utterances of c have the class a: add utterances of another class"):
        make_dataset(corpus(dict.fromkeys("stu", "a")))


def test_a_label_map_that_leaves_one_class_is_refused():
    with pytest.raises(UserError, match="All utterances of c have the class x"):
        make_dataset(corpus(dict.fromkeys("stu", "ab")), classes={"x": ["a", "b"], "y": ["c"]})


def test_a_label_map_that_leaves_no_utterance_is_refused():
    with pytest.raises(UserError, match=r"label_map\.classes names no label of c, which has a, b: add them"):
        make_dataset(corpus(dict.fromkeys("stu", "ab")), classes={"x": ["p"], "y": ["q"]})


def test_a_fold_that_trains_on_one_class_is_refused():
    with pytest.raises(
        UserError, match=r"fold=s of c trains on the class a alone: .* or test other speakers with fold="
    ):
        make_dataset(corpus({"s": "ab", "t": "ab", "u": "a", "v": "a"}), fold="s")
    assert make_dataset(corpus({"s": "ab", "t": "ab", "u": "a", "v": "a"}), fold="u").split.fold == "u"


def test_one_speaker_is_refused():
    with pytest.raises(UserError, match=r"0 group\(s\) beside the test split.*: add speakers"):
        make_dataset(corpus({"s": "ab"}))


def test_a_class_that_only_test_speakers_have_is_named():
    dataset = make_dataset(corpus({"s": "abc", "t": "ab", "u": "ab", "v": "ab"}), fold="s")
    assert untrained_classes(dataset.corpus, dataset.split) == [
        "fold=s: 1 utterances of the test split have the class c, and no training utterance has; they cannot be recognised"
    ]
    other = make_dataset(dataset.corpus, fold="t")
    assert untrained_classes(other.corpus, other.split) == []


def _two_classes(one: str, other: str) -> Corpus:
    utterances = [
        Utterance(f"u{n}", Path("a.wav"), (one, other)[n % 2], f"s{n // 2}", group=f"s{n // 2}") for n in range(8)
    ]
    return Corpus("table", utterances, (one, other), {f"s{n}": (f"s{n}",) for n in range(4)})


@pytest.mark.parametrize("label", ["label", "file", "error", "speaker"])
def test_a_class_called_like_a_column_of_predictions_is_refused(label):
    with pytest.raises(UserError, match=rf"The class {label} is called like a column .*classes={{class_{label}: "):
        make_dataset(_two_classes("sad", label))


@pytest.mark.parametrize("fold", ["all", "*"])
def test_all_folds_are_a_sweep(fold):
    with pytest.raises(
        UserError, match=r"is not a fold of table: use one of .*, or all of them: -m fold=s0,s1,s2,s3\."
    ):
        make_dataset(_two_classes("a", "b"), fold=fold)
