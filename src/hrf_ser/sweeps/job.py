"""One job of a sweep: it starts or resumes its run, skips it, or records why it failed; other jobs are not affected."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from hrf_ser.errors import UserError
from hrf_ser.identity import has_validation, run_name
from hrf_ser.run_folder import FAILED
from hrf_ser.sweeps.progress import duration, print_progress
from hrf_ser.sweeps.state import LAST, count_crashes, record_failure, run_lock, state


class RunFailedError(Exception):
    """A run of a sweep failed and the reason is recorded; the sweep continues."""


def run_job(
    config: DictConfig, train: Callable[[DictConfig], dict[str, Any]], describe: Callable[[BaseException], str | None]
) -> float:
    """Do one run of a sweep.

    Args:
        config: of the run.
        train: the main job; returns the record.
        describe: the sentence for an error that the user can fix.

    Returns:
        The validation UA, which a search maximises; NaN where there is none, or where another process does the run.

    Raises:
        RunFailedError: after the reason was recorded, so that engines count the job as failed.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    label = run_name(config)
    started = time.perf_counter()
    with run_lock(folder) as locked:
        # Another sweep may work on it, or may have ended it after this one was planned.
        if not locked or (state(folder) == "finished" or (state(folder) == "failed" and not config.sweep.retry_failed)):
            print_progress(f"{label}: {'done' if locked else 'in progress'} in another process")
            return float("nan")
        (folder / FAILED).unlink(missing_ok=True)
        reason = None
        try:
            if "direction" in getattr(hydra, "sweeper", {}) and not has_validation(config):
                name = config.protocol.name
                raise UserError(
                    f"protocol={name} has no validation score to maximise: search with protocol=validation, then train "
                    f"the best settings with protocol={name}."
                )
            with count_crashes(folder):
                if config.ckpt_path is None and (folder / LAST).exists():
                    with open_dict(config):
                        config.ckpt_path = "last"
                record = train(config)
        except Exception as error:
            reason = record_failure(folder, error, describe(error), hydra.overrides.task)
    seconds = time.perf_counter() - started
    if reason is not None:
        print_progress(f"{label}: failed, {reason.rstrip('.')}", seconds)
        # Without its cause: the launcher keeps the error, and with it would keep the failed run's data and model.
        raise RunFailedError(reason)
    print_progress(f"{label}: test UA {record['test']['ua']:.3f} in {duration(seconds)}", seconds)
    return float("nan") if record["val"] is None else float(record["val"]["ua"])
