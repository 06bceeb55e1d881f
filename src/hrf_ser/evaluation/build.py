"""The report as one dictionary, from which the page, the tables and the last screen are made."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from hrf_ser import __version__
from hrf_ser.evaluation.comparisons import compare_all
from hrf_ser.evaluation.configurations import Configuration, group, missing, summarise, versions
from hrf_ser.evaluation.find import Found
from hrf_ser.evaluation.latency import measure
from hrf_ser.evaluation.part import CHOSEN_ON, TEST, VALIDATION, on_validation
from hrf_ser.evaluation.run import Run
from hrf_ser.evaluation.sentences import PAPER, answer, decidable, many
from hrf_ser.evaluation.statistics import units_needed
from hrf_ser.json_values import finite

_SHOWN = 5  # sentences about single runs that a warning repeats before it counts the rest


def build_report(
    found: Found,
    runs: Sequence[Run],
    damaged: Sequence[str] = (),
    title: str | None = None,
    latency: bool = False,
    part: str = TEST,
) -> dict[str, Any]:
    """The report, ready for JSON.

    The same runs give the same report, but for the date and, where it is measured, the latency.

    Args:
        found: what lies on disk beside the finished runs.
        runs: the finished runs.
        damaged: sentences on files that could not be read.
        title: of the page; None makes one.
        latency: measure every bundle side by side.
        part: whose scores: ``test`` or ``validation``.

    Raises:
        UserError: no run has scores of that part.
    """
    unheard: list[str] = []
    if part == VALIDATION:
        runs, unheard = on_validation(runs)
    configurations, doubles = group(runs)
    entries = [summarise(one) for one in configurations]
    if latency:
        _add_latency(configurations, entries)
    comparisons, impaired = compare_all(configurations)
    gaps = missing(configurations)
    corpora = sorted({one.corpus for one in configurations})
    unfinished = [{"folder": folder} for folder in found.unfinished]
    failed = [{"folder": folder, "reason": reason} for folder, reason in found.failed]
    warnings = [
        *([CHOSEN_ON] if part == VALIDATION else _silent(runs)),
        *_paper(configurations),
        *_leaks(runs),
        *_too_small(comparisons),
        *_counted(gaps, failed, unfinished),
        *_some(damaged, "damaged files"),
        *_some(unheard, "runs without validation"),
        *_some(doubles, "runs that are there twice"),
        *_some(impaired, "comparisons"),
        *_design(configurations),
        *_versions(runs),
    ]
    report = {
        "title": title
        or f"{' and '.join(corpora)}: {many(sum(e['runs'] for e in entries), 'run')}"
        f"{', validation speakers' if part == VALIDATION else ''}",
        "part": part,
        "generated": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "versions": {
            **versions(runs),
            "report": f"hrf_ser {__version__}, python {platform.python_version()}, "
            f"numpy {np.__version__}, scipy {scipy.__version__}",
        },
        "corpus": corpora,
        "protocol": sorted({one.protocol for one in configurations}),
        "labels": {
            corpus: list(next((run.labels for run in runs if run.corpus == corpus and run.labels), ()))
            for corpus in corpora
        },
        "answer": answer(entries, comparisons),
        "warnings": warnings,
        "configurations": entries,
        "comparisons": comparisons,
        "missing": gaps,
        "failed": failed,
        "unfinished": unfinished,
    }
    return finite(report)  # type: ignore[no-any-return]


def _add_latency(configurations: Sequence[Configuration], entries: Sequence[dict[str, Any]]) -> None:
    """HRF is merged away, so configurations of the same model and size share one measurement."""
    bundles: dict[tuple[Any, ...], str] = {}
    for one, entry in zip(configurations, entries, strict=True):
        folder = next((run.folder for run in one.runs.values() if run.bundle), None)
        if folder is not None:
            bundles.setdefault(_deployed(one, entry), f"{folder}/bundle")
    times = measure(bundles)
    for one, entry in zip(configurations, entries, strict=True):
        entry["latency_ms"] = times.get(_deployed(one, entry))


def _deployed(one: Configuration, entry: dict[str, Any]) -> tuple[Any, ...]:
    return one.model, (entry["parameters"] or {}).get("deployed"), entry["macs_per_second_of_audio"]


def _paper(configurations: Sequence[Configuration]) -> list[str]:
    runs = sum(len(one.runs) for one in configurations if one.protocol == "test_oracle")
    return [f"{many(runs, 'run')} under {PAPER}."] if runs else []


def _leaks(runs: Sequence[Run]) -> list[str]:
    """What the runs' own records say about labels that reached the choice of what is scored."""
    return sorted({f"{run.corpus}: {sentence}" for run in runs for sentence in run.record.get("leaks") or ()})


def _too_small(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    single = [entry for entry in comparisons if entry["kind"] in ("hrf", "size")]
    small = [entry for entry in single if not decidable(entry)]
    if not small:
        return []
    units = sorted({(entry["units"], entry["unit"]) for entry in small})
    designs = " or ".join(f"{many(count, unit)} (p = {_least(small, count)} at best)" for count, unit in units)
    of = f"{len(small)} of {many(len(single), 'comparison')}" if len(single) > 1 else "the comparison"
    return [
        f"The design is too small to reach significance in {of}: {designs}; with Holm's correction for "
        f"{many(len(single), 'comparison')} it takes {units_needed(len(single))} folds, which "
        "protocol.folds=speaker may have."
    ]


def _least(entries: Sequence[dict[str, Any]], units: int) -> str:
    return f"{next(entry['smallest_p'] for entry in entries if entry['units'] == units):.3g}"


def _counted(
    gaps: Sequence[dict[str, Any]], failed: Sequence[dict[str, Any]], unfinished: Sequence[dict[str, Any]]
) -> list[str]:
    sentences = []
    if gaps:
        verb = "is" if len(gaps) == 1 else "are"
        places = [f"{gap['key']} fold {gap['fold']} seed {gap['seed']}" for gap in gaps[:_SHOWN]]
        more = f" and {len(gaps) - _SHOWN:,} more" if len(gaps) > _SHOWN else ""
        sentences.append(
            f"{many(len(gaps), 'run')} that other configurations have {verb} missing: {', '.join(places)}{more}."
        )
    if failed:
        first = failed[0]
        others = f"; {len(failed) - 1:,} more" if len(failed) > 1 else ""
        sentences.append(
            f"{many(len(failed), 'run')} failed: {first['folder']} ({first['reason'].rstrip('.')}){others}."
        )
    if unfinished:
        sentences.append(f"{many(len(unfinished), 'run')} began and did not finish, such as {unfinished[0]['folder']}.")
    return sentences


def _some(sentences: Sequence[str], what: str) -> list[str]:
    """The first few sentences about single runs, and how many more there are."""
    if len(sentences) <= _SHOWN:
        return list(sentences)
    return [*sentences[:_SHOWN], f"And {len(sentences) - _SHOWN:,} more about {what}."]


def _silent(runs: Sequence[Run]) -> list[str]:
    silent = sum(run.counts is None for run in runs)
    if not silent:
        return []
    return [
        f"{many(silent, 'run')} {'has' if silent == 1 else 'have'} no predictions.csv, so speakers cannot be resampled: "
        "intervals of their configurations are over folds, or over seeds of a single fold, and there is no pooled score."
    ]


def _design(configurations: Sequence[Configuration]) -> list[str]:
    sentences = []
    shared = sorted({one.corpus for one in configurations if _tested_twice(one)})
    if shared:
        sentences.append(
            f"Folds on {', '.join(shared)} test the same speakers, so they are not independent: "
            "p speaks of these speakers only."
        )
    single = sorted({one.corpus for one in configurations if len(one.seeds) == 1})
    if single:
        sentences.append(
            f"Some configurations on {', '.join(single)} have one seed: luck of training is not seen apart, and intervals "
            "over speakers do not cover it."
        )
    return sentences


def _tested_twice(one: Configuration) -> bool:
    fold_of: dict[str, str] = {}
    return any(fold_of.setdefault(who, run.fold) != run.fold for run in one.runs.values() for who in run.speakers)


def _versions(runs: Sequence[Run]) -> list[str]:
    mixed = {package: found for package, found in versions(runs).items() if ", " in found}
    told = "; ".join(f"{package} {found}" for package, found in mixed.items())
    return [f"Runs were made with different versions: {told}."] if mixed else []
