"""Paired differences between configurations: HRF - plain, and light - large, over the same folds and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hrf_ser.evaluation.configurations import Configuration, cells, fold_means, seed_of, unit_values
from hrf_ser.evaluation.run import LARGE, Run, natural
from hrf_ser.evaluation.scores import scores
from hrf_ser.evaluation.sentences import verdict
from hrf_ser.evaluation.statistics import (
    bootstrap_weights,
    cell_weights,
    holm,
    interval,
    mean_interval,
    power,
    sign_flip,
    smallest_p,
)

METRIC = "ua"
# Two points of UA: what published light models differ by, so what a study should be able to see.
PLANTED = 0.02


def compare_all(configurations: Sequence[Configuration]) -> tuple[list[dict[str, Any]], list[str]]:
    """Every comparison that the configurations allow, with Holm's correction over all of them.

    Returns:
        The entries of the report, and a sentence for each that is missing or impaired.
    """
    entries, sentences = [], []
    for kind, one, other in _pairs(configurations):
        pairs = sorted(one.runs.keys() & other.runs.keys(), key=lambda pair: (natural(pair[0]), pair[1]))
        if not pairs:
            sentences.append(f"{one.label} and {other.label} have no fold and seed in common: they are not compared.")
            continue
        if uneven := _uneven(one, other, pairs):
            sentences.append(uneven)
        entries.append(_compare(kind, one, other, pairs))
    sentences.extend(_apart(configurations))
    adjusted = holm([entry["p"] for entry in entries])
    for entry, p in zip(entries, adjusted, strict=True):
        entry["p_holm"] = p
        entry["verdict"] = verdict(entry, len(entries))
    return entries, sentences


def _pairs(configurations: Sequence[Configuration]) -> list[tuple[str, Configuration, Configuration]]:
    """(kind, one, other) for HRF - plain of a model, then light - large."""
    by_parts = {(c.corpus, c.protocol, c.model, c.rank, c.variant): c for c in configurations}
    found = []
    for one in configurations:
        plain = by_parts.get((one.corpus, one.protocol, one.model, None, one.variant_of_plain))
        if one.rank is not None and plain is not None:
            found.append(("hrf", one, plain))
    for one in configurations:
        large = by_parts.get((one.corpus, one.protocol, one.model + LARGE, None, one.variant_of_plain))
        if large is not None:
            found.append(("size", one, large))
    return found


def _compare(kind: str, one: Configuration, other: Configuration, pairs: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """One comparison, but for Holm's correction and the verdict."""
    differences = {pair: one.runs[pair].score(METRIC) - other.runs[pair].score(METRIC) for pair in pairs}
    values = np.array(list(differences.values()))
    units = unit_values(differences)
    key = f"{one.key} - {other.key}"
    # Where the sides were tested on other speakers, there is nothing to resample in pairs.
    heard = all(_comparable(one.runs[pair], other.runs[pair]) for pair in pairs)
    mean = float(values.mean())
    bounds = _bounds(one, other, pairs, mean, key) if heard else mean_interval(units, seed_of(key))
    spread = float(units.std(ddof=1)) if len(units) > 1 else None
    left = "light" if one.rank is None else one.arm
    right = "large" if kind == "size" else "light" if one.size == "light" else "plain"
    variant = f", {one.variant}" if one.variant else ""
    return {
        "key": key,
        "label": f"{one.name}: {left} - {right}{variant}",
        "kind": kind,
        "corpus": one.corpus,
        "protocol": one.protocol,
        "model": one.model,
        "rank": one.rank,
        "a": one.key,
        "b": other.key,
        "metric": METRIC,
        "pairs": len(pairs),
        "unit": "fold" if len(fold_means(differences)) > 1 else "seed",
        "units": len(units),
        "interval_over": "speakers" if heard else "folds" if len(fold_means(differences)) > 1 else "seeds",
        "difference": mean,
        "low": bounds[0] if bounds else None,
        "high": bounds[1] if bounds else None,
        "p": sign_flip(units, seed_of(key)),
        "smallest_p": smallest_p(len(units)),
        "power": None if spread is None else {"difference": PLANTED, "power": power(PLANTED, spread, len(units))},
        "per_pair": [{"fold": fold, "seed": seed, "difference": value} for (fold, seed), value in differences.items()],
    }


def _bounds(
    one: Configuration, other: Configuration, pairs: Sequence[tuple[str, int]], mean: float, key: str
) -> tuple[float, float] | None:
    """The interval of the difference: both sides are scored on the same resampled speakers and seeds."""
    counts, speakers, owners, folds = cells([one.runs[pair] for pair in pairs])
    counts_right, *_ = cells([other.runs[pair] for pair in pairs])
    size = counts.shape[-1]
    sides = [side.reshape(len(side), -1) for side in (counts, counts_right)]
    weights = bootstrap_weights(speakers, owners, folds, seed_of(key))

    def difference(weight: Any) -> Any:
        a, b = (scores((weight @ side).reshape(-1, size, size))[METRIC] for side in sides)
        return a - b

    observed = float(difference(cell_weights(owners, folds))[0])
    bounds = interval(difference(weights), observed, int(speakers.max()) + 1)
    return bounds and (bounds[0] - observed + mean, bounds[1] - observed + mean)


def _comparable(a: Run, b: Run) -> bool:
    return (
        a.counts is not None and b.counts is not None and a.speakers == b.speakers and a.counts.shape == b.counts.shape
    )


def _uneven(one: Configuration, other: Configuration, pairs: Sequence[tuple[str, int]]) -> str | None:
    """A sentence where a pair was not scored on the same utterances."""
    for fold, seed in pairs:
        a, b = one.runs[fold, seed], other.runs[fold, seed]
        if a.counts is None or b.counts is None:
            continue
        if not _comparable(a, b) or (a.counts.sum(2) != b.counts.sum(2)).any():
            return f"{a.folder} and {b.folder} were scored on different utterances: their difference is not only the model's."
    return None


def _apart(configurations: Sequence[Configuration]) -> list[str]:
    """A sentence for each HRF configuration whose plain twin exists under other settings only."""
    plain = {(c.corpus, c.protocol, c.model): c for c in configurations if c.rank is None}
    matched = {(c.corpus, c.protocol, c.model, c.variant) for c in configurations if c.rank is None}
    return [
        f"{one.label} has no plain counterpart with the same settings: it is not compared."
        for one in configurations
        if one.rank is not None
        and (one.corpus, one.protocol, one.model, one.variant_of_plain) not in matched
        and (one.corpus, one.protocol, one.model) in plain
    ]
