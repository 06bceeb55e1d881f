"""Known values, error rates and power of the test, and coverage of the intervals."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hrf_ser.evaluation.statistics import (
    LEVEL,
    bootstrap_weights,
    holm,
    interval,
    mean_interval,
    sign_flip,
    smallest_p,
    unit_values,
    units_needed,
)
from study import design

# Heights of crossed and self-fertilised plants, in eighths of an inch: Darwin's Zea mays, in Fisher 1935, The Design of
# Experiments, sec. 17 and 21. Of 32,768 signs 863 give a sum at least as large: p = 1726 / 32768.
ZEA_MAYS = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]) / 8


def table(differences):
    """(fold, seed) -> difference as a table."""
    return pd.DataFrame([(fold, seed, value) for (fold, seed), value in differences.items()]).set_axis(
        ["fold", "seed", "difference"], axis=1
    )


def units_of(differences):
    return unit_values(table(differences), "difference")


def enumerated(differences) -> float:
    """The definition of the paired permutation test, written out."""
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return float(np.mean(np.abs(sums) >= abs(sum(differences)) - 1e-9))


def test_darwins_maize_gives_fishers_p():
    assert enumerated(ZEA_MAYS) == pytest.approx(1726 / 32768)
    # Fifteen pairs are more than are enumerated, so p is an estimate with a standard error of 0.0022.
    assert sign_flip(ZEA_MAYS) == pytest.approx(1726 / 32768, abs=0.009)


@pytest.mark.parametrize("units", [2, 5, 8, 11])
def test_small_designs_are_enumerated(units):
    differences = np.random.default_rng(units).normal(0.4, 1, units)
    assert sign_flip(differences) == pytest.approx(enumerated(differences))


def test_the_smallest_p_is_that_of_equal_signs():
    for units in range(2, 14):
        assert sign_flip(np.linspace(0.1, 0.2, units)) == pytest.approx(smallest_p(units))
    assert sign_flip(np.linspace(0.1, 0.2, 40)) == pytest.approx(smallest_p(40))
    assert smallest_p(1) == sign_flip(np.array([0.5])) == 1.0
    assert sign_flip(np.zeros(6)) == 1.0


def test_units_needed_are_the_fewest_that_can_reach_significance():
    assert units_needed(1) == 6
    for comparisons in (1, 2, 9, 21):
        units = units_needed(comparisons)
        assert smallest_p(units) * comparisons <= LEVEL < smallest_p(units - 1) * comparisons


def test_holm_gives_published_values():
    # Holm's procedure by hand: sorted p times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_false_positives_stay_within_binomial_bounds():
    rng = np.random.default_rng(1)
    trials = 600
    p = np.array([sign_flip(units_of(design(rng, folds=8))) for _ in range(trials)])
    rejected = int((p <= LEVEL).sum())
    # Of 256 assignments 12 fit below 0.05, so the rate to expect is 0.047.
    assert stats.binom.ppf(0.001, trials, 12 / 256) <= rejected <= stats.binom.ppf(0.999, trials, LEVEL)


def test_shuffled_signs_reject_as_often_as_they_should():
    rng = np.random.default_rng(2)
    values = units_of(design(rng, folds=10, effect=0.08))
    assert sign_flip(values) <= LEVEL  # the signs as they are
    trials = 500
    rejected = sum(sign_flip(values * rng.choice([-1, 1], len(values))) <= LEVEL for _ in range(trials))
    assert stats.binom.ppf(0.001, trials, 0.04) <= rejected <= stats.binom.ppf(0.999, trials, LEVEL)


def test_more_units_than_folds_reject_too_often():
    """Why folds are the units: runs of one fold share speakers and training data."""
    rng = np.random.default_rng(3)
    designs = [design(rng, folds=5, seeds=2, speaker_spread=0.1) for _ in range(300)]
    by_run = np.mean([sign_flip(np.array(list(one.values()))) <= LEVEL for one in designs])
    by_fold = np.mean([sign_flip(units_of(one)) <= LEVEL for one in designs])
    assert by_run > 0.1
    assert by_fold == 0  # five folds cannot reach it, as smallest_p says


def test_a_planted_difference_is_found():
    rng = np.random.default_rng(4)
    effect, folds = 0.06, 8
    designs = [units_of(design(rng, folds, effect=effect)) for _ in range(300)]
    found = np.mean([sign_flip(values) <= LEVEL for values in designs])
    assert 0.5 < found < 0.95


def test_seeds_are_averaged_and_are_units_only_in_a_single_fold():
    values = {("1", 0): 0.1, ("1", 1): 0.3, ("2", 0): 0.5}
    assert units_of(values).tolist() == pytest.approx([0.2, 0.5])
    assert units_of({("official", seed): seed / 10 for seed in range(3)}).tolist() == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize("units", [5, 12, 24])
def test_intervals_cover_a_known_mean_as_often_as_they_say(units):
    rng = np.random.default_rng(units)
    trials = 400
    covered = 0
    for trial in range(trials):
        found = mean_interval(rng.normal(0.5, 0.1, units), trial, draws=600)
        covered += found[0] <= 0.5 <= found[1]
    # Plain percentiles cover 0.84 with five units. The bounds are binomial, with some room for skewed resamples.
    assert stats.binom.ppf(0.001, trials, 0.94) <= covered <= stats.binom.ppf(0.999, trials, 0.96)


def test_intervals_over_speakers_and_seeds_cover_the_true_difference():
    """Six folds of four speakers, two seeds; the effect of HRF varies over runs and speakers, with mean zero."""
    rng = np.random.default_rng(7)
    folds, seeds, speakers, trials = 6, 2, 4, 250
    of_run = np.repeat(np.arange(folds), seeds)
    run, speaker = (index.ravel() for index in np.indices((folds * seeds, speakers)))
    speaker = speaker + of_run[run] * speakers
    covered = {"both": 0, "speakers": 0}
    for trial in range(trials):
        liking = rng.normal(0, 0.08, folds * speakers)[speaker]
        values = liking + rng.normal(0, 0.06, folds * seeds)[run] + rng.normal(0, 0.03, len(run))
        weights = bootstrap_weights(tuple(speaker), tuple(run), tuple(of_run), trial, draws=500)
        alone = bootstrap_weights(tuple(speaker), tuple(run), tuple(range(folds * seeds)), trial, draws=500)
        for name, weight in (("both", weights), ("speakers", alone)):
            low, high = interval(weight @ values / weight.sum(1), float(values.mean()), folds * speakers)
            covered[name] += low <= 0 <= high
    assert covered["both"] >= stats.binom.ppf(0.001, trials, 0.95)
    # Without the seeds, luck of training that a fold's speakers share would be taken for nothing.
    assert covered["speakers"] < covered["both"]


def test_an_interval_of_many_units_is_the_analytic_one():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = mean_interval(values, 0, draws=20_000)
    half = stats.t.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=4e-4)
    assert mean_interval(values[:1], 0) is None
    assert interval(np.array([np.nan, 0.4, 0.6]), 0.5, 3) is not None


def test_weights_average_over_a_folds_seeds():
    speakers, runs, folds = (0, 1, 0, 1, 2), (0, 0, 1, 1, 2), (0, 0, 1)
    weights = bootstrap_weights(speakers, runs, folds, seed=0, draws=4000)
    assert weights.mean(0) == pytest.approx([0.5, 0.5, 0.5, 0.5, 1.0], abs=0.06)
    # A speaker counts equally often in a resample, whichever seed is drawn.
    both = weights[:, 0] + weights[:, 2]
    assert set(np.unique(both)) <= {0.0, 1.0, 2.0, 3.0}
