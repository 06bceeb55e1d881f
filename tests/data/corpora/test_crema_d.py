"""CREMA-D: names, folds, the silent file, and every known count."""

import shutil
import time
from collections import Counter

import pytest
from releases_crema_d import full_size, miniature

from hrf_ser.data.corpora import counts, crema_d
from hrf_ser.errors import UserError


@pytest.fixture
def root(tmp_path):
    """The miniature release: ten actors, two sentences, six emotions."""
    return miniature(tmp_path)


@pytest.fixture
def complete(root, monkeypatch):
    """The miniature release, and a reader that takes its counts for the distribution's."""
    monkeypatch.setattr(counts, "CREMA_D", counts.per_class(dict.fromkeys(crema_d.EMOTIONS.values(), 20)))
    monkeypatch.setattr(crema_d, "ACTORS", ("1036", "1037", "1038", "1039", "1040", *map(str, range(1072, 1077))))
    return root


def test_fields_come_from_the_name_and_the_table_of_the_actors(root):
    found = {one.utterance: one for one in crema_d.read(root).utterances}
    one = found["1036_MTI_FEA_XX"]
    assert (one.path, one.label) == (root / "AudioWAV" / "1036_MTI_FEA_XX.wav", "fearful")
    assert (one.speaker, one.group, one.sex, one.split) == ("1036", "1036", "female", "")
    assert (one.start, one.end) == (None, None)
    assert one.extra == (("sentence", "MTI"), ("intensity", "XX"))
    assert found["1040_ITH_ANG_XX"].sex == "male"


def test_file_that_the_distribution_calls_x_is_read(root):
    (one,) = [one for one in crema_d.read(root).utterances if one.utterance == "1040_ITH_SAD_X"]
    assert (one.label, dict(one.extra)["intensity"]) == ("sad", "XX")


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("ANG", "angry"),
        ("DIS", "disgust"),
        ("FEA", "fearful"),
        ("HAP", "happy"),
        ("NEU", "neutral"),
        ("SAD", "sad"),
    ],
)
def test_code_is_the_emotion(tmp_path, code, label):
    folder = tmp_path / "AudioWAV"
    folder.mkdir()
    (folder / f"1001_IEO_{code}_HI.wav").touch()
    corpus = crema_d.read(tmp_path)
    assert corpus.utterances[0].label == label
    assert corpus.labels == ("angry", "disgust", "fearful", "happy", "neutral", "sad")


def test_root_may_be_the_parent_or_the_audio_folder_and_files_flac(root):
    (root.parent / "RAVDESS").mkdir()
    for path in (root / "AudioWAV").glob("1*.wav"):
        path.rename(path.with_suffix(".flac"))
    utterances = crema_d.read(root).utterances
    assert len(utterances) == 119
    assert crema_d.read(root.parent).utterances == crema_d.read(root / "AudioWAV").utterances == utterances


def test_without_the_table_sex_is_empty(root):
    (root / "VideoDemographics.csv").unlink()
    utterances = crema_d.read(root).utterances
    assert len(utterances) == 119
    assert {one.sex for one in utterances} == {""}


def test_windows_line_ends_and_a_byte_order_mark_in_the_table_do_not_matter(root):
    before = crema_d.read(root).utterances
    table = root / "VideoDemographics.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert crema_d.read(root).utterances == before


def test_table_with_another_delimiter_is_refused_and_named(root):
    table = root / "VideoDemographics.csv"
    table.write_text(table.read_text().replace(",", ";"))
    with pytest.raises(UserError, match=r"VideoDemographics.csv lacks the column actorid, sex; .*restore"):
        crema_d.read(root)


def test_five_folds_test_every_actor_once_and_do_not_depend_on_the_copy(root):
    folds = crema_d.read(root).folds
    assert list(folds) == ["1", "2", "3", "4", "5"]
    assert folds["1"][:3] == ("1001", "1006", "1011")
    assert [len(actors) for actors in folds.values()] == [19, 18, 18, 18, 18]
    assert sorted(actor for actors in folds.values() for actor in actors) == [str(n) for n in range(1001, 1092)]


def test_silent_file_is_left_out_unless_requested_and_counts_as_complete(complete):
    corpus, everything = crema_d.read(complete), crema_d.read(complete, drop_silent=False)
    assert (corpus.count_mismatches, everything.count_mismatches) == ([], [])
    names, all_names = ({one.utterance for one in each.utterances} for each in (corpus, everything))
    assert all_names - names == {"1076_MTI_SAD_XX"}


def test_silent_file_that_is_missing_is_counted(complete):
    (complete / "AudioWAV" / "1076_MTI_SAD_XX.wav").unlink()
    assert crema_d.read(complete).count_mismatches == [
        "119 utterances found, 120 in the distribution",
        "class sad: 19 utterances found, 20 in the distribution",
    ]


def test_missing_actor_is_named(complete):
    for path in (complete / "AudioWAV").glob("1038_*.wav"):
        path.unlink()
    count_mismatches = crema_d.read(complete).count_mismatches
    assert count_mismatches[0] == "108 utterances found, 120 in the distribution"
    assert count_mismatches[-1] == "1 of 10 actors have no utterance: 1038"
    assert "class neutral: 18 utterances found, 20 in the distribution" in count_mismatches


def test_reader_that_loses_a_class_is_caught_by_name(complete, monkeypatch):
    monkeypatch.setitem(crema_d.EMOTIONS, "DIS", "angry")
    corpus = crema_d.read(complete)
    assert "class angry: 40 utterances found, 20 in the distribution" in corpus.count_mismatches
    assert "class disgust: 0 utterances found, 20 in the distribution" in corpus.count_mismatches


@pytest.mark.slow
def test_full_size_release_has_every_published_count_and_is_read_in_seconds(tmp_path):
    root = full_size(tmp_path)
    begin = time.perf_counter()
    corpus = crema_d.read(root)
    assert time.perf_counter() - begin <= 10
    assert corpus.count_mismatches == []
    assert len(corpus.utterances) == 7441
    assert len({one.speaker for one in corpus.utterances}) == 91
    everything = crema_d.read(root, drop_silent=False)
    assert everything.count_mismatches == []
    assert len(everything.utterances) == 7442
    counts = Counter(one.label for one in everything.utterances)
    assert counts == {label: 1087 if label == "neutral" else 1271 for label in everything.labels}
    assert "Open Database License" in corpus.licence


@pytest.mark.parametrize(
    "name",
    [
        "happy.wav",
        "1001_IEO_BOR_HI.wav",
        "1001_IEO_ANG_XL.wav",
        "1092_IEO_ANG_HI.wav",
        "1001_IEO_ANG_HI (1).wav",
        "03-01-03-01-01-01-12.wav",
    ],
)
def test_foreign_name_is_refused_and_named(root, name):
    (root / "AudioWAV" / name).touch()
    with pytest.raises(UserError) as caught:
        crema_d.read(root)
    assert str(caught.value).startswith(f"{root / 'AudioWAV' / name} is not a CREMA-D name")
    assert "rename or remove" in str(caught.value)


def test_drop_silent_that_is_no_boolean_is_refused(root):
    with pytest.raises(UserError, match=r"data.options.drop_silent=no: must be true or false"):
        crema_d.read(root, drop_silent="no")


def test_renamed_folder_is_refused_and_named(root):
    (root / "AudioWAV").rename(root / "Audio Wav")
    for start in (root, root.parent):
        with pytest.raises(UserError, match=r"Audio Wav is called AudioWAV in the distribution: rename it"):
            crema_d.read(start)


def test_two_copies_below_root_are_refused(root):
    shutil.copytree(root, root.parent / "again")
    with pytest.raises(UserError, match=r"holds two copies, .*CREMA-D and .*again: point it at one"):
        crema_d.read(root.parent)


@pytest.mark.parametrize("made", ["nothing", "empty folder", "a file", "empty audio folder"])
def test_root_without_the_corpus_says_what_was_looked_for_and_the_hint(tmp_path, made):
    root = tmp_path / "corpus"
    if made == "a file":
        root.touch()
    elif made != "nothing":
        (root / "AudioWAV" if made == "empty audio folder" else root).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        crema_d.read(root)
    for part in (str(root), "AudioWAV/1001_DFA_ANG_XX.wav", "Git LFS"):
        assert part in str(caught.value)
