"""Paired differences over the same folds and seeds: HRF - plain, light - large, another setting - the usual one.

Where several light models or ranks were trained with HRF, "does it help?" is asked of all together, with one test, and of each
by itself, with Holm's correction: few folds may answer the one question where they answer none of the many. What settings give
is a question of its own, corrected by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
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

# A share of the whole, and the two configurations that are compared.
Twins = tuple[float, Configuration, Configuration]


def compare_all(configurations: Sequence[Configuration]) -> tuple[list[dict[str, Any]], list[str]]:
    """Every comparison that the configurations allow, with Holm's correction: of pooled, single ones, settings.

    Returns:
        The entries of the report in this order, and a sentence for each that is missing or impaired.
    """
    entries, sentences = [], []
    light: dict[tuple[str, str], list[tuple[Configuration, Configuration]]] = defaultdict(list)
    for kind, one, other in _pairs(configurations):
        pairs = _common(one, other)
        if not pairs:
            sentences.append(f"{one.label} and {other.label} have no fold and seed in common: they are not compared.")
            continue
        if uneven := _uneven(one, other, pairs):
            sentences.append(uneven)
        entries.append(_compare(kind, one, other, pairs))
        if kind == "hrf" and one.size == "light":
            light[one.corpus, one.protocol].append((one, other))
    sentences.extend(_apart(configurations))
    pooled = [entry for members in light.values() if (entry := _pool(members)) is not None]
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


def _common(*configurations: Configuration) -> list[tuple[str, int]]:
    """Folds and seeds that all of them have, in order."""
    pairs = set.intersection(*(set(one.runs) for one in configurations))
    return sorted(pairs, key=lambda pair: (natural(pair[0]), pair[1]))


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


def _compare(kind: str, one: Configuration, other: Configuration, pairs: Sequence[tuple[str, int]]) -> dict[str, Any]:
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
        **_measured([(1.0, one, other)], pairs, key),
    }


def _pool(members: Sequence[tuple[Configuration, Configuration]]) -> dict[str, Any] | None:
    """HRF - light over all models and ranks of a corpus, on the folds and seeds that all of them have.

    Every model counts the same, at however many ranks it was trained.

    Returns:
        The entry, but for Holm's correction and the verdict; None where there is nothing to take together.
    """
    pairs = _common(*chain.from_iterable(members))
    if len(members) < 2 or not pairs:
        return None
    of_model = Counter(one.model for one, _ in members)
    twins = [(1 / len(of_model) / of_model[one.model], one, other) for one, other in members]
    first = members[0][0]
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
        **_measured(twins, pairs, key),
    }


def _measured(twins: Sequence[Twins], pairs: Sequence[tuple[str, int]], key: str) -> dict[str, Any]:
    """The difference over pairs of fold and seed, its interval and test: what every kind of comparison says."""
    differences = {
        pair: sum(
            share * (one.runs[pair].score(METRIC) - other.runs[pair].score(METRIC)) for share, one, other in twins
        )
        for pair in pairs
    }
    values = np.array(list(differences.values()))
    units = unit_values(differences)
    # Where the sides were tested on other speakers, there is nothing to resample in pairs.
    reference = twins[0][1].runs
    heard = all(
        _comparable(reference[pair], side.runs[pair]) for _, *sides in twins for side in sides for pair in pairs
    )
    mean = float(values.mean())
    bounds = _bounds(twins, pairs, mean, key) if heard else mean_interval(units, seed_of(key))
    spread = float(units.std(ddof=1)) if len(units) > 1 else None
    return {
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
    twins: Sequence[Twins], pairs: Sequence[tuple[str, int]], mean: float, key: str
) -> tuple[float, float] | None:
    """The interval of the difference: all sides are scored on the same resampled speakers and seeds."""
    _, speakers, owners, folds = cells([twins[0][1].runs[pair] for pair in pairs])
    weights = bootstrap_weights(speakers, owners, folds, seed_of(key))
    shares: dict[str, float] = defaultdict(float)
    counts = {}
    for share, one, other in twins:
        for side, signed in ((one, share), (other, -share)):
            # Every rank of a model has the same plain one beside it.
            shares[side.key] += signed
            if side.key not in counts:
                counts[side.key], *_ = cells([side.runs[pair] for pair in pairs])

    def difference(weight: Any) -> Any:
        return sum(
            shares[name] * scores((weight @ side.reshape(len(side), -1)).reshape(-1, *side.shape[1:]))[METRIC]
            for name, side in counts.items()
        )

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
