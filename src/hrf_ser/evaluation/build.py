"""The report as one dictionary, from which the page, the tables and the terminal output are made."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from hrf_ser import __version__
from hrf_ser.errors import UserError
from hrf_ser.evaluation.comparisons import compare_all
from hrf_ser.evaluation.configurations import configure, missing, protocol_place, summarise, versions
from hrf_ser.evaluation.find import TEST, VALIDATION, Found
from hrf_ser.evaluation.latency import measure
from hrf_ser.evaluation.read import RUNS, to_lines
from hrf_ser.evaluation.scores import SCORES
from hrf_ser.evaluation.tables import WRITERS
from hrf_ser.evaluation.text import answer, decidable, many, sentence
from hrf_ser.files import write_text
from hrf_ser.json_values import finite

REPORT, PAGE = "report.json", "index.html"
_SHOWN = 5  # warnings about single runs that are shown before the others are counted


def build_report(
    found: Found,
    runs: pd.DataFrame,
    damaged: Sequence[str] = (),
    title: str | None = None,
    latency: bool = False,
    split: str = TEST,
) -> dict[str, Any]:
    """The report, ready for JSON; the same runs give the same one, except for the date and the latency.

    Args:
        found: the failed and unfinished runs.
        runs: the finished runs, with the columns of :data:`hrf_ser.evaluation.read.SCHEMA`.
        damaged: warnings about files that could not be read.
        title: of the page.
        latency: whether to measure every bundle.
        split: whose scores: ``test`` or ``validation``.

    Raises:
        UserError: no run has scores of that split.
    """
    unvalidated: list[str] = []
    if split == VALIDATION:
        runs, unvalidated = _on_validation(runs)
    runs, doubles = configure(runs)
    entries = [summarise(one) for _, one in runs.groupby("key", sort=False)]
    if latency:
        _add_latency(runs, entries)
    comparisons, impaired = compare_all(runs)
    gaps = missing(runs)
    corpora = sorted(runs.corpus.unique())
    unfinished = [{"folder": folder} for folder in found.unfinished]
    failed = [{"folder": folder, "reason": reason} for folder, reason in found.failed]
    labelled = runs[runs.labels.map(len) > 0].drop_duplicates("corpus").set_index("corpus").labels
    by = f"{many(len(runs), 'run')}{', validation speakers' if split == VALIDATION else ''}"
    report = {
        "title": title or f"{' and '.join(corpora)}: {by}",
        "split": split,
        "generated": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "versions": {
            **versions(runs),
            "report": f"hrf_ser {__version__}, python {platform.python_version()}, "
            f"numpy {np.__version__}, scipy {scipy.__version__}",
        },
        "corpus": corpora,
        "protocol": sorted(runs.protocol.unique(), key=protocol_place),
        "labels": {corpus: list(labelled.get(corpus, ())) for corpus in corpora},
        "answer": answer(entries, comparisons),
        "warnings": [
            *_about_runs(runs, split),
            *_about_design(runs, comparisons),
            *([sentence("missing", gaps, _SHOWN)] if gaps else []),
            *([sentence("failed", failed)] if failed else []),
            *([sentence("unfinished", unfinished)] if unfinished else []),
            *_first(damaged, "damaged files"),
            *_first(unvalidated, "runs without validation"),
            *_first(doubles, "runs that are there twice"),
            *_first(impaired, "comparisons"),
        ],
        "configurations": entries,
        "comparisons": comparisons,
        "missing": gaps,
        "failed": failed,
        "unfinished": unfinished,
    }
    return finite(report)  # type: ignore[no-any-return]


def write_report(report: dict[str, Any], runs: pd.DataFrame, folder: Path) -> None:
    """Write ``report.json``, the tables, the runs themselves and the page, each file whole or not at all.

    The page comes last: where it is new, so is everything that it shows.
    """
    from hrf_ser.evaluation.page import render

    write_text(folder / REPORT, json.dumps(report, indent=1, allow_nan=False) + "\n")
    for name, table in WRITERS.items():
        write_text(folder / name, table(report))
    write_text(folder / RUNS, to_lines(runs))
    write_text(folder / PAGE, render(report))


def _on_validation(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs with the scores of their validation speakers and without predictions, which are of the test split.

    Returns:
        The runs that have such scores, and a sentence for each that has not.

    Raises:
        UserError: no run has them.
    """
    scored = runs.val_ua.notna()
    if not scored.any():
        raise UserError("split=validation: no run has scores of validation speakers; leave split=validation out.")
    runs, without = runs[scored].reset_index(drop=True), runs[~scored]
    runs[list(SCORES)] = pd.DataFrame([record["val"] for record in runs.record])[list(SCORES)]
    empty = pd.Series([()] * len(runs))
    return (
        runs.assign(labels=empty, speakers=empty, confusion=pd.Series([None] * len(runs), dtype="object")),
        [f"{folder} has no scores of validation speakers; the run is left out." for folder in without.folder],
    )


def _add_latency(runs: pd.DataFrame, entries: Sequence[dict[str, Any]]) -> None:
    """Measure each deployed model once: HRF is merged away, so configurations of the same model and size share it."""

    def deployed(entry: dict[str, Any]) -> tuple[Any, ...]:
        return entry["model"], (entry["parameters"] or {}).get("deployed"), entry["macs_per_second_of_audio"]

    folders = runs[runs.bundle].groupby("key").folder.first()
    bundles: dict[tuple[Any, ...], str] = {}
    for entry in entries:
        if entry["key"] in folders:
            bundles.setdefault(deployed(entry), f"{folders[entry['key']]}/bundle")
    times = measure(bundles)
    for entry in entries:
        entry["latency_ms"] = times.get(deployed(entry))


def _about_runs(runs: pd.DataFrame, split: str) -> list[str]:
    """Warnings about what the scores are of, and what the runs' own records say of leaks and versions."""
    oracle, silent = int((runs.protocol == "test_oracle").sum()), int(runs.confusion.isna().sum())
    mixed = {package: found for package, found in versions(runs).items() if ", " in found}
    leaks = {f"{run.corpus}: {leak}" for run in runs.itertuples() for leak in run.record.get("leaks") or ()}
    return [
        *([sentence("validation")] if split == VALIDATION else []),
        *([sentence("no_predictions", silent)] if silent and split == TEST else []),
        *([sentence("oracle_runs", oracle)] if oracle else []),
        *sorted(leaks),
        *([sentence("mixed_versions", mixed)] if mixed else []),
    ]


def _about_design(runs: pd.DataFrame, comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """Warnings about what the design cannot show."""
    single = [entry for entry in comparisons if entry["kind"] in ("hrf", "size")]
    small = [entry for entry in single if not decidable(entry)]
    tested = runs[["corpus", "key", "fold", "speakers"]].explode("speakers").dropna()
    folds = tested.groupby(["corpus", "key", "speakers"]).fold.nunique()
    shared = sorted(folds[folds > 1].index.unique("corpus"))
    seeds = runs.groupby(["corpus", "key"]).seed.nunique()
    one_seed = sorted(seeds[seeds == 1].index.unique("corpus"))
    return [
        *([sentence("small_design", small, single)] if small else []),
        *([sentence("shared_speakers", shared)] if shared else []),
        *([sentence("one_seed", one_seed)] if one_seed else []),
    ]


def _first(sentences: Sequence[str], subject: str) -> list[str]:
    """The first few sentences, and how many more there are."""
    more = [f"And {len(sentences) - _SHOWN:,} more about {subject}."] if len(sentences) > _SHOWN else []
    return [*sentences[:_SHOWN], *more]
