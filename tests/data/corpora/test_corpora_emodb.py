"""EmoDB: names, folds, counts."""

from collections import Counter

import pytest

from hrf_ser.data.corpora import counts, emodb, read_corpus
from hrf_ser.errors import UserError


@pytest.fixture
def root(tmp_path):
    """Two utterances of each of two speakers, as empty files."""
    (tmp_path / "wav").mkdir()
    for stem in ("03a01Fa", "03b10Wb", "08a02Ld", "08a07Ta"):
        (tmp_path / "wav" / f"{stem}.wav").touch()
    return tmp_path


def test_fields_come_from_the_name(root):
    utterances = read_corpus("emodb", root).utterances
    assert [(one.utterance, one.label, one.speaker, one.sex, one.group) for one in utterances] == [
        ("03a01Fa", "happiness", "03", "male", "03"),
        ("03b10Wb", "anger", "03", "male", "03"),
        ("08a02Ld", "boredom", "08", "female", "08"),
        ("08a07Ta", "sadness", "08", "female", "08"),
    ]


@pytest.mark.parametrize(
    ("letter", "label"),
    [
        ("W", "anger"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
        ("F", "happiness"),
        ("T", "sadness"),
        ("N", "neutral"),
    ],
)
def test_letter_is_the_german_initial(tmp_path, letter, label):
    (tmp_path / f"03a01{letter}a.wav").touch()
    assert read_corpus("emodb", tmp_path).utterances[0].label == label


def test_root_may_be_the_wav_folder_and_files_flac(root):
    for path in (root / "wav").iterdir():
        path.rename(path.with_suffix(".flac"))
    assert read_corpus("emodb", root).utterances == read_corpus("emodb", root / "wav").utterances


def test_folds_leave_one_speaker_out_and_are_named_by_it(root):
    assert read_corpus("emodb", root).folds == {"03": ("03",), "08": ("08",)}


def test_complete_counts_leave_no_mismatch_and_one_file_less_is_named(tmp_path):
    letters = [letter for letter, label in emodb.EMOTIONS.items() for _ in range(counts.EMODB[f"class {label}"])]
    speakers = [name[-2:] for name, number in counts.EMODB.items() if name.startswith("speaker") for _ in range(number)]
    assert (len(letters), len(speakers)) == (535, 535)
    seen: Counter[str] = Counter()
    for letter, speaker in zip(letters, speakers, strict=True):
        cell = f"{speaker}{letter}"
        text, version = divmod(seen[cell], 26)
        seen[cell] += 1
        (tmp_path / f"{speaker}a{text:02d}{letter}{chr(ord('a') + version)}.wav").touch()
    assert read_corpus("emodb", tmp_path).count_mismatches == []
    next(tmp_path.glob("16*N*.wav")).unlink()
    assert read_corpus("emodb", tmp_path).count_mismatches == [
        "534 utterances found, 535 in the distribution",
        "class neutral: 78 utterances found, 79 in the distribution",
        "speaker 16: 70 utterances found, 71 in the distribution",
    ]


@pytest.mark.parametrize("stem", ["03a01Xa", "99a01Fa", "03a01F", "03-01-05-01-01-01-01"])
def test_foreign_name_is_refused_and_named(root, stem):
    (root / "wav" / f"{stem}.wav").touch()
    with pytest.raises(UserError, match=f"{stem}.wav is not an EmoDB name"):
        read_corpus("emodb", root)


@pytest.mark.parametrize("made", [False, True])
def test_root_without_the_corpus_names_the_key_and_the_hint(tmp_path, made):
    root = tmp_path / "corpus"
    if made:
        root.mkdir()
    with pytest.raises(UserError) as caught:
        read_corpus("emodb", root)
    assert f"data.root={root}" in str(caught.value)
    assert "download.zip" in str(caught.value)
