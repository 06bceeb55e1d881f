from dataclasses import replace
from pathlib import Path

import pytest

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.protocols import PROTOCOLS, SPLITS, Split, check_leakage, count_left_out, split_corpus
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


def test_splits_are_disjoint_cover_everything_and_validate_on_the_next_fold():
    table = corpus()
    for index, fold in enumerate(table.folds):
        parts = split_corpus(table, fold, "validation")
        assert sorted(parts.train + parts.val + parts.test) == list(range(10))
        assert speakers(table, parts.test) == {fold}
        assert speakers(table, parts.val) == {f"g{(index + 1) % 5}"}


def test_oracle_validates_on_the_test_split_and_all_other_speakers_train():
    parts = split_corpus(corpus(), "g2", "test_oracle")
    assert parts.val == parts.test
    assert len(parts.train) == 8


def test_the_fold_all_trains_on_all_speakers_and_says_that_it_tests_them():
    parts = split_corpus(corpus(), "all", "last_epoch")
    assert parts.train == parts.test == tuple(range(10))
    assert parts.val == ()
    assert parts.leaks == (
        "fold=all trains on all speakers and tests the same; the scores are no estimate for unseen speakers",
    )
    assert not split_corpus(corpus(), "g1", "last_epoch").leaks
    for protocol in ("validation", "out_of_fold", "test_oracle"):
        with pytest.raises(UserError, match="fold=all is not a fold of c"):
            split_corpus(corpus(), "all", protocol)


def test_last_epoch_has_no_validation_split_and_trains_on_all_other_speakers():
    table = corpus()
    for fold in table.folds:
        parts = split_corpus(table, fold, "last_epoch")
        assert parts.val == ()
        assert sorted(parts.train + parts.test) == list(range(10))
        assert speakers(table, parts.test) == {fold}
    # Two groups are too few for three splits, and enough for two.
    assert speakers(corpus(2), split_corpus(corpus(2), "g0", "last_epoch").train) == {"g1"}


def test_out_of_fold_validates_on_all_training_speakers():
    table = corpus()
    for fold in table.folds:
        parts, last_epoch = split_corpus(table, fold, "out_of_fold"), split_corpus(table, fold, "last_epoch")
        assert parts.val == parts.train == last_epoch.train
        assert parts.test == last_epoch.test


@pytest.mark.parametrize("protocol", ["validation", "test_oracle"])
def test_only_last_epoch_may_have_no_validation_split(protocol):
    table = corpus(3)
    table.folds = {"g0": ("g0",), "empty": ("nobody",), "rest": ("g1", "g2")}
    assert split_corpus(table, "g0", "last_epoch").val == ()
    with pytest.raises(UserError, match="has no utterances for its val split"):
        split_corpus(table, "g0" if protocol == "validation" else "empty", protocol)


def test_no_fold_is_the_first():
    assert split_corpus(corpus(), None, "validation").fold == "g0"


def test_two_folds_validate_on_a_fifth_of_the_other_groups():
    table = corpus(11)
    table.folds = {"a": tuple(f"g{i}" for i in range(5)), "b": tuple(f"g{i}" for i in range(5, 11))}
    parts = split_corpus(table, "a", "validation")
    assert len(speakers(table, parts.val)) == 1
    assert not speakers(table, parts.val) & speakers(table, parts.train)


def test_the_official_split_is_that_of_the_column():
    utterances = [
        Utterance(f"u{i}", Path("a.wav"), "a", f"s{i}", group="g", split=part) for i, part in enumerate(SPLITS * 2)
    ]
    table = Corpus("c", utterances, ("a",), {"official": ()})
    parts = split_corpus(table, None, "validation")
    assert (parts.fold, parts.train, parts.val, parts.test) == ("official", (0, 3), (1, 4), (2, 5))
    out_of_fold = split_corpus(table, None, "out_of_fold")
    assert (out_of_fold.train, out_of_fold.val, out_of_fold.test) == ((0, 1, 3, 4), (0, 1, 3, 4), (2, 5))
    assert split_corpus(table, "official", "test_oracle").val == (2, 5)
    last_epoch = split_corpus(table, "official", "last_epoch")
    assert (last_epoch.train, last_epoch.val, last_epoch.test) == ((0, 1, 3, 4), (), (2, 5))
    table.utterances[3] = Utterance("u3", Path("a.wav"), "a", "s5", split="train")
    with pytest.raises(UserError, match="Speaker s5 is in the train and in the test split of fold=official"):
        split_corpus(table, None, "validation")


@pytest.mark.parametrize("name", ["official", "dev"])
def test_a_group_may_be_called_like_an_official_fold(name):
    table = corpus(4, lambda group: [group])
    table.utterances = [replace(one, group=name) if one.group == "g1" else one for one in table.utterances]
    for rule in ("group", "corpus"):
        table.folds = {group: (group,) for group in ("g0", name, "g2", "g3")}
        parts = split_corpus(table, name, "last_epoch", rule)
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
        split_corpus(corpus(), fold, protocol)


def test_speaker_on_two_sides_is_named():
    table = corpus(4, lambda group: [group, "anna"] if group in ("g0", "g2") else [group])
    for protocol in ("validation", "last_epoch"):
        with pytest.raises(UserError, match=r"Speaker anna is in the train and in the test split of fold=g0"):
            split_corpus(table, "g0", protocol)


def test_leakage_between_validation_and_test_is_refused_but_for_the_oracle():
    table = corpus()
    parts = Split("g0", PROTOCOLS["validation"], train=(4, 5), val=(0,), test=(1,))
    with pytest.raises(UserError, match="Speaker g0 is in the val and in the test split"):
        check_leakage(table.utterances, parts)
    check_leakage(table.utterances, Split("g0", PROTOCOLS["test_oracle"], train=(4, 5), val=(0,), test=(1,)))


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
    parts = split_corpus(table, "g0b", "validation", "speaker")
    found = [{table.utterances[row].utterance for row in part} for part in (parts.train, parts.val, parts.test)]
    assert found == [{"g0ag0_2", "g2ag2_1", "g2bg2_1", "g2ag2_2"}, {"g1ag1_1", "g1bg1_1", "g1ag1_2"}, {"g0bg0_1"}]
    assert count_left_out(table.utterances, parts) == 1
    last_epoch = split_corpus(table, "g0b", "last_epoch", "speaker")
    assert len(last_epoch.train) == 7
    assert count_left_out(table.utterances, last_epoch) == 1
    published = split_corpus(table, "g0b", "test_oracle", "speaker")
    assert len(published.train) == 8


def test_dialog_on_two_sides_is_named():
    table = dialogs()
    for protocol, val in (("validation", (3,)), ("last_epoch", ())):
        with pytest.raises(UserError, match=r"Dialog g0_1 is in the train and in the test split of fold=x"):
            check_leakage(table.utterances, Split("x", PROTOCOLS[protocol], train=(0,), val=val, test=(2,)))


def test_dev_tests_the_official_validation_split_and_validates_on_training_groups_of_every_label():
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
    parts = split_corpus(table, None, "validation")
    assert parts.test == tuple(range(20, 26))
    assert len(parts.val) == 4
    assert {utterances[row].label for row in parts.val} == {"a", "b"}
    assert sorted(parts.train + parts.val) == list(range(20))
    oracle = split_corpus(table, "dev", "test_oracle")
    assert (oracle.train, oracle.val) == (tuple(range(20)), oracle.test)
    last_epoch = split_corpus(table, "dev", "last_epoch")
    assert (last_epoch.train, last_epoch.val, last_epoch.test) == (tuple(range(20)), (), parts.test)


def test_fold_without_utterances_and_too_few_groups_are_refused():
    table = corpus(4)
    table.folds["empty"] = ("nobody",)
    with pytest.raises(UserError, match="fold=empty of c has no utterances for its test split"):
        split_corpus(table, "empty", "validation")
    with pytest.raises(UserError, match=r"1 group\(s\) beside the test split"):
        split_corpus(corpus(2), "g0", "validation")


def test_ravdess_folds_hold_out_the_published_actors(ravdess):
    from hrf_ser.data.corpora import read_corpus

    table = read_corpus("ravdess", ravdess)
    parts = split_corpus(table, "1", "validation")
    assert speakers(table, parts.test) == {"01", "11", "20", "21"}
    assert speakers(table, parts.val) == {"04", "10", "12", "14"}
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [960, 240, 240]
    last_epoch = split_corpus(table, "1", "last_epoch")
    assert last_epoch.test == parts.test
    assert set(last_epoch.train) == {*parts.train, *parts.val}
