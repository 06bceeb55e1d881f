"""Counts of the whole distribution, on a generated tree of its size."""

import re
import time
from collections import Counter

import pytest
from releases_iemocap import DIALOGS, full_size, full_size_turns

from hrf_ser.data.corpora import iemocap


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The full-size tree of labels; tests leave it as it is."""
    return full_size(tmp_path_factory.mktemp("full"))


def test_generated_distribution_has_the_published_sums():
    turns = full_size_turns()
    assert len({turn.name for turn in turns}) == len(turns) == 10_039
    assert {turn.dialog for turn in turns} == set(DIALOGS)
    assert len(DIALOGS) == 151
    assert Counter(turn.emotion for turn in turns) == {
        "xxx": 2507,
        "fru": 1849,
        "neu": 1708,
        "ang": 1103,
        "sad": 1084,
        "exc": 1041,
        "hap": 595,
        "sur": 107,
        "fea": 40,
        "oth": 3,
        "dis": 2,
    }


@pytest.mark.slow
def test_full_size_release_has_every_published_count_and_is_read_in_seconds(release):
    begin = time.perf_counter()
    corpus = iemocap.read(release)
    assert time.perf_counter() - begin <= 10
    assert corpus.count_mismatches == []
    assert len(corpus.utterances) == 5531
    table = {
        "1": (1085, (229, 278, 384, 194), (557, 528), 521),
        "2": (1023, (137, 327, 362, 197), (542, 481), 530),
        "3": (1151, (240, 286, 320, 305), (629, 522), 627),
        "4": (1031, (327, 303, 258, 143), (503, 528), 534),
        "5": (1241, (170, 442, 384, 245), (651, 590), 731),
    }
    for session, row in table.items():
        mine = [one for one in corpus.utterances if one.group == session]
        labels, sexes = Counter(one.label for one in mine), Counter(one.sex for one in mine)
        improvised = sum("_impro" in one.utterance for one in mine)
        per_class = tuple(labels[label] for label in ("angry", "happy", "neutral", "sad"))
        assert (len(mine), per_class, (sexes["male"], sexes["female"]), improvised) == row


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"improvised": True}, {"angry": 289, "happy": 947, "neutral": 1099, "sad": 608}),
        ({"classes": "4_no_exc"}, {"angry": 1103, "happy": 595, "neutral": 1708, "sad": 1084}),
        ({"classes": "5"}, {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084, "frustrated": 1849}),
        (
            {"classes": "6"},
            {"angry": 1103, "happy": 595, "excited": 1041, "neutral": 1708, "sad": 1084, "frustrated": 1849},
        ),
    ],
)
def test_full_size_release_has_the_counts_of_each_option(release, options, counts):
    corpus = iemocap.read(release, **options)
    assert corpus.count_mismatches == []
    assert Counter(one.label for one in corpus.utterances) == counts


@pytest.mark.slow
def test_full_size_release_without_the_scripted_half_is_named(release, monkeypatch):
    """A reader that missed a branch once halved the corpus."""
    monkeypatch.setattr(iemocap, "_DIALOG", re.compile(r"Ses0[1-5][FM]_impro\d\d[ab]?"))
    count_mismatches = iemocap.read(release).count_mismatches
    assert "2,943 utterances found, 5,531 in the distribution" in count_mismatches
    assert not any(one.endswith("improvised") for one in count_mismatches)


@pytest.mark.slow
def test_full_size_release_read_without_excited_names_the_class(release, monkeypatch):
    monkeypatch.setitem(iemocap.CLASSES["4"], "happy", ("hap",))
    count_mismatches = iemocap.read(release).count_mismatches
    assert "4,490 utterances found, 5,531 in the distribution" in count_mismatches
    assert "class happy: 595 utterances found, 1,636 in the distribution" in count_mismatches


@pytest.mark.slow
def test_full_size_release_read_with_the_dialogs_letter_names_sex_in_every_session(release, monkeypatch):
    monkeypatch.setattr(iemocap, "_speaker", lambda turn: turn[:6])
    count_mismatches = iemocap.read(release).count_mismatches
    for session, number in {"1": 557, "2": 542, "3": 629, "4": 503, "5": 651}.items():
        assert any(
            one.startswith(f"session {session}, male: ") and one.endswith(f"{number} in the distribution")
            for one in count_mismatches
        )
