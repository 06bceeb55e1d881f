"""The recipe of a run: data, model, fit, merge, test, record."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.files import remove_leftovers, write_text
from hrf_ser.identity import identity
from hrf_ser.run_folder import CHECKPOINTS, CONFIG, HISTORY, METRICS
from hrf_ser.training.build import (
    build_callbacks,
    build_data,
    build_hrf,
    build_loggers,
    build_module,
    build_reopening,
    build_trainer,
)
from hrf_ser.training.callbacks import Interruption, Predictions, ProgressBar
from hrf_ser.training.checkpoint_io import read_checkpoint
from hrf_ser.training.finish import score
from hrf_ser.training.history import History
from hrf_ser.training.loggers import begin_loggers, finish_loggers, mirror_record
from hrf_ser.training.origin import origin_of, other_corpora
from hrf_ser.training.record import is_finished, write_metrics
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
        UserError: a mistake in the configuration, the corpus or the run's folder, or too little memory.
        SystemExit: status 143, after SIGTERM.
    """
    try:
        return _train(config)
    except Exception as error:
        if sentence := out_of_memory(error):
            raise UserError(sentence) from error
        raise


def _train(config: DictConfig) -> dict[str, Any]:
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoints = folder / CHECKPOINTS
    if is_finished(folder):
        raise UserError(f"{folder} holds a finished run: set hydra.run.dir to another folder, or remove it.")
    resume = checkpoint_to_resume(config.ckpt_path, checkpoints, HydraConfig.get().mode == RunMode.MULTIRUN)
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
            *build_reopening(config),
            *build_callbacks(config),
            History(folder / HISTORY),
            Predictions(),
            Interruption(checkpoints),
            *([ProgressBar()] if config.trainer.get("enable_progress_bar", True) else []),
            ModelCheckpoint(
                checkpoints,
                filename="best",
                # With nothing to watch, the last epoch's.
                monitor=None if data.protocol == "fixed" else "val/ua",
                mode="max",
                save_last=True,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
        ],
        loggers,
    )
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
        print(f"Stopped by SIGTERM; add hydra.run.dir={folder} ckpt_path=last to go on.", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)
    finally:
        finish_loggers(loggers, status)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        show_result(record, folder, data.utterance(data.split.test[0]).path)
    return record


def checkpoint_to_resume(ckpt_path: str | None, checkpoints: Path, anew: bool = False) -> str | None:
    """The file that ``ckpt_path`` names; ``last`` is None where there is none yet, so that a first start may say it too.

    Args:
        ckpt_path: of the configuration.
        checkpoints: folder of the run's checkpoints.
        anew: where those that ``last`` means are damaged, remove them and begin again. A sweep does: nobody is there to be
            asked, and the run would fail at every further start.

    Raises:
        UserError: a file that does not exist or is no checkpoint, or an unfinished run that would be overwritten.
    """
    last = checkpoints / "last.ckpt"
    if ckpt_path is None:
        if last.exists():
            raise UserError(
                f"{checkpoints.parent} holds an unfinished run: add ckpt_path=last to go on, "
                "or set hydra.run.dir to another folder."
            )
        return None
    path = last if ckpt_path == "last" else Path(ckpt_path).expanduser()
    if not path.exists():
        if ckpt_path == "last":
            return None
        raise UserError(f"ckpt_path={ckpt_path}: no such file.")
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        if ckpt_path != "last":
            raise UserError(f"{path}: cannot be read as a checkpoint ({error}); name another one.") from error
        _give_up(path, str(error), anew)
        return None
    best = checkpoints / "best.ckpt"
    if ckpt_path == "last" and _has_best(content):
        # The run ends with the weights of its best epoch, which may be behind already.
        try:
            read_checkpoint(best)
        except ValueError as error:
            _give_up(best, str(error), anew)
            return None
    return str(path)


def _has_best(content: dict[str, Any]) -> bool:
    callbacks = content.get("callbacks")
    states = callbacks.values() if isinstance(callbacks, dict) else ()
    return any(isinstance(state, dict) and state.get("best_model_path") for state in states)


def _give_up(path: Path, reason: str, anew: bool) -> None:
    """Remove the checkpoints, or ask for it."""
    damaged = f"{path}: cannot be read as a checkpoint ({reason})"
    if not anew:
        raise UserError(f"{damaged}; remove {path.parent} to begin this run anew, or name another checkpoint.")
    print(f"{damaged}; this run begins anew.", file=sys.stderr)
    shutil.rmtree(path.parent)


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


def quieten() -> None:
    """Keep the terminal for what the user needs to know."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    os.environ.setdefault("WANDB_SILENT", "true")
    # Batches are cheap enough that workers would slow them down.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    # A run that is gone on with finds its own checkpoints.
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")
    # Under protocol=fixed there are no loaders for validation.
    warnings.filterwarnings("ignore", "Total length of `list` across ranks is zero.*")
    # Everything is logged by epoch.
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
