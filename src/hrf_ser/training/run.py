"""The recipe of a run: data, module, callbacks, loggers, trainer, fit, test, merge, record."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import torch
from hydra.core.hydra_config import HydraConfig
from lightning import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from hrf_ser.config import to_dict
from hrf_ser.data.dataset import Dataset
from hrf_ser.entry import SIGINT_STATUS
from hrf_ser.files import write_text
from hrf_ser.initial_weights import InitialWeights
from hrf_ser.run_folder import BUNDLE, CHECKPOINTS, CONFIG, HISTORY, METRICS
from hrf_ser.training.bundle import write_bundle
from hrf_ser.training.checkpoints import BestCheckpoint
from hrf_ser.training.errors import user_errors
from hrf_ser.training.evaluate import evaluate, evaluate_teacher
from hrf_ser.training.history import History
from hrf_ser.training.instantiate import (
    instantiate_callbacks,
    instantiate_data,
    instantiate_hrf,
    instantiate_loggers,
    instantiate_module,
    instantiate_teacher,
    instantiate_tester,
    instantiate_trainer,
    silence_libraries,
)
from hrf_ser.training.loggers import Wandb
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.record import describe_run, write_metrics
from hrf_ser.training.resume import open_folder, resume_command

# Exit status of a process that SIGTERM ended, as shells report it.
SIGTERM_STATUS = 143


@user_errors()
def train(
    config: DictConfig, dataset: Dataset, initial: InitialWeights | None = None, teacher_bundle: Path | None = None
) -> dict[str, Any]:
    """Train, merge and test one model by a checked configuration, and write the run's folder.

    It starts from ``initial`` weights, or from random ones, and returns what ``metrics.json`` holds. Under ``teacher=run`` the
    model of ``teacher_bundle`` teaches.

    Raises:
        UserError: a setting that the model, the audio or Lightning does not admit, or a folder that cannot be used.
        SystemExit: status 143, after SIGTERM; 130, after Ctrl-C.
    """
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoints = folder / CHECKPOINTS
    checkpoint = open_folder(config, folder)
    silence_libraries()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    data = instantiate_data(config, dataset)
    data.prepare_data()
    targets = instantiate_teacher(config, data, teacher_bundle)
    prepared = time.perf_counter()
    module = instantiate_module(config, data, initial, targets)
    history = History(folder / HISTORY)
    best = BestCheckpoint(checkpoints, monitor="val/ua" if data.protocol.selects_checkpoint else None)
    # HRF comes first: weight averaging copies the model in its own setup.
    callbacks = [*instantiate_hrf(config, module), *instantiate_callbacks(config), history, best]
    loggers = instantiate_loggers(config, data)
    trainer = instantiate_trainer(config, folder, callbacks, loggers)
    write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))

    mirrors = [logger for logger in loggers if isinstance(logger, Wandb)]
    exit_code = 1
    try:
        for logger in loggers:
            logger.log_hyperparams(to_dict(config))
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        fitted = time.perf_counter()
        selected = best.read()
        deployed = EmotionModule.load_from_checkpoint(best.best_model_path, map_location="cpu", weights_only=True)
        deployed.eval()
        instantiate_tester(trainer, config, folder, loggers).test(deployed, data, verbose=False)
        record = describe_run(config, data, initial)
        record |= history.describe_epoch(selected["epoch"], with_scores=data.protocol.selects_checkpoint)
        record["teacher"] = None if targets is None else evaluate_teacher(config, data, targets)
        record |= evaluate(config, data, module, selected["state_dict"], deployed, folder)
        if record["encoder"] is None:
            write_bundle(folder / BUNDLE, config, data, deployed, record)
        ended = time.perf_counter()
        record["overrides"] = list(HydraConfig.get().overrides.task)
        record["seconds"] = {
            "features": round(prepared - started, 2),
            "fit": round(fitted - prepared, 2),
            "test": round(ended - fitted, 2),
            "total": round(ended - started, 2),
        }
        # Before W&B has it: whatever happens there, the run is finished.
        write_metrics(folder / METRICS, record)
        for mirror in mirrors:
            mirror.log_record(record, folder)
        exit_code = 0
    except SystemExit as error:
        _end_after_signal(error, trainer, folder)
    finally:
        for mirror in mirrors:
            mirror.close(exit_code)
    return record


def _end_after_signal(error: SystemExit, trainer: Trainer, folder: Path) -> NoReturn:
    """Exit with a shell's status and the command that resumes the run. Lightning exits after Ctrl-C."""
    by_sigterm = isinstance(error, SIGTERMException)
    if not (by_sigterm or trainer.interrupted):
        raise error
    name, status = ("SIGTERM", SIGTERM_STATUS) if by_sigterm else ("Ctrl-C", SIGINT_STATUS)
    print(f"Stopped by {name}; {resume_command(folder)}", file=sys.stderr)
    sys.exit(status)
