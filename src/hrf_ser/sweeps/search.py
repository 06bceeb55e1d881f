"""A search with Optuna: its storage, and a search of an earlier command that resumes. Needs the extra ``optuna``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hrf_ser.errors import UserError


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
    """Do the trials that are missing; those that an earlier command of this study completed count.

    Args:
        sweeper: the plugin's ``OptunaSweeperImpl``, set up.
        arguments: overrides of the command line.

    Raises:
        UserError: a study of another search space or direction, or trials that all failed.
    """
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

    if sweeper.storage is not None:
        space, fixed = create_params_from_overrides([*sweeper._parse_sweeper_params_config(), *arguments])
        done = count_completed(sweeper, {key: space[key] for key in space.keys() - fixed.keys()})
        sweeper.job_idx = _next_folder(Path(sweeper.sweep_dir))
        if done:
            print(f"{done} trials of study {sweeper.study_name} are finished; {max(0, sweeper.n_trials - done)} to do")
        sweeper.n_trials = max(0, sweeper.n_trials - done)
    return sweeper.sweep(arguments)


def count_completed(sweeper: Any, space: dict[str, Any]) -> int:
    """The number of completed trials of the study; a killed command leaves running ones, which count as failed."""
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
        if trial.state is optuna.trial.TrialState.RUNNING:
            sweeper.storage.set_trial_state(trial._trial_id, optuna.trial.TrialState.FAIL)
        elif trial.distributions and trial.distributions != space:
            differing = sorted(
                key for key in {*space, *trial.distributions} if space.get(key) != trial.distributions.get(key)
            )
            raise UserError(
                f"hydra.sweeper.params: study {study.study_name} was searched over another {', '.join(differing)}; {hint}."
            )
    return sum(trial.state is optuna.trial.TrialState.COMPLETE for trial in study.trials)


def _next_folder(folder: Path) -> int:
    """The number after the last run's folder, so that a resumed search writes over none."""
    numbers = [int(path.name) for path in folder.glob("*") if path.name.isdigit()]
    return max(numbers, default=-1) + 1
