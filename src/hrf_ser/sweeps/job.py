"""One job of a sweep: done, gone on with, left to another process, or recorded as failed; never in the way of the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from hrf_ser.errors import UserError
from hrf_ser.run_folder import FAILED
from hrf_ser.sweeps.attempts import LAST, attempt
from hrf_ser.sweeps.progress import duration, tell
from hrf_ser.sweeps.state import claim, record_failure, state


class RunFailedError(Exception):
    """A run of a sweep failed and its reason is recorded; the sweep goes on."""


def run_job(
    config: DictConfig, train: Callable[[DictConfig], dict[str, Any]], describe: Callable[[BaseException], str | None]
) -> float:
    """Do one run of a sweep.

    Args:
        config: of the run.
        train: the main job; returns the record.
        describe: the sentence for an error that the user can mend.

    Returns:
        The validation UA, which a search maximises; NaN where nobody validated, or another process has the run.

    Raises:
        RunFailedError: after the reason was recorded, so that engines count the job as failed.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    label = _label(config)
    started = time.perf_counter()
    with claim(folder) as ours:
        if not ours:
            tell("elsewhere", folder.name, f"{label}: another process is at it", 0.0)
            return float("nan")
        if state(folder) == "finished":  # by another sweep, after this one was planned
            tell("elsewhere", folder.name, f"{label}: done by another process", 0.0)
            return float("nan")
        (folder / FAILED).unlink(missing_ok=True)
        reason = None
        try:
            _check_search(config)
            with attempt(folder):
                if config.ckpt_path is None and (folder / LAST).exists():
                    with open_dict(config):
                        config.ckpt_path = "last"
                record = train(config)
        except Exception as error:
            reason = record_failure(folder, error, describe(error), HydraConfig.get().overrides.task)
    if reason is not None:
        tell("failed", folder.name, f"{label}: failed, {reason.rstrip('.')}", time.perf_counter() - started)
        # Without its cause: the launcher keeps the error, and with it would keep the failed run's data and model.
        raise RunFailedError(reason)
    seconds = time.perf_counter() - started
    tell("finished", folder.name, f"{label}: test UA {record['test']['ua']:.3f} in {duration(seconds)}", seconds)
    return float("nan") if record["val"] is None else float(record["val"]["ua"])


def _check_search(config: DictConfig) -> None:
    """Refuse to search where nobody validates: every trial would be tested, and none scored.

    Raises:
        UserError: names the protocol and the remedy.
    """
    sweeper = getattr(HydraConfig.get(), "sweeper", {})
    if "direction" in sweeper and OmegaConf.select(config, "protocol.name") == "last_epoch":
        raise UserError(
            "protocol=last_epoch has no validation score that a search could go by: search with protocol=validation, "
            "then train what it found with protocol=last_epoch."
        )


def _label(config: DictConfig) -> str:
    hrf = f"HRF x{float(config.rank):g}" if config.hrf else "plain"
    fold = "first" if config.fold is None else config.fold
    return f"{config.data.name} {config.model.label} {hrf}, fold {fold}, seed {config.seed}"
