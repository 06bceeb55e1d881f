"""The audio file that a cell of a table names, as spreadsheets, annotation tools and other computers write paths."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from hrf_ser.media.kinds import SUFFIXES

_ADDRESS = re.compile(r"(?:https?|s3|gs|ftp)://", re.IGNORECASE)
# From the root of another computer, or of a placeholder: /data/..., C:\..., \\server\..., $data_root/..., {data_root}/...
_ELSEWHERE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|[$]\w+/|[{]\w+[}]/|[$][{]\w+[}]/")
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_QUOTES = "'\"`\u2018\u2019\u201c\u201d\u201e"


class AudioPaths:
    """Finds the files of a table.

    Args:
        base: Folder where relative paths start.
        by_end: Find paths of another computer by their ends below ``base``.
    """

    def __init__(self, base: Path, by_end: bool) -> None:
        self.base, self.by_end = base, by_end
        self._listed = functools.lru_cache(_recordings)

    def find(self, cell: str) -> Path | None:
        """The file, or None where there is none, or more than one without the suffix that the cell leaves out."""
        for name in _names(cell):
            if (path := self._file(name)) is not None:
                return path
        # The name without its suffix, as other tables call an utterance.
        same = self._with_stem(cell) if Path(cell).suffix.lower() not in SUFFIXES else []
        return same[0] if len(same) == 1 else None

    def hint(self, cell: str) -> str:
        """What to do about a cell that names no file."""
        if _ADDRESS.match(cell):
            return "download the files and write their paths"
        if same := self._with_stem(cell):
            return f"{same[0].name} is there; write that"
        if _ELSEWHERE.match(cell) and not self.by_end:
            return "a path of another computer is found by its end below the folder that data.options.audio_root= names"
        return "correct the path, or name the folder where relative paths start with data.options.audio_root="

    def _file(self, name: str) -> Path | None:
        path = Path(name)
        with suppress(RuntimeError):  # a name that begins with ~ and is no user's
            path = path.expanduser()
        places = [self.base / path]
        if self.by_end and _ELSEWHERE.match(name):
            parts = name.rpartition("?d=")[2].replace("\\", "/").split("/")
            places += [self.base.joinpath(*filter(None, parts[first:])) for first in range(len(parts))]
            # Label Studio calls an upload by a number and its name.
            places.append(self.base / _UPLOADED.sub("", parts[-1]))
        for place in places:
            with suppress(OSError, ValueError):  # too long for a name, or a null in it
                if place.is_file():
                    return place
        return None

    def _with_stem(self, cell: str) -> list[Path]:
        """Recordings whose names differ in their suffix or their case only."""
        path = self.base / cell.replace("\\", "/")
        stem = path.stem if path.suffix.lower() in SUFFIXES else path.name
        with suppress(OSError, ValueError):
            return [one for one in self._listed(path.parent) if _key(one.stem) == _key(stem)]
        return []


def _names(cell: str) -> Iterator[str]:
    """The name, and what it may stand for."""
    plain = cell.strip(_QUOTES)
    if plain.lower().startswith("file://"):
        plain = unquote(plain[len("file://") :])
        plain = plain[1:] if re.match(r"/[A-Za-z]:[/\\]", plain) else plain.removeprefix("localhost")
    for name in dict.fromkeys((cell, plain, unquote(plain))):
        yield name
        yield name.replace("\\", "/")
        if not name.isascii():  # macOS writes the accents of names apart
            yield unicodedata.normalize("NFC", name)
            yield unicodedata.normalize("NFD", name)


def _recordings(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
