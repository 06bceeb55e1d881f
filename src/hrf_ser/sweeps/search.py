"""A search with Optuna: its storage, and a search of an earlier command that resumes. Needs the extra ``optuna``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hrf_ser.errors import UserError

LOCK = ".search.lock"


def open_storage(url: str | None) -> Any:
    """Optuna's storage for ``hydra.sweeper.storage``; None keeps trials in memory.

    Raises:
        UserError: no database that can be opened.
    """
    if url is None:
        return None
    from optuna.storages import RDBStorage

    try:
        # Optuna 2 leaves the transaction open in which it creates its tables; SQLAlchemy 2 then never ends it.
        RDBStorage(url, engine_kwargs={"isolation_level": "AUTOCOMMIT"}).engine.dispose()
        return RDBStorage(url)
    except Exception as error:  # whatever SQLAlchemy and the database's library raise
        reason = str(error).strip().splitlines()[0].rstrip(".") or type(error).__name__
        raise UserError(
            f"hydra.sweeper.storage={url}: cannot be opened ({reason}); use sqlite:///search.db, or leave it out."
        ) from error


def search(sweeper: Any, arguments: list[str]) -> Any:
    """Do the trials that are missing; those that other commands of this study completed count.

    Args:
        sweeper: the plugin's ``OptunaSweeperImpl``, set up.
        arguments: overrides of the command line.

    Raises:
        UserError: a study of another search space or direction, another search in this folder, or trials that all failed.
    """
    folder = Path(sweeper.sweep_dir)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"hydra.sweep.dir={folder}: another search runs there; set hydra.sweep.dir to another folder."
        ) from None
    with lock:
        return _search(sweeper, arguments, folder)


def _search(sweeper: Any, arguments: list[str], folder: Path) -> Any:
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

    if sweeper.storage is not None:
        space, fixed = create_params_from_overrides([*sweeper._parse_sweeper_params_config(), *arguments])
        done = count_completed(sweeper, {key: space[key] for key in space.keys() - fixed.keys()})
        sweeper.job_idx = _next_folder(folder)
        if done:
            print(f"{done} trials of study {sweeper.study_name} are finished; {max(0, sweeper.n_trials - done)} to do")
        sweeper.n_trials = max(0, sweeper.n_trials - done)
    return sweeper.sweep(arguments)


def count_completed(sweeper: Any, space: dict[str, Any]) -> int:
    """The number of completed trials of the study. Running ones are another command's, or were left by a killed one."""
    import optuna

    known = {summary.study_name for summary in optuna.get_all_study_summaries(sweeper.storage)}
    if sweeper.study_name not in known:
        return 0
    study = optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage)
    hint = "give the study another name (hydra.sweeper.study_name=), or another hydra.sweeper.storage"
    directions = [direction.name.lower() for direction in study.directions]
    if directions != [name.lower() for name in sweeper._get_directions()]:
        raise UserError(f"hydra.sweeper.direction: study {study.study_name} is to {directions[0]}; {hint}.")
    for trial in study.trials:
        # A running trial may not have all its parameters yet.
        if trial.state is not optuna.trial.TrialState.RUNNING and trial.distributions not in ({}, space):
            differing = sorted(
                key for key in {*space, *trial.distributions} if space.get(key) != trial.distributions.get(key)
            )
            raise UserError(
                f"hydra.sweeper.params: study {study.study_name} was searched over another {', '.join(differing)}; {hint}."
            )
    if study.trials and isinstance(sweeper.sampler, optuna.samplers.BaseSampler):
        # With the seed of the first command it would draw the same settings again.
        sweeper.sampler.reseed_rng()
    return sum(trial.state is optuna.trial.TrialState.COMPLETE for trial in study.trials)


def _next_folder(folder: Path) -> int:
    """The number after the last run's folder, so that a resumed search writes over none."""
    numbers = [int(path.name) for path in folder.glob("*") if path.name.isdigit()]
    return max(numbers, default=-1) + 1
