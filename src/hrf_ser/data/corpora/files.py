"""What the readers share: finding a release on disk, and reading its text files and CSV tables.

Names are compared with what a folder lists, in any case: file systems of Windows and macOS ignore it.
"""

from __future__ import annotations

import csv
import io
import os
import re
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrf_ser.errors import UserError

SUFFIXES = (".wav", ".flac")
_ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
# Folders that macOS, Windows and network storage put beside the files.
_LITTER = ("__macosx", "@eadir", "$recycle.bin", "system volume information")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a corpus lies on disk.

    Args:
        holds: Whether a folder is the corpus's own.
        expected: What that folder holds, for messages.
        hint: How to obtain or unpack the corpus.
    """

    holds: Callable[[Path], bool]
    expected: str
    hint: str

    def find(self, root: Path) -> Path:
        """The folder of the corpus: ``root``, a folder in it, or one in that.

        Raises:
            UserError: Two hold the corpus, or none does: then what was searched, and archives that are not unpacked.
        """
        found = self.find_all(root)
        if len(found) > 1:
            raise UserError(f"data.root={root} holds two copies, {found[0]} and {found[1]}: point it at one of them.")
        return found[0]

    def find_all(self, root: Path) -> list[Path]:
        """As :meth:`find`, for a corpus that is unpacked into several folders."""
        if not root.is_dir():
            archive = " is an archive" if root.suffix.lower() in _ARCHIVES else " is a file"
            raise self.error(f"data.root={root}{archive if root.exists() else ' does not exist'}")
        level, searched = [root], 0
        for _ in range(3):
            if found := [folder for folder in level if self.holds(folder)]:
                return found
            searched += len(level)
            level = listable(child for folder in level for child in subfolders(folder))
        above = next(filter(self.holds, listable(root.resolve().parents[:3])), None)
        if above is not None:
            raise UserError(f"data.root={root} is a folder inside of the corpus: point it at {above}.")
        inside = f", nor {searched - 1} folders in it" if searched > 1 else ""
        raise self.error(f"data.root={root} is not the corpus{inside}{not_unpacked(root)}")

    def error(self, problem: str) -> UserError:
        return UserError(f"{problem}; expected {self.expected}: {self.hint}.")


def not_unpacked(folder: Path) -> str:
    """``; x.zip is not unpacked`` for the archives in a folder; empty without any."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _ARCHIVES and path.is_file())
    return f"; not unpacked: {listed(names)}" if names else ""


def audio_files(folder: Path) -> list[Path]:
    """WAV and FLAC files directly in a folder, sorted; hidden files (``._*`` of macOS archives among them) left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted; hidden ones and those of the system left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.casefold() not in _LITTER and path.is_dir()
    )


def listable(folders: Iterable[Path]) -> list[Path]:
    """Those whose names the user may see, for a search beside the corpus."""
    return [folder for folder in folders if os.access(folder, os.R_OK | os.X_OK)]


def child(folder: Path, *names: str) -> Path | None:
    """The file or folder down ``names``; None where it is missing."""
    for name in names:
        entries = os.listdir(folder) if folder.is_dir() else []
        same = sorted(entry for entry in entries if entry.casefold() == name.casefold())
        if not same:
            return None
        folder /= name if name in same else same[0]  # where case is not ignored, both may be there
    return folder


def shipped(folder: Path, *names: str) -> Path | None:
    """As :func:`child`.

    Raises:
        UserError: There is a folder with the same letters instead, such as ``Session 1`` or ``Emo_Evaluation``.
    """
    for name in names:
        found = child(folder, name)
        renamed = next((one for one in subfolders(folder) if letters(one.name) == letters(name)), None)
        if found is None and renamed is not None:
            raise UserError(f"{renamed} is called {name} in the distribution: rename it.")
        if found is None:
            return None
        folder = found
    return folder


def letters(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", name).casefold()


def unnested(folder: Path) -> Path:
    """``300_P/300_P`` for ``300_P``, where an archive was unpacked into a folder of the same name."""
    inner = child(folder, folder.name)
    return inner if inner is not None and inner.is_dir() else folder


def match_name(path: Path, pattern: re.Pattern[str], grammar: str) -> re.Match[str]:
    """What the name of an audio file says; a UserError with the ``grammar``, the pattern in words, where it is another name."""
    match = pattern.fullmatch(path.stem)
    if match is None:
        raise UserError(f"{path} is not {grammar}: rename or remove the file.")
    return match


def read_text(path: Path, hint: str, *, errors: str = "strict", fallback: str | None = None) -> str:
    """Text of a UTF-8 file with or without byte order mark; all line ends become ``\\n``.

    Args:
        path: The file.
        hint: What to do about a file that cannot be read.
        errors: ``strict``, or ``replace`` for what is not UTF-8.
        fallback: Encoding of a file that is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors=errors)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {hint}.") from None
    except UnicodeDecodeError as error:
        if fallback:
            return path.read_text(encoding=fallback)
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path} is not UTF-8 (line {line}): {hint}.") from None


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of a row by column name in lower case.

    Args:
        where: File and row for messages; the first row is 1 as in a spreadsheet, and blank rows count.
    """

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def parse_csv(
    path: Path, text: str, hint: str, *, delimiter: str = ",", first: int = 1, strict: bool = False
) -> tuple[list[str], list[Row]]:
    """Header in lower case, and rows that are not blank; cells are stripped.

    Args:
        path: Where the text is from, for messages.
        text: The file's text; its first row is number ``first`` in the file.
        hint: What to do about a file that is not CSV.
        delimiter: Between cells.
        strict: Refuse quotes that are not closed and rows that are longer than the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict, skipinitialspace=True)
    try:
        read = [(f"{path}, row {n}", [cell.strip() for cell in line]) for n, line in enumerate(reader, start=first)]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num + first - 1} is not CSV ({error}): {hint}.") from None
    lines = [(where, cells) for where, cells in read if any(cells)]
    header = [cell.lower() for cell in lines[0][1]] if lines else []
    for where, cells in lines[1:]:
        if strict and any(cells[len(header) :]):
            raise UserError(f"{where} has more cells than the header: put a cell that holds {delimiter!r} in quotes.")
    return header, [Row(where, dict(zip(header, cells, strict=False))) for where, cells in lines[1:]]


def read_csv(path: Path, columns: Sequence[str], hint: str) -> list[Row]:
    """Rows of a comma-separated file of a distribution.

    Raises:
        UserError: The file cannot be read, or lacks one of ``columns``.
    """
    header, rows = parse_csv(path, read_text(path, hint, errors="replace"), hint)
    missing = [column for column in columns if column not in header]
    if missing:
        first = ",".join(header)[:200]
        raise UserError(f"{path} lacks the column {', '.join(missing)}; its first row reads {first!r}: {hint}.")
    return rows


def wav_seconds(path: Path) -> float | None:
    """Length of a WAV file as its header states it; 0 for an empty file, None for a header that only an audio reader knows."""
    try:
        with wave.open(str(path)) as audio:
            return float(audio.getnframes() / max(audio.getframerate(), 1))
    except EOFError:
        return 0.0
    except (wave.Error, RuntimeError):  # RuntimeError: a chunk that ends beyond the file
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it readable or unpack it again.") from None


def listed(names: Sequence[str], shown: int = 4) -> str:
    """The first few names, separated by commas."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
