"""Runs as a table: one row per run, read from run folders and from ``.jsonl`` files of records."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrf_ser.evaluation.find import Found
from hrf_ser.evaluation.scores import SCORES, Counts, scores
from hrf_ser.identity import LEFT_OUT, TRAINER_LEFT_OUT, as_typed, flatten
from hrf_ser.run_folder import BUNDLE, CONFIG, HISTORY, METRICS, PREDICTIONS

RUNS = "runs.jsonl"
CURVES = ("train/loss", "val/ua")
# Column of a table of runs -> its type. Scores are those of the split that the report is about.
SCHEMA = {
    **dict.fromkeys(("corpus", "protocol", "model", "fold", "folder"), "object"),
    "rank": "float64",  # NaN without HRF
    "seed": "int64",
    "written": "int64",  # when the record was written, in nanoseconds
    **dict.fromkeys(SCORES, "float64"),
    "val_ua": "float64",  # NaN without validation speakers
    **dict.fromkeys(("best_epoch", "epochs"), "object"),
    "seconds": "float64",  # of training
    "record": "object",  # what metrics.json holds
    **dict.fromkeys(("labels", "speakers"), "object"),  # names; empty without predictions
    "confusion": "object",  # (speakers, classes, classes), rows are labels; None without predictions
    "history": "object",  # curve -> one value per epoch
    "settings": "object",  # key -> value as typed on the command line
    "bundle": "bool",
    "pretrained": "bool",  # a classifier on a frozen encoder
    "added": "bool",  # predictions of another system
    "every_seed": "bool",  # they have no seed, and are compared with every one
}
# Settings that name the run, or change where and how fast it runs but not its result.
_UNSET = LEFT_OUT | {"hrf", "rank", "fold", "seed"}
_UNSET_KEYS = {f"trainer.{key}" for key in TRAINER_LEFT_OUT} | {
    *(
        "model.label",
        "model.name",
        "model.options.name_or_path",
        "protocol.name",
        "data.name",
        "data.root",
        "data.options.download",
    ),
    *("test_data.name", "test_data.root", "test_data.options.download"),
}
_DAMAGE = (OSError, ValueError, RecursionError)
Number = Annotated[float, Field(allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1 + 1e-6)]  # rounding of a device


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True)


class _Scores(_Strict):
    ua: Score
    wa: Score
    wf1: Score
    f1: Score


class _Added(_Strict):
    milliseconds: Number | None = None
    every_seed: bool = False


class Record(_Strict):
    """A line of a file of records: ``metrics.json``, and optionally settings and confusion matrices by speaker."""

    status: Literal["finished"]
    corpus: str
    protocol: str
    model: str
    hrf: bool
    rank: Annotated[float, Field(gt=0, lt=1e300)] | None = None
    fold: str | int
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    test: _Scores
    val: _Scores | None = None
    classes: int | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    parameters: dict[str, int | None] | None = None
    macs_per_second_of_audio: Number | None = None
    seconds: dict[str, Number | None] | None = None
    versions: dict[str, str] | None = None
    leaks: list[str] | None = None
    added: _Added | None = None
    encoder: dict[str, Any] | None = None
    overrides: list[str] | None = None
    settings: dict[str, str] = {}
    labels: list[str] = []
    speakers: list[str] = []
    confusion: list[list[list[Annotated[int, Field(ge=0)]]]] | None = None


def read_runs(found: Found) -> tuple[pd.DataFrame, list[str]]:
    """Read every finished run.

    Returns:
        A table with the columns of :data:`SCHEMA`, and one warning per damaged or foreign file.
    """
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for folder in found.finished:
        row, damaged = read_run(folder)
        rows.extend([row] if row else [])
        warnings.extend(damaged)
    for path in found.records:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            try:
                rows.append(row_of(_load(line), f"{path}:{number}", path.stat().st_mtime_ns))
            except _DAMAGE as error:
                warnings.append(f"{path}, line {number} is damaged ({_damage(error)}); the run is left out.")
    if not rows and not warnings:
        warnings.append(f"{found.records[0]} holds no record; give a file with one record per line.")
    return to_frame(rows), warnings


def to_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the columns and types of :data:`SCHEMA`."""
    return pd.DataFrame(list(rows), columns=list(SCHEMA), dtype="object").astype(SCHEMA)


def to_lines(runs: pd.DataFrame) -> str:
    """One line per run, the newest last: ``metrics.json``, settings, labels, speakers and confusion matrices."""
    lines = []
    for run in runs.sort_values("written").itertuples():
        entry = dict(run.record)
        if run.settings:
            entry["settings"] = run.settings
        if run.confusion is not None:
            entry |= {"labels": run.labels, "speakers": run.speakers, "confusion": run.confusion.astype(int).tolist()}
        lines.append(json.dumps(entry, allow_nan=False) + "\n")
    return "".join(lines)


def read_run(folder: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The row of a run's folder, None where its record is damaged, and a warning per damaged file."""
    path = Path(folder, METRICS)
    try:
        row = row_of(_load(path.read_bytes()), folder, path.stat().st_mtime_ns)
    except _DAMAGE as error:
        return None, [f"{path} is damaged ({_damage(error)}); the run is left out."]
    warnings = []
    for name, read, content in (
        (PREDICTIONS, read_predictions, "speakers"),
        (HISTORY, read_history, "curves"),
        (CONFIG, read_settings, "settings"),
    ):
        try:
            row |= read(Path(folder, name), row["record"])
        except FileNotFoundError:
            if name == PREDICTIONS:
                warnings.append(f"{folder}/{name} is missing; the run counts without its {content}.")
        except _DAMAGE as error:
            warnings.append(f"{folder}/{name} is damaged ({_damage(error)}); the run counts without its {content}.")
    return row | {"bundle": os.path.isdir(f"{folder}/{BUNDLE}")}, warnings


def row_of(entry: dict[str, Any], folder: str, written: int) -> dict[str, Any]:
    """The row of a record.

    Raises:
        ValueError: the record is damaged.
    """
    record = Record.model_validate(entry)
    if record.hrf and record.rank is None:
        raise ValueError("its rank is missing")
    row = {
        **record.model_dump(include={"corpus", "protocol", "model", "seed", "best_epoch", "epochs", "settings"}),
        "fold": str(record.fold),
        "rank": record.rank if record.hrf else None,
        "folder": folder,
        "written": written,
        **{name: getattr(record.test, name) for name in SCORES},
        "val_ua": record.val.ua if record.val else None,
        "seconds": (record.seconds or {}).get("fit"),
        "record": entry,
        **{"labels": (), "speakers": (), "confusion": None, "history": {}, "bundle": False},
        "pretrained": record.encoder is not None,
        **{"added": record.added is not None, "every_seed": record.added is not None and record.added.every_seed},
    }
    if record.confusion is not None:
        row |= with_predictions(entry, record.labels, record.speakers, np.array(record.confusion, dtype=float))
    return row


def read_predictions(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Class names, speakers and confusion matrices of ``predictions.csv``.

    Raises:
        ValueError: the file is not a table of predictions, or not that of the record.
    """
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    columns, labels = header[:4], header[4:]
    if columns != ["utterance", "speaker", "label", "predicted"] or len(labels) < 2:
        raise ValueError("its columns are not those of predictions")
    if len(labels) != (classes := record.get("classes") or len(labels)):
        raise ValueError(f"it has {len(labels):,} classes instead of {classes:,}")
    table = pd.read_csv(path, usecols=columns[1:], dtype=str, keep_default_na=False)
    speakers, speaker = np.unique(table.speaker.to_numpy(dtype=str), return_inverse=True)
    label, predicted = (pd.Index(labels).get_indexer(table[name]) for name in ("label", "predicted"))
    if not len(table) or min(label.min(), predicted.min()) < 0:
        raise ValueError("a row is cut short or names an unknown class" if len(table) else "it has no rows")
    counts = np.zeros((len(speakers), len(labels), len(labels)))
    np.add.at(counts, (speaker, label, predicted), 1)
    return with_predictions(record, labels, speakers.tolist(), counts)


def with_predictions(
    record: dict[str, Any], labels: Sequence[str], speakers: Sequence[str], confusion: Counts
) -> dict[str, Any]:
    """The columns of predictions, checked against the record.

    Raises:
        ValueError: shapes or the UA disagree.
    """
    if confusion.shape != (len(set(speakers)), len(set(labels)), len(labels)) or not confusion.sum():
        raise ValueError("its confusion matrices are not one per speaker")
    # A float32 on a device has fewer digits.
    if not abs(float(scores(confusion.sum(0))["ua"]) - record["test"]["ua"]) <= 1e-5:
        raise ValueError(f"its UA is not that of {METRICS}")
    return {"labels": tuple(labels), "speakers": tuple(speakers), "confusion": confusion}


def read_history(path: Path, _record: dict[str, Any]) -> dict[str, Any]:
    """The curves of ``history.csv``; without validation speakers it has no ``val/ua``."""
    return {"history": pd.read_csv(path, usecols=lambda name: name in CURVES, dtype=float).to_dict("list")}


def read_settings(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The settings of ``config.yaml`` that change the result, as typed on the command line.

    Without HRF ``reparam`` changes nothing. Initial weights are named by the corpus and method of their run, as its path
    contains the fold. The path of a table is a setting, because nothing else names its corpus.

    Raises:
        ValueError: the file is not YAML, or refers to itself.
    """
    values: dict[str, Any] = {}
    for block in re.split(r"^(?=[A-Za-z_])", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        key = block.partition(":")[0]
        if block.strip() and key not in _UNSET and (key != "reparam" or record["hrf"]):
            values |= _parse(block) or {key: "{}"}
    tables = {f"{key}.root" for key in ("data", "test_data") if values.get(f"{key}.name") == "table"}
    settings = {key: as_typed(value) for key, value in values.items() if key not in _UNSET_KEYS - tables}
    if isinstance(source := record.get("init_from"), dict):
        method = f"hrf{source.get('rank')}" if source.get("hrf") else "plain"
        settings["init_from"] = f"{source.get('corpus')}/{method}"
    json.dumps(settings, ensure_ascii=False).encode()  # raises for text that no page can hold
    return {"settings": settings}


@functools.lru_cache(maxsize=4096)
def _parse(block: str) -> dict[str, Any]:
    """One top-level key of a ``config.yaml``. The files of a study repeat most of them, and YAML is slow to parse."""
    try:
        values = yaml.safe_load(block)
        if "*" in block and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(block)):
            raise ValueError("it refers to itself")  # a few aliases stand for more text than any memory holds
        return flatten(values)
    except (yaml.YAMLError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _load(text: bytes) -> Any:
    """JSON that can be written again.

    Raises:
        ValueError: invalid JSON, NaN, or half a surrogate pair.
    """
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _damage(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return str(error).splitlines()[0] if str(error) else type(error).__name__
