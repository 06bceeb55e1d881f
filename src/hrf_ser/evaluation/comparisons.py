"""Paired differences over the same folds and seeds: HRF - plain, light - large, another setting - the usual one.

Where several light models or ranks were trained with HRF, all of them are tested together with one test, and each by itself
with Holm's correction: few folds may decide the one question where they decide none of the many. Settings are corrected by
themselves.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hrf_ser.evaluation.configurations import LARGE, PARTS
from hrf_ser.evaluation.statistics import (
    holm,
    interval,
    mean_interval,
    pooled_scores,
    sign_flip,
    smallest_p,
    unit_values,
)
from hrf_ser.evaluation.text import many, verdict

METRIC = "ua"
# Columns of a run that a comparison needs.
_SIDE = ["fold", "seed", METRIC, "folder", "speakers", "confusion"]


Part = tuple[pd.DataFrame, float]  # pairs of one comparison, and its share of the mean


class Comparison(NamedTuple):
    """Two configurations and their runs, one row per fold and seed that both have; columns of the second end in ``_b``."""

    kind: str
    label: str
    a: Any
    b: str
    pairs: pd.DataFrame


def compare_all(runs: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """Every comparison that the configurations allow, with Holm's correction.

    Args:
        runs: of :func:`hrf_ser.evaluation.configurations.configure`.

    Returns:
        The entries of the report, pooled ones first, then single ones, then settings; and a sentence for each that is missing
        or impaired.
    """
    configurations = runs.drop_duplicates("key")[["key", "label", "name", "method", "family", "size", *PARTS]]
    candidates = _candidates(configurations)
    by_key = dict(list(runs.set_index("key")[_SIDE].groupby(level="key")))
    sentences: list[str] = []
    compared: list[Comparison] = []
    for one in candidates.itertuples():
        pairs = by_key[one.key].merge(by_key[one.key_b], on=["fold", "seed"], suffixes=("", "_b"))
        pairs["difference"] = pairs[METRIC] - pairs[f"{METRIC}_b"]
        uneven = _uneven(pairs)
        if one.kind != "setting":
            if not len(pairs):
                sentences.append(
                    f"{one.label} and {one.label_b} have no fold and seed in common: they are not compared."
                )
            sentences.extend([uneven] if uneven else [])
        if len(pairs) and not (one.kind == "setting" and uneven):
            compared.append(Comparison(one.kind, _label(one), one, one.key_b, pairs))
    sentences += _unmatched(configurations, candidates)
    pooled = []
    light = [one for one in compared if one.kind == "hrf" and one.a.size == "light"]
    for place in dict.fromkeys((one.a.corpus, one.a.protocol) for one in light):
        members = [one for one in light if (one.a.corpus, one.a.protocol) == place]
        entry, sentence = _pool(members)
        pooled += [entry] if entry else []
        sentences += [sentence] if sentence else []
    entries = [(one.kind == "setting", _entry(one)) for one in compared]
    families = (pooled, [e for setting, e in entries if not setting], [e for setting, e in entries if setting])
    for family in families:
        for entry, p in zip(family, holm([entry["p"] for entry in family]), strict=True):
            entry |= {"p_holm": p, "tests": len(family)}
            entry["verdict"] = verdict(entry)
    return [entry for family in families for entry in family], sentences


def _candidates(configurations: pd.DataFrame) -> pd.DataFrame:
    """Configurations that may be compared: ``kind``, the columns of the first, and those of the second with ``_b``."""
    place = ["corpus", "protocol"]
    one = configurations.assign(
        # Options of the factors mean nothing to a plain model.
        plain_variant=[
            ", ".join(w for w in v.split(", ") if not w.startswith("reparam.")) for v in configurations.variant
        ],
        larger=configurations.model + LARGE,
    )
    plain = configurations[configurations["rank"].isna()]
    usual = configurations.variant == ""
    of_plain: dict[str, Any] = {"suffixes": ("", "_b"), "right_on": [*place, "model", "variant"]}
    hrf = one[one["rank"].notna()].merge(plain, left_on=[*place, "model", "plain_variant"], **of_plain)
    size = one.merge(plain, left_on=[*place, "larger", "plain_variant"], **of_plain)
    setting = one[~usual].merge(configurations[usual], on=[*place, "model", "rank"], suffixes=("", "_b"))
    return pd.concat([hrf.assign(kind="hrf"), size.assign(kind="size"), setting.assign(kind="setting")])


def _label(one: Any) -> str:
    hrf = not pd.isna(one.rank)
    if one.kind == "setting":
        return f"{one.name}{f', {one.method}' if hrf else ''}: {one.variant} - usual"
    left = one.method if hrf else "light"
    right = "large" if one.kind == "size" else "light" if one.size == "light" else "plain"
    return f"{one.name}: {left} - {right}{f', {one.variant}' if one.variant else ''}"


def _entry(one: Comparison) -> dict[str, Any]:
    """The report's entry of one comparison, without Holm's correction and the verdict."""
    return {
        "key": f"{one.a.key} - {one.b}",
        "label": one.label,
        "kind": one.kind,
        "corpus": one.a.corpus,
        "protocol": one.a.protocol,
        "model": one.a.model,
        "rank": None if pd.isna(one.a.rank) else one.a.rank,
        "a": one.a.key,
        "b": one.b,
        **_measured([(one.pairs, 1.0)]),
    }


def _pool(members: Sequence[Comparison]) -> tuple[dict[str, Any] | None, str | None]:
    """HRF - light over all models and ranks of a corpus, on the folds that all of them have.

    Every model counts the same, at however many ranks it was trained, and every fold, with however many seeds. Of a single
    fold, whose seeds are the units, the seeds that all have are taken.

    Returns:
        The entry, without Holm's correction and the verdict, and a sentence where one comparison leaves the others fewer
        folds.
    """
    folds = [set(one.pairs.fold) for one in members]
    shared, most = set.intersection(*folds), max(map(len, folds))
    unit = ["fold"] if len(shared) != 1 else ["fold", "seed"]
    common = functools.reduce(pd.merge, [one.pairs[unit].drop_duplicates() for one in members])
    sentence = None
    if len(shared) < most:
        fewest = min(members, key=lambda one: one.pairs.fold.nunique())
        on = f"are pooled on {many(len(shared), 'fold')} only" if shared else "are not pooled"
        sentence = (
            f"All {len(members)} comparisons of HRF with light {on}: {fewest.a.label} has {fewest.pairs.fold.nunique()} of "
            f"the {most} folds of others."
        )
    if len(members) < 2 or common.empty:
        return None, sentence
    of_model = Counter(one.a.model for one in members)
    first = members[0].a
    entry = {
        "key": f"{first.corpus}/{first.protocol}: HRF - light",
        "label": f"All {len(members)} together: HRF - light",
        "kind": "pooled",
        "corpus": first.corpus,
        "protocol": first.protocol,
        **dict.fromkeys(("model", "rank", "a", "b")),
        **_measured([(one.pairs.merge(common), 1 / len(of_model) / of_model[one.a.model]) for one in members]),
    }
    return entry, sentence


def _measured(parts: Sequence[Part]) -> dict[str, Any]:
    """The difference with its interval and test; of several comparisons the mean, weighted by their shares.

    Folds count the same, however many seeds each has.
    """
    points = _points(parts)
    units = unit_values(points, "difference")
    mean = float(units.mean())
    # Where the sides were tested on other speakers, there are no pairs of speakers to resample.
    by_speaker = _same_speakers(parts)
    low, high = (_interval(parts, mean) if by_speaker else mean_interval(units)) or (None, None)
    unit = "fold" if points.fold.nunique() > 1 else "seed"
    return {
        "metric": METRIC,
        "pairs": sum(len(pairs) for pairs, _ in parts),
        "unit": unit,
        "units": len(units),
        "interval_over": "speakers" if by_speaker else f"{unit}s",
        "difference": mean,
        "low": low,
        "high": high,
        "p": sign_flip(units),
        "smallest_p": smallest_p(len(units)),
        "per_pair": points.to_dict("records"),
    }


def _points(parts: Sequence[Part]) -> pd.DataFrame:
    """``fold``, ``seed`` and ``difference``; of several comparisons on several folds the seed is None."""
    by_seed = len(parts) == 1 or parts[0][0].fold.nunique() == 1
    unit = ["fold", "seed"] if by_seed else ["fold"]
    means = [pairs.groupby(unit, sort=False).difference.mean() * share for pairs, share in parts]
    points = pd.concat(means).groupby(level=unit, sort=False).sum().reset_index()
    return (points if by_seed else points.assign(seed=None))[["fold", "seed", "difference"]]


def _interval(parts: Sequence[Part], mean: float) -> tuple[float, float] | None:
    """The interval of the difference: all sides are scored on the same resampled speakers, each pair on the same seeds."""
    observed, resampled = 0.0, np.zeros(1)
    for pairs, share in parts:
        for column, sign in (("confusion", share), ("confusion_b", -share)):
            seen, drawn, speakers = pooled_scores(pairs, column)
            observed += sign * float(seen[METRIC][0])
            resampled = resampled + sign * drawn[METRIC]
    return interval(resampled, observed, speakers, mean)


def _same_speakers(parts: Sequence[Part]) -> bool:
    """Whether all sides of all pairs were tested on the same speakers and classes of each fold."""
    sides = pd.concat(
        pairs[["fold", f"speakers{side}", f"confusion{side}"]].set_axis(["fold", "speakers", "confusion"], axis=1)
        for pairs, _ in parts
        for side in ("", "_b")
    )
    if sides.confusion.isna().any():
        return False
    tested = pd.Series([*zip(sides.speakers, (matrix.shape for matrix in sides.confusion), strict=True)])
    return bool((tested.groupby(sides.fold.to_numpy()).nunique() == 1).all())


def _uneven(pairs: pd.DataFrame) -> str | None:
    """A sentence where a pair was not scored on the same utterances."""
    for pair in pairs.itertuples():
        if pair.confusion is None or pair.confusion_b is None:
            continue
        # Utterances by speaker and class.
        if pair.speakers != pair.speakers_b or not np.array_equal(pair.confusion.sum(2), pair.confusion_b.sum(2)):
            return (
                f"{pair.folder} and {pair.folder_b} were scored on different utterances: their difference is not only the "
                "model's."
            )
    return None


def _unmatched(configurations: pd.DataFrame, candidates: pd.DataFrame) -> list[str]:
    """A sentence for each HRF configuration whose plain counterpart exists under other settings only."""
    place = ["corpus", "protocol", "model"]
    plain = pd.MultiIndex.from_frame(configurations.loc[configurations["rank"].isna(), place])
    has_plain = pd.MultiIndex.from_frame(configurations[place]).isin(plain) & configurations["rank"].notna()
    matched = configurations.key.isin(candidates.key[candidates.kind == "hrf"])
    return [
        f"{label} has no plain counterpart with the same settings: it is not compared."
        for label in configurations.label[has_plain & ~matched]
    ]
