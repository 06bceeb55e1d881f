"""RAVDESS: official names, published folds, and the counts of the real corpus where a copy is at hand."""

import os
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from hrf_ser.data.corpora import ravdess, read_corpus
from hrf_ser.errors import UserError

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def _stems(actor: int) -> list[str]:
    codes = product(range(1, 9), (1, 2), (1, 2), (1, 2))
    return [f"03-01-{e:02d}-{i:02d}-{s:02d}-{r:02d}-{actor:02d}" for e, i, s, r in codes if (e, i) != (1, 2)]


@pytest.fixture
def complete(tmp_path):
    """The official tree with empty files."""
    root = tmp_path / "RAVDESS"
    for actor in range(1, 25):
        folder = root / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for stem in _stems(actor):
            (folder / f"{stem}.wav").touch()
    return root


def _single(tmp_path: Path, name: str, folder: str = "Actor_12") -> Path:
    path = tmp_path / folder / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_complete_tree_has_the_published_counts(complete):
    corpus = read_corpus("ravdess", complete)
    assert corpus.count_mismatches == []
    assert corpus.labels == CLASSES
    assert Counter(one.speaker for one in corpus.utterances) == {f"{a:02d}": 60 for a in range(1, 25)}
    counts = Counter(one.label for one in corpus.utterances)
    assert counts == {label: 96 if label == "neutral" else 192 for label in CLASSES}
    assert "CC BY-NC-SA" in corpus.licence


def test_root_may_be_the_parent(complete):
    assert read_corpus("ravdess", complete.parent).utterances == read_corpus("ravdess", complete).utterances


def test_fields_come_from_the_name(tmp_path):
    path = _single(tmp_path, "03-01-06-02-01-02-12.FLAC")
    (one,) = read_corpus("ravdess", tmp_path).utterances
    assert (one.utterance, one.path) == ("03-01-06-02-01-02-12", path)
    assert (one.label, one.speaker, one.group, one.sex, one.split) == ("fearful", "12", "12", "female", "")
    assert (one.start, one.end) == (None, None)


def test_odd_actors_are_male(tmp_path):
    _single(tmp_path, "03-01-06-02-01-02-07.wav", "Actor_07")
    assert read_corpus("ravdess", tmp_path).utterances[0].sex == "male"


def test_folds_are_emobox_and_test_every_actor_once(complete):
    folds = read_corpus("ravdess", complete).folds
    assert {name: " ".join(actors) for name, actors in folds.items()} == {
        "1": "01 11 20 21",
        "2": "04 10 12 14",
        "3": "08 09 19 23",
        "4": "03 05 07 24",
        "5": "02 15 16 18",
        "6": "06 13 17 22",
    }
    assert sorted(actor for actors in folds.values() for actor in actors) == [f"{a:02d}" for a in range(1, 25)]


def test_other_files_and_songs_are_left_out(tmp_path):
    for name in (
        "03-01-06-02-01-02-12.wav",
        "03-02-06-02-01-02-12.wav",
        "._03-01-06-02-01-02-12.wav",
        "readme.txt",
        "01-01-06-02-01-02-12.mp4",
    ):
        _single(tmp_path, name)
    (tmp_path / "LICENSE.txt").touch()
    assert [one.utterance for one in read_corpus("ravdess", tmp_path).utterances] == ["03-01-06-02-01-02-12"]


def test_missing_files_are_named_and_do_not_fail(complete):
    (complete / "Actor_05" / "03-01-01-01-02-01-05.wav").unlink()
    count_mismatches = read_corpus("ravdess", complete).count_mismatches
    assert count_mismatches == [
        "1,439 utterances found, 1,440 in the distribution",
        "actor 05: 59 utterances found, 60 in the distribution",
        "class neutral: 95 utterances found, 96 in the distribution",
        "actor 05, class neutral: 3 utterances found, 4 in the distribution",
        "1 files are missing: 03-01-01-01-02-01-05",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "happy.wav",
        "03-01-09-01-01-01-12.wav",
        "03-01-01-02-01-01-12.wav",  # strong neutral
        "01-01-03-01-01-01-12.wav",  # the sound of a video
        "03-01-03-01-03-01-12.wav",
        "03-01-03-01-01-01-12 (1).wav",
        "03-01-03-01-01-01-25.wav",
    ],
)
def test_foreign_name_is_refused_and_named(tmp_path, name):
    path = _single(tmp_path, name)
    with pytest.raises(UserError) as caught:
        read_corpus("ravdess", tmp_path)
    assert str(path) in str(caught.value)
    assert "rename or remove" in str(caught.value)


def test_file_in_another_actors_folder_is_refused(tmp_path):
    _single(tmp_path, "03-01-03-01-01-01-11.wav", "Actor_12")
    with pytest.raises(UserError, match=r"03-01-03-01-01-01-11.wav names actor 11: move it to Actor_11"):
        read_corpus("ravdess", tmp_path)


def test_wav_and_flac_of_one_utterance_are_refused(tmp_path):
    _single(tmp_path, "03-01-03-01-01-01-12.wav")
    _single(tmp_path, "03-01-03-01-01-01-12.flac")
    with pytest.raises(UserError, match=r"03-01-03-01-01-01-12 of ravdess is there twice"):
        read_corpus("ravdess", tmp_path)


@pytest.mark.parametrize("made", ["nothing", "empty folder", "a file", "empty actors"])
def test_root_without_the_corpus_names_the_key_and_the_hint(tmp_path, made):
    root = tmp_path / "corpus"
    if made == "a file":
        root.touch()
    elif made != "nothing":
        (root / "Actor_01" if made == "empty actors" else root).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        read_corpus("ravdess", root)
    for part in (f"data.root={root}", "data.options.download=true", "zenodo.org/records/1188976"):
        assert part in str(caught.value)


def test_download_is_called_only_without_actors_and_only_on_request(tmp_path, monkeypatch):
    downloads = []

    def download(root):
        downloads.append(root)
        folder = root / "Audio_Speech_Actors_01-24" / "Actor_12"
        folder.mkdir(parents=True)
        (folder / "03-01-06-02-01-02-12.wav").touch()

    monkeypatch.setattr(ravdess, "download_ravdess", download)
    with pytest.raises(UserError):
        read_corpus("ravdess", tmp_path, download=False)
    assert downloads == []
    for _ in range(2):
        assert len(read_corpus("ravdess", tmp_path, download=True).utterances) == 1
    assert downloads == [tmp_path]


def test_real_corpus_is_complete():
    beside = Path(__file__).parents[3].parent / "shared" / "corpora" / "RAVDESS"
    root = Path(os.environ.get("HRF_SER_RAVDESS", beside))
    if not root.is_dir():
        pytest.skip("no RAVDESS here: set HRF_SER_RAVDESS to its folder")
    corpus = read_corpus("ravdess", root)
    assert corpus.count_mismatches == []
    assert len(corpus.utterances) == 1440
