"""A sweep from its command line to its summary: plan the runs, launch those that are missing, say what failed and why."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape

from hrf_ser.errors import UserError
from hrf_ser.identity import run_name
from hrf_ser.run_folder import FAILED, failure_reason
from hrf_ser.sweeps.progress import sweep_file
from hrf_ser.sweeps.state import crash_count, run_lock, state

Overrides = Sequence[str]
Launch = Callable[[list[Overrides], int], Any]


def plan(
    jobs: Iterable[Overrides], exclude: Sequence[Mapping[str, object]], compose: Callable[[Overrides], DictConfig]
) -> dict[str, Overrides]:
    """Name the runs of a sweep, without excluded and duplicate ones, such as two ranks without HRF.

    Args:
        jobs: the overrides of every job.
        exclude: tables of keys and patterns; a job all of whose values match a table is left out.
        compose: the configuration for some overrides.

    Returns:
        The overrides of every run by the name of its folder below ``hydra.sweep.dir``.
    """
    runs: dict[str, Overrides] = {}
    for overrides in jobs:
        if not any(_matches(overrides, patterns) for patterns in exclude):
            runs.setdefault(run_name(compose(overrides)), overrides)
    return runs


def run_study(
    runs: Mapping[str, Overrides],
    folder: Path,
    launch: Launch,
    retry_failed: bool = False,
    batch_size: int | None = None,
) -> list[Any]:
    """Do the runs that are missing and print a summary.

    Args:
        runs: what `plan` returned.
        folder: of the sweep.
        launch: takes the overrides of some jobs and the number of the first.
        retry_failed: whether failed runs are tried again.
        batch_size: jobs that are launched at once; None launches all.

    Returns:
        What ``launch`` returned.

    Raises:
        UserError: some runs are not finished; the summary gives the reasons.
    """
    console = Console(highlight=False, soft_wrap=True)
    before = _by_state(runs, folder)
    missing = [
        name for name in runs if name not in before["finished"] and (retry_failed or name not in before["failed"])
    ]
    failed = "to try again" if retry_failed else "failed before (sweep.retry_failed=true tries them again)"
    texts = {"finished": "finished already", "started": "to resume", "failed": failed}
    known = ", ".join(f"{len(before[name])} {text}" for name, text in texts.items() if before[name])
    console.print(f"{len(runs)} runs{': ' * bool(known)}{known}; {len(missing)} to do")
    for name in missing:
        (folder / name / FAILED).unlink(missing_ok=True)
    with sweep_file(folder, missing):
        returns = launch_all({name: runs[name] for name in missing}, folder, launch, batch_size)
    if unfinished := len(runs) - _print_summary(runs, folder, console):
        raise UserError(f"{unfinished} of {len(runs)} runs are not finished; the lines above say why.")
    return returns


def launch_all(runs: Mapping[str, Overrides], folder: Path, launch: Launch, batch_size: int | None = None) -> list[Any]:
    """Launch runs until each has ended; arguments as for `run_study`.

    A pool of processes breaks with the first that dies and stops the other runs. Those are launched again; the runs that
    crashed are launched one by one after them. Each run counts its crashes and fails in the end.
    """
    returns: list[Any] = []
    waiting, alone = list(runs), set[str]()
    while waiting:
        batch = [name for name in waiting if name not in alone][:batch_size] or waiting[:1]
        jobs: list[Overrides] = [[*runs[name], f"hydra.sweep.subdir='{name}'"] for name in batch]
        try:
            returns.append(launch(jobs, len(runs) - len(waiting)))
            waiting = [name for name in waiting if name not in batch]
        except Exception as error:
            crashed = {name for name in batch if _crashed(folder / name)}
            if not crashed:
                raise
            if isinstance(error, BrokenExecutor):
                alone |= crashed
            waiting = [name for name in waiting if state(folder / name) not in ("finished", "failed")]
    return returns


def _crashed(folder: Path) -> bool:
    """Whether the last attempt at a run crashed. One that is in progress elsewhere is waited for."""
    with run_lock(folder, timeout=-1):
        return crash_count(folder) > 0


def _print_summary(runs: Iterable[str], folder: Path, console: Console) -> int:
    """Print the failures by reason and what to do next; return how many runs are finished."""
    states = _by_state(runs, folder)
    failures: dict[str, list[str]] = defaultdict(list)
    for name in states["failed"]:
        failures[failure_reason(folder / name)].append(name)
    for reason, names in failures.items():
        more = f" and {len(names) - 1} more" if names[1:] else ""
        console.print(f"[bold red]failed[/]        {escape(reason)}\n              {names[0]}{more}")
    finished, stopped = len(states["finished"]), len(states["started"] + states["new"])
    rest = f", {stopped} not finished (in progress in another sweep, or stopped)" if stopped else ""
    console.print(
        f"\n[bold]{finished} of {sum(map(len, states.values()))} runs finished[/]{rest}\nthe runs      {folder}"
    )
    if failures:
        console.print("try again     the same command with sweep.retry_failed=true")
    console.print(f"compare       [bold]python -m hrf_ser.report runs={folder}[/]")
    return finished


def _by_state(runs: Iterable[str], folder: Path) -> dict[str, list[str]]:
    states: dict[str, list[str]] = defaultdict(list)
    for name in runs:
        states[state(folder / name)].append(name)
    return states


def _matches(overrides: Overrides, patterns: Mapping[str, object]) -> bool:
    values = dict(override.lstrip("+").split("=", 1) for override in overrides if "=" in override)
    return all(
        key in values and fnmatch.fnmatchcase(values[key].lower(), str(pattern).lower())
        for key, pattern in patterns.items()
    )
