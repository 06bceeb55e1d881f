"""The recipe of a run: data, module, callbacks, loggers, trainer, fit, test, merge, record."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from hrf_ser.data.dataset import Dataset
from hrf_ser.files import write_text
from hrf_ser.run_folder import BUNDLE, CHECKPOINTS, CONFIG, HISTORY, METRICS
from hrf_ser.training.bundle import write_bundle
from hrf_ser.training.callbacks import Predictions, ProgressBar
from hrf_ser.training.checkpoints import BestCheckpoint, CheckpointOnSigterm
from hrf_ser.training.errors import user_errors
from hrf_ser.training.evaluate import evaluate, evaluate_teacher
from hrf_ser.training.history import History
from hrf_ser.training.initial_weights import InitialWeights
from hrf_ser.training.instantiate import (
    instantiate_callbacks,
    instantiate_data,
    instantiate_hrf,
    instantiate_loggers,
    instantiate_module,
    instantiate_teacher,
    instantiate_trainer,
    silence_libraries,
)
from hrf_ser.training.loggers import begin_loggers, finish_loggers, mirror_record
from hrf_ser.training.record import describe_run, write_metrics
from hrf_ser.training.resume import copy_best, open_folder, resume_command
from hrf_ser.training.screen import show_result

# Exit status of a process that SIGTERM ended, as shells report it.
SIGTERM_STATUS = 143


@user_errors()
def train(config: DictConfig, dataset: Dataset, initial: InitialWeights | None = None) -> dict[str, Any]:
    """Train, merge and test one model, and write the run's folder.

    Args:
        config: of the run, checked.
        dataset: the corpus and its split.
        initial: weights to start from; None for random ones.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        UserError: a setting that the model, the audio or Lightning does not admit, a run's folder that cannot be used, or too
            little memory.
        SystemExit: status 143, after SIGTERM.
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
    targets = instantiate_teacher(config, data)
    prepared = time.perf_counter()
    module = instantiate_module(config, data, initial, targets)
    hrf = instantiate_hrf(config, module)
    history, predictions = History(folder / HISTORY), Predictions()
    best = BestCheckpoint(checkpoints, monitor="val/ua" if data.protocol.selects_checkpoint else None)
    loggers = instantiate_loggers(config)
    callbacks = [
        hrf,  # first: weight averaging copies the model in its own setup
        *instantiate_callbacks(config),
        history,
        predictions,
        CheckpointOnSigterm(checkpoints),
        *([ProgressBar()] if config.trainer.get("enable_progress_bar", True) else []),
        best,
    ]
    trainer = instantiate_trainer(config, folder, callbacks, loggers)
    write_text(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True))
    if checkpoint is not None:
        copy_best(checkpoint, checkpoints)

    begin_loggers(loggers, config, data.corpus.name, data.split.fold, folder if checkpoint else None)
    status = "failed"
    try:
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        fitted = time.perf_counter()
        selected, deployed = best.read(), hrf.deployed
        assert deployed is not None
        trainer.test(deployed, data, verbose=False)
        record = describe_run(config, data, initial)
        record |= history.describe_epoch(selected["epoch"], with_scores=data.protocol.selects_checkpoint)
        record["teacher"] = None if targets is None else evaluate_teacher(config, data, targets)
        record |= evaluate(config, data, module, selected["state_dict"], deployed, predictions, folder)
        write_bundle(folder / BUNDLE, config, data, deployed, record)
        ended = time.perf_counter()
        record["overrides"] = list(HydraConfig.get().overrides.task)
        record["seconds"] = {
            "features": round(prepared - started, 2),
            "fit": round(fitted - prepared, 2),
            "test": round(ended - fitted, 2),
            "total": round(ended - started, 2),
        }
        # Before the loggers have it: whatever happens there, the run is finished.
        write_metrics(folder / METRICS, record)
        mirror_record(loggers, record, folder)
        status = "success"
    except SIGTERMException:
        print(f"Stopped by SIGTERM; {resume_command(folder)}", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)
    finally:
        finish_loggers(loggers, status)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        show_result(record, folder, data.utterance(data.split.test[0]).path)
    return record
