from pathlib import Path

import pytest

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.folds import folds_of
from hrf_ser.errors import UserError

SIZES = {"g1": 1, "g2": 7, "g3": 2, "g4": 5, "g5": 4}


def corpus(order=sorted, folds=None) -> Corpus:
    utterances = [
        Utterance(f"{group}_{index}", Path("a.wav"), "a", f"{group}{'mf'[index % 2]}", group=group)
        for group in order(SIZES)
        for index in range(SIZES[group])
    ]
    return Corpus("c", utterances, ("a",), folds or {"first": ("g1", "g2"), "second": ("g3",)})


def test_the_rules_hold_out_what_they_are_called_by():
    assert folds_of(corpus()).held_out == {"first": ("g1", "g2"), "second": ("g3",)}
    assert folds_of(corpus(), "group").held_out == {group: (group,) for group in SIZES}
    speakers = folds_of(corpus(), "speaker")
    assert speakers.column == "speaker"
    assert speakers.held_out["g2f"] == ("g2f",)
    assert len(speakers.held_out) == 9
    assert folds_of(corpus(folds={"official": (), "1": ("g1",)}), "official").held_out == {"official": ()}


def test_k_folds_hold_every_group_once_are_of_like_size_and_the_same_in_any_order():
    folds = folds_of(corpus(), 3).held_out
    assert folds == {"1of3": ("g2",), "2of3": ("g1", "g4"), "3of3": ("g3", "g5")}
    assert folds_of(corpus(lambda names: sorted(names, reverse=True)), 3).held_out == folds


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (1, "protocol.folds=1: c has 5 groups to deal, so use a number from 2 to 5"),
        (6, "protocol.folds=6: c has 5 groups"),
        ("official", "protocol.folds=official: c has no official split"),
        ("dialog", "protocol.folds=dialog is unknown: use corpus, group, speaker, official, or a number"),
        (True, "protocol.folds=True is unknown"),
    ],
)
def test_a_rule_that_the_corpus_does_not_admit_is_refused(rule, message):
    with pytest.raises(UserError, match=message):
        folds_of(corpus(), rule)
