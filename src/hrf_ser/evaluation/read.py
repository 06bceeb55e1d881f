"""Reading a run's folder. Thousands are read at a time, so nothing is parsed twice and nothing that is not needed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hrf_ser.evaluation.config_text import read_settings
from hrf_ser.evaluation.find import CONFIG, METRICS, Found
from hrf_ser.evaluation.run import Counts, Run
from hrf_ser.evaluation.scores import SCORES, scores

PREDICTIONS, HISTORY, BUNDLE = "predictions.csv", "history.csv", "bundle"
CURVES = ("train/loss", "val/ua")
_POOL_FROM = 400  # Starting processes costs about as much as reading this many runs.
_COLUMNS = ["utterance", "speaker", "label", "predicted"]
# Beyond these a file was not written by a run. A parser in C that follows any depth ends the process.
_MOST_CELLS = 1 << 22  # of all speakers' confusion matrices
_LARGEST_CONFIG, _MOST_MARKS = 1 << 20, 5_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a record may also have, and its kind. Numbers in tables are finite or null.
_OPTIONAL: dict[str, Any] = {
    "val": dict, "parameters": dict, "seconds": dict, "versions": dict, "leaks": list, "overrides": list, "classes": int,
    "best_epoch": int, "epochs": int, "macs_per_second_of_audio": (int, float),
}  # fmt: skip


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
        record = checked(_loads(Path(path).read_text(encoding="utf-8")))
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
    if len(speakers) * len(labels) ** 2 > _MOST_CELLS:
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
    for key in ("corpus", "protocol", "model"):
        if not isinstance(record[key], str):
            raise ValueError(f"its {key} is no name")
    if record["hrf"] and not (_is_number(record.get("rank")) and record["rank"] > 0):
        raise ValueError("its rank is no number")
    if not isinstance(record["fold"], str | int):
        raise ValueError("its fold is no name")
    if not isinstance(record["seed"], int) or not abs(record["seed"]) < 1 << 64 or not isinstance(record["test"], dict):
        raise ValueError("its seed or test has the wrong kind")
    for name in SCORES:
        if not _is_number(record["test"].get(name)):
            raise ValueError(f"its test {name} is no number")
        if not 0 <= record["test"][name] <= 1 + 1e-6:  # a device's rounding
            raise ValueError(f"its test {name} is not between 0 and 1")
    return {key: value for key, value in record.items() if key not in _OPTIONAL or _is_usable(key, value)}


def _is_usable(key: str, value: Any) -> bool:
    """Whether an entry that a record may have or not can be used; null is none.

    Raises:
        ValueError: it has the wrong kind.
    """
    if value is None:
        return False
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    if key in ("versions", "leaks", "overrides"):
        right = all(isinstance(one, str) for one in inside)
    else:
        right = all(one is None or _is_number(one) for one in inside)
    if not isinstance(value, _OPTIONAL[key]) or not right:
        raise ValueError(f"its {key} has the wrong kind")
    return True


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


def _read_records(path: Path) -> Iterator[tuple[Run | None, list[str]]]:
    written = path.stat().st_mtime_ns
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            empty = False
            try:
                yield Run(f"{path}:{number}", checked(_loads(line.decode("utf-8"))), written), []
            except (ValueError, RecursionError) as error:
                yield None, [f"{path}, line {number}: is damaged ({_short(error)}); the run is left out."]
    if empty:
        yield None, [f"{path}: holds no record; give a file with a record of a run in each line."]


def _loads(text: str) -> Any:
    """JSON whose texts can be written again.

    Raises:
        ValueError: no JSON, or half a character in it.
    """
    value = json.loads(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _is_number(value: Any) -> bool:
    # A whole number beyond every float is none that a run wrote; NaN is less than nothing.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
