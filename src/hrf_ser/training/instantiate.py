"""From a configuration to the objects that Lightning runs with."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from hrf_ser.audio.augment import offline_augmentations
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.config import to_dict
from hrf_ser.config.describe import shown
from hrf_ser.data.compute import FrontEnd
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.dataset import Dataset
from hrf_ser.deploy.bundle import load_bundle
from hrf_ser.distillation.bundle import BundleOutputs
from hrf_ser.distillation.head import Head
from hrf_ser.distillation.loss import DistillationLoss
from hrf_ser.distillation.targets import Targets, bundle_targets, table_targets, whisper_targets
from hrf_ser.encoders.statistics import LayerStatistics, find_encoder
from hrf_ser.errors import UserError
from hrf_ser.extras import missing
from hrf_ser.hrf import insert_hrf, merge_state_dict
from hrf_ser.identity import idle_callbacks, is_pretrained
from hrf_ser.initial_weights import InitialWeights
from hrf_ser.models import Backbone, members_of
from hrf_ser.training.callbacks import HRF, ProgressBar
from hrf_ser.training.checkpoints import AtomicCheckpointIO, at_least_single, read_checkpoint
from hrf_ser.training.loggers import Wandb
from hrf_ser.training.module import EmotionModule

log = logging.getLogger(__name__)

# Keys of ``augment`` that change waveforms before features are computed.
_OFFLINE = ("speed", "noise_snr_db", "telephone")

# The Trainer's argument that has another meaning where it is null: validation counts batches rather than epochs.
_NULLABLE = "check_val_every_n_epoch"


def instantiate_data(config: DictConfig, dataset: Dataset) -> SpeechData:
    """The features and batches of a dataset."""
    speeds, noise = [float(speed) for speed in config.augment.speed], config.augment.noise_snr_db
    copies = offline_augmentations(speeds, None if noise is None else tuple(noise), config.augment.telephone)
    return SpeechData(
        dataset,
        cache_dir=config.cache_dir,
        front_end=_front_end(config),
        augmentations=copies,
        batch_size=config.batch_size,
        seed=config.seed,
        on_bad_audio=config.data.on_bad_audio,
        workers=config.workers,
        cache_on_device=config.cache_on_device,
    )


def _front_end(config: DictConfig) -> FrontEnd:
    """The log-mel front end, or the frozen encoder of a pretrained model.

    Raises:
        UserError: the encoder's files, or ``model.options.states`` that are not its own.
    """
    if not is_pretrained(config):
        return FrontEndConfig.from_options(to_dict(config.features))
    options, key = config.model.options, "model.options.name_or_path"
    encoder = LayerStatistics(find_encoder(str(options.name_or_path), key), options.layer, key)
    if encoder.states != options.states:
        raise UserError(
            f"model.options.states={options.states}: this encoder with layer={shown(options.layer)} has {encoder.states} "
            "hidden states; set that number."
        )
    return encoder


def instantiate_module(
    config: DictConfig, data: SpeechData, initial: InitialWeights | None = None, targets: Targets | None = None
) -> EmotionModule:
    """The module for a corpus, with the statistics of its training split, and with initial weights where there are some.

    Raises:
        UserError: the model refuses an option, or the weights do not fit it.
    """
    # Reading a bundle draws random numbers, and the seed comes next.
    weights = None if initial is None else _read_weights(initial)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    try:
        module = EmotionModule(
            model=config.model.name,
            options=to_dict(config.model.options),
            labels=list(data.labels),
            n_features=data.front_end.width,
            batches_per_epoch=math.ceil(len(data.training_rows) / config.batch_size),
            hop_ms=float(config.features.hop_ms),
            normalisation=config.features.normalisation,
            optimizer={**to_dict(config.optimizer), "factor_decay": config.reparam.weight_decay},
            augment=_feature_augmentation(config),
            class_weights=config.loss.class_weights,
            label_smoothing=config.loss.label_smoothing,
            seed=config.seed,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"model: {str(error).removesuffix('.')}.") from error
    if initial is not None and weights is not None:
        try:
            module.model.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip().rstrip(".")
            raise UserError(f"init_from={initial.source}: does not fit this model ({reason}).") from error
    module.out_of_fold = data.out_of_fold
    if targets is not None:
        teacher = config.teacher
        members = [member for member in members_of(module.model) if isinstance(member, Backbone)]
        if not members and teacher.hint_weight > 0:
            raise UserError(
                f"teacher.hint_weight: the model {config.model.name} is no hrf_ser.models.Backbone, which has "
                "embed and classify: derive it from that, or set teacher.hint_weight=0."
            )
        widths = [member.pooling.out_width for member in members]
        module.distillation = DistillationLoss(
            targets, widths, teacher.weight, teacher.temperature, teacher.hint_weight
        )
    module.fit_statistics(*data.feature_statistics(), data.class_counts())
    if config.compile:
        # In place, so that checkpoints keep their names; compiled at the first batch, when factors are there.
        for model in members_of(module.model):
            model.compile(dynamic=True)
    return module


def _feature_augmentation(config: DictConfig) -> dict[str, Any]:
    """Keywords of FeatureAugment. Levels, frames and bands have no meaning for statistics of layers; mixup has."""
    values = {key: value for key, value in to_dict(config.augment).items() if key not in _OFFLINE}
    if is_pretrained(config):
        values |= {"gain_db": 0.0, "time_masks": 0, "band_masks": 0}
    return values


def _read_weights(initial: InitialWeights) -> dict[str, Tensor]:
    """The state dict of the plain backbone; factors are merged."""
    if initial.path.is_dir():
        return load_bundle(initial.path).model.state_dict()
    try:
        checkpoint = read_checkpoint(initial.path)
        state = merge_state_dict(at_least_single(checkpoint["state_dict"]), checkpoint.get("reparam", {}))
    except ValueError as error:
        raise UserError(f"init_from={initial.source}: cannot be read as a checkpoint ({error}).") from error
    return {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}


def instantiate_teacher(config: DictConfig, data: SpeechData, bundle: Path | None = None) -> Targets | None:
    """The targets of the teacher for every utterance, or None without one; ``bundle`` is that of a run that teaches.

    Raises:
        UserError: the teacher's files, or a training split that its head cannot be fit on.
    """
    if config.teacher is None:
        return None
    if bundle is not None:
        return bundle_targets(data, BundleOutputs(bundle))
    teacher, path = config.teacher, Path(config.teacher.path).expanduser()
    head = Head(teacher.c, teacher.folds, balanced=config.loss.class_weights == "balanced")
    if teacher.name == "table":
        return table_targets(data, path, head)
    return whisper_targets(data, LayerStatistics(path, teacher.layer), head)


def instantiate_hrf(config: DictConfig, module: EmotionModule) -> list[Callback]:
    """The callback that factorises ``module`` when it is fitted; none without HRF.

    Raises:
        UserError: a rank, pattern or option that the model does not admit, before any time is spent.
    """
    if not config.hrf:
        return []
    options = {key: value for key, value in to_dict(config.reparam).items() if key != "weight_decay"}
    try:
        insert_hrf(module.model, config.rank, **options, dry_run=True)
    except ValueError as error:
        raise UserError(f"rank or reparam: {error}.") from error
    return [HRF(config.rank, **options)]


def instantiate_callbacks(config: DictConfig) -> list[Callback]:
    """The progress bar, and the callbacks of the configuration's group without those that have nothing to monitor."""
    idle = idle_callbacks(config)
    for name, monitor in idle.items():
        log.info("callbacks.%s, which monitors %s, is left out, as there is no validation split", name, monitor)
    bars: list[Callback] = [] if config.trainer.get("enable_progress_bar") is False else [ProgressBar()]
    return bars + [hydra.utils.instantiate(entry) for name, entry in config.callbacks.items() if name not in idle]


def instantiate_loggers(config: DictConfig, data: SpeechData) -> list[Logger]:
    """The loggers of the configuration's group; W&B's run gets its names and the configuration.

    Raises:
        UserError: the package of a logger is not installed.
    """
    try:
        loggers = [hydra.utils.instantiate(entry) for entry in config.logger.values()]
    except hydra.errors.InstantiationException as error:
        if "tensorboard" in config.logger and isinstance(error.__cause__, ModuleNotFoundError):
            raise missing("tensorboard", "tensorboard") from error
        raise
    for logger in loggers:
        if isinstance(logger, Wandb):
            logger.describe(config, data.corpus.name, data.split.fold)
    return loggers


def instantiate_trainer(
    config: DictConfig, folder: Path, callbacks: Sequence[Callback], loggers: list[Logger]
) -> lightning.Trainer:
    """The Trainer of a configuration.

    Raises:
        UserError: an option that Lightning refuses, or more than one process: each would test its share as if it were all.
    """
    # Null leaves an argument to Lightning, for which some are no null.
    arguments = {key: value for key, value in to_dict(config.trainer).items() if value is not None or key == _NULLABLE}
    try:
        trainer: lightning.Trainer = hydra.utils.instantiate(
            arguments,
            callbacks=list(callbacks),
            logger=loggers or False,
            default_root_dir=str(folder),
            plugins=[AtomicCheckpointIO()],
        )
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        # ModuleNotFoundError: a precision or a profiler that needs another library.
        if isinstance(cause, MisconfigurationException | TypeError | ValueError | ModuleNotFoundError):
            raise UserError(f"trainer: {str(cause).strip().splitlines()[0].rstrip('.')}.") from error
        raise
    if trainer.world_size > 1:
        raise UserError(
            f"trainer.devices={config.trainer.devices} makes {trainer.world_size} processes, which one run cannot be shared "
            "among yet: set trainer.devices=1, and run folds and seeds side by side instead."
        )
    return trainer


def instantiate_tester(
    trainer: lightning.Trainer, config: DictConfig, folder: Path, loggers: list[Logger]
) -> lightning.Trainer:
    """The Trainer that tests the merged model: in single precision, as it is deployed, or mixed as it was trained.

    ``trainer`` itself would convert the weights to its own precision.
    """
    if trainer.precision == "32-true" or not trainer.precision.endswith("-true"):
        return trainer
    single = OmegaConf.merge(config, {"trainer": {"precision": "32-true"}})
    assert isinstance(single, DictConfig)
    return instantiate_trainer(single, folder, [], loggers)


def silence_libraries() -> None:
    """Keep the terminal for what the user needs to know."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    os.environ.setdefault("WANDB_SILENT", "true")
    for message in (
        ".*does not have many workers.*",  # batches are cheap enough that workers would slow them down
        ".*LeafSpec.*",
        ".*exists and is not empty.*",  # a resumed run finds its own checkpoints
        "Total length of `list` across ranks is zero.*",  # no validation split
        ".*smaller than the logging interval.*",  # everything is logged by epoch
    ):
        warnings.filterwarnings("ignore", message)
