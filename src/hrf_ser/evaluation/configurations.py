"""Configurations: runs that differ in fold and seed only, and their scores."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrf_ser.evaluation.read import CURVES
from hrf_ser.evaluation.scores import SCORES, Counts, recalls, scores
from hrf_ser.evaluation.statistics import bootstrap_weights, cell_weights, interval, mean_interval, unit_values
from hrf_ser.evaluation.variants import sweep_command, train_command, variants

LARGE = "_large"
# In the order of a report; protocols with other names come before the last.
PROTOCOLS = ("validation", "last_epoch", "out_of_fold", "test_oracle")
PARTS = ["corpus", "protocol", "model", "rank", "variant"]
_NAMES = {"conv_transformer": "ConvTransformer", "speechformer": "SpeechFormer"}


def configure(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Name the configuration of every run.

    Returns:
        The runs in order of corpus, protocol, model family, size, rank, fold and seed, with the columns ``variant``, ``key``,
        ``label``, ``name``, ``method``, ``family`` and ``size``; and a sentence for every run that is there twice, of which
        the newer one counts.
    """
    runs = runs.assign(
        variant=variants(runs),
        family=runs.model.str.removesuffix(LARGE),
        size=np.where(runs.model.str.endswith(LARGE), "large", "light"),
        method=[method_name(rank) for rank in runs["rank"]],
    )
    runs["name"] = [model_name(model) for model in runs.model]
    hrf = runs["rank"].notna()
    slug = runs.method.str.lower().str.replace(" x", "")
    columns = ["corpus", "protocol", "model"]
    runs["key"] = runs[columns].agg("/".join, axis=1) + "/" + slug + ("/" + runs.variant).where(runs.variant != "", "")
    runs["label"] = (
        runs["name"] + (", " + runs.method).where(hrf, "") + (", " + runs.variant).where(runs.variant != "", "")
    )
    runs = runs.sort_values("written", kind="stable")
    cell = ["key", "fold", "seed"]
    newest = runs.drop_duplicates(cell, keep="last")
    older = runs.drop(newest.index).merge(newest[[*cell, "folder"]], on=cell, suffixes=("", "_newer"))
    doubles = [
        f"{run.folder} is the same run as {run.folder_newer} ({run.label}, fold {run.fold}, seed {run.seed}); "
        "the newer one counts."
        for run in older.itertuples()
    ]
    order = ["corpus", "protocol", "family", "size", "rank", "variant", "fold", "seed"]
    places = {"protocol": protocol_place, "fold": natural, "size": ("light", "large").index}
    ordered = newest.sort_values(
        order, kind="stable", na_position="first", key=lambda column: _places(column, places.get(str(column.name)))
    )
    return ordered.reset_index(drop=True), sorted(doubles)


def _places(column: pd.Series[Any], key: Any) -> pd.Series[Any]:
    """The column as numbers in the order of ``key``."""
    if key is None:
        return column
    return column.map({value: place for place, value in enumerate(sorted(column.unique(), key=key))})


def natural(text: str) -> tuple[int, float, str]:
    """Sort key that puts fold 10 after fold 9, and names after numbers."""
    return (0, float(text), text) if text.isdecimal() else (1, 0.0, text)


def protocol_place(protocol: str) -> tuple[float, str]:
    """Sort key that puts ``validation`` first and ``test_oracle`` last."""
    return (PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS) - 1.5, protocol)


def model_name(model: str) -> str:
    family = model.removesuffix(LARGE)
    name = _NAMES.get(family) or "".join(word.capitalize() for word in family.split("_"))
    return f"{name} large" if model != family else name


def method_name(rank: float) -> str:
    return "plain" if pd.isna(rank) else f"HRF x{rank:g}"


def missing(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Folds and seeds that other configurations of the same corpus, protocol and variant have, and this one has not."""
    shared = ["corpus", "protocol", "variant"]
    cell = ["fold", "seed"]
    wanted = runs[["key", *shared]].drop_duplicates().merge(runs[[*shared, *cell]].drop_duplicates(), on=shared)
    found = wanted.merge(runs[["key", *cell]], how="left", indicator=True)
    lacking = found.loc[found["_merge"] == "left_only", ["key", *cell]]
    order = {key: place for place, key in enumerate(runs.key.unique())}
    entries = [{"key": run.key, "fold": run.fold, "seed": int(run.seed)} for run in lacking.itertuples()]
    return sorted(entries, key=lambda entry: (order[entry["key"]], natural(entry["fold"]), entry["seed"]))


def summarise(runs: pd.DataFrame) -> dict[str, Any]:
    """The entry of one configuration in the report, without its latency."""
    first, last = runs.iloc[0], runs.iloc[-1].record
    counts = runs.confusion.dropna()
    confusion = np.sum([matrices.sum(0) for matrices in counts], axis=0) if len(counts) else None
    labels = next((labels for labels in runs.labels if labels), ())
    seconds = [value for run in runs.record if (value := _fit_seconds(run)) is not None]
    return {
        **first[["key", "label", "corpus", "protocol", "model", "family", "size"]],
        "hrf": not pd.isna(first["rank"]),
        "rank": None if pd.isna(first["rank"]) else float(first["rank"]),
        "variant": first.variant,
        "runs": len(runs),
        "folds": list(runs.fold.unique()),
        "seeds": sorted(map(int, runs.seed.unique())),
        "classes": last.get("classes") or len(labels) or None,
        "scores": _scores(runs),
        "parameters": last.get("parameters"),
        "macs_per_second_of_audio": last.get("macs_per_second_of_audio"),
        "latency_ms": None,
        "recall": {} if confusion is None else dict(zip(labels, recalls(confusion).tolist(), strict=True)),
        "confusion": [] if confusion is None else confusion.astype(int).tolist(),
        "seconds": float(np.mean(seconds)) if seconds else None,
        "history": _history(runs.history),
        "command": sweep_command(runs),
        "detail": [_detail(run) for run in runs.itertuples()],
    }


def _fit_seconds(record: dict[str, Any]) -> float | None:
    return (record.get("seconds") or {}).get("fit")


def _detail(run: Any) -> dict[str, Any]:
    return {
        "fold": run.fold,
        "seed": int(run.seed),
        **{name: getattr(run, name) for name in SCORES},
        "val_ua": run.val_ua,
        "best_epoch": run.record.get("best_epoch"),
        "epochs": run.record.get("epochs"),
        "seconds": _fit_seconds(run.record),
        "folder": run.folder,
        "command": train_command(run),
    }


def _scores(runs: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Mean over folds, spread over runs, interval over speakers and seeds, and the score of all folds pooled.

    Resamples are of the pooled score, which exists for any set of speakers; the interval is moved to the mean over folds.
    Without predictions it is over folds, or over the seeds of a single fold.
    """
    by_speaker = runs.confusion.notna().all()
    pooled, observed, resampled, speakers = _pooled(runs) if by_speaker else ({}, {}, {}, 0)
    entry: dict[str, dict[str, float | None]] = {}
    for name in SCORES:
        values = unit_values(runs, name)
        mean = float(values.mean())
        if by_speaker:
            bounds = interval(resampled[name], observed[name], speakers)
            bounds = bounds and (bounds[0] - observed[name] + mean, bounds[1] - observed[name] + mean)
        else:
            bounds = mean_interval(values)
        entry[name] = {
            "mean": mean,
            "sd": float(runs[name].std()) if len(runs) > 1 else None,
            "low": max(0.0, bounds[0]) if bounds else None,
            "high": min(1.0, bounds[1]) if bounds else None,
            "pooled": pooled.get(name),
        }
    return entry


def _pooled(runs: pd.DataFrame) -> tuple[dict[str, float], dict[str, float], dict[str, Any], int]:
    """The scores of all folds together, as mean over the seeds that have all folds, as observed and in resamples; and how
    many speakers there are."""
    counts, speakers, owners, folds = cells(runs)
    flat = counts.reshape(len(counts), -1)
    shape = (-1, *counts.shape[1:])
    whole = runs.groupby("seed").filter(lambda one: one.fold.nunique() == runs.fold.nunique())
    by_seed = [np.concatenate(list(one.confusion)).sum(0) for _, one in whole.groupby("seed")]
    pooled = {name: float(value.mean()) for name, value in scores(np.stack(by_seed)).items()} if by_seed else {}
    observed = scores((cell_weights(owners, folds) @ flat).reshape(shape))
    resampled = scores((bootstrap_weights(speakers, owners, folds) @ flat).reshape(shape))
    return pooled, {name: float(observed[name][0]) for name in SCORES}, resampled, int(speakers.max()) + 1


def cells(runs: pd.DataFrame) -> tuple[Counts, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every speaker of every run.

    Returns:
        Confusion matrices ``(cells, classes, classes)``; speaker and run of each cell ``(cells,)``; fold of each run
        ``(runs,)``, all as numbers.
    """
    speakers = pd.factorize(runs.speakers.explode(), sort=True)[0]
    owners = np.repeat(np.arange(len(runs)), runs.speakers.map(len))
    return np.concatenate(list(runs.confusion)), speakers, owners, pd.factorize(runs.fold, sort=True)[0]


def _history(histories: pd.Series[Any]) -> dict[str, list[float]]:
    """Mean curves, as far as half of the runs went; beyond, the mean would be that of the runs that were not stopped."""
    known = [history for history in histories if history.get(CURVES[0])]
    if not known:
        return {}
    lengths = sorted(len(history[CURVES[0]]) for history in known)
    until = lengths[(len(lengths) - 1) // 2]
    curves: dict[str, list[float]] = {"epoch": list(range(until))}
    for curve in (name for name in CURVES if all(name in history for history in known)):
        values = pd.DataFrame(pd.Series(history[curve]) for history in known).iloc[:, :until]
        curves[curve] = values.mean().tolist()
        if curve == "val/ua":
            curves[f"{curve}_low"], curves[f"{curve}_high"] = values.min().tolist(), values.max().tolist()
    return curves


def versions(runs: pd.DataFrame) -> dict[str, str]:
    """Package -> its versions over all runs, the most frequent first."""
    table = pd.DataFrame([record.get("versions") or {} for record in runs.record])
    return {name: ", ".join(version for version, _ in Counter(table[name].dropna()).most_common()) for name in table}
