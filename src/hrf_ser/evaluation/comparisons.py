"""Paired differences over the same folds and seeds: HRF - plain, light - large, another setting - the usual one.

Where several light models or ranks were trained with HRF, "does it help?" is asked of all together, with one test, and of each
by itself, with Holm's correction: few folds may answer the one question where they answer none of the many. What settings give
is a question of its own, corrected by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrf_ser.evaluation.configurations import Configuration, cells, fold_means, seed_of, unit_values
from hrf_ser.evaluation.run import LARGE, Run, natural
from hrf_ser.evaluation.scores import scores
from hrf_ser.evaluation.sentences import many, verdict
from hrf_ser.evaluation.statistics import (
    BOOTSTRAPS,
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

# Folds and seeds, in order.
Pairs = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class _Twins:
    """Two configurations that are compared, on which folds and seeds, and their share of the whole."""

    one: Configuration
    other: Configuration
    pairs: Pairs
    share: float = 1.0

    def differences(self) -> dict[tuple[str, int], float]:
        return {pair: self.one.runs[pair].score(METRIC) - self.other.runs[pair].score(METRIC) for pair in self.pairs}

    def folds(self) -> set[str]:
        return {fold for fold, _ in self.pairs}


def compare_all(configurations: Sequence[Configuration]) -> tuple[list[dict[str, Any]], list[str]]:
    """Every comparison that the configurations allow, with Holm's correction: of pooled, single ones, settings.

    Returns:
        The entries of the report in this order, and a sentence for each that is missing or impaired.
    """
    entries, sentences = [], []
    light: dict[tuple[str, str], list[_Twins]] = defaultdict(list)
    for kind, one, other in _pairs(configurations):
        pairs = _common(one, other)
        if not pairs:
            sentences.append(f"{one.label} and {other.label} have no fold and seed in common: they are not compared.")
            continue
        if uneven := _uneven(one, other, pairs):
            sentences.append(uneven)
        entries.append(_compare(kind, one, other, pairs))
        if kind == "hrf" and one.size == "light":
            light[one.corpus, one.protocol].append(_Twins(one, other, pairs))
    sentences.extend(_apart(configurations))
    pooled = [entry for members in light.values() if (entry := _pool(members)) is not None]
    sentences.extend(said for members in light.values() if (said := _narrowed(members)) is not None)
    settings = list(_settings(configurations))
    for family in (pooled, entries, settings):
        for entry, p in zip(family, holm([entry["p"] for entry in family]), strict=True):
            entry |= {"p_holm": p, "tests": len(family)}
            entry["verdict"] = verdict(entry)
    return [*pooled, *entries, *settings], sentences


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


def _common(one: Configuration, other: Configuration) -> Pairs:
    """Folds and seeds that both have."""
    return sorted(set(one.runs) & set(other.runs), key=lambda pair: (natural(pair[0]), pair[1]))


def _settings(configurations: Sequence[Configuration]) -> Iterator[dict[str, Any]]:
    """Every configuration with another setting against the usual ones, where both were scored on the same utterances."""
    usual = {(c.corpus, c.protocol, c.model, c.rank): c for c in configurations if not c.variant}
    for one in configurations:
        other = usual.get((one.corpus, one.protocol, one.model, one.rank))
        if not one.variant or other is None:
            continue
        pairs = _common(one, other)
        if pairs and not _uneven(one, other, pairs):
            yield _compare("setting", one, other, pairs)


def _compare(kind: str, one: Configuration, other: Configuration, pairs: Pairs) -> dict[str, Any]:
    """One comparison, but for Holm's correction and the verdict."""
    if kind == "setting":
        arm = "" if one.rank is None else f", {one.arm}"
        label = f"{one.name}{arm}: {one.variant} - usual"
    else:
        left = "light" if one.rank is None else one.arm
        right = "large" if kind == "size" else "light" if one.size == "light" else "plain"
        label = f"{one.name}: {left} - {right}{f', {one.variant}' if one.variant else ''}"
    key = f"{one.key} - {other.key}"
    return {
        "key": key,
        "label": label,
        "kind": kind,
        "corpus": one.corpus,
        "protocol": one.protocol,
        "model": one.model,
        "rank": one.rank,
        "a": one.key,
        "b": other.key,
        **_measured([_Twins(one, other, pairs)], key),
    }


def _pool(members: Sequence[_Twins]) -> dict[str, Any] | None:
    """HRF - light over all models and ranks of a corpus, on the folds that all of them have.

    Every model counts the same, at however many ranks it was trained, and every fold, with however many seeds. Of a single
    fold, whose seeds are the units, the seeds that all have are taken.

    Returns:
        The entry, but for Holm's correction and the verdict; None where there is nothing to take together.
    """
    shared = set.intersection(*(twins.folds() for twins in members))
    if len(shared) == 1:
        kept = set.intersection(*(set(twins.pairs) for twins in members))
    else:
        kept = {pair for twins in members for pair in twins.pairs}
    kept = {(fold, seed) for fold, seed in kept if fold in shared}
    if len(members) < 2 or not kept:
        return None
    of_model = Counter(twins.one.model for twins in members)
    parts = [
        _Twins(
            twins.one,
            twins.other,
            [pair for pair in twins.pairs if pair in kept],
            1 / len(of_model) / of_model[twins.one.model],
        )
        for twins in members
    ]
    first = members[0].one
    key = f"{first.corpus}/{first.protocol}: HRF - light"
    return {
        "key": key,
        "label": f"All {len(members)} together: HRF - light",
        "kind": "pooled",
        "corpus": first.corpus,
        "protocol": first.protocol,
        "model": None,
        "rank": None,
        "a": None,
        "b": None,
        **_measured(parts, key),
    }


def _narrowed(members: Sequence[_Twins]) -> str | None:
    """A sentence where one comparison leaves the others fewer folds to be taken together on."""
    folds = [len(twins.folds()) for twins in members]
    shared = len(set.intersection(*(twins.folds() for twins in members)))
    if shared == max(folds):
        return None
    fewest = members[folds.index(min(folds))].one
    on = f"are taken together on {many(shared, 'fold')} only" if shared else "are not taken together"
    return (
        f"All {len(members)} comparisons of HRF with light {on}: {fewest.label} has {min(folds)} of the "
        f"{max(folds)} that others have."
    )


def _measured(parts: Sequence[_Twins], key: str) -> dict[str, Any]:
    """The difference, its interval and test: what every kind of comparison says.

    Folds count the same, however many seeds each has.
    """
    points = _points(parts)
    units = unit_values(points)
    # Where the sides were tested on other speakers, there is nothing to resample in pairs.
    reference = {fold: parts[0].one.runs[fold, seed] for fold, seed in parts[0].pairs}
    heard = all(
        _comparable(reference[fold], side.runs[fold, seed])
        for twins in parts
        for side in (twins.one, twins.other)
        for fold, seed in twins.pairs
    )
    mean = float(units.mean())
    bounds = _bounds(parts, mean, key) if heard else mean_interval(units, seed_of(key))
    spread = float(units.std(ddof=1)) if len(units) > 1 else None
    folded = len(reference) > 1
    return {
        "metric": METRIC,
        "pairs": sum(len(twins.pairs) for twins in parts),
        "unit": "fold" if folded else "seed",
        "units": len(units),
        "interval_over": "speakers" if heard else "folds" if folded else "seeds",
        "difference": mean,
        "low": bounds[0] if bounds else None,
        "high": bounds[1] if bounds else None,
        "p": sign_flip(units, seed_of(key)),
        "smallest_p": smallest_p(len(units)),
        "power": None if spread is None else {"difference": PLANTED, "power": power(PLANTED, spread, len(units))},
        "per_pair": [{"fold": fold, "seed": seed, "difference": value} for (fold, seed), value in points.items()],
    }


def _points(parts: Sequence[_Twins]) -> dict[tuple[str, int | None], float]:
    """(fold, seed) -> difference; of several comparisons on several folds (fold, None) -> their weighted mean."""
    points: dict[tuple[str, int | None], float] = defaultdict(float)
    by_fold = len(parts) > 1 and len(parts[0].folds()) > 1
    for twins in parts:
        differences = twins.differences()
        if by_fold:
            for fold, value in fold_means(differences).items():
                points[fold, None] += twins.share * value
        else:
            for pair, value in differences.items():
                points[pair] += twins.share * value
    return dict(points)


def _bounds(parts: Sequence[_Twins], mean: float, key: str) -> tuple[float, float] | None:
    """The interval of the difference: all sides are scored on the same resampled speakers, and each pair on the same seeds."""
    # Every rank of a model has the same plain one beside it, mostly on the same folds and seeds.
    shares: dict[tuple[str, tuple[tuple[str, int], ...]], float] = defaultdict(float)
    sides: dict[str, Configuration] = {}
    for twins in parts:
        for side, signed in ((twins.one, twins.share), (twins.other, -twins.share)):
            shares[side.key, tuple(twins.pairs)] += signed
            sides[side.key] = side
    weighed: dict[tuple[tuple[str, int], ...], tuple[Any, Any]] = {}
    observed, resampled, speakers = 0.0, np.zeros(BOOTSTRAPS), 0
    for (name, pairs), share in shares.items():
        counts, of_cell, owners, folds = cells([sides[name].runs[pair] for pair in pairs])
        if pairs not in weighed:
            # One seed for all: the same speakers are drawn, whatever the runs.
            weighed[pairs] = (cell_weights(owners, folds), bootstrap_weights(of_cell, owners, folds, seed_of(key)))
            speakers = int(of_cell.max()) + 1
        flat = counts.reshape(len(counts), -1)
        seen, drawn = (scores((w @ flat).reshape(-1, *counts.shape[1:]))[METRIC] for w in weighed[pairs])
        observed += share * float(seen[0])
        resampled += share * drawn
    bounds = interval(resampled, observed, speakers)
    return bounds and (bounds[0] - observed + mean, bounds[1] - observed + mean)


def _comparable(a: Run, b: Run) -> bool:
    return (
        a.counts is not None and b.counts is not None and a.speakers == b.speakers and a.counts.shape == b.counts.shape
    )


def _uneven(one: Configuration, other: Configuration, pairs: Pairs) -> str | None:
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
