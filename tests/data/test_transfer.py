from dataclasses import replace
from pathlib import Path

import pytest

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.protocols import cross_corpus_split
from hrf_ser.data.transfer import join, relabel
from hrf_ser.errors import UserError

FOUR = {"angry": ["angry", "anger"], "sad": ["sad", "sadness"]}


def corpus(name: str, labels: tuple[str, ...], groups: int = 4) -> Corpus:
    utterances = [
        Utterance(f"u{group}_{label}", Path(f"{name}/a.wav"), label, f"s{group}", group=f"g{group}", dialog=f"d{group}")
        for group in range(groups)
        for label in labels
    ]
    folds = {f"{group}": (f"g{group}",) for group in range(groups)}
    return Corpus(name, utterances, labels, folds, count_mismatches=[f"{name} lacks one"], licence=f"licence of {name}")


def test_labels_of_a_class_take_its_name_and_others_are_left_out_with_a_note():
    table = corpus("c", ("anger", "boredom", "sadness"))
    table.utterances.reverse()  # an order that the reader chose
    changed = relabel(table, FOUR)
    assert changed.labels == ("angry", "sad")
    assert [one.label for one in changed.utterances] == ["sad", "angry"] * 4
    assert changed.notes == ["4 utterances of no class of label_map (boredom)"]
    assert table.labels == ("anger", "boredom", "sadness")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"angry": ["anger"]}, "label_map.classes names fewer than two classes"),
        ({"angry": ["anger"], "sad": ["anger"]}, "anger is in angry and in sad"),
        ({"a": ["x"], "b": ["y"]}, "names no label of c, which has anger, boredom"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused(classes, message):
    with pytest.raises(UserError, match=message):
        relabel(corpus("c", ("anger", "boredom")), classes)


def test_one_corpus_trains_and_another_is_tested():
    source, target = relabel(corpus("a", ("anger", "sadness")), FOUR), corpus("b", ("angry", "sad"), groups=2)
    joined = join(source, target)
    assert (joined.name, len(joined.utterances)) == ("a>b", 12)
    assert joined.count_mismatches == ["a: a lacks one", "b: b lacks one"]
    assert joined.licence == "licence of a; licence of b"
    parts = cross_corpus_split(joined, source, "1", "validation")

    def speakers(rows) -> set[str]:
        return {joined.utterances[row].speaker for row in rows}

    assert speakers(parts.test) == {"b/s0", "b/s1"}
    assert speakers(parts.val) == {"a/s1"}
    assert speakers(parts.train) == {"a/s0", "a/s2", "a/s3"}
    oracle = cross_corpus_split(joined, source, "1", "test_oracle")
    assert oracle.val == oracle.test == parts.test
    assert len(oracle.train) == 8
    last_epoch = cross_corpus_split(joined, source, None, "last_epoch")
    assert (last_epoch.fold, last_epoch.train, last_epoch.val, last_epoch.test) == ("all", oracle.train, (), parts.test)
    assert cross_corpus_split(joined, source, "all", "last_epoch") == last_epoch
    out_of_fold = cross_corpus_split(joined, source, None, "out_of_fold")
    assert (out_of_fold.fold, out_of_fold.train, out_of_fold.val, out_of_fold.test) == (
        "all",
        oracle.train,
        oracle.train,
        parts.test,
    )
    for protocol in ("last_epoch", "out_of_fold"):
        with pytest.raises(UserError, match=f"fold=1: under protocol={protocol} all of a trains"):
            cross_corpus_split(joined, source, "1", protocol)


def test_a_dialog_with_a_validation_speaker_does_not_train():
    source, target = corpus("a", ("angry", "sad")), corpus("b", ("angry", "sad"), groups=2)
    # The first of group 0 talks with somebody of group 1.
    source.utterances[0] = replace(source.utterances[0], dialog="d1")
    joined = join(source, target)
    parts = cross_corpus_split(joined, source, "1", "validation")
    assert {joined.utterances[row].dialog for row in parts.val} == {"a/d1"}
    assert {joined.utterances[row].dialog for row in parts.train} == {"a/d0", "a/d2", "a/d3"}
    assert len(parts.train) == 5


@pytest.mark.parametrize("fold", ["official", "dev"])
def test_the_official_split_of_the_source_trains_and_validates(fold):
    source, target = corpus("a", ("angry", "sad")), corpus("b", ("angry", "sad"), groups=2)
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    source.utterances = [replace(one, split=part) for one, part in zip(source.utterances, parts, strict=True)]
    source.folds = {"official": (), "dev": ()}
    joined = join(source, target)
    split = cross_corpus_split(joined, source, fold, "validation")
    assert (split.fold, split.train, split.val) == (fold, (0, 1, 2, 3), (4, 5))
    assert split.test == (8, 9, 10, 11)


def test_corpora_with_other_classes_or_the_same_corpus_are_refused():
    with pytest.raises(UserError, match=r"a has the classes anger, sad, and b angry, sad: .*label_map=four"):
        join(corpus("a", ("anger", "sad")), corpus("b", ("angry", "sad")))
    people = corpus("b", ("x", "y"))
    people.evaluation_unit = "participant"
    with pytest.raises(UserError, match="a is scored by utterance and b by participant"):
        join(corpus("a", ("x", "y")), people)
    with pytest.raises(UserError, match="a would be tested on itself"):
        join(corpus("a", ("x", "y")), corpus("a", ("x", "y")))
