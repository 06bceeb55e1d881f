"""The recipe of a run: data, model, fit, merge, test, record."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.files import write_text
from hrf_ser.identity import identity
from hrf_ser.training.build import build_data, build_hrf, build_module, build_trainer, instantiate_each
from hrf_ser.training.callbacks import Interruption, Predictions, ProgressBar
from hrf_ser.training.finish import score
from hrf_ser.training.history import History
from hrf_ser.training.loggers import begin_loggers, finish_loggers, mirror_record
from hrf_ser.training.record import CONFIG, HISTORY, METRICS, is_finished, write_metrics
from hrf_ser.training.screen import show_result

# Exit status of a process that SIGTERM ended, as shells report it.
SIGTERM_STATUS = 143


def train(config: DictConfig) -> dict[str, Any]:
    """Run the main job and return what ``metrics.json`` holds.

    Raises:
        UserError: a mistake in the configuration, the corpus or the run's folder.
        SystemExit: status 143, after SIGTERM.
    """
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoints = folder / "checkpoints"
    if is_finished(folder):
        raise UserError(f"{folder} holds a finished run: set hydra.run.dir to another folder, or remove it.")
    resume = checkpoint_to_resume(config.ckpt_path, checkpoints)
    quieten()
    if config.threads is not None:
        import torch

        torch.set_num_threads(config.threads)

    data = build_data(config)
    data.prepare_data()
    prepared = time.perf_counter()
    module = build_module(config, data)
    hrf = build_hrf(config, module)
    write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    loggers: list[Logger] = instantiate_each(config.logger)
    trainer = build_trainer(
        config,
        folder,
        [
            # Factors come first: weight averaging copies the model in its own setup.
            hrf,
            *instantiate_each(config.callbacks),
            History(folder / HISTORY),
            Predictions(),
            Interruption(checkpoints),
            *([ProgressBar()] if config.trainer.get("enable_progress_bar", True) else []),
            ModelCheckpoint(
                checkpoints,
                filename="best",
                monitor="val/ua",
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
        record = score(config, trainer, module, hrf.deployed, data, folder)
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


def checkpoint_to_resume(ckpt_path: str | None, checkpoints: Path) -> str | None:
    """The file that ``ckpt_path`` names; ``last`` is None where there is none yet, so that a first start may say it too.

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
    import torch

    try:
        torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a checkpoint; remove it, or name another one.") from error
    return str(path)


def quieten() -> None:
    """Keep the terminal for what the user needs to know."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    os.environ.setdefault("WANDB_SILENT", "true")
    # Batches are cheap enough that workers would slow them down.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    # A run that is gone on with finds its own checkpoints.
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")
    # Everything is logged by epoch.
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
