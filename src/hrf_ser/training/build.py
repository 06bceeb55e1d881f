"""From a configuration to the objects of a run."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hydra
import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from hrf_ser.audio.augment import offline_augmentations
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.config import to_dict
from hrf_ser.data.datamodule import Source, SpeechData
from hrf_ser.errors import UserError
from hrf_ser.hrf import insert_hrf
from hrf_ser.identity import idle_callbacks
from hrf_ser.models import members_of
from hrf_ser.training.callbacks import HRF
from hrf_ser.training.checkpoint_io import AtomicCheckpointIO
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.origin import Origin

log = logging.getLogger(__name__)


def build_data(config: DictConfig) -> SpeechData:
    """The corpus, fold and features that a configuration asks for."""
    noise = config.augment.noise_snr_db
    tested = config.get("test_data")
    label_map = config.get("label_map")
    return SpeechData(
        source=Source(config.data.name, config.data.root, to_dict(config.data.options)),
        test_source=None if tested is None else Source(tested.name, tested.root, to_dict(tested.options)),
        classes=None if label_map is None else to_dict(label_map.classes),
        cache_dir=config.cache_dir,
        front_end=FrontEndConfig.from_options(to_dict(config.features)),
        views=offline_augmentations(
            [float(speed) for speed in config.augment.speed], None if noise is None else tuple(noise)
        ),
        fold=None if config.fold is None else str(config.fold),
        protocol=config.protocol.name,
        folds=config.protocol.folds,
        ensemble_size=config.model.options.get("ensemble_size", 1),
        batch_size=config.batch_size,
        seed=config.seed,
        on_bad_audio=config.data.on_bad_audio,
        workers=config.workers,
        cache_on_device=config.cache_on_device,
    )


def build_module(config: DictConfig, data: SpeechData, origin: Origin | None = None) -> EmotionModule:
    """The module for a corpus, with what is known of its training speakers, and with the weights of ``origin`` if there is one.

    Raises:
        UserError: an unknown model or option of it, or weights that do not fit it.
    """
    # Reading a bundle draws random numbers, and the seed comes next.
    weights = None if origin is None else origin.read()
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    augment = {key: value for key, value in to_dict(config.augment).items() if key not in ("speed", "noise_snr_db")}
    arguments: dict[str, Any] = {
        "model": config.model.name,
        "options": to_dict(config.model.options),
        "labels": list(data.labels),
        "n_features": config.features.n_mels,
        "batches_per_epoch": math.ceil(len(data.split.train) / config.batch_size),
        "hop_ms": float(config.features.hop_ms),
    }
    try:
        module = EmotionModule(
            **arguments,
            normalisation=config.features.normalisation,
            optimizer={**to_dict(config.optimizer), "factor_decay": config.reparam.weight_decay},
            augment=augment,
            class_weights=config.loss.class_weights,
            label_smoothing=config.loss.label_smoothing,
            seed=config.seed,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"model: {str(error).removesuffix('.')}.") from error
    if origin is not None and weights is not None:
        try:
            module.model.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip().rstrip(".")
            raise UserError(f"init_from={origin.named}: does not fit this model ({reason}).") from error
    module.absent = data.absent
    module.fit_statistics(*data.feature_statistics(), data.class_counts())
    if config.compile:
        # In place, so that checkpoints keep their names; compiled at the first batch, when factors are there.
        for model in members_of(module.model):
            model.compile(dynamic=True)
    return module


def build_hrf(config: DictConfig, module: EmotionModule) -> HRF:
    """The callback that factorises ``module`` when it is fitted.

    Raises:
        UserError: a rank, pattern or option that the model does not admit, before any time is spent.
    """
    options = {key: value for key, value in to_dict(config.reparam).items() if key != "weight_decay"}
    callback = HRF(enabled=config.hrf, rank=config.rank, **options)
    if config.hrf:
        try:
            insert_hrf(module.model, callback.rank, callback.targets, **callback.options, dry_run=True)
        except ValueError as error:
            raise UserError(f"rank or reparam: {error}.") from error
    return callback


def build_callbacks(config: DictConfig) -> list[Callback]:
    """The callbacks of the configuration's group, but for those that are idle, of which it is said."""
    idle = idle_callbacks(config)
    for name, monitor in idle.items():
        log.info("protocol=last_epoch validates on nobody: callbacks.%s, which watches %s, is left out", name, monitor)
    return [hydra.utils.instantiate(entry) for name, entry in config.callbacks.items() if name not in idle]


def build_loggers(config: DictConfig) -> list[Logger]:
    """The loggers of the configuration's group."""
    return [hydra.utils.instantiate(entry) for entry in config.logger.values()]


def build_trainer(
    config: DictConfig, folder: Path, callbacks: Iterable[Callback], loggers: list[Logger]
) -> lightning.Trainer:
    """The Trainer of a configuration.

    Raises:
        UserError: an option that Lightning refuses, or more than one process: each would score and record its share of the
            test part as if it were the whole.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        trainer: lightning.Trainer = hydra.utils.instantiate(
            config.trainer,
            callbacks=list(callbacks),
            logger=loggers or False,
            default_root_dir=str(folder),
            plugins=[AtomicCheckpointIO()],
        )
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MisconfigurationException | TypeError | ValueError):
            raise UserError(f"trainer: {str(cause).strip().splitlines()[0].rstrip('.')}.") from error
        raise
    if trainer.world_size > 1:
        raise UserError(
            f"trainer.devices={config.trainer.devices} makes {trainer.world_size} processes, which one run cannot be shared "
            "among yet: set trainer.devices=1, and run folds and seeds side by side instead."
        )
    return trainer
