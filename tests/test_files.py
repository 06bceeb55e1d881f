import os
import stat

import pytest

from hrf_ser.files import new_file, new_folder, write_text


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_after(write, *arguments) -> None:
    write(*arguments)
    raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one")
    with pytest.raises(RuntimeError), new_file(path) as temporary:
        fail_after(temporary.write_text, "half")
    assert path.read_text() == "one"
    assert names(path.parent) == ["a.txt"]
    write_text(path, "two")
    assert path.read_text() == "two"


def test_a_folder_appears_whole_or_not_at_all_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "bundle"
    with new_folder(path) as temporary:
        (temporary / "old").touch()
    with pytest.raises(RuntimeError), new_folder(path) as temporary:
        fail_after((temporary / "half").touch)
    assert names(path) == ["old"]
    with new_folder(path) as temporary:
        (temporary / "new").touch()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["bundle"]


def test_results_are_as_readable_as_other_files(tmp_path):
    mask = os.umask(0o022)
    try:
        write_text(tmp_path / "a", "")
        with new_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755


def test_a_failed_write_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, new_file(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a.txt")
