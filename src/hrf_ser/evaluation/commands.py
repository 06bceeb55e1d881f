"""The command that repeats a run, and the one that repeats all runs of a configuration."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence

from hrf_ser.evaluation.run import Run, natural

_TRAIN = "python -m hrf_ser.train"
# Where a run wrote and how it was started; a repetition has its own.
_OWN = ("hydra.", "hydra/", "ckpt_path", "cache_dir", "logger", "launcher", "sweeper")


def train_command(run: Run, variant: str = "") -> str:
    """The command line of one run; ``variant`` as :func:`hrf_ser.evaluation.config_text.variants` gives it."""
    return shlex.join([*_TRAIN.split(), *_words(run, variant)])


def sweep_command(runs: Sequence[Run], variant: str = "") -> str:
    """The command line that sweeps the folds and seeds of runs of one configuration, or a line for every run where each was
    started with something of its own, such as ``init_from`` the trained model of its fold.

    A grid is swept whole: where runs are missing in it, they are run too.
    """
    folds = sorted({run.fold for run in runs}, key=natural)
    seeds = sorted({run.seed for run in runs})
    of_runs = [_words(run, variant) for run in runs]
    if len(runs) == 1 or _differ(of_runs):
        return "\n".join(train_command(run, variant) for run in runs)
    words = [word for word in of_runs[-1] if word.partition("=")[0] not in ("fold", "seed")]
    grid = [f"fold={','.join(folds)}", f"seed={','.join(map(str, seeds))}"]
    return shlex.join([*_TRAIN.split(), "-m", *words, *grid])


def _differ(of_runs: Sequence[Sequence[str]]) -> bool:
    """Whether a key has several values, other than what is swept and where on its machine the corpus lay."""
    values: dict[str, set[str]] = defaultdict(set)
    for words in of_runs:
        for key, _, value in (word.partition("=") for word in words):
            if key not in ("fold", "seed") and not key.endswith(".root"):
                values[key].add(value)
    return any(len(found) > 1 for found in values.values())


def _words(run: Run, variant: str) -> list[str]:
    """The run's words of the command line: those it was started with, or those that its record speaks of."""
    corpus, _, tested = run.corpus.partition(">")  # trained on one corpus, tested on another
    built = {
        "model": run.model,
        "data": corpus,
        "data@test_data": tested or None,
        "data.root": run.root,
        "hrf": str(run.rank is not None).lower(),
        "rank": None if run.rank is None else f"{run.rank:g}",
        "protocol": None if run.protocol == "validation" else run.protocol,
        "fold": run.fold,
        "seed": str(run.seed),
    }
    given = run.record.get("overrides")
    if not isinstance(given, list):
        words = [word.replace("without ", "~") for word in variant.split(", ")]
        differing = [word for word in words if word and not word.startswith("labels=")]
        return [f"{key}={value}" for key, value in built.items() if value is not None] + differing
    kept = [str(word) for word in given if not str(word).lstrip("+~").startswith(_OWN)]
    named = {word.partition("=")[0].lstrip("+") for word in kept}
    # An experiment file may have set these: said here, the command does not depend on it.
    needed = ("model", "data", "data@test_data", "hrf", "rank", "protocol", "fold", "seed")
    return kept + [f"{key}={built[key]}" for key in needed if key not in named and built[key] is not None]
