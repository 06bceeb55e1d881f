"""Configurations: runs that differ in fold and seed only, and their scores."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from hrf_ser.evaluation.scores import SCORES, scores
from hrf_ser.evaluation.statistics import interval, mean_interval, pooled_scores, unit_values
from hrf_ser.evaluation.variants import own_overrides, sweep_command, train_command, variants

LARGE = "_large"
ADDED = "added"  # the size of other systems
# In the order of a report; protocols with other names come before the last.
PROTOCOLS = ("validation", "last_epoch", "out_of_fold", "test_oracle")
PARTS = ["corpus", "protocol", "model", "rank", "variant"]
_DETAIL = ["fold", "seed", *SCORES, "val_ua", "best_epoch", "epochs", "seconds", "folder", "command"]
_NAMES = {
    "conv_transformer": "ConvTransformer",
    "speechformer": "SpeechFormer",
    **{"whisper_base": "Whisper base", "whisper_tiny": "Whisper tiny"},
    **{"wavlm": "WavLM", "hubert": "HuBERT", "wav2vec2": "wav2vec 2.0"},
}


def configure(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Name the configuration of every run.

    Returns:
        The runs in order of corpus, protocol, model family, size, rank, fold and seed, with the columns that name their
        configuration and a ``command``; and a sentence for every run that is there twice, of which the newer one counts.
    """
    runs = runs.assign(
        variant=variants(runs),
        family=runs.model.str.removesuffix(LARGE).where(~runs.added, runs.model),
        size=np.select([runs.added, runs.model.str.endswith(LARGE) | runs.pretrained], [ADDED, "large"], "light"),
        name=runs.model.map(model_name).where(~runs.added, runs.model),
        method=("HRF x" + runs["rank"].map("{:g}".format))
        .where(runs["rank"].notna(), "plain")
        .where(~runs.added, ADDED),
        command=[train_command(own_overrides(run.record), [run.fold], [run.seed]) for run in runs.itertuples()],
    )
    slug = runs.method.str.lower().str.replace(" x", "")
    runs["key"] = runs[["corpus", "protocol", "model"]].agg("/".join, axis=1) + "/" + slug
    runs["key"] += ("/" + runs.variant).where(runs.variant != "", "")
    runs["label"] = runs["name"] + (", " + runs.method).where(runs["rank"].notna(), "")
    runs["label"] += (", " + runs.variant).where(runs.variant != "", "")
    runs = runs.sort_values("written", kind="stable")
    cell = ["key", "fold", "seed"]
    newest = runs.drop_duplicates(cell, keep="last")
    older = runs.drop(newest.index).merge(newest[[*cell, "folder"]], on=cell, suffixes=("", "_newer"))
    doubles = [
        f"{run.folder} is the same run as {run.folder_newer} ({run.label}, fold {run.fold}, seed {run.seed}); "
        "the newer one counts."
        for run in older.itertuples()
    ]
    order = [run.Index for run in sorted(newest.itertuples(), key=_place)]
    return newest.loc[order].reset_index(drop=True), sorted(doubles)


def _place(run: Any) -> tuple[Any, ...]:
    place = run.corpus, protocol_place(run.protocol), run.family, run.size == "large", np.nan_to_num(run.rank)
    return *place, run.variant, natural(run.fold), run.seed


def natural(text: str) -> tuple[int, float, str]:
    """Sort key that puts fold 10 after fold 9, and names after numbers."""
    return (0, float(text), text) if text.isdecimal() else (1, 0.0, text)


def protocol_place(protocol: str) -> tuple[float, str]:
    """Sort key that puts ``validation`` first and ``test_oracle`` last."""
    return (PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS) - 1.5, protocol)


def model_name(model: str) -> str:
    family = model.removesuffix(LARGE)
    name = _NAMES.get(family) or "".join(part.capitalize() for part in family.split("_"))
    return f"{name} large" if model != family else name


def missing(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Folds and seeds that other configurations of the same corpus, protocol and variant have, and this one has not.

    Other systems have the folds of the runs, and their own seeds.
    """
    runs = runs[~runs.added]
    shared = ["corpus", "protocol", "variant"]
    cell = ["fold", "seed"]
    wanted = runs[["key", *shared]].drop_duplicates().merge(runs[[*shared, *cell]].drop_duplicates(), on=shared)
    found = wanted.merge(runs[["key", *cell]], how="left", indicator=True)
    lacking: list[dict[str, Any]] = found.loc[found["_merge"] == "left_only", ["key", *cell]].to_dict("records")
    order = list(runs.key.unique())
    return sorted(lacking, key=lambda entry: (order.index(entry["key"]), natural(entry["fold"]), entry["seed"]))


def summarise(runs: pd.DataFrame) -> dict[str, Any]:
    """The entry of one configuration in the report, without its latency."""
    first, last = runs.iloc[0], runs.iloc[-1].record
    labels = next(filter(None, runs.labels), ())
    counts = [matrices.sum(0) for matrices in runs.confusion.dropna()]
    confusion = pd.DataFrame(np.sum(counts, axis=0), labels) if counts else pd.DataFrame()
    correct = pd.Series(np.diagonal(confusion), confusion.index)
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
        "latency_ms": _given_latency(last),
        "recall": (correct / confusion.sum(axis=1)).to_dict(),
        "confusion": confusion.to_numpy(int).tolist(),
        "seconds": float(runs.seconds.mean()),
        "history": _history(runs.history),
        "command": sweep_command(runs),
        "detail": runs[_DETAIL].to_dict("records"),
    }


def _given_latency(record: dict[str, Any]) -> dict[str, float | None] | None:
    milliseconds = (record.get("added") or {}).get("milliseconds")
    return None if milliseconds is None else {"p50": milliseconds, "p95": None}


def _scores(runs: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Mean over folds, spread over runs, interval over speakers and seeds, and the score of all folds pooled.

    Resamples are of the pooled score, which exists for any set of speakers; the interval is moved to the mean over folds.
    Without predictions it is over folds, or over the seeds of a single fold. ``pooled`` is the mean over the seeds that have
    all folds.
    """
    by_speaker, pooled = runs.confusion.notna().all(), {}
    if by_speaker:
        observed, resampled, speakers = pooled_scores(runs)
        whole = runs.groupby("seed").filter(lambda one: one.fold.nunique() == runs.fold.nunique())
        by_seed = [np.concatenate(list(one.confusion)).sum(0) for _, one in whole.groupby("seed")]
        pooled = {name: float(value.mean()) for name, value in scores(np.stack(by_seed)).items()} if by_seed else {}
    entry: dict[str, dict[str, float | None]] = {}
    for name in SCORES:
        values = unit_values(runs, name)
        mean = float(values.mean())
        around = (
            interval(resampled[name], float(observed[name][0]), speakers, mean) if by_speaker else mean_interval(values)
        )
        entry[name] = {
            "mean": mean,
            "sd": float(runs[name].std()) if len(runs) > 1 else None,
            "low": max(0.0, around[0]) if around else None,
            "high": min(1.0, around[1]) if around else None,
            "pooled": pooled.get(name),
        }
    return entry


def _history(histories: pd.Series[Any]) -> dict[str, list[float]]:
    """Mean curves up to the last epoch of most runs; beyond, the mean would be that of the runs that were not stopped."""
    known = [pd.DataFrame(history) for history in histories if history]
    if not known:
        return {}
    by_epoch = pd.concat(known).groupby(level=0)
    curves = by_epoch.mean()
    if "val/ua" in curves:
        curves = curves.assign(**{"val/ua_low": by_epoch["val/ua"].min(), "val/ua_high": by_epoch["val/ua"].max()})
    kept = curves[by_epoch.size() * 2 > len(known)]
    return {"epoch": kept.index.tolist(), **kept.to_dict("list")}


def versions(runs: pd.DataFrame) -> dict[str, str]:
    """Package -> its versions over all runs, the most frequent first."""
    table = pd.DataFrame([record.get("versions") or {} for record in runs.record])
    return {name: ", ".join(version for version, _ in Counter(table[name].dropna()).most_common()) for name in table}
