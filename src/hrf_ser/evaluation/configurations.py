"""Runs of the same configuration, and what they say together."""

from __future__ import annotations

import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.evaluation.commands import sweep_command, train_command
from hrf_ser.evaluation.config_text import variants
from hrf_ser.evaluation.folder import CURVES
from hrf_ser.evaluation.run import LARGE, Counts, Run, natural
from hrf_ser.evaluation.scores import SCORES, recalls, scores
from hrf_ser.evaluation.statistics import bootstrap_weights, cell_weights, interval, mean_interval

_NAMES = {"conv_transformer": "ConvTransformer", "speechformer": "SpeechFormer"}


@dataclass
class Configuration:
    """Runs that differ in fold and seed only.

    Attributes:
        corpus, protocol, model, rank: what they share; ``rank`` is None without HRF.
        variant: in what they differ from the usual settings, such as ``trainer.max_epochs=20``; mostly empty.
        runs: (fold, seed) -> run, in order.
    """

    corpus: str
    protocol: str
    model: str
    rank: float | None
    variant: str
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)

    @property
    def key(self) -> str:
        arm = "plain" if self.rank is None else f"hrf{self.rank:g}"
        return "/".join([self.corpus, self.protocol, self.model, arm, *([self.variant] if self.variant else [])])

    @property
    def variant_of_plain(self) -> str:
        """The variant of the plain model to compare with: options of the factors mean nothing to it."""
        return ", ".join(word for word in self.variant.split(", ") if not word.startswith("reparam."))

    @property
    def family(self) -> str:
        return self.model.removesuffix(LARGE)

    @property
    def size(self) -> str:
        return "large" if self.model.endswith(LARGE) else "light"

    @property
    def name(self) -> str:
        """The model's name in prose."""
        name = _NAMES.get(self.family) or "".join(word.capitalize() for word in self.family.split("_"))
        return f"{name} large" if self.size == "large" else name

    @property
    def arm(self) -> str:
        return "plain" if self.rank is None else f"HRF x{self.rank:g}"

    @property
    def label(self) -> str:
        return ", ".join(
            [self.name, *([] if self.rank is None else [self.arm]), *([self.variant] if self.variant else [])]
        )

    @property
    def folds(self) -> list[str]:
        return sorted({fold for fold, _ in self.runs}, key=natural)

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.runs})


def group(runs: Sequence[Run]) -> tuple[list[Configuration], list[str]]:
    """Configurations in order of corpus, protocol, model family, size and rank; a sentence for every run that is there twice.

    Of two runs with the same configuration, fold and seed the newer one counts, of equally old ones the later.
    """
    found: dict[tuple[Any, ...], Configuration] = {}
    doubles: list[str] = []
    labelled = sorted(zip(runs, variants(runs), strict=True), key=lambda pair: pair[0].written)
    for run, variant in labelled:
        parts = (run.corpus, run.protocol, run.model, run.rank, variant)
        one = found.setdefault(parts, Configuration(*parts))
        older = one.runs.get((run.fold, run.seed))
        if older is not None:
            doubles.append(
                f"{older.folder}: is the same run as {run.folder} ({one.label}, fold {run.fold}, seed {run.seed}); "
                "the newer one counts."
            )
        one.runs[run.fold, run.seed] = run
    for one in found.values():
        one.runs = dict(sorted(one.runs.items(), key=lambda item: (natural(item[0][0]), item[0][1])))
    ordered = sorted(
        found.values(),
        key=lambda c: (c.corpus, c.protocol, c.family, c.size == "large", c.rank is not None, c.rank or 0, c.variant),
    )
    return ordered, sorted(doubles)


def missing(configurations: Sequence[Configuration]) -> list[dict[str, Any]]:
    """Folds and seeds that other configurations of the same corpus, protocol and settings have, and this one has not."""
    wanted: dict[tuple[str, str, str], set[tuple[str, int]]] = defaultdict(set)
    for one in configurations:
        wanted[one.corpus, one.protocol, one.variant] |= set(one.runs)
    return [
        {"key": one.key, "fold": fold, "seed": seed}
        for one in configurations
        for fold, seed in sorted(
            wanted[one.corpus, one.protocol, one.variant] - set(one.runs), key=lambda pair: (natural(pair[0]), pair[1])
        )
    ]


def summarise(one: Configuration) -> dict[str, Any]:
    """The configuration's entry of the report, but for its latency."""
    runs = list(one.runs.values())
    last = runs[-1].record
    labels = next((run.labels for run in runs if run.labels), ())
    counts = [run.counts for run in runs if run.counts is not None]
    confusion = np.sum([count.sum(0) for count in counts], axis=0) if counts else None
    seconds = [run.record.get("seconds", {}).get("fit") for run in runs]
    known = [value for value in seconds if value is not None]
    recall = {} if confusion is None else dict(zip(labels, recalls(confusion).tolist(), strict=True))
    return {
        "key": one.key,
        "label": one.label,
        "corpus": one.corpus,
        "protocol": one.protocol,
        "model": one.model,
        "family": one.family,
        "size": one.size,
        "hrf": one.rank is not None,
        "rank": one.rank,
        "variant": one.variant,
        "runs": len(runs),
        "folds": one.folds,
        "seeds": one.seeds,
        "classes": last.get("classes") or len(labels) or None,
        "scores": _scores(one),
        "parameters": last.get("parameters"),
        "macs_per_second_of_audio": last.get("macs_per_second_of_audio"),
        "latency_ms": None,
        "recall": recall,
        "confusion": [] if confusion is None else confusion.astype(int).tolist(),
        "seconds": float(np.mean(known)) if known else None,
        "history": _history(runs),
        "command": sweep_command(runs, one.variant),
        "detail": [_detail(run, one.variant) for run in runs],
    }


def fold_means(values: Mapping[tuple[str, Any], float]) -> dict[str, float]:
    """(fold, seed) -> value, as fold -> mean over its seeds."""
    by_fold: dict[str, list[float]] = defaultdict(list)
    for (fold, _), value in values.items():
        by_fold[fold].append(value)
    return {fold: float(np.mean(members)) for fold, members in by_fold.items()}


def seed_of(text: str) -> int:
    """A seed that depends on the text only, so that an interval does not change when other runs come along."""
    return zlib.crc32(text.encode())


def unit_values(values: Mapping[tuple[str, Any], float]) -> NDArray[np.float64]:
    """The independent units: folds with their seeds averaged, or the seeds of a single fold."""
    folds = fold_means(values)
    return np.array(list(values.values() if len(folds) == 1 else folds.values()))


def cells(
    runs: Sequence[Run],
) -> tuple[Counts, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every speaker as heard by every run.

    Returns:
        Confusion matrices ``(cells, classes, classes)``; speaker and run of each cell ``(cells,)``; fold of each run
        ``(runs,)``, all as numbers.
    """
    counts = [run.counts for run in runs if run.counts is not None]
    names = [speaker for run in runs for speaker in run.speakers]
    _, speakers = np.unique(names, return_inverse=True)
    owners = np.repeat(np.arange(len(runs)), [len(run.speakers) for run in runs])
    _, folds = np.unique([run.fold for run in runs], return_inverse=True)
    return np.concatenate(counts), speakers.astype(np.int64), owners.astype(np.int64), folds.astype(np.int64)


def _scores(one: Configuration) -> dict[str, dict[str, float | None]]:
    runs = list(one.runs.values())
    heard = all(run.counts is not None for run in runs)
    pooled, observed, resampled, speakers = _pooled(one) if heard else ({}, {}, {}, 0)
    entry: dict[str, dict[str, float | None]] = {}
    for name in SCORES:
        values = {pair: run.score(name) for pair, run in one.runs.items()}
        mean = float(unit_values(values).mean())
        if heard:
            bounds = interval(resampled[name], observed[name], speakers)
            # Resamples are of the pooled score, which exists for any set of speakers; the mean over folds may lie beside it.
            bounds = bounds and (bounds[0] - observed[name] + mean, bounds[1] - observed[name] + mean)
        else:
            bounds = mean_interval(unit_values(values), seed_of(one.key + name))
        low, high = bounds or (None, None)
        entry[name] = {
            "mean": mean,
            "sd": float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None,
            "low": low if low is None else max(0.0, low),
            "high": high if high is None else min(1.0, high),
            "pooled": pooled[name] if heard else None,
        }
    return entry


def _pooled(one: Configuration) -> tuple[dict[str, float | None], dict[str, float], dict[str, Any], int]:
    """What all folds together give: of each seed that has all of them, the mean; of all seeds averaged, as observed and in
    resamples; and how many speakers there are."""
    runs = list(one.runs.values())
    counts, speakers, owners, folds = cells(runs)
    flat = counts.reshape(len(counts), -1)
    shape = (-1, *counts.shape[1:])
    whole = [seed for seed in one.seeds if all((fold, seed) in one.runs for fold in one.folds)]
    of_seed = [counts[np.isin(owners, [i for i, run in enumerate(runs) if run.seed == seed])].sum(0) for seed in whole]
    by_seed = scores(np.stack(of_seed)) if of_seed else None
    observed = scores((cell_weights(owners, folds) @ flat).reshape(shape))
    resampled = scores((bootstrap_weights(speakers, owners, folds, seed_of(one.key)) @ flat).reshape(shape))
    return (
        {name: None if by_seed is None else float(by_seed[name].mean()) for name in SCORES},
        {name: float(observed[name][0]) for name in SCORES},
        resampled,
        int(speakers.max()) + 1,
    )


def _history(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Mean curves, as far as half of the runs went; beyond, the mean would be that of the runs that were not stopped."""
    histories = [run.history for run in runs if run.history.get(CURVES[0])]
    if not histories:
        return {}
    lengths = sorted(len(history[CURVES[0]]) for history in histories)
    until = lengths[(len(lengths) - 1) // 2]
    stacked = {
        curve: np.array(
            [h[curve][:until] + [np.nan] * (until - len(h[curve])) for h in histories],
        )
        for curve in CURVES
        if all(curve in h for h in histories)
    }
    with warnings.catch_warnings():
        # Of an epoch that no run validated: there is no point there.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN slice", RuntimeWarning)
        curves = {curve: np.nanmean(values, 0).tolist() for curve, values in stacked.items()}
        if (scored := stacked.get("val/ua")) is not None:
            curves["val/ua_low"], curves["val/ua_high"] = np.nanmin(scored, 0).tolist(), np.nanmax(scored, 0).tolist()
    return {"epoch": list(range(until)), **curves}


def _detail(run: Run, variant: str) -> dict[str, Any]:
    record = run.record
    return {
        "fold": run.fold,
        "seed": run.seed,
        **{name: run.score(name) for name in SCORES},
        "val_ua": (record.get("val") or {}).get("ua"),
        "best_epoch": record.get("best_epoch"),
        "epochs": record.get("epochs"),
        "seconds": record.get("seconds", {}).get("fit"),
        "folder": run.folder,
        "command": train_command(run, variant),
    }


def versions(runs: Sequence[Run]) -> dict[str, str]:
    """Package -> its versions over all runs, the commonest first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for run in runs:
        for package, version in (run.record.get("versions") or {}).items():
            found[package][str(version)] += 1
    return {package: ", ".join(version for version, _ in counter.most_common()) for package, counter in found.items()}
