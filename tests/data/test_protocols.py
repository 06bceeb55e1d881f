from dataclasses import replace
from pathlib import Path

import pytest

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.protocols import SPLITS, Split, check_leakage, left_out, split
from hrf_ser.errors import UserError


def corpus(groups: int = 5, speakers_of_group=lambda group: [group]) -> Corpus:
    names = [f"g{index}" for index in range(groups)]
    utterances = [
        Utterance(f"{group}_{speaker}_{label}", Path("a.wav"), label, speaker, group=group)
        for group in names
        for speaker in speakers_of_group(group)
        for label in ("angry", "sad")
    ]
    return Corpus("c", utterances, ("angry", "sad"), {name: (name,) for name in names})


def speakers(table: Corpus, rows: tuple[int, ...]) -> set[str]:
    return {table.utterances[row].speaker for row in rows}


def test_honest_parts_are_disjoint_cover_everything_and_validate_on_the_next_fold():
    table = corpus()
    for index, fold in enumerate(table.folds):
        parts = split(table, fold, "validation")
        assert sorted(parts.train + parts.val + parts.test) == list(range(10))
        assert speakers(table, parts.test) == {fold}
        assert speakers(table, parts.val) == {f"g{(index + 1) % 5}"}


def test_paper_validates_on_the_test_part_and_spends_no_speaker():
    parts = split(corpus(), "g2", "test_oracle")
    assert parts.val == parts.test
    assert len(parts.train) == 8


def test_fixed_validates_on_nobody_and_trains_on_everybody_else():
    table = corpus()
    for fold in table.folds:
        parts = split(table, fold, "last_epoch")
        assert parts.val == ()
        assert sorted(parts.train + parts.test) == list(range(10))
        assert speakers(table, parts.test) == {fold}
    # Two groups are too few for three parts, and enough for two.
    assert speakers(corpus(2), split(corpus(2), "g0", "last_epoch").train) == {"g1"}


def test_crossed_validates_on_everybody_who_trains():
    table = corpus()
    for fold in table.folds:
        parts, fixed = split(table, fold, "out_of_fold"), split(table, fold, "last_epoch")
        assert parts.val == parts.train == fixed.train
        assert parts.test == fixed.test


@pytest.mark.parametrize("protocol", ["validation", "test_oracle"])
def test_only_fixed_may_validate_on_nobody(protocol):
    table = corpus(3)
    table.folds = {"g0": ("g0",), "empty": ("nobody",), "rest": ("g1", "g2")}
    assert split(table, "g0", "last_epoch").val == ()
    with pytest.raises(UserError, match="has no utterances for its val part"):
        split(table, "g0" if protocol == "validation" else "empty", protocol)


def test_no_fold_is_the_first():
    assert split(corpus(), None, "validation").fold == "g0"


def test_two_folds_validate_on_a_fifth_of_the_other_groups():
    table = corpus(11)
    table.folds = {"a": tuple(f"g{i}" for i in range(5)), "b": tuple(f"g{i}" for i in range(5, 11))}
    parts = split(table, "a", "validation")
    assert len(speakers(table, parts.val)) == 1
    assert not speakers(table, parts.val) & speakers(table, parts.train)


def test_official_parts_are_those_of_the_column():
    utterances = [
        Utterance(f"u{i}", Path("a.wav"), "a", f"s{i}", group="g", split=part) for i, part in enumerate(SPLITS * 2)
    ]
    table = Corpus("c", utterances, ("a",), {"official": ()})
    parts = split(table, None, "validation")
    assert (parts.fold, parts.train, parts.val, parts.test) == ("official", (0, 3), (1, 4), (2, 5))
    crossed = split(table, None, "out_of_fold")
    assert (crossed.train, crossed.val, crossed.test) == ((0, 1, 3, 4), (0, 1, 3, 4), (2, 5))
    assert split(table, "official", "test_oracle").val == (2, 5)
    fixed = split(table, "official", "last_epoch")
    assert (fixed.train, fixed.val, fixed.test) == ((0, 1, 3, 4), (), (2, 5))
    table.utterances[3] = Utterance("u3", Path("a.wav"), "a", "s5", split="train")
    with pytest.raises(UserError, match="Speaker s5 is in the train and in the test part of fold=official"):
        split(table, None, "validation")


@pytest.mark.parametrize("name", ["official", "dev"])
def test_a_group_may_be_called_like_the_fold_of_a_part(name):
    table = corpus(4, lambda group: [group])
    table.utterances = [replace(one, group=name) if one.group == "g1" else one for one in table.utterances]
    for rule in ("group", "corpus"):
        table.folds = {group: (group,) for group in ("g0", name, "g2", "g3")}
        parts = split(table, name, "last_epoch", rule)
        assert {table.utterances[row].group for row in parts.test} == {name}


@pytest.mark.parametrize(
    ("fold", "protocol", "message"),
    [
        ("g9", "validation", r"fold=g9 is not a fold of c: use one of g0, g1"),
        ("g0", "fair", r"protocol=fair is unknown: use one of validation, last_epoch, out_of_fold, test_oracle"),
    ],
)
def test_unknown_fold_and_protocol_are_named(fold, protocol, message):
    with pytest.raises(UserError, match=message):
        split(corpus(), fold, protocol)


def test_speaker_on_two_sides_is_named():
    table = corpus(4, lambda group: [group, "anna"] if group in ("g0", "g2") else [group])
    for protocol in ("validation", "last_epoch"):
        with pytest.raises(UserError, match=r"Speaker anna is in the train and in the test part of fold=g0"):
            split(table, "g0", protocol)


def test_leakage_between_validation_and_test_is_refused_but_for_paper():
    table = corpus()
    parts = Split("g0", "validation", train=(4, 5), val=(0,), test=(1,))
    with pytest.raises(UserError, match="Speaker g0 is in the val and in the test part"):
        check_leakage(table.utterances, parts)
    check_leakage(table.utterances, Split("g0", "test_oracle", train=(4, 5), val=(0,), test=(1,)))


def dialogs(speakers: str = "ab") -> Corpus:
    """Three sessions of two speakers; each session has the dialogs 1, with both, and one of the first speaker alone."""
    utterances = [
        Utterance(f"{group}{speaker}{dialog}", Path("a.wav"), "angry", f"{group}{speaker}", group=group, dialog=dialog)
        for group in ("g0", "g1", "g2")
        for speaker, dialog in ((speakers[0], f"{group}_1"), (speakers[1], f"{group}_1"), (speakers[0], f"{group}_2"))
    ]
    return Corpus("c", utterances, ("angry",), {name: (name,) for name in ("g0", "g1", "g2")})


def test_leaving_one_speaker_out_leaves_the_shared_dialogs_out():
    table = dialogs()
    parts = split(table, "g0b", "validation", "speaker")
    heard = [{table.utterances[row].utterance for row in part} for part in (parts.train, parts.val, parts.test)]
    assert heard == [{"g0ag0_2", "g2ag2_1", "g2bg2_1", "g2ag2_2"}, {"g1ag1_1", "g1bg1_1", "g1ag1_2"}, {"g0bg0_1"}]
    assert left_out(table.utterances, parts) == 1
    fixed = split(table, "g0b", "last_epoch", "speaker")
    assert len(fixed.train) == 7
    assert left_out(table.utterances, fixed) == 1
    published = split(table, "g0b", "test_oracle", "speaker")
    assert len(published.train) == 8


def test_dialog_on_two_sides_is_named():
    table = dialogs()
    for protocol, val in (("validation", (3,)), ("last_epoch", ())):
        with pytest.raises(UserError, match=r"Dialog g0_1 is in the train and in the test part of fold=x"):
            check_leakage(table.utterances, Split("x", protocol, train=(0,), val=val, test=(2,)))


def test_dev_tests_the_official_validation_part_and_validates_on_training_groups_of_every_label():
    utterances = [
        Utterance(
            f"u{i:02}",
            Path("a.wav"),
            "ab"[i % 3 == 0],
            f"s{i:02}",
            group=f"s{i:02}",
            split="train" if i < 20 else "val",
        )
        for i in range(26)
    ]
    table = Corpus("c", utterances, ("a", "b"), {"dev": ()})
    parts = split(table, None, "validation")
    assert parts.test == tuple(range(20, 26))
    assert len(parts.val) == 4
    assert {utterances[row].label for row in parts.val} == {"a", "b"}
    assert sorted(parts.train + parts.val) == list(range(20))
    paper = split(table, "dev", "test_oracle")
    assert (paper.train, paper.val) == (tuple(range(20)), paper.test)
    fixed = split(table, "dev", "last_epoch")
    assert (fixed.train, fixed.val, fixed.test) == (tuple(range(20)), (), parts.test)


def test_fold_without_utterances_and_too_few_groups_are_refused():
    table = corpus(4)
    table.folds["empty"] = ("nobody",)
    with pytest.raises(UserError, match="fold=empty of c has no utterances for its test part"):
        split(table, "empty", "validation")
    with pytest.raises(UserError, match=r"1 group\(s\) beside the test part"):
        split(corpus(2), "g0", "validation")


def test_ravdess_folds_hold_out_the_published_actors(ravdess):
    from hrf_ser.data.corpora import read_corpus

    table = read_corpus("ravdess", ravdess)
    parts = split(table, "1", "validation")
    assert speakers(table, parts.test) == {"01", "11", "20", "21"}
    assert speakers(table, parts.val) == {"04", "10", "12", "14"}
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [960, 240, 240]
    fixed = split(table, "1", "last_epoch")
    assert fixed.test == parts.test
    assert set(fixed.train) == {*parts.train, *parts.val}
