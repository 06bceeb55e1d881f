"""Recordings without labels, which only a teacher supervises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hrf_ser.data.corpora.files import read_csv
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.media.kinds import SUFFIXES


def read_unlabelled(places: Sequence[Path]) -> Corpus:
    """List recordings.

    Args:
        places: Each is a folder, whose recordings count however deep they lie, or a CSV file with the column ``path``;
            a relative path starts at the CSV file's folder.

    Raises:
        UserError: A place that does not exist or has no recording, or a file that does not exist.
    """
    utterances = []
    for number, place in enumerate(places):
        paths = _in_folder(place) if place.is_dir() else _in_table(place)
        if not paths:
            raise UserError(f"data.unlabelled={place} has no recording: name a folder or a table of recordings.")
        name, folder = f"unlabelled-{number}", place if place.is_dir() else place.parent
        utterances += [Utterance(f"{name}/{path.as_posix()}", folder / path, "", name, group=name) for path in paths]
    return Corpus("unlabelled", utterances, ("",), {})


def _in_folder(folder: Path) -> list[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not path.name.startswith("."))


def _in_table(table: Path) -> list[Path]:
    if not table.is_file():
        raise UserError(f"data.unlabelled={table} does not exist: name a folder, or a CSV file with the column path.")
    rows = read_csv(table, ("path",), "save it as CSV in UTF-8 with the column path")
    for row in rows:
        if not row["path"] or not (table.parent / row["path"]).is_file():
            raise UserError(f"{row.where}: {row['path'] or 'an empty path'} is no file: correct the path.")
    return [Path(row["path"]) for row in rows]


def without(corpus: Corpus, evaluated: Sequence[Utterance]) -> Corpus:
    """The recordings that are not among the ``evaluated`` utterances' files, with a note on those left out."""
    files = {utterance.path.resolve() for utterance in evaluated}
    kept = [utterance for utterance in corpus.utterances if utterance.path.resolve() not in files]
    if len(kept) == len(corpus.utterances):
        return corpus
    notes = [
        *corpus.notes,
        f"{len(corpus.utterances) - len(kept)} recordings of validation or test speakers are left out",
    ]
    return replace(corpus, utterances=kept, notes=notes)
