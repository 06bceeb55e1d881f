"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Ends the names of temporary files and folders; a process that is killed leaves them.
_NEW = ".new"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes it when the block ends without an error, and is removed otherwise.

    Raises:
        OSError: names ``path``; a :class:`PermissionError` on a read-only file system too.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_NEW, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes files private; a result is as readable as any other file of its owner.
        os.chmod(temporary, 0o666 & ~_umask())
        _to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise about(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its place when the block ends without an error.

    Raises:
        OSError: as :func:`new_file`.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_NEW, dir=path.parent))
        yield temporary
        publish(temporary, path)
    except OSError as error:
        raise about(error, path) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def publish(temporary: Path, path: Path) -> None:
    """Let a finished folder take the place of ``path``, beside which it lies."""
    os.chmod(temporary, 0o777 & ~_umask())
    for file in temporary.rglob("*"):
        if file.is_file():
            _to_disk(file)
    if path.exists():
        # A folder cannot be renamed over one that is not empty.
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", suffix=_NEW, dir=path.parent))
        os.replace(path, old / path.name)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file whole or not at all."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_text(path, buffer.getvalue())


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left of ``name`` in ``folder``. Nobody else may be writing it there."""
    for path in folder.glob(f".{name}.*{_NEW}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def about(error: OSError, path: Path) -> OSError:
    """The error with the file that the user knows: writing to an open file fails without a name, or with a temporary one."""
    if not error.errno:
        return error
    kind = PermissionError if error.errno == errno.EROFS else type(error)
    return kind(error.errno, error.strerror, str(path))


def _to_disk(path: Path) -> None:
    """A renamed file must not be empty after a power cut, which it may be where only the new name reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
