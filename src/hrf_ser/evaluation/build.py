"""The report as one dictionary, from which the page and the tables are made."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hrf_ser import __version__
from hrf_ser.errors import UserError
from hrf_ser.evaluation.comparisons import compare_all
from hrf_ser.evaluation.configurations import configure, missing, protocol_place, summarise, versions
from hrf_ser.evaluation.find import TEST, VALIDATION, Found
from hrf_ser.evaluation.latency import add_latency
from hrf_ser.evaluation.page import render
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
    runs, unvalidated = _on_validation(runs) if split == VALIDATION else (runs, [])
    runs, doubles = configure(runs)
    entries = [summarise(one) for _, one in runs.groupby("key", sort=False)]
    if latency:
        add_latency(runs, entries)
    comparisons, impaired = compare_all(runs)
    gaps = missing(runs)
    unfinished = [{"folder": folder} for folder in found.unfinished]
    failed = [{"folder": folder, "reason": reason} for folder, reason in found.failed]
    labels = {corpus: next(filter(None, of_runs), ()) for corpus, of_runs in runs.groupby("corpus").labels}
    by = f"{many(int((~runs.added).sum()), 'run')}{', validation speakers' if split == VALIDATION else ''}"
    warnings = [
        *_warnings(runs, comparisons, split),
        sentence("missing", gaps, _SHOWN),
        sentence("failed", failed),
        sentence("unfinished", unfinished),
        *_first(damaged, "damaged files"),
        *_first(unvalidated, "runs without validation"),
        *_first(doubles, "runs that are there twice"),
        *_first(impaired, "comparisons"),
    ]
    report = {
        "title": title or f"{' and '.join(labels)}: {by}",
        "split": split,
        "generated": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "versions": {**versions(runs), "report": f"hrf_ser {__version__}"},
        "corpus": list(labels),
        "protocol": sorted(runs.protocol.unique(), key=protocol_place),
        "labels": labels,
        "answer": answer(entries, comparisons),
        "warnings": [warning for warning in warnings if warning],
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
    runs = runs.assign(labels=[()] * len(runs), speakers=[()] * len(runs), confusion=None)
    return runs, [f"{folder} has no scores of validation speakers; the run is left out." for folder in without.folder]


def _warnings(runs: pd.DataFrame, comparisons: Sequence[dict[str, Any]], split: str) -> list[str]:
    """What the scores are of, leaks and versions that the runs recorded, and what the design cannot show."""
    place = ["corpus", "key"]
    leaks = {f"{run.corpus}: {leak}" for run in runs.itertuples() for leak in run.record.get("leaks") or ()}
    mixed = {package: found for package, found in versions(runs).items() if ", " in found}
    single = [entry for entry in comparisons if entry["kind"] in ("hrf", "size")]
    tested = runs[[*place, "fold", "speakers"]].explode("speakers").dropna()
    folds = tested.groupby([*place, "speakers"]).fold.nunique()
    seeds = runs.groupby(place).seed.nunique()
    return [
        sentence("validation") if split == VALIDATION else sentence("no_predictions", int(runs.confusion.isna().sum())),
        sentence("oracle_runs", int(((runs.protocol == "test_oracle") & ~runs.added).sum())),
        *sorted(leaks),
        sentence("mixed_versions", mixed),
        sentence("small_design", [entry for entry in single if not decidable(entry)], single),
        sentence("shared_speakers", sorted(folds[folds > 1].index.unique("corpus"))),
        sentence("one_seed", sorted(seeds[seeds == 1].index.unique("corpus"))),
    ]


def _first(sentences: Sequence[str], subject: str) -> list[str]:
    """The first few sentences, and how many more there are."""
    more = [f"And {len(sentences) - _SHOWN:,} more about {subject}."] if len(sentences) > _SHOWN else []
    return [*sentences[:_SHOWN], *more]
