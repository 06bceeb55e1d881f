"""M3ED: annotation, official parts, clips that are missing, empty or short, and the published counts."""

import os
import time
from collections import Counter

import pytest
from releases_m3ed import (
    FULL,
    FULL_SERIES,
    Spoken,
    full,
    miniature,
    placeholder,
    read_annotation,
    write_annotation,
    write_release,
)

from hrf_ser.data.corpora import m3ed
from hrf_ser.data.protocols import split_corpus
from hrf_ser.errors import UserError

CLASSES = ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")
FIRST = "ananda"  # the series that miniature gives its oddities


@pytest.fixture
def release(tmp_path):
    return miniature(tmp_path / "M3ED")


def _change(root, change):
    annotation = read_annotation(root)
    change(annotation)
    write_annotation(root, annotation)


def test_fields_come_from_the_annotation(release):
    corpus = m3ed.read(release)
    one = {one.utterance: one for one in corpus.utterances}[f"{FIRST}_1_1"]
    assert (one.label, one.speaker, one.sex) == ("happy", f"{FIRST}_林大乙", "female")
    assert (one.group, one.split, one.start, one.end) == (FIRST, "train", None, None)
    assert one.path == release / "modality_speech" / f"B_{FIRST}_1_1.wav"
    assert dict(one.extra) == {
        "turn": "1",
        "text": "这是第1句",
        "dialog_start": "0.04",
        "dialog_end": "1.04",
        "emotions": "Happy",
        "annotator_1": "Happy",
        "annotator_2": "Neutral",
        "annotator_3": "Happy",
    }
    assert corpus.labels == CLASSES
    assert corpus.name == "m3ed"
    assert "ACL 2022" in corpus.licence


def test_speaker_is_the_name_and_not_the_letter(tmp_path):
    """A and B are local to a dialog: the same name in two dialogs is one speaker, the same letter is not."""
    root = write_release(tmp_path / "M3ED", {"train": {"anjia": [[Spoken(1, "A", "Sad")]] * 5}, "val": {}, "test": {}})
    speakers = [one.speaker for one in m3ed.read(root).utterances]
    assert speakers == ["anjia_王小乙", "anjia_王小丙", "anjia_王小丁", "anjia_王小甲", "anjia_王小乙"]


@pytest.mark.parametrize(
    ("gender", "sex"),
    [("Male", "male"), ("FEMALE", "female"), (" female ", "female"), ("male", "male"), ("unknown", ""), (None, "")],
)
def test_gender_in_any_casing(release, gender, sex):
    def change(annotation):
        for letter in "AB":
            annotation[FIRST][f"{FIRST}_1"]["SpeakerInfo"][letter]["Gender"] = gender

    _change(release, change)
    assert {one.sex for one in m3ed.read(release).utterances if f"{FIRST}_1_" in one.utterance} == {sex}


def test_utterances_of_a_dialog_are_in_the_order_of_their_numbers(tmp_path):
    spoken = [Spoken(number, "A", "Sad") for number in (10, 2, 13, 1, 11)]
    root = write_release(tmp_path / "M3ED", {"train": {"anjia": [spoken]}, "val": {}, "test": {}})
    utterances = m3ed.read(root).utterances
    assert [one.utterance for one in utterances] == [f"anjia_1_{n}" for n in (1, 2, 10, 11, 13)]
    assert [dict(one.extra)["turn"] for one in utterances] == ["1", "2", "10", "11", "13"]


def test_times_are_frames_at_25_a_second():
    assert m3ed._dialog_time("01:02:03:05") == "3723.20"
    assert m3ed._dialog_time("") == ""


@pytest.mark.parametrize("where", ["parent", "lists with bom", "audio apart"])
def test_root_may_be_the_parent_and_the_speech_apart(release, where):
    before = [one.utterance for one in m3ed.read(release).utterances]
    if where == "lists with bom":
        path = release / "splitInfo" / "movie_list_val.txt"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n\r\n")
    elif where == "audio apart":
        (release.parent / "speech").mkdir()
        (release / "modality_speech").rename(release.parent / "speech" / "modality_speech")
    root = release if where == "lists with bom" else release.parent
    assert [one.utterance for one in m3ed.read(root).utterances] == before


def test_official_fold_has_the_parts_of_the_lists(release):
    corpus = m3ed.read(release)
    assert corpus.folds == {"official": ()}
    divided = split_corpus(corpus, "official", "validation")
    assert len(divided.train) == len(corpus.utterances) - 14
    for part in ("val", "test"):
        listed = (release / "splitInfo" / f"movie_list_{part}.txt").read_text()
        assert {corpus.utterances[row].group for row in getattr(divided, part)} == {listed}


def test_missing_and_empty_clips_are_named_and_left_out(release):
    corpus = m3ed.read(release)
    found = {one.utterance for one in corpus.utterances}
    assert found.isdisjoint({f"{FIRST}_1_11", f"{FIRST}_1_12"})
    assert (
        "2 annotated utterances have no audio (no file in modality_speech, or an empty one; about a dozen in the "
        f"distribution) and are left out: B_{FIRST}_1_11.wav, A_{FIRST}_1_12.wav"
    ) in corpus.count_mismatches


@pytest.mark.parametrize("content", [b"", b"RIFF\x24"])
def test_cut_off_clips_count_as_no_audio(release, content):
    (release / "modality_speech" / f"B_{FIRST}_1_1.wav").write_bytes(content)
    assert any(s.startswith("3 annotated") and f"B_{FIRST}_1_1.wav" in s for s in m3ed.read(release).count_mismatches)


def test_clip_that_is_no_wav_is_kept_for_the_audio_reader_to_refuse(release):
    (release / "modality_speech" / f"B_{FIRST}_1_1.wav").write_bytes(b"not a RIFF header at all")
    assert f"{FIRST}_1_1" in {one.utterance for one in m3ed.read(release).utterances}


def test_short_clips_are_left_out_after_counting(release):
    short = f"{FIRST}_1_13"
    corpus = m3ed.read(release)
    assert short not in {one.utterance for one in corpus.utterances}
    assert "1 clips under 0.2 s are left out" in corpus.notes
    assert (
        "split train, class anger: 4 utterances with audio found, 3,814 in the distribution" in corpus.count_mismatches
    )
    assert "clips under 0.2 s: 1 found, 58 in the distribution" in corpus.count_mismatches
    everything = m3ed.read(release, min_seconds=0)
    assert short in {one.utterance for one in everything.utterances}
    assert everything.count_mismatches == corpus.count_mismatches
    assert {one.utterance for one in m3ed.read(release, min_seconds=1.01).utterances} == set()


@pytest.mark.parametrize("value", [-0.1, True, "short", float("nan")])
def test_min_seconds_must_be_a_length(release, value):
    with pytest.raises(UserError, match=r"data\.options\.min_seconds="):
        m3ed.read(release, min_seconds=value)


def test_clips_that_nobody_annotated_are_named_and_hidden_files_are_not(release):
    placeholder(release / "modality_speech" / "A_anjia_9_9.wav", 1.0)
    (surplus,) = [sentence for sentence in m3ed.read(release).count_mismatches if "not annotated" in sentence]
    assert surplus == f"{release / 'modality_speech'} holds 1 clips that are not annotated: A_anjia_9_9.wav"


def test_listed_series_without_annotation_is_named(release):
    path = release / "splitInfo" / "movie_list_test.txt"
    path.write_text(path.read_text() + "\nwudu")
    count_mismatches = m3ed.read(release).count_mismatches
    assert "series wudu: in movie_list_test.txt, but not in annotation.json" in count_mismatches
    assert "movie_list_test.txt: 2 series found, 11 in the distribution" in count_mismatches


def test_series_in_no_list_or_in_two_is_refused(release):
    path = release / "splitInfo" / "movie_list_test.txt"
    original = path.read_text()
    path.write_text(f"{original}\n{FIRST}")
    with pytest.raises(UserError, match=rf"movie_list_test.txt lists the series {FIRST}, which movie_list_train.txt"):
        m3ed.read(release)
    path.write_text("wudu")
    with pytest.raises(UserError, match=rf"annotation.json has the series {original}, which is in none of movie_list"):
        m3ed.read(release)


def _without(*keys):
    def change(annotation):
        entry = annotation[FIRST][f"{FIRST}_1"]
        for key in keys[:-1]:
            entry = entry[key]
        del entry[keys[-1]]

    return change


def _set_emotion(annotation):
    annotation[FIRST][f"{FIRST}_1"]["Dialog"][f"{FIRST}_1_1"]["EmoAnnotation"]["final_main_emo"] = "Contempt"


def _set_speaker(annotation):
    annotation[FIRST][f"{FIRST}_1"]["Dialog"][f"{FIRST}_1_1"]["Speaker"] = "C"


def _rename(annotation):
    dialog = annotation[FIRST][f"{FIRST}_1"]["Dialog"]
    dialog["prologue"] = dialog.pop(f"{FIRST}_1_1")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_without("SpeakerInfo"), f"{FIRST}_1 has no SpeakerInfo"),
        (_without("Dialog"), f"{FIRST}_1 has no Dialog"),
        (_without("SpeakerInfo", "A", "Name"), f"{FIRST}_1, SpeakerInfo, A has no Name"),
        (_without("Dialog", f"{FIRST}_1_1", "EmoAnnotation"), f"{FIRST}_1_1 has no EmoAnnotation"),
        (
            _without("Dialog", f"{FIRST}_1_1", "EmoAnnotation", "final_main_emo"),
            f"{FIRST}_1_1, EmoAnnotation has no final_main_emo",
        ),
        (_set_emotion, f"{FIRST}_1_1: final_main_emo is 'Contempt'"),
        (_set_speaker, f"{FIRST}_1_1: SpeakerInfo has no C"),
        (_rename, "has the name 'prologue', which ends in no number"),
        (lambda annotation: annotation.update({FIRST: []}), f"{FIRST} (Input should be an object)"),
        (lambda annotation: annotation.clear(), "annotation.json has no utterance"),
    ],
)
def test_annotation_that_cannot_be_understood_is_named(release, change, named):
    _change(release, change)
    with pytest.raises(UserError) as caught:
        m3ed.read(release)
    assert str(release / "annotation.json") in str(caught.value)
    assert named in str(caught.value)
    assert "again" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is not JSON"),
        ('{"anjia": "房'.encode(), "is not JSON"),
        ("房似锦".encode("gb18030"), "is not UTF-8"),
    ],
)
def test_damaged_annotation_is_refused(release, content, reason):
    (release / "annotation.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"annotation\.json {reason}"):
        m3ed.read(release)


@pytest.mark.parametrize("missing", ["annotation.json", "movie_list_val.txt", "modality_speech", "clips", "everything"])
def test_half_unpacked_release_names_what_is_missing_and_the_hint(release, missing):
    if missing == "annotation.json":
        (release / missing).unlink()
    elif missing == "movie_list_val.txt":
        (release / "splitInfo" / missing).unlink()
    elif missing == "modality_speech":
        (release / missing).rename(release / "speech_zip")
    elif missing == "clips":
        for path in (release / "modality_speech").glob("*.wav"):
            path.unlink()
    root = release / "nowhere" if missing == "everything" else release
    with pytest.raises(UserError) as caught:
        m3ed.read(root)
    named = {"clips": "holds no clip", "everything": "does not exist"}.get(missing, missing)
    assert named in str(caught.value)
    assert str(root) in str(caught.value)
    assert "github.com/AIM3-RUC/RUCM3ED" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_named(release):
    path = release / "annotation.json"
    path.chmod(0)
    with pytest.raises(UserError, match=r"annotation\.json cannot be read \(Permission denied\)"):
        m3ed.read(release)


@pytest.mark.slow
def test_full_size_tree_has_the_published_counts(tmp_path):
    root = full(tmp_path / "M3ED")
    begin = time.perf_counter()
    corpus = m3ed.read(root)
    seconds = time.perf_counter() - begin
    assert corpus.count_mismatches == []
    without_audio, short = corpus.notes
    assert without_audio.startswith("12 annotated utterances have no audio")
    assert short == "58 clips under 0.2 s are left out"
    assert len(corpus.utterances) == 24437 - 58
    everything = m3ed.read(root, min_seconds=0)
    counts = Counter((one.split, one.label) for one in everything.utterances)
    assert counts == {(part, e.lower()): n for part, per_class in FULL.items() for e, n in per_class.items()}
    assert Counter(one.split for one in everything.utterances) == {"train": 17420, "val": 2819, "test": 4198}
    groups = {part: {one.group for one in everything.utterances if one.split == part} for part in FULL}
    assert {part: len(names) for part, names in groups.items()} == FULL_SERIES
    assert seconds < 10

    fear = next(one for one in everything.utterances if (one.split, one.label) == ("val", "fear"))
    fear.path.unlink()
    assert [sentence for sentence in m3ed.read(root).count_mismatches if "split" in sentence] == [
        "split val: 2,818 utterances with audio found, 2,819 in the distribution",
        "split val, class fear: 49 utterances with audio found, 50 in the distribution",
    ]
