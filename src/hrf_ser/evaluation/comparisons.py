"""Paired differences over the same folds and seeds: HRF - plain, light - large, another setting - the usual one, a model -
another system or a pretrained encoder.

Where several light models or ranks were trained with HRF, all of them are tested together with one test, and each by itself
with Holm's correction: few folds may decide the one question where they decide none of the many. Settings are corrected by
themselves, and so are comparisons with other systems.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hrf_ser.evaluation.configurations import ADDED, LARGE
from hrf_ser.evaluation.statistics import (
    holm,
    interval,
    mean_interval,
    pooled_scores,
    sign_flip,
    smallest_p,
    unit_values,
)
from hrf_ser.evaluation.text import Entry, sentence

METRIC = "ua"
_PLACE = ["corpus", "protocol"]


def compare_all(runs: pd.DataFrame) -> tuple[list[Entry], list[str]]:
    """Every comparison that the configured runs allow, with Holm's correction.

    Returns:
        The entries of the report, pooled ones first, then single ones, settings and other systems; and a warning for each that
        is missing or impaired.
    """
    configurations = runs.drop_duplicates("key")
    candidates = _candidates(configurations)
    pairs, warnings = _pairs(candidates, runs)
    warnings += _unmatched(configurations, candidates)
    pooled = []
    for _, members in pairs[(pairs.kind == "hrf") & (pairs["size"] == "light")].groupby(_PLACE, sort=False):
        entry, narrowed = _pool(members)
        pooled += [entry] if entry else []
        warnings += [narrowed] if narrowed else []
    single = [_entry(members) for _, members in pairs.groupby("comparison", sort=False)]
    questions = [entry for entry in single if entry["kind"] in ("hrf", "size")]
    settings, added = ([entry for entry in single if entry["kind"] == kind] for kind in ("setting", ADDED))
    for family in (pooled, questions, settings, added):
        for entry, p in zip(family, holm([entry["p"] for entry in family]), strict=True):
            entry |= {"p_holm": p, "tests": len(family)}
            entry["verdict"] = sentence("verdict", entry)
    return [*pooled, *questions, *settings, *added], warnings


def _candidates(configurations: pd.DataFrame) -> pd.DataFrame:
    """Pairs of configurations that may be compared, one a row; columns of the second end in ``_b``."""
    systems = configurations[configurations["size"] == ADDED]
    configurations = configurations.drop(systems.index)
    encoders = configurations[
        configurations.pretrained & configurations["rank"].isna() & (configurations.variant == "")
    ]
    first = configurations.assign(
        # Options of the factors mean nothing to a plain model.
        plain_variant=[
            ", ".join(override for override in variant.split(", ") if not override.startswith("reparam."))
            for variant in configurations.variant
        ],
        larger=configurations.model + LARGE,
    )
    has_hrf, usual = configurations["rank"].notna(), configurations.variant == ""

    def with_plain(first: pd.DataFrame, model: str) -> pd.DataFrame:
        left, right = [*_PLACE, model, "plain_variant"], [*_PLACE, "model", "variant"]
        return first.merge(configurations[~has_hrf], left_on=left, right_on=right, suffixes=("", "_b"))

    setting = first[~usual].merge(configurations[usual], on=[*_PLACE, "model", "rank"], suffixes=("", "_b"))
    found = pd.concat(
        [
            with_plain(first[has_hrf], "model").assign(kind="hrf"),
            with_plain(first, "larger").assign(kind="size"),
            setting.assign(kind="setting"),
            first[usual].merge(systems, on=_PLACE, suffixes=("", "_b")).assign(kind=ADDED),
            first[usual & ~first.pretrained].merge(encoders, on=_PLACE, suffixes=("", "_b")).assign(kind=ADDED),
        ]
    )
    return found.assign(comparison=found.key + " - " + found.key_b, title=[_title(one) for one in found.itertuples()])


def _title(one: Any) -> str:
    """What is compared, such as ``Conformer: HRF x4 - light``."""
    hrf = not pd.isna(one.rank)
    if one.kind == ADDED:
        return f"{one.label} - {one.label_b}"
    if one.kind == "setting":
        return f"{one.name}{f', {one.method}' if hrf else ''}: {one.variant} - usual"
    left = one.method if hrf else "light"
    right = "large" if one.kind == "size" else "light" if one.size == "light" else "plain"
    return f"{one.name}: {left} - {right}{f', {one.variant}' if one.variant else ''}"


def _pairs(candidates: pd.DataFrame, runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row per candidate, fold and seed that both sides have, with their ``difference``; and what could not be paired."""
    sides = _with_every_seed(runs)[["key", "fold", "seed", METRIC, "folder", "speakers", "confusion"]]
    columns = ["kind", "comparison", "title", "label", "label_b", "key", "key_b", *_PLACE, "model", "rank", "size"]
    pairs = candidates[columns].merge(sides, on="key")
    second = sides.add_suffix("_b").rename(columns={"fold_b": "fold", "seed_b": "seed"})
    pairs = pairs.merge(second, on=["key_b", "fold", "seed"])
    pairs["difference"] = pairs[METRIC] - pairs[f"{METRIC}_b"]
    lone = candidates[~candidates.comparison.isin(pairs.comparison) & (candidates.kind != "setting")]
    even = np.array([_same_utterances(pair) for pair in pairs.itertuples()], dtype=bool)
    uneven = pairs[~even & (pairs.kind != "setting")].drop_duplicates("comparison")
    return pairs[even], [
        f"{one.label} and {one.label_b} have no fold and seed in common: they are not compared."
        for one in lone.itertuples()
    ] + [
        f"{pair.folder} and {pair.folder_b} were scored on different utterances: they are not compared."
        for pair in uneven.itertuples()
    ]


def _with_every_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, in which predictions without a seed stand once for every seed that the other runs of their fold have."""
    cells = runs.loc[~runs.every_seed, [*_PLACE, "fold", "seed"]].drop_duplicates()
    repeated = runs[runs.every_seed].drop(columns="seed").merge(cells, on=[*_PLACE, "fold"])
    return pd.concat([runs[~runs.every_seed], repeated])


def _same_utterances(pair: Any) -> bool:
    """Whether both runs have the same utterances of each speaker and class, as far as they have predictions."""
    if pair.confusion is None or pair.confusion_b is None:
        return True
    return pair.speakers == pair.speakers_b and np.array_equal(pair.confusion.sum(2), pair.confusion_b.sum(2))


def _unmatched(configurations: pd.DataFrame, candidates: pd.DataFrame) -> list[str]:
    """A sentence for each HRF configuration whose plain counterpart exists under other settings only."""
    has_hrf = configurations["rank"].notna()
    lone = configurations[has_hrf & ~configurations.key.isin(candidates.key[candidates.kind == "hrf"])]
    plain = configurations.loc[~has_hrf, [*_PLACE, "model"]].drop_duplicates()
    return [
        f"{label} has no plain counterpart with the same settings: it is not compared."
        for label in lone.merge(plain).label
    ]


def _entry(pairs: pd.DataFrame) -> Entry:
    """The report's entry of one comparison, without Holm's correction and the verdict."""
    first = pairs.iloc[0]
    return {
        "key": first.comparison,
        "label": first.title,
        "kind": first.kind,
        **first[[*_PLACE, "model"]],
        "rank": None if pd.isna(first["rank"]) else float(first["rank"]),
        "a": first.key,
        "b": first.key_b,
        "sides": [first.label, first.label_b],
        **_measured(pairs),
    }


def _pool(pairs: pd.DataFrame) -> tuple[Entry | None, str | None]:
    """HRF - light over all models and ranks of a corpus, on the folds that all of them have; of a single fold, on its seeds.

    Every model counts the same, at however many ranks it was trained, and every fold, with however many seeds.

    Returns:
        The entry, without Holm's correction and the verdict, and a warning where one comparison leaves the others fewer
        folds.
    """
    folds = pairs.groupby("label", sort=False).fold.nunique()
    members = len(folds)
    shared = pairs[pairs.groupby("fold").comparison.transform("nunique") == members]
    if shared.fold.nunique() == 1:
        shared = shared[shared.groupby("seed").comparison.transform("nunique") == members]
    narrowed = shared.fold.nunique(), folds.idxmin(), folds.min(), folds.max()
    warning = sentence("narrowed", members, *narrowed) if shared.fold.nunique() < folds.max() else None
    if members < 2 or shared.empty:
        return None, warning
    first = shared.iloc[0]
    entry = {
        "key": f"{first.corpus}/{first.protocol}: HRF - light",
        "label": f"All {members} together: HRF - light",
        "kind": "pooled",
        **first[_PLACE],
        **dict.fromkeys(("model", "rank", "a", "b")),
        **_measured(shared),
    }
    return entry, warning


def _measured(pairs: pd.DataFrame) -> Entry:
    """The difference with its interval and test; of several comparisons the mean, in which every model counts the same.

    Folds count the same, however many seeds each has.
    """
    of_model = pairs.groupby("model", sort=False).comparison.nunique()
    share = 1 / len(of_model) / of_model
    by_seed = pairs.fold.nunique() == 1 or pairs.comparison.nunique() == 1
    unit = ["fold", "seed"] if by_seed else ["fold"]
    means = pairs.groupby(["model", "comparison", *unit], sort=False).difference.mean()
    points = means.mul(share, level="model").groupby(unit, sort=False).sum().reset_index(name="difference")
    units = unit_values(points, "difference")
    mean = float(units.mean())
    # Without predictions, or where speakers of a fold differ, there are no pairs of speakers to resample.
    by_speaker = pairs[["confusion", "confusion_b"]].notna().all(axis=None) and (
        pairs.groupby("fold").speakers.nunique().max() == 1
    )
    low, high = (_interval(pairs, share, mean) if by_speaker else mean_interval(units)) or (None, None)
    name = "fold" if points.fold.nunique() > 1 else "seed"
    return {
        "metric": METRIC,
        "pairs": len(pairs),
        "unit": name,
        "units": len(units),
        "interval_over": "speakers" if by_speaker else f"{name}s",
        "difference": mean,
        "low": low,
        "high": high,
        "p": sign_flip(units),
        "smallest_p": smallest_p(len(units)),
        "per_pair": points.assign(seed=points.seed if by_seed else None)[["fold", "seed", "difference"]].to_dict(
            "records"
        ),
    }


def _interval(pairs: pd.DataFrame, share: pd.Series[float], mean: float) -> tuple[float, float] | None:
    """The interval of the difference: all sides are scored on the same resampled speakers, each pair on the same seeds."""
    observed, resampled = 0.0, np.zeros(1)
    for (model, _), members in pairs.groupby(["model", "comparison"], sort=False):
        for column, sign in (("confusion", share[model]), ("confusion_b", -share[model])):
            seen, drawn, speakers = pooled_scores(members, column)
            observed += sign * float(seen[METRIC][0])
            resampled = resampled + sign * drawn[METRIC]
    return interval(resampled, observed, speakers, mean)
