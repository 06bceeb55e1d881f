"""The recipe of a run: data, model, fit, merge, test, record."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.files import remove_leftovers, write_text
from hrf_ser.identity import identity
from hrf_ser.run_folder import CHECKPOINTS, CONFIG, HISTORY, METRICS
from hrf_ser.training.best_epoch import BestEpoch
from hrf_ser.training.build import (
    build_callbacks,
    build_data,
    build_hrf,
    build_loggers,
    build_module,
    build_trainer,
)
from hrf_ser.training.callbacks import Interruption, Predictions, ProgressBar
from hrf_ser.training.finish import score
from hrf_ser.training.history import History
from hrf_ser.training.loggers import begin_loggers, finish_loggers, mirror_record
from hrf_ser.training.origin import origin_of, other_corpora
from hrf_ser.training.record import is_finished, write_metrics
from hrf_ser.training.resume import bring_best, check_same_run, checkpoint_to_resume, command_to_go_on
from hrf_ser.training.screen import show_result

log = logging.getLogger(__name__)

# Exit status of a process that SIGTERM ended, as shells report it.
SIGTERM_STATUS = 143


# What torch says of it: on the CPU, on accelerators, and of workers that the system killed.
_NO_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|DataLoader worker .* killed by signal: Killed"
)


def train(config: DictConfig) -> dict[str, Any]:
    """Run the main job and return what ``metrics.json`` holds.

    Raises:
        UserError: a mistake in the configuration, the corpus or the run's folder, a setting that Lightning refuses, or too
            little memory.
        SystemExit: status 143, after SIGTERM.
    """
    try:
        return _train(config)
    except Exception as error:
        if sentence := out_of_memory(error) or refused_option(error):
            raise UserError(sentence) from error
        raise


def _train(config: DictConfig) -> dict[str, Any]:
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoints = folder / CHECKPOINTS
    if is_finished(folder):
        raise UserError(f"{folder} holds a finished run: set hydra.run.dir to another folder, or remove it.")
    resume = checkpoint_to_resume(config.ckpt_path, checkpoints, HydraConfig.get().mode == RunMode.MULTIRUN)
    if resume is not None:
        check_same_run(config, config.ckpt_path, Path(resume))
    for left in (folder, checkpoints):
        remove_leftovers(left)
    quieten()
    if config.threads is not None:
        import torch

        torch.set_num_threads(config.threads)

    data = build_data(config)
    origin = origin_of(config, data.corpus, data.divided)
    if origin is not None and (other := other_corpora(origin, data.corpus)):
        log.warning(
            "init_from=%s: heard %s; whoever is tested here may be in it too", origin.named, " and ".join(other)
        )
    data.prepare_data()
    prepared = time.perf_counter()
    module = build_module(config, data, origin)
    hrf = build_hrf(config, module)
    write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    loggers = build_loggers(config)
    trainer = build_trainer(
        config,
        folder,
        [
            # Factors come first: weight averaging copies the model in its own setup.
            hrf,
            *build_callbacks(config),
            History(folder / HISTORY),
            Predictions(),
            Interruption(checkpoints),
            *([ProgressBar()] if config.trainer.get("enable_progress_bar", True) else []),
            BestEpoch(checkpoints, monitor=None if data.protocol == "last_epoch" else "val/ua"),
        ],
        loggers,
    )
    if resume is not None:
        bring_best(Path(resume), checkpoints)
    begin_loggers(loggers, config, data.corpus.name, data.split.fold, folder if resume else None)
    status = "failed"
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
        fitted = time.perf_counter()
        assert hrf.deployed is not None
        record = score(config, trainer, module, hrf.deployed, data, folder, origin)
        ended = time.perf_counter()
        times = {
            "features": prepared - started,
            "fit": fitted - prepared,
            "test": ended - fitted,
            "total": ended - started,
        }
        record["seconds"] = {name: round(value, 2) for name, value in times.items()}
        record["identity"] = identity(config)
        record["overrides"] = list(HydraConfig.get().overrides.task)
        # Before W&B has it: whatever happens there, the run is done.
        write_metrics(folder / METRICS, record)
        mirror_record(loggers, record, folder)
        status = "success"
    except SIGTERMException:
        print(f"Stopped by SIGTERM; {command_to_go_on(folder)}", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)
    finally:
        finish_loggers(loggers, status)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        show_result(record, folder, data.utterance(data.split.test[0]).path)
    return record


def out_of_memory(error: BaseException) -> str | None:
    """The sentence for an error that says that memory ran out; None for any other."""
    # torch reports a dead data worker as having exited, and only its cause says by which signal.
    text = str(error.__cause__ or "") if "exited unexpectedly" in str(error) else str(error)
    system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if not (isinstance(error, MemoryError) or system or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text))):
        return None
    first = f" ({text.strip().splitlines()[0]})" if text.strip() else ""
    return (
        f"Memory ran out{first}: set a smaller batch_size, or let fewer runs work side by side (hydra.launcher.n_jobs)."
    )


def refused_option(error: BaseException) -> str | None:
    """The sentence for a setting that Lightning refuses once it trains; None for any other error."""
    text = next(iter(str(error).strip().splitlines()), "").removesuffix(".")
    if isinstance(error, MisconfigurationException):
        return f"trainer: {text}."
    if isinstance(error, RuntimeError) and text.startswith("Early stopping conditioned on metric"):
        return f"callbacks: {text.partition('. ')[0]}; watch another one, or train until an epoch is validated."
    return None


def quieten() -> None:
    """Keep the terminal for what the user needs to know."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    os.environ.setdefault("WANDB_SILENT", "true")
    # Batches are cheap enough that workers would slow them down.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    # A run that is gone on with finds its own checkpoints.
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")
    # Under protocol=last_epoch there are no loaders for validation.
    warnings.filterwarnings("ignore", "Total length of `list` across ranks is zero.*")
    # Everything is logged by epoch.
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
