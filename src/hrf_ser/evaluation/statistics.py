"""Tests and intervals for paired runs over folds, seeds and speakers.

**The test** (:func:`sign_flip`) has the fold as its unit. Folds share neither test speakers nor models; seeds and speakers of
one fold do, and as units they give wrong p values (``test_more_units_than_folds_reject_too_often``). Under the null hypothesis
the sign of a fold's mean difference is random (Fisher 1935, The Design of Experiments, ch. 3). Two folds still share training
speakers, which no test on one cross-validation can undo (Dietterich 1998, Neural Computation 10:1895; Bengio and Grandvalet
2004, JMLR 5:1089): p is about these speakers as a training pool. With a single fold, seeds are the units.

**The interval** (:func:`bootstrap_weights`) resamples speakers, and the seeds within each fold, keeping pairs together (Davison
and Hinkley 1997, Bootstrap Methods and their Application, sec. 3.8; for crossed factors Owen 2007, Annals of Applied Statistics
1:386). With one seed a fold it does not cover the variance of training. Plain percentiles are too narrow for 5 to 25 speakers;
they are stretched by what a t interval exceeds them (Hesterberg 2015, The American Statistician 69:371).

Every call starts from :data:`SEED`, so a result depends on its own data only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hrf_ser.evaluation.scores import scores

Array = NDArray[np.float64]

SEED = 0
LEVEL = 0.05
BOOTSTRAPS = 2000
_EXACT_UNITS = 14  # 16,384 assignments of signs; more are drawn at random
_DRAWS = 9_999


def unit_values(runs: pd.DataFrame, column: str) -> Array:
    """The independent units: folds with their seeds averaged, or the seeds of a single fold."""
    means = runs.groupby("fold", sort=False)[column].mean()
    units: Array = (runs[column] if len(means) == 1 else means).to_numpy(float)
    return units


def sign_flip(differences: Array) -> float:
    """Two-sided p value of the paired permutation test on the mean.

    Exact up to 14 units, beyond that from 9,999 random assignments with the observed one counted.
    """
    if len(differences) < 2:
        return 1.0
    exact = len(differences) <= _EXACT_UNITS
    result = stats.permutation_test(
        (differences,),
        _mean,
        permutation_type="samples",
        n_resamples=np.inf if exact else _DRAWS,
        vectorized=True,
        rng=np.random.default_rng(SEED),
    )
    return float(min(1.0, result.pvalue))


def _mean(values: Array, axis: int) -> Array:
    """Rounded, so that differences which cancel are equal to zero and not to the error of their sum."""
    return np.asarray(np.round(values.mean(axis), 12))


def smallest_p(units: int) -> float:
    """The smallest two-sided p value that :func:`sign_flip` can give: all differences have one sign."""
    if units <= _EXACT_UNITS:
        return min(1.0, 2.0 ** (1 - units))
    return 2.0 / (_DRAWS + 1)


def units_needed(comparisons: int) -> int:
    """How many units let the smallest p value pass Holm's correction for this many comparisons."""
    units = 1
    while smallest_p(units) * comparisons > LEVEL and units <= _EXACT_UNITS:
        units += 1
    return units


def holm(p: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's step-down procedure (Holm 1979, Scandinavian Journal of Statistics 6:65)."""
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p, method="holm")[1]] if p else []


@functools.lru_cache(maxsize=32)  # configurations and comparisons of one study mostly have the same design
def bootstrap_weights(
    speaker_of_cell: tuple[int, ...],
    run_of_cell: tuple[int, ...],
    fold_of_run: tuple[int, ...],
    seed: int = SEED,
    draws: int = BOOTSTRAPS,
) -> Array:
    """Weights ``(draws, cells)`` in resamples of speakers and of each fold's seeds; a cell is one speaker tested by one run.

    Runs of a fold always weigh one together, so that a fold with more seeds does not count more.
    """
    speakers, runs, folds = (np.array(values) for values in (speaker_of_cell, run_of_cell, fold_of_run))
    rng = np.random.default_rng(seed)
    count = int(speakers.max()) + 1
    of_speaker = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    of_run = np.empty((draws, len(folds)))
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        size = len(members)
        of_run[:, members] = rng.multinomial(size, np.full(size, 1 / size), size=draws) / size
    weights: Array = of_speaker[:, speakers] * of_run[:, runs]
    return weights


def pooled_scores(runs: pd.DataFrame, column: str = "confusion") -> tuple[dict[str, Array], dict[str, Array], int]:
    """The scores of all folds together.

    Args:
        runs: with the columns ``fold`` and ``speakers``.
        column: confusion matrices of each run's speakers.

    Returns:
        Scores as observed ``(1,)`` and in resamples ``(draws,)``; how many speakers there are.
    """
    counts = np.concatenate(list(runs[column]))
    speaker = pd.factorize(runs.speakers.explode(), sort=True)[0]
    run = np.repeat(np.arange(len(runs)), runs.speakers.map(len))
    fold = pd.factorize(runs.fold, sort=True)[0]
    drawn = bootstrap_weights(*(tuple(values.tolist()) for values in (speaker, run, fold)))
    mean_over_seeds = (1 / np.bincount(fold))[fold][run]
    observed, resampled = (
        scores((weights @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:]))
        for weights in (mean_over_seeds[None], drawn)
    )
    return observed, resampled, int(speaker.max()) + 1


def interval(resampled: Array, observed: float, units: int, centre: float | None = None) -> tuple[float, float] | None:
    """The 95 % percentile interval, stretched for few units; None for a single unit, which says nothing about others.

    Args:
        resampled: ``(draws,)`` the statistic in every resample; NaN where it does not exist.
        observed: the statistic of the sample itself.
        units: how many independent units were resampled.
        centre: an estimate of the same quantity, to which the interval is moved.
    """
    values = resampled[np.isfinite(resampled)]
    if units < 2 or not len(values):
        return None
    stretch = np.sqrt(units / (units - 1)) * stats.t.ppf(1 - LEVEL / 2, units - 1) / stats.norm.ppf(1 - LEVEL / 2)
    low, high = observed + stretch * (np.quantile(values, [LEVEL / 2, 1 - LEVEL / 2]) - observed)
    moved = 0.0 if centre is None else centre - observed
    return float(low) + moved, float(high) + moved


def mean_interval(values: Array, seed: int = SEED, draws: int = BOOTSTRAPS) -> tuple[float, float] | None:
    """The interval of a mean over units ``(units,)``, where there are no speakers to resample."""
    size = len(values)
    picks = np.random.default_rng(seed).integers(size, size=(draws, size))
    return interval(values[picks].mean(1), float(values.mean()), size)
