"""What distinguishes the runs of one report, and the commands that repeat them."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

_TRAIN = "python -m hrf_ser.train"
_ABSENT = "absent"
# Overrides that say where a run writes and how it is launched; a repetition has other ones.
_PLACE = ("hydra.", "hydra/", "ckpt_path", "cache_dir", "logger", "launcher", "sweeper")


def variants(runs: pd.DataFrame) -> pd.Series[str]:
    """The overrides by which each run differs from the usual settings of its corpus, such as ``trainer.max_epochs=20``.

    Usual is the most frequent value, of equally frequent ones that of the earliest run. Options of a model are compared
    among runs of that model. A whole group that a run's settings lack is not compared; a key that is absent from a group
    that they have is a difference.
    """
    keys = {key for settings in runs.settings for key in settings}
    # callbacks={} and test_data=null stand for the absence of the keys below them in other runs.
    leaves = sorted(key for key in keys if not any(other.startswith(f"{key}.") for other in keys))
    table = pd.DataFrame([_compared(settings, leaves) for settings in runs.settings], runs.index, columns=leaves)
    table["labels"] = runs.labels.map("|".join).where(runs.labels.map(len) > 0)  # confusion matrices need equal classes
    differences = pd.Series([[] for _ in runs.index], runs.index)
    for key in table.columns[table.nunique() > 1]:
        values = table[key].loc[runs.sort_values("written", kind="stable").index].dropna()
        scope = runs.loc[values.index, ["corpus", "model"] if key.startswith("model.") else ["corpus"]]
        usual = values.groupby([scope[name] for name in scope], sort=False).transform(_most_frequent)
        for run, value in values[values != usual].items():
            override = f"{key}={value}" if value != _ABSENT else f"without {_widest(key, runs.settings[run])}"
            if override not in differences[run]:
                differences[run].append(override)
    return differences.map(", ".join)


def _compared(settings: dict[str, str], leaves: list[str]) -> dict[str, str]:
    groups = {key.partition(".")[0] for key in settings}
    return {key: settings.get(key, _ABSENT) for key in leaves if key.partition(".")[0] in groups}


def _most_frequent(values: pd.Series[str]) -> str:
    # Of equals this is the first that occurs.
    counts = values.groupby(values, sort=False).size()
    return str(counts.index[counts.to_numpy().argmax()])


def _widest(key: str, settings: dict[str, str]) -> str:
    """The widest group around ``key`` that the settings lack as a whole, below its first part, which they have."""
    parts = key.split(".")
    names = (".".join(parts[:depth]) for depth in range(2, len(parts)))
    return next((name for name in names if not any(f"{own}.".startswith(f"{name}.") for own in settings)), key)


def train_command(run: Any) -> str:
    """The command that repeats one run, a row of a table of runs with its ``variant``."""
    return shlex.join([*_TRAIN.split(), *_overrides(run)])


def sweep_command(runs: pd.DataFrame) -> str:
    """The command that sweeps the folds and seeds of one configuration.

    Where runs were started with different overrides, such as ``init_from`` of their own fold, it is one line per run.
    """
    of_runs = [_overrides(run) for run in runs.itertuples()]
    fixed = [[one for one in given if one.partition("=")[0] not in ("fold", "seed")] for given in of_runs]
    values = pd.DataFrame([dict(one.partition("=")[::2] for one in given) for given in fixed])
    # The corpus may lie elsewhere on another machine.
    values = values.loc[:, ~values.columns.str.endswith(".root")]
    if len(runs) == 1 or (values.nunique() > 1).any():
        return "\n".join(train_command(run) for run in runs.itertuples())
    # Runs come sorted by fold.
    grid = [f"fold={','.join(runs.fold.unique())}", f"seed={','.join(map(str, sorted(runs.seed.unique())))}"]
    return shlex.join([*_TRAIN.split(), "-m", *fixed[-1], *grid])


def _overrides(run: Any) -> list[str]:
    """The overrides that the run was started with, or those that its record implies."""
    corpus, _, tested = run.corpus.partition(">")  # trained on one corpus, tested on another
    implied = {
        "model": run.model,
        "data": corpus,
        "data@test_data": tested or None,
        "data.root": run.root,
        "hrf": "false" if pd.isna(run.rank) else "true",
        "rank": None if pd.isna(run.rank) else f"{run.rank:g}",
        "protocol": None if run.protocol == "validation" else run.protocol,
        "fold": run.fold,
        "seed": str(run.seed),
    }
    given = run.record.get("overrides")
    if given is None:
        differing = [one.replace("without ", "~") for one in run.variant.split(", ") if one]
        return [f"{key}={value}" for key, value in implied.items() if value is not None] + [
            one for one in differing if not one.startswith("labels=")
        ]
    kept = [one for one in given if not one.lstrip("+~").startswith(_PLACE)]
    named = {one.partition("=")[0].lstrip("+") for one in kept} | {"data.root"}
    # An experiment file may have set these; named here, the command does not depend on it.
    return kept + [f"{key}={value}" for key, value in implied.items() if key not in named and value is not None]
