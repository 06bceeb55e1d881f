"""Copies as people have them: nested, pointed at too high or too deep, still packed, half copied, renamed by a file system."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import releases_crema_d
import releases_daic_woz
import releases_iemocap
import releases_m3ed
import soundfile

from hrf_ser.data.corpora import read_corpus
from hrf_ser.errors import UserError


def _ravdess(folder: Path) -> Path:
    for actor in ("01", "02"):
        _tone(folder / "RAVDESS" / f"Actor_{actor}" / f"03-01-05-02-01-02-{actor}.wav")
        _tone(folder / "RAVDESS" / f"Actor_{actor}" / f"03-01-03-02-01-02-{actor}.wav")
    return folder / "RAVDESS"


def _emodb(folder: Path) -> Path:
    for name in ("03a01Fa", "03a01Wb", "08b02Ta"):
        _tone(folder / "EmoDB" / "wav" / f"{name}.wav")
    return folder / "EmoDB"


def _tone(path: Path, *_) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, [0.1, -0.1] * 400, 16_000)


@dataclass(frozen=True)
class Case:
    write: Callable[[Path], Path]
    nests: str  # folders that archives of their own unpack to
    inside: str  # a folder that a user may take for the corpus


CASES = {
    "ravdess": Case(_ravdess, "Actor_*", "Actor_01"),
    "emodb": Case(_emodb, "wav", ""),  # wav/ itself may be data.root
    "crema_d": Case(releases_crema_d.miniature, "AudioWAV", ""),
    "iemocap": Case(lambda folder: releases_iemocap.miniature(folder, _tone), "Session*", "Session1/sentences/wav"),
    "m3ed": Case(lambda folder: releases_m3ed.miniature(folder / "M3ED"), "modality_speech", "modality_speech"),
    "daic_woz": Case(
        lambda folder: releases_daic_woz.miniature(folder / "DAIC", without=[373]).root, "[34]??_P", "303_P"
    ),
}


@pytest.fixture(params=CASES)
def name(request):
    return request.param


@pytest.fixture
def release(name, tmp_path):
    return CASES[name].write(tmp_path / "corpora")


def _rows(corpus):
    return [(one.utterance, one.label, one.speaker, one.group, one.split, one.start) for one in corpus.utterances]


def _nest(folder: Path) -> None:
    """``x/...`` -> ``x/x/...``"""
    inner = folder.rename(folder.with_name("moved"))
    folder.mkdir()
    inner.rename(folder / folder.name)


@pytest.mark.parametrize("levels", [1, 2])
def test_one_or_two_levels_too_high_is_read(name, release, tmp_path, levels):
    expected = _rows(read_corpus(name, release))
    if levels == 2:
        (tmp_path / "data").mkdir()
        release.parent.rename(tmp_path / "data" / "corpora")
    root = tmp_path / ("data" if levels == 2 else "corpora")
    assert _rows(read_corpus(name, root)) == expected


def test_one_level_too_deep_names_the_folder_above(name, release):
    if not CASES[name].inside:
        pytest.skip("its audio folder may be data.root")
    root = release / CASES[name].inside
    with pytest.raises(UserError) as caught:
        read_corpus(name, root)
    assert str(caught.value) == f"data.root={root} is a folder inside of the corpus: point it at {release}."


def test_archives_unpacked_into_folders_of_their_own_name_are_read(name, release):
    expected = _rows(read_corpus(name, release))
    for folder in sorted(release.glob(CASES[name].nests)):
        _nest(folder)
    assert _rows(read_corpus(name, release)) == expected


def test_an_archive_that_is_not_unpacked_is_named(name, release, tmp_path):
    archive = tmp_path / "alone" / "release.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"PK\x03\x04")
    with pytest.raises(
        UserError, match=rf"data\.root={archive.parent} is not the corpus; not unpacked: release\.zip; expected"
    ):
        read_corpus(name, archive.parent)
    with pytest.raises(UserError, match=rf"data\.root={archive} is an archive; expected"):
        read_corpus(name, archive)


def test_a_folder_of_something_else_says_how_many_folders_were_searched(name, tmp_path):
    (tmp_path / "else" / "a" / "b").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is not the corpus, nor 2 folders in it; expected "):
        read_corpus(name, tmp_path / "else")


def test_folders_that_the_user_may_not_list_are_no_obstacle(name, release, tmp_path, monkeypatch):
    hidden = [release.parent, tmp_path, *tmp_path.parents]
    (tmp_path / "else" / "private").mkdir(parents=True)
    hidden.append(tmp_path / "else" / "private")
    listdir, iterdir = os.listdir, Path.iterdir

    def refuse(folder):
        if Path(folder) in hidden:
            raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "access", lambda folder, _: Path(folder) not in hidden)
    monkeypatch.setattr(os, "listdir", lambda folder: (refuse(folder), listdir(folder))[1])
    monkeypatch.setattr(Path, "iterdir", lambda folder: (refuse(folder), iterdir(folder))[1])
    assert read_corpus(name, release).utterances
    with pytest.raises(UserError, match="is not the corpus"):
        read_corpus(name, tmp_path / "else")


def test_files_that_systems_leave_behind_are_no_part_of_the_corpus(name, release):
    before = read_corpus(name, release)
    folders = [release, *(path for path in release.rglob("*") if path.is_dir())]
    for folder in folders:
        for litter in ("desktop.ini", "Thumbs.db", ".DS_Store", "._x.wav", "._annotation.json", "._Ses01F_impro01.txt"):
            (folder / litter).write_bytes(b"\x00\x05\x16\x07Mac OS X")
        for path in list(folder.glob("*.wav"))[:1]:
            path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
            path.with_name(f"{path.name}:Zone.Identifier").write_text("[ZoneTransfer]")
    for litter in ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", ".Trashes"):
        shutil.copytree(release, release.parent / litter / release.name, copy_function=os.link)
        shutil.copytree(release.parent / litter / release.name, release / litter, copy_function=os.link)
    for root in (release, release.parent):
        after = read_corpus(name, root)
        assert _rows(after) == _rows(before)
        assert after.count_mismatches == before.count_mismatches


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_names_in_another_case_are_read_as_those_of_the_distribution(name, release, change):
    """FAT and some tools change the case of names; Windows and macOS do not tell cases apart."""
    expected = _rows(read_corpus(name, release))
    for path in sorted(release.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(change(path.name)))
    assert _rows(read_corpus(name, release)) == expected


def test_half_of_the_files_are_read_and_the_rest_is_counted(name, release):
    whole = read_corpus(name, release)
    files = sorted({one.path for one in whole.utterances})
    for path in files[::2]:
        path.unlink()
    half = read_corpus(name, release)
    assert 0 < len(half.utterances) < len(whole.utterances)
    assert {one.utterance for one in half.utterances} < {one.utterance for one in whole.utterances}
    assert half.count_mismatches != whole.count_mismatches


def test_daic_woz_that_is_unpacked_in_part_names_its_archives(tmp_path):
    root = releases_daic_woz.miniature(tmp_path / "DAIC", without=[373]).root
    (root / "305_P.zip").write_bytes(b"PK\x03\x04")
    assert any(
        f"unpack them into {root}; not unpacked: 305_P.zip" in one
        for one in read_corpus("daic_woz", root).count_mismatches
    )


@pytest.mark.parametrize("present", ["full_test_split.csv", "test_split_Depression_AVEC2017.csv", None])
def test_daic_woz_with_labels_of_the_test_split_alone_names_the_others(tmp_path, present):
    root = releases_daic_woz.miniature(tmp_path / "DAIC", without=[373]).root
    for path in root.glob("*_split*.csv"):
        if path.name != present:
            path.unlink()
    with pytest.raises(UserError) as caught:
        read_corpus("daic_woz", root)
    missing = "train_split_Depression_AVEC2017.csv and dev_split_Depression_AVEC2017.csv"
    found = f", but has {present}" if present else ""
    assert str(caught.value).startswith(f"{root} has no {missing}{found}: download")


def test_daic_woz_labels_beside_the_folder_of_the_sessions_are_found(tmp_path):
    root = releases_daic_woz.miniature(tmp_path / "DAIC", without=[373]).root
    expected = _rows(read_corpus("daic_woz", root))
    (root.parent / "labels").mkdir()
    for path in root.glob("*_split*.csv"):
        path.rename(root.parent / "labels" / path.name)
    assert _rows(read_corpus("daic_woz", root)) == expected
