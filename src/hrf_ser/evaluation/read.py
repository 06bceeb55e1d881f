"""Reading a run's folder. Thousands are read at a time, so nothing is parsed twice and nothing that is not needed."""

from __future__ import annotations

import csv
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hrf_ser.evaluation.config_text import read_settings
from hrf_ser.evaluation.find import CONFIG, METRICS, Found
from hrf_ser.evaluation.run import Counts, Run
from hrf_ser.evaluation.scores import SCORES, scores

PREDICTIONS, HISTORY, BUNDLE = "predictions.csv", "history.csv", "bundle"
CURVES = ("train/loss", "val/ua")
_POOL_FROM = 400  # Starting processes costs about as much as reading this many runs.
_COLUMNS = ["utterance", "speaker", "label", "predicted"]


def read_runs(found: Found) -> tuple[list[Run], list[str]]:
    """Every finished run, and a sentence for each that cannot be used or only in part."""
    folders = found.finished
    workers = min(os.cpu_count() or 1, len(folders) // _POOL_FROM + 1)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            read = list(pool.map(read_run, folders, chunksize=64))
    else:
        read = [read_run(folder) for folder in folders]
    for path in found.records:
        read.extend(_read_records(path))
    runs = [run for run, _ in read if run is not None]
    return runs, [sentence for _, sentences in read for sentence in sentences]


def read_run(folder: str) -> tuple[Run | None, list[str]]:
    """The run of a folder, or None where its record is damaged; sentences on what is wrong with it."""
    path = f"{folder}/{METRICS}"
    try:
        record = checked(json.loads(Path(path).read_text(encoding="utf-8")))
        written = os.stat(path).st_mtime_ns
    except (OSError, ValueError, RecursionError) as error:
        return None, [f"{path}: is damaged ({_short(error)}); the run is left out."]
    sentences: list[str] = []
    labels: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    counts: Counts | None = None
    try:
        labels, speakers, counts = read_predictions(f"{folder}/{PREDICTIONS}")
        # To a float32's precision: older records were scored on a device.
        if abs(float(scores(counts.sum(0))["ua"]) - record["test"]["ua"]) > 1e-5:
            raise ValueError(f"its UA is not that of {METRICS}")
    except FileNotFoundError:
        sentences.append(f"{folder}/{PREDICTIONS}: is missing; the run counts without its speakers.")
    except (OSError, ValueError) as error:
        labels, speakers, counts = (), (), None
        sentences.append(f"{folder}/{PREDICTIONS}: is damaged ({_short(error)}); the run counts without its speakers.")
    settings, root = read_settings(f"{folder}/{CONFIG}", hrf=bool(record["hrf"]))
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
    lines = text.splitlines()
    # Without quotes a line is cut at its first commas only, which is twice as fast as parsing its probabilities too.
    rows = csv.reader(lines) if '"' in text else (line.split(",", 4) for line in lines[1:])
    header = next(rows, []) if '"' in text else lines[0].split(",") if lines else []
    labels = tuple(header[4:])
    if header[:4] != _COLUMNS or len(labels) < 2:
        raise ValueError("its columns are not those of predictions")
    try:
        tally = Counter((row[1], row[2], row[3]) for row in rows)
    except (IndexError, csv.Error) as error:
        raise ValueError("a row is cut short") from error
    if not tally:
        raise ValueError("it has no rows")
    speakers = tuple(sorted({speaker for speaker, _, _ in tally}))
    row_of = {speaker: row for row, speaker in enumerate(speakers)}
    class_of = {label: number for number, label in enumerate(labels)}
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
        places = {name: header.index(name) for name in CURVES}
        return {name: [float(row[place] or "nan") for row in rows] for name, place in places.items()}
    except (OSError, ValueError, IndexError, csv.Error):
        return {}


def checked(record: Any) -> dict[str, Any]:
    """A record that has what the report needs.

    Raises:
        ValueError: names what is missing or of the wrong kind.
    """
    if not isinstance(record, dict) or record.get("status") != "finished":
        raise ValueError("it is not the record of a finished run")
    for key in ("corpus", "protocol", "model", "hrf", "fold", "seed", "test"):
        if record.get(key) is None:
            raise ValueError(f"it has no {key}")
    if record["hrf"] and not _is_number(record.get("rank")):
        raise ValueError("its rank is no number")
    if not isinstance(record["seed"], int) or not isinstance(record["test"], dict):
        raise ValueError("its seed or test has the wrong kind")
    for name in SCORES:
        if not _is_number(record["test"].get(name)):
            raise ValueError(f"its test {name} is no number")
    return record


def _read_records(path: Path) -> Iterator[tuple[Run | None, list[str]]]:
    written = path.stat().st_mtime_ns
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(islice(file, None), start=1):
            if not line.strip():
                continue
            try:
                yield Run(f"{path}:{number}", checked(json.loads(line)), written), []
            except (ValueError, RecursionError) as error:
                yield None, [f"{path}, line {number}: is damaged ({_short(error)}); the run is left out."]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
