"""What the readers share: finding a release below ``data.root``, and reading its text files and CSV tables."""

from __future__ import annotations

import csv
import io
import re
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from hrf_ser.errors import UserError

SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a corpus lies on disk, for error messages.

    Args:
        expected: Files or folders that ``data.root`` holds.
        hint: How to obtain or unpack the corpus.
    """

    expected: str
    hint: str

    def error(self, problem: str) -> UserError:
        return UserError(f"{problem}; expected {self.expected}: {self.hint}.")

    def require_folder(self, root: Path) -> None:
        """Refuse a ``data.root`` that is no folder."""
        if not root.is_dir():
            raise self.error(f"data.root={root} {'is a file' if root.exists() else 'does not exist'}")


def audio_files(folder: Path) -> list[Path]:
    """WAV and FLAC files directly in a folder, sorted; hidden files (``._*`` of macOS archives among them) left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def subfolders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted; hidden ones left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def subfolder(folder: Path, *names: str) -> Path | None:
    """The folder down ``names``; None where it is missing.

    Raises:
        UserError: There is one with the same letters instead, such as ``Session 1`` or ``emoevaluation``.
    """
    for name in names:
        if not (folder / name).is_dir():
            for other in subfolders(folder):
                if _letters(other.name) == _letters(name):
                    raise UserError(f"{other} is called {name} in the distribution: rename it.")
            return None
        folder = folder / name
    return folder


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def folders_with(root: Path, holds: Callable[[Path], bool]) -> list[Path]:
    """``root``, if it is what is searched for; else the folders in it that are."""
    return [root] if holds(root) else [folder for folder in subfolders(root) if holds(folder)]


def find_release(root: Path, names: Sequence[str], layout: Layout) -> Path:
    """The folder that holds any of the folders ``names``: ``root`` or a folder in it.

    Raises:
        UserError: None does, two do, or the folders are renamed.
    """
    holders = folders_with(root, lambda folder: any(child.name in names for child in subfolders(folder)))
    if len(holders) > 1:
        raise UserError(f"data.root={root} holds two copies, {holders[0]} and {holders[1]}: point it at one of them.")
    if holders:
        return holders[0]
    for folder in (root, *subfolders(root)):
        for name in names:
            subfolder(folder, name)  # refuses a renamed one
    raise layout.error(f"data.root={root} holds no folder {names[0]}")


def read_text(path: Path, hint: str, *, errors: str = "strict", fallback: str | None = None) -> str:
    """Text of a UTF-8 file with or without byte order mark; all line ends become ``\\n``.

    Args:
        path: The file.
        hint: What to do about a file that cannot be read.
        errors: ``strict``, or ``replace`` for what is not UTF-8.
        fallback: Encoding of a file that is not UTF-8.

    Raises:
        UserError: The file cannot be read, or is not UTF-8.
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


def read_csv(path: Path, columns: Sequence[str], hint: str, *, strict: bool = False) -> list[Row]:
    """Rows of a CSV file with a header; cells are stripped, and blank rows are left out.

    Args:
        path: The file.
        columns: Columns that it must have.
        hint: What to do about a file that is not so.
        strict: Refuse bytes that are not UTF-8, quotes that are not closed, a column that occurs twice and rows that are
            longer than the header.

    Raises:
        UserError: Names the file, the row and the hint.
    """
    text = read_text(path, hint, errors="strict" if strict else "replace")
    reader = csv.reader(io.StringIO(text, newline=""), strict=strict)
    try:
        lines = [(number, [cell.strip() for cell in line]) for number, line in enumerate(reader, start=1)]
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num} is not CSV ({error}): correct its quotes, or {hint}."
        ) from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    header = [cell.lower() for cell in lines[0][1]] if lines else []
    missing = [column for column in columns if column not in header]
    if missing:
        first = ",".join(header)[:200]
        raise UserError(f"{path} lacks the column {', '.join(missing)}; its first row reads {first!r}: {hint}.")
    repeated = {column for column in header if column and header.count(column) > 1}
    if strict and repeated:
        raise UserError(f"{path} has the column {', '.join(sorted(repeated))} more than once: keep one.")
    rows = []
    for number, cells in lines[1:]:
        where = f"{path}, row {number}"
        if strict and any(cells[len(header) :]):
            raise UserError(f"{where} has more cells than the header: put a cell that holds a comma in quotes.")
        rows.append(Row(where, dict(zip_longest(header, cells[: len(header)], fillvalue=""))))
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
