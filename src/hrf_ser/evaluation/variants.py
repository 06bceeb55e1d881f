"""What distinguishes the runs of one report, and the commands that repeat them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

_ABSENT = "absent"
# Overrides that say where a run writes and how it is launched; a repetition has other ones.
_PLACE = ("hydra.", "hydra/", "ckpt_path", "cache_dir", "logger", "launcher", "sweeper")


def variants(runs: pd.DataFrame) -> pd.Series[str]:
    """The overrides by which each run differs from the usual settings of its corpus, such as ``trainer.max_epochs=20``.

    Usual is the most frequent value, of equally frequent ones that of the earliest run. Options of a model are compared
    among runs of that model, and all settings of one on a frozen encoder. A whole group that a run's settings lack is not
    compared; a key that is absent from a group that they have is a difference.
    """
    keys = {key for settings in runs.settings for key in settings}
    # callbacks={} and test_data=null stand for the absence of the keys below them in other runs.
    leaves = sorted(key for key in keys if not any(other.startswith(f"{key}.") for other in keys))
    table = pd.DataFrame([_compared(settings, leaves) for settings in runs.settings], runs.index, columns=leaves)
    table["labels"] = runs.labels.map("|".join).where(runs.labels.map(len) > 0)  # confusion matrices need equal classes
    differences = pd.Series([[] for _ in runs.index], runs.index)
    for key in table.columns[table.nunique() > 1]:
        values = table[key].loc[runs.sort_values("written", kind="stable").index].dropna()
        scope = runs.loc[values.index, ["corpus", "model"]]
        if not key.startswith("model."):
            # A classifier on a frozen encoder is trained by a recipe of its own.
            scope["model"] = scope.model.where(runs.pretrained[values.index], "")
        by_scope = values.groupby([scope[name] for name in scope], sort=False)
        usual = by_scope.transform(lambda found: Counter(found).most_common(1)[0][0])  # of equals the first
        for run, value in values[values != usual].items():
            override = f"{key}={value}" if value != _ABSENT else f"without {_widest(key, runs.settings[run])}"
            if override not in differences[run]:
                differences[run].append(override)
    return differences.map(", ".join)


def _compared(settings: dict[str, str], leaves: list[str]) -> dict[str, str]:
    groups = {key.partition(".")[0] for key in settings}
    return {key: settings.get(key, _ABSENT) for key in leaves if key.partition(".")[0] in groups}


def _widest(key: str, settings: dict[str, str]) -> str:
    """The widest group around ``key`` that the settings lack as a whole, below its first part, which they have."""
    parts = key.split(".")
    names = (".".join(parts[:depth]) for depth in range(2, len(parts)))
    return next((name for name in names if not any(f"{own}.".startswith(f"{name}.") for own in settings)), key)


def sweep_command(runs: pd.DataFrame) -> str | None:
    """The command that sweeps the folds and seeds of one configuration; runs with other overrides have another line."""
    by_overrides = runs.groupby(runs.record.map(own_overrides), sort=False)
    commands = (train_command(one, same.fold.unique(), sorted(same.seed.unique())) for one, same in by_overrides)
    return "\n".join(filter(None, commands)) or None


def train_command(overrides: Sequence[str] | None, folds: Sequence[str], seeds: Sequence[int]) -> str | None:
    """The command that repeats runs with the same overrides; None for runs that no command started."""
    if overrides is None:
        return None
    sweep = ["-m"] if len(folds) * len(seeds) > 1 else []
    grid = [f"fold={','.join(folds)}", f"seed={','.join(map(str, seeds))}"]
    return shlex.join(["python", "-m", "hrf_ser.train", *sweep, *overrides, *grid])


def own_overrides(record: dict[str, Any]) -> tuple[str, ...] | None:
    """The overrides that a run was started with, but for its fold and seed; None where they were not recorded."""
    given = record.get("overrides")
    left_out = (*_PLACE, "fold=", "seed=")
    return None if given is None else tuple(one for one in given if not one.lstrip("+~").startswith(left_out))
