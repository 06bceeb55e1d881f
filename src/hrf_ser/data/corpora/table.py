"""A corpus of one's own, described by a table.

On disk: a CSV file with a header (any common delimiter and encoding), JSON lines or Parquet, with the columns ``path``,
``label``, ``speaker`` and, optionally, ``group``, ``start``, ``end`` (seconds), ``part`` (train, val, test), ``sex``,
``dialog`` and ``utterance``; other columns are ignored. The manifest that ``python -m hrf_ser.prepare`` writes is such a file,
which is why the official split is called ``part`` here; audformat's ``file``, ``start``, ``end`` are read, too.

Folds: ``official`` first, where every row has a ``part``; then one for each value of ``group`` (the speaker, where there is no
such column).
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora.files import Row
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.table_file import DURATION, REQUIRED, read_table
from hrf_ser.data.corpora.table_labels import is_gap, labelled_rows, rare_classes
from hrf_ser.data.corpora.table_paths import AudioPaths
from hrf_ser.data.corpora.utterance import SEXES, Corpus, Utterance
from hrf_ser.errors import UserError

SPLITS = ("train", "val", "test")
_SPLITS = {
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation"), "val"),
    **dict.fromkeys(("testing",), "test"),
}
# 0 days 00:00:01.5 of pandas and audformat; 00:00:01.500, 0:01 and 00:00:01,500 of annotation tools and subtitles.
_TIME = re.compile(r"(?:(\d{1,5}) days? )?(?:(\d{1,5}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_NAME = re.compile(r"[\w-]{1,60}")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")


@reader
def read(
    root: Path,
    *,
    labels: Any = None,
    columns: dict[str, str] | None = None,
    encoding: str | None = None,
    audio_root: str | None = None,
    drop_unlabelled: bool = False,
    licence: str | None = None,
    corpus_name: str | None = None,
) -> Corpus:
    """List the utterances of a table.

    An utterance without an id is called by its path as the file has it, with ``@start-end`` for a segment.

    Args:
        root: The file.
        labels: The classes in their order; None takes the labels of the file, sorted.
        columns: Our name of a column -> its name in the file, such as ``{label: emotion}``.
        encoding: Of a text file without byte order mark that is not UTF-8, such as ``cp1252``.
        audio_root: Where relative paths start; None is the folder of the file.
        drop_unlabelled: Leave out rows without a label instead of refusing them.
        licence: Of the audio, for the card of a model that is trained on it.
        corpus_name: A run that starts from one of another corpus is not refused for its test speakers.

    Raises:
        UserError: The file, a column or a row is wrong; it is named.
    """
    if not root.is_file():
        raise UserError(f"data.root={root} {_no_file(root)}.")
    if corpus_name is not None and not _NAME.fullmatch(corpus_name):
        raise UserError(f"data.options.corpus_name={corpus_name!r} must be letters, digits, - and _: correct it.")
    rows, notes = read_table(root, columns or {}, encoding)
    rows, classes, label_notes = labelled_rows(rows, labels, drop_unlabelled)
    base = root.parent if audio_root is None else Path(audio_root).expanduser()
    if not base.is_dir():
        raise UserError(
            f"data.options.audio_root={audio_root} is no folder: name the one where the paths of {root} start."
        )
    utterances = _utterances(rows, AudioPaths(base, by_end=audio_root is not None))
    corpus = Corpus(
        corpus_name or "table",
        utterances,
        classes,
        _folds(root, utterances),
        licence=licence or f"{root.name}: not stated",
    )
    corpus.notes = [*notes, *label_notes, *rare_classes(utterances)]
    present = {one.label for one in utterances}
    corpus.count_mismatches = [f"class {label}: no utterance in {root}" for label in classes if label not in present]
    return corpus


def _no_file(root: Path) -> str:
    table = f"name a CSV file with the columns {', '.join(REQUIRED)}"
    if not root.is_dir():
        return f"does not exist: {table}"
    if (root / "db.yaml").is_file():
        return f"is an audformat database: {table}, which db[table].get(map=...) of audformat gives"
    tables = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    if tables:
        return f"is a folder: {table}, such as {root / tables[0]}"
    return f"is a folder: {table}; the guide to your own corpus has a script that writes it from the names of folders"


def _utterances(rows: list[Row], places: AudioPaths) -> list[Utterance]:
    for column in ("path", "speaker"):
        if gap := next((row for row in rows if is_gap(row[column])), None):
            raise UserError(f"{gap.where} has no {column}: write one or remove the row.")
    paths = [places.find(row["path"]) for row in rows]
    if missing := [row for row, path in zip(rows, paths, strict=True) if path is None]:
        more = f", nor are the paths of {len(missing) - 1} more rows" if len(missing) > 1 else ""
        cell = missing[0]["path"]
        name = cell if "://" in cell else places.base / cell
        raise UserError(f"{missing[0].where}: {name} is no file{more}: {places.hint(cell)}.")
    utterances = []
    by_audio: dict[tuple[str, float | None, float | None], str] = {}
    by_id: dict[str, str] = {}
    for row, path in zip(rows, paths, strict=True):
        one = _utterance(row, path or places.base)
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


def _utterance(row: Row, path: Path) -> Utterance:
    start, end, duration = (_seconds(row, column) for column in ("start", "end", DURATION))
    if duration is not None and start is not None and end is None:
        end = start + duration
    if end is not None and (start or 0.0) >= end:
        raise UserError(
            f"{row.where}: start={row['start'] or 0} is not before end={row['end'] or f'{end:g}'}: correct the times."
        )
    group, split = ("" if is_gap(row[column]) else row[column] for column in ("group", "part"))
    split = _SPLITS.get(split.lower(), split)
    if split and split.lower() not in SPLITS:
        raise UserError(f"{row.where}: part={split} is none of {', '.join(SPLITS)}: correct it or leave it empty.")
    segment = (
        ""
        if start is None and end is None
        else f"@{row['start'] or 0}-{row['end'] or ('' if end is None else f'{end:g}')}"
    )
    return Utterance(
        utterance=row["utterance"] or row["path"].replace("\\", "/") + segment,
        path=path,
        label=row["label"],
        speaker=row["speaker"],
        sex=SEXES.get(row["sex"].lower(), row["sex"]),
        group=group or row["speaker"],
        split=split.lower(),
        dialog="" if is_gap(row["dialog"]) else row["dialog"],
        start=start,
        end=end,
    )


def _seconds(row: Row, column: str) -> float | None:
    cell = row[column]
    if not cell or cell == "NaT":
        return None
    try:
        if parts := _TIME.fullmatch(cell):
            days, hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in parts.groups())
            return 86400 * days + 3600 * hours + 60 * minutes + rest
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        hint = cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else "12.5"
        raise UserError(f"{row.where}: {column}={cell} is no time in seconds: write e.g. {hint} or leave it empty.")
    return seconds


def _folds(root: Path, utterances: list[Utterance]) -> dict[str, tuple[str, ...]]:
    """A fold for every group, and before them the official split, where every row has one."""
    groups: dict[str, tuple[str, ...]] = {group: (group,) for group in sorted({one.group for one in utterances})}
    if not all(one.split for one in utterances):
        return groups
    if "official" in groups:
        raise UserError(f"{root}: group=official is what the fold of the column part is called: rename the group.")
    return {"official": (), **groups}
