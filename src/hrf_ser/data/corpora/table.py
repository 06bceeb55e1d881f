"""A corpus of one's own, described by a CSV file.

On disk: a UTF-8 CSV file with a header (with or without byte order mark, any line ends) and the columns ``path``,
``label``, ``speaker`` and, optionally, ``group``, ``start``, ``end`` (seconds), ``part`` (train, val, test), ``sex``,
``dialog`` and ``utterance``; other columns are ignored. A relative path starts at the CSV file's folder. The manifest that
``python -m hrf_ser.prepare`` writes is such a file, which is why the official split is called ``part`` here.

Folds: ``official`` first, where every row has a ``part``; then one for each value of ``group`` (the speaker, where there is no
such column).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hrf_ser.data.corpora.files import Row, read_csv
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

REQUIRED = ("path", "label", "speaker")
SPLITS = ("train", "val", "test")
SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


def read(root: Path, *, labels: Sequence[object] | None = None) -> Corpus:
    """List the utterances of a CSV file.

    An utterance without an id of its own is called by its path as the file has it, with ``@start-end`` for a segment.

    Args:
        root: The CSV file.
        labels: The classes in their order; None takes the labels of the file, sorted.

    Raises:
        UserError: No such file, not UTF-8, a column is missing, or a row is wrong (its number is named): empty cell,
            missing audio file, bad number, ``start`` not before ``end``, unknown part or label, a row there twice.
    """
    columns = ", ".join(REQUIRED)
    if not root.is_file():
        what = "is a folder" if root.is_dir() else "does not exist"
        raise UserError(f"data.root={root} {what}: name a CSV file with the columns {columns}.")
    rows = read_csv(
        root, REQUIRED, f"save it as CSV in UTF-8 with the columns {columns}, separated by commas", strict=True
    )
    if not rows:
        raise UserError(f"{root} has no row below its header: add one row for each utterance.")
    classes = _classes(rows, labels)
    utterances = _utterances(root, rows)
    corpus = Corpus("table", utterances, classes, _folds(root, utterances), licence=f"{root.name}: not stated")
    present = {one.label for one in utterances}
    corpus.count_mismatches = [f"class {label}: no utterance in {root}" for label in classes if label not in present]
    return corpus


def _classes(rows: list[Row], labels: Sequence[object] | None) -> tuple[str, ...]:
    for row in rows:
        if not row["label"]:
            raise UserError(f"{row.where} has no label: write one or remove the row.")
    if labels is None:
        return tuple(sorted({row["label"] for row in rows}))
    if isinstance(labels, str) or not labels:
        raise UserError(f"data.options.labels={labels} is not a list of classes: write e.g. [neutral,angry].")
    classes = tuple(str(label) for label in labels)  # 0 and 1 in YAML are numbers
    if len(set(classes)) < len(classes):
        raise UserError(f"data.options.labels={','.join(classes)} names a class twice: name each once.")
    for row in rows:
        if row["label"] not in classes:
            raise UserError(
                f"{row.where} has the label {row['label']!r}, which is none of data.options.labels="
                f"[{','.join(classes)}]: add it there or remove the row."
            )
    return classes


def _utterances(root: Path, rows: list[Row]) -> list[Utterance]:
    utterances = []
    by_audio: dict[tuple[str, float | None, float | None], str] = {}
    by_id: dict[str, str] = {}
    for row in rows:
        one = _utterance(root, row)
        audio = (os.path.normpath(one.path), one.start, one.end)
        if audio in by_audio:
            raise UserError(f"{row.where} is the same path, start and end as {by_audio[audio]}: remove one of them.")
        if one.utterance in by_id:
            raise UserError(
                f"{row.where} is the utterance {one.utterance!r}, as is {by_id[one.utterance]}: rename one in the "
                "column utterance."
            )
        by_audio[audio] = by_id[one.utterance] = row.where
        utterances.append(one)
    return utterances


def _utterance(root: Path, row: Row) -> Utterance:
    for column in ("path", "speaker"):
        if not row[column]:
            raise UserError(f"{row.where} has no {column}: write one or remove the row.")
    path = _audio_path(root, row)
    start, end = _seconds(row, "start"), _seconds(row, "end")
    if end is not None and (start or 0.0) >= end:
        raise UserError(f"{row.where}: start={row['start'] or 0} is not before end={row['end']}: correct the times.")
    split = row["part"].lower()
    if split and split not in SPLITS:
        raise UserError(
            f"{row.where}: part={row['part']} is none of {', '.join(SPLITS)}: correct it or leave it empty."
        )
    segment = "" if start is None and end is None else f"@{row['start'] or 0}-{row['end']}"
    return Utterance(
        utterance=row["utterance"] or row["path"].replace("\\", "/") + segment,
        path=path,
        label=row["label"],
        speaker=row["speaker"],
        sex=SEXES.get(row["sex"].lower(), row["sex"]),
        group=row["group"] or row["speaker"],
        split=split,
        dialog=row["dialog"],
        start=start,
        end=end,
    )


def _audio_path(root: Path, row: Row) -> Path:
    path = Path(row["path"])
    with suppress(RuntimeError):  # a name that begins with ~ and is no user's
        path = path.expanduser()
    path = root.parent / path
    with suppress(OSError, ValueError):  # too long for a name, or a null in it
        if path.is_file():
            return path
    raise UserError(f"{row.where}: {path} is no file; paths start at the folder of the CSV file: correct the path.")


def _seconds(row: Row, column: str) -> float | None:
    if not row[column]:
        return None
    try:
        seconds = float(row[column])
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise UserError(
            f"{row.where}: {column}={row[column]} is no time in seconds: write e.g. 12.5 or leave it empty."
        )
    return seconds


def _folds(root: Path, utterances: list[Utterance]) -> dict[str, tuple[str, ...]]:
    """A fold for every group, and before them the official split, where every row has one."""
    groups: dict[str, tuple[str, ...]] = {group: (group,) for group in sorted({one.group for one in utterances})}
    if not all(one.split for one in utterances):
        return groups
    if "official" in groups:
        raise UserError(f"{root}: group=official is what the fold of the column part is called: rename the group.")
    return {"official": (), **groups}
