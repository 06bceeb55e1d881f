"""Copies of DAIC-WOZ that are incomplete, damaged or of another edition."""

import os
import re

import pytest
from releases_daic_woz import DEV, TRAIN, differences, edit, miniature, turns_of, write_labels

from hrf_ser.data.corpora import daic_woz
from hrf_ser.errors import UserError


@pytest.fixture
def release(tmp_path):
    return miniature(tmp_path / "DAIC-WOZ")


def test_missing_and_surplus_sessions_are_named_by_number(release):
    (release.root / "319_P").rename(release.root / "342_P")
    (release.root / "490_P").mkdir()
    (release.root / "600_P").mkdir()
    count_mismatches = daic_woz.read(release.root).count_mismatches
    assert (
        "sessions 301, 304-317, 319-320, 322-341, 343-361, 363-372, 374-393, 395-397, 399-408, 410-450, 452-459, "
        f"461-489, 491-492: 179 of 189 folders NNN_P are missing, unpack them into {release.root}"
    ) in count_mismatches
    assert "sessions 342, 600: folders that the distribution does not have" in count_mismatches
    assert "sessions 490: in no label file" in count_mismatches


@pytest.mark.parametrize(
    ("remove", "lacks"),
    [
        (["303_AUDIO.wav"], "303_AUDIO.wav"),
        (["303_TRANSCRIPT.csv"], "303_TRANSCRIPT.csv"),
        (["303_AUDIO.wav", "303_TRANSCRIPT.csv"], "303_AUDIO.wav and 303_TRANSCRIPT.csv"),
        ([], "303_AUDIO.wav"),  # empty
    ],
)
def test_half_unpacked_session_is_named_and_left_out(release, remove, lacks):
    folder = release.root / "303_P"
    for name in remove:
        (folder / name).unlink()
    if not remove:
        (folder / "303_AUDIO.wav").write_bytes(b"")
    corpus = daic_woz.read(release.root)
    assert f"session 303: {folder} lacks {lacks}, unpack 303_P.zip there again" in corpus.count_mismatches
    assert "303" not in {one.speaker for one in corpus.utterances}


def test_turns_after_the_end_of_the_audio_are_named_and_the_last_one_is_cut(release):
    path = release.root / "303_P" / "303_AUDIO.wav"
    os.truncate(path, 44)
    data = 2 * 16000 * 30
    edit(path, path.read_bytes()[40:44], data.to_bytes(4, "little"))
    corpus = daic_woz.read(release.root)
    assert turns_of(corpus, "303")["303_0016"] == (22.0, 30.0)
    assert "303_0017" not in turns_of(corpus)
    assert (
        f"session 303: 2 turns begin after the end of {path} (30.0 s), unpack 303_P.zip there again"
        in corpus.count_mismatches
    )


def test_audio_that_is_no_wav_is_left_to_the_audio_reader(release):
    (release.root / "303_P" / "303_AUDIO.wav").write_bytes(b"not a RIFF header at all")
    assert differences(daic_woz.read(release.root), release) == []


@pytest.mark.parametrize("delimiter", [b",", b";", b" "])
def test_transcript_with_another_delimiter_is_refused(release, delimiter):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(path.read_bytes().replace(b"\t", delimiter))
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    assert f"{path} does not begin with the tab-separated header" in str(caught.value)
    assert "303_P.zip again" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"Start_Time\tEnd_Time\tText\tConfidence\n"])
def test_empty_or_foreign_transcript_is_refused(release, content):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"303_TRANSCRIPT\.csv does not begin with the tab-separated header"):
        daic_woz.read(release.root)


def test_rows_that_cannot_be_understood_are_named_by_line(release):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    edit(
        path,
        b"38.5\t40\tparticipant\tbye",
        b"38.5,40,participant,bye\nlater\t41\tParticipant\tbye\n42\t43\tParticipant\tbye",
    )
    corpus = daic_woz.read(release.root)
    assert f"session 303: {path} has rows without times and speaker, in line 20, 21" in corpus.count_mismatches
    assert turns_of(corpus, "303")["303_0022"] == (42.0, 43.0)


def test_session_without_ellie_that_is_no_known_fault_is_named(release):
    path = release.root / "303_P" / "303_TRANSCRIPT.csv"
    path.write_bytes(path.read_bytes().replace(b"\tEllie\t", b"\tEli\t"))
    assert f"session 303: no turn of the participant after Ellie's first line in {path}" in (
        daic_woz.read(release.root).count_mismatches
    )


@pytest.mark.parametrize("missing", [TRAIN, DEV])
@pytest.mark.parametrize("other", ["Detailed_PHQ8_Labels.csv", "metadata_mapped.csv", "dev_split.csv", None])
def test_missing_label_file_is_named_and_one_of_another_edition_too(release, missing, other):
    (release.root / missing).unlink()
    if other:
        (release.root / other).touch()
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    found = f" ({other} belong to another edition)" if other else ""
    assert f"{release.root} has no {missing}{found}: download the label files of AVEC 2017" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"PHQ8_Binary", b"PHQ_8Total", "has no column phq8_binary or phq_binary but"),
        (b"Participant_ID", b"Participant", "lacks the column participant_id; its first row reads"),
        (b"303,0,4", b"303,2,4", "row 2: phq8_binary=2 is no whole number from 0 to 1"),
        (b"303,0,4", b"303,,4", "row 2: phq8_binary= is no whole number"),
        (b"303,0,4", b"303,0,25", "row 2: phq8_score=25 is no whole number from 0 to 24"),
        (b"303,0,4", b"P303,0,4", "row 2: participant_id=P303 is no whole number"),
        (b"303,0,4", b"302,0,4", "participant 302 is there twice, in the split train and in the split val"),
    ],
)
def test_wrong_label_file_is_refused_and_the_place_named(release, old, new, named):
    edit(release.root / TRAIN, old, new)
    with pytest.raises(UserError) as caught:
        daic_woz.read(release.root)
    assert named in str(caught.value)
    assert str(release.root) in str(caught.value)
    assert "corpus's site" in str(caught.value)


def test_label_file_may_be_written_by_a_spreadsheet(release):
    before = daic_woz.read(release.root)
    path = release.root / TRAIN
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"303,0,4,1", b"303.0,0.0,4.0,1.0") + b",,,,\n")
    assert daic_woz.read(release.root).utterances == before.utterances


def test_score_that_contradicts_the_label_is_named_but_not_that_of_409(release):
    edit(release.root / DEV, b"302,0,0", b"302,0,11")
    sentences = [one for one in daic_woz.read(release.root).count_mismatches if "has the score" in one]
    assert sentences == [f"{release.root / DEV}, row 2: participant 302 has the score 11, but binary 0"]


def test_participant_outside_the_distribution_is_named(release):
    edit(release.root / DEV, b"302,0,0", b"602,0,0")
    assert "sessions 602: labelled, but not in the distribution" in daic_woz.read(release.root).count_mismatches


@pytest.mark.parametrize("made", ["nothing", "a file", "empty folder", "no participant's session"])
def test_root_without_the_corpus_names_the_key_and_the_hint(tmp_path, made):
    root = tmp_path / "corpus"
    if made == "a file":
        root.touch()
    elif made != "nothing":
        root.mkdir()
    if made == "no participant's session":
        (root / "305_P").mkdir()
        write_labels(root, [])
    with pytest.raises(UserError) as caught:
        daic_woz.read(root)
    assert f"data.root={root}" in str(caught.value)
    assert "dcapswoz.ict.usc.edu" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", [TRAIN, "303_P/303_TRANSCRIPT.csv", "303_P/303_AUDIO.wav"])
def test_unreadable_file_is_named(release, name):
    path = release.root / name
    path.chmod(0)
    with pytest.raises(UserError, match=rf"{re.escape(str(path))} cannot be read \(Permission denied\)"):
        daic_woz.read(release.root)
