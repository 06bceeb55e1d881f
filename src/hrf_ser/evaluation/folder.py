"""Reading a run's folder. Thousands are read at a time, so nothing is parsed twice and nothing that is not needed."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hrf_ser.evaluation.config_text import read_settings
from hrf_ser.evaluation.record import agreeing, checked, damage, loads
from hrf_ser.evaluation.run import Counts, Run
from hrf_ser.run_folder import BUNDLE, CONFIG, HISTORY, METRICS, PREDICTIONS

CURVES = ("train/loss", "val/ua")
_COLUMNS = ["utterance", "speaker", "label", "predicted"]
# Beyond these a file was not written by a run. A parser in C that follows any depth ends the process.
MOST_CELLS = 1 << 22  # of all speakers' confusion matrices
_LARGEST_CONFIG, _MOST_MARKS = 1 << 20, 5_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_run(folder: str) -> tuple[Run | None, list[str]]:
    """The run of a folder, or None where its record is damaged; sentences on what is wrong with it."""
    path = f"{folder}/{METRICS}"
    try:
        record = checked(loads(Path(path).read_text(encoding="utf-8")))
        written = os.stat(path).st_mtime_ns
    except (OSError, ValueError, RecursionError) as error:
        return None, [f"{path}: is damaged ({damage(error)}); the run is left out."]
    sentences: list[str] = []
    labels: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    counts: Counts | None = None
    try:
        labels, speakers, counts = read_predictions(f"{folder}/{PREDICTIONS}")
        agreeing(record, counts)
    except FileNotFoundError:
        sentences.append(f"{folder}/{PREDICTIONS}: is missing; the run counts without its speakers.")
    except (OSError, ValueError) as error:
        labels, speakers, counts = (), (), None
        sentences.append(f"{folder}/{PREDICTIONS}: is damaged ({damage(error)}); the run counts without its speakers.")
    settings, root = _settings(f"{folder}/{CONFIG}", hrf=bool(record["hrf"]))
    if settings and isinstance(source := record.get("init_from"), dict):
        # A path names fold and seed too, in which runs of one configuration differ.
        arm = f"hrf{source.get('rank')}" if source.get("hrf") else "plain"
        settings["init_from"] = f"{source.get('corpus')}/{arm}"
    run = Run(
        folder=folder,
        record=record,
        written=written,
        labels=labels,
        speakers=speakers,
        counts=counts,
        history=read_history(f"{folder}/{HISTORY}"),
        settings=settings,
        root=root,
        bundle=os.path.isdir(f"{folder}/{BUNDLE}"),
    )
    return run, sentences


def read_predictions(path: str) -> tuple[tuple[str, ...], tuple[str, ...], Counts]:
    """Class names, speakers and a confusion matrix for every speaker, ``(speakers, classes, classes)``.

    Raises:
        ValueError: not a table of predictions, or an unknown class in it.
    """
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    # splitlines would also cut at signs that a name may hold.
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    try:
        # Without quotes a line is cut at its first commas only, which is twice as fast as parsing its probabilities too.
        quoted = '"' in text
        rows = csv.reader(io.StringIO(text, newline="")) if quoted else (line.split(",", 4) for line in lines[1:])
        header = next(rows, []) if quoted else lines[0].split(",")
        labels = tuple(header[4:])
        if header[:4] != _COLUMNS or len(labels) < 2 or len(set(labels)) < len(labels):
            raise ValueError("its columns are not those of predictions")
        tally = Counter((row[1], row[2], row[3]) for row in rows)
    except (IndexError, csv.Error) as error:
        raise ValueError("a row is cut short") from error
    if not tally:
        raise ValueError("it has no rows")
    speakers = tuple(sorted({speaker for speaker, _, _ in tally}))
    row_of = {speaker: row for row, speaker in enumerate(speakers)}
    class_of = {label: number for number, label in enumerate(labels)}
    if len(speakers) * len(labels) ** 2 > MOST_CELLS:
        raise ValueError(f"it has {len(labels):,} classes, which are too many")
    counts = np.zeros((len(speakers), len(labels), len(labels)))
    for (speaker, label, predicted), count in tally.items():
        if label not in class_of or predicted not in class_of:
            raise ValueError(f"{label!r} or {predicted!r} is no class")
        counts[row_of[speaker], class_of[label], class_of[predicted]] = count
    return labels, speakers, counts


def read_history(path: str) -> dict[str, list[float]]:
    """The curves of ``history.csv``; empty where it is missing or damaged: no number of the report depends on it."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        # Where nobody validated there is no second curve.
        places = {name: header.index(name) for name in CURVES if name in header}
        return {name: [float(row[place] or "nan") for row in rows] for name, place in places.items()}
    except (OSError, ValueError, IndexError, csv.Error):
        return {}


def _settings(path: str, hrf: bool) -> tuple[dict[str, str], str | None]:
    """What :func:`read_settings` finds; nothing in a file that is missing, or nests or refers without end: no run wrote it."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST_CONFIG + 1)
        marks = sum(text.count(mark) for mark in ("[", "{", "- ", "? "))
        if len(text) > _LARGEST_CONFIG or marks > _MOST_MARKS:
            return {}, None
        # A few references to references stand for more text than any memory holds.
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _LOADER)):
            return {}, None
        settings, root = read_settings(text, hrf)
        # Half a character could not be written to the page.
        "".join((*settings, *settings.values(), root or "")).encode()
        return settings, root
    except Exception:  # the parser has many words for a damaged file, and makes numbers and dates of foreign text
        return {}, None
