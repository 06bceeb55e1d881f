"""Which speakers each ensemble member leaves out under protocol=out_of_fold."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.out_of_fold import NO_MEMBER, out_of_fold_index
from hrf_ser.data.protocols import split_corpus
from hrf_ser.errors import UserError


def corpus(cells: list[tuple[str, str, str]], each: int = 2, dialog=lambda _group: "") -> Corpus:
    """A corpus of ``(group, sex, label)``: ``each`` utterances of one speaker."""
    utterances = [
        Utterance(f"{group}_{n}", Path("a.wav"), label, group, sex=sex, group=group, dialog=dialog(group))
        for group, sex, label in cells
        for n in range(each)
    ]
    return Corpus("c", utterances, ("angry", "sad"), {group: (group,) for group, _, _ in cells})


CELLS = [(f"g{number:02}", "female" if number % 2 else "male", "angry") for number in range(13)]


@given(groups=st.integers(3, 12), members=st.integers(2, 6))
def test_all_training_speakers_are_in_one_part_and_parts_are_of_about_equal_size(groups, members):
    table = corpus(CELLS[: groups + 1])
    split = split_corpus(table, "g00", "out_of_fold")
    if members > groups:
        with pytest.raises(UserError, match=f"has {groups} training groups, and {members} members"):
            out_of_fold_index(table.utterances, split, members)
        return
    index = out_of_fold_index(table.utterances, split, members)
    assert set(np.flatnonzero(index == NO_MEMBER)) == set(split.test)
    sizes = Counter(index[list(split.train)].tolist())
    assert set(sizes) == set(range(members))
    assert max(sizes.values()) - min(sizes.values()) <= 2
    for one in {one.group for one in table.utterances}:
        rows = [row for row, other in enumerate(table.utterances) if other.group == one]
        assert len(set(index[rows])) == 1


def test_parts_are_alike_in_sex_and_in_labels_of_whole_groups():
    labels = {"male": "angry", "female": "sad"}
    for cells in (CELLS[:9], [(group, "", labels[sex]) for group, sex, _ in CELLS[:9]]):
        table = corpus(cells)
        index = out_of_fold_index(table.utterances, split_corpus(table, "g00", "out_of_fold"), 4)
        pairs = Counter((index[row], one.sex, one.label) for row, one in enumerate(table.utterances))
        assert {count for (member, *_), count in pairs.items() if member != NO_MEMBER} == {2}
        assert len(pairs) == 8 + 1


def test_a_speaker_or_a_dialog_in_two_parts_is_refused():
    table = corpus(CELLS[:5], dialog=lambda group: "d" if group in ("g01", "g03") else group)
    with pytest.raises(UserError, match="Dialog d is in the train and in the val split of fold=g00"):
        out_of_fold_index(table.utterances, split_corpus(table, "g00", "out_of_fold"), 2)
    twice = Corpus(
        "c", [*table.utterances, Utterance("x", Path("a.wav"), "sad", "g01", group="g04")], table.labels, table.folds
    )
    with pytest.raises(UserError, match="Speaker g01 is in the train and in the val split"):
        out_of_fold_index(twice.utterances, split_corpus(twice, "g00", "out_of_fold"), 2)
