"""Checks of a configuration that need no torch: a wrong value is told within a second."""

from __future__ import annotations

import math
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from hrf_ser.errors import UserError

_CHOICES: dict[str, tuple[Any, ...]] = {
    "protocol.name": ("validation", "last_epoch", "out_of_fold", "test_oracle"),
    "reparam.factors": (2, 3),
    "reparam.init": ("exact", "variance", "default"),
    "reparam.mode": ("parametrized", "inserted"),
    "reparam.weight_decay": ("product", "factors", "none"),
    "optimizer.name": ("adamw", "sgd"),
    "optimizer.schedule": ("cosine", "constant"),
    "loss.class_weights": ("balanced", "none"),
    "features.normalisation": ("train", "utterance", "none"),
    "data.on_bad_audio": ("stop", "skip"),
}
_FOLDS = ("corpus", "group", "speaker", "official")
_FLAGS = ("hrf", "compile")
_OPTIONAL = ("threads", "trainer.check_val_every_n_epoch", "features.trim_db")
# Numbers of something: no fractions, and no more than machines count to.
_WHOLE = (
    *("seed", "batch_size", "workers", "threads", "trainer.max_epochs", "features.n_mels"),
    *("trainer.check_val_every_n_epoch", "trainer.accumulate_grad_batches"),
    *("augment.time_masks", "augment.band_masks", "augment.band_width"),
)
_MOST = {
    "seed": 2**32 - 1,
    "loss.label_smoothing": 1,
    "features.n_mels": 4096,
    "features.hop_ms": 1000,
    "features.window_ms": 1000,
    "features.f_max": 8000,  # half of the sample rate
    "augment.time_masks": 1000,
    "augment.band_masks": 1000,
    "augment.time_width": 1,
}
_LEAST: dict[str, float] = {
    "rank": 0,
    "seed": 0,
    "batch_size": 1,
    "workers": 0,
    "threads": 1,
    "optimizer.lr": 0,
    "optimizer.weight_decay": 0,
    "optimizer.momentum": 0,
    "optimizer.warmup_epochs": 0,
    "optimizer.final_lr": 0,
    "loss.label_smoothing": 0,
    "trainer.max_epochs": 1,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.accumulate_grad_batches": 1,
    "features.n_mels": 1,
    "features.hop_ms": 1,
    "features.window_ms": 1,
    "features.f_min": 0,
    "features.f_max": 0,
    "features.floor_db": 0,
    "features.trim_db": 0,
    "augment.time_masks": 0,
    "augment.time_width": 0,
    "augment.band_masks": 0,
    "augment.band_width": 0,
    "augment.gain_db": 0,
    "augment.mixup": 0,
}
# Numbers nearer to 0 have no Beta distribution in single precision.
_LEAST_MIXUP = 1e-6
_SPEEDS, _SNR_DB = (0.1, 10.0), (-100.0, 100.0)


def check(config: DictConfig) -> None:
    """Refuse a configuration that cannot work. Keys that it does not have are not checked.

    Raises:
        UserError: names the key, its value and what it may be.
    """
    folds = OmegaConf.select(config, "protocol.folds", default="corpus")
    if folds not in _FOLDS and (isinstance(folds, bool) or not isinstance(folds, int) or folds < 2):
        raise UserError(
            f"protocol.folds={_short(folds)} is unknown: use one of {', '.join(_FOLDS)}, or a number of folds."
        )
    cache_on_device = OmegaConf.select(config, "cache_on_device", default="auto")
    if cache_on_device != "auto" and not isinstance(cache_on_device, bool):
        raise UserError(f"cache_on_device={_short(cache_on_device)} is unknown: use one of auto, true, false.")
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        key = "".join(missing[0].splitlines())
        raise UserError(f"{key} has no value: give it on the command line as {key}=...")
    for key, choices in _CHOICES.items():
        value = OmegaConf.select(config, key, default=choices[0])
        # 2.0 is no number of factors.
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise UserError(f"{key}={_short(value)} is unknown: use one of {', '.join(map(str, choices))}.")
    for key in _FLAGS:
        value = OmegaConf.select(config, key, default=False)
        if not isinstance(value, bool):
            raise UserError(f"{key}={_short(value)} is neither true nor false.")
    for key, least in _LEAST.items():
        value = OmegaConf.select(config, key, default=least)
        if value is None and key in _OPTIONAL:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            raise UserError(f"{key}={_short(value)} is not a number of at least {least:g}.")
        if key in _WHOLE and not isinstance(value, int):
            raise UserError(f"{key}={value} is not a whole number.")
        most = _MOST.get(key, 2**31 - 1 if key in _WHOLE else 1e12)
        if value > most:
            raise UserError(f"{key}={_short(value)} is more than {most:g}; give a smaller number.")
    _check_augmentation(config)
    _check_targets(config)
    _check_frequencies(config)
    _check_crossed(config)
    _check_trainer(config)


def _check_augmentation(config: DictConfig) -> None:
    """Refuse a single value where a list is meant, lists of anything else, and mixtures without shares."""
    speed = OmegaConf.select(config, "augment.speed", default=[])
    if not _are_numbers(speed, _SPEEDS):
        low, high = _SPEEDS
        raise UserError(
            f"augment.speed={_short(speed)} is no list of numbers from {low:g} to {high:g}, such as [0.9,1.1]."
        )
    noise = OmegaConf.select(config, "augment.noise_snr_db")
    if noise is not None and not (_are_numbers(noise, _SNR_DB) and len(noise) == 2):
        raise UserError(f"augment.noise_snr_db={_short(noise)} is neither null nor a range in dB, such as [10,30].")
    mixup = OmegaConf.select(config, "augment.mixup", default=0)
    if 0 < mixup < _LEAST_MIXUP:
        raise UserError(f"augment.mixup={mixup} is neither 0 nor a number of at least {_LEAST_MIXUP:g}.")


def _check_targets(config: DictConfig) -> None:
    targets = OmegaConf.select(config, "reparam.targets")
    patterns = targets if isinstance(targets, ListConfig) else [targets]
    if targets is not None and not all(isinstance(pattern, str) for pattern in patterns):
        raise UserError(f"reparam.targets={_short(targets)} is neither a name of layers nor a list of names.")


def _are_numbers(values: object, bounds: tuple[float, float]) -> bool:
    low, high = bounds
    return isinstance(values, list | ListConfig) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and low <= one <= high for one in values
    )


def _check_frequencies(config: DictConfig) -> None:
    low = OmegaConf.select(config, "features.f_min", default=0)
    high = OmegaConf.select(config, "features.f_max", default=math.inf)
    if low >= high:
        raise UserError(f"features.f_min={low} is not less than features.f_max={high}.")


def _check_crossed(config: DictConfig) -> None:
    if OmegaConf.select(config, "protocol.name") != "out_of_fold":
        return
    members = OmegaConf.select(config, "model.options.ensemble_size", default=1)
    if members == 1:
        raise UserError(
            "protocol=out_of_fold evaluates each member of an ensemble on the speakers it leaves out, and there is one model: "
            "set model.options.ensemble_size to 2 or more, or protocol=validation."
        )


def _check_trainer(config: DictConfig) -> None:
    """Refuse a training that keeps no epoch to test."""
    trainer = OmegaConf.select(config, "trainer", default={})
    if trainer.get("fast_dev_run"):
        raise UserError(f"trainer.fast_dev_run={_short(trainer.fast_dev_run)} keeps no epoch to test: use debug=fast.")
    for key in ("limit_train_batches", "limit_test_batches"):
        if trainer.get(key) == 0:
            raise UserError(f"trainer.{key}=0 leaves nothing to train or test with: give a larger number.")
    if OmegaConf.select(config, "protocol.name") == "last_epoch":
        return
    if trainer.get("limit_val_batches") == 0:
        raise UserError(
            "trainer.limit_val_batches=0 leaves nobody to choose the epoch: set protocol=last_epoch, which takes the last."
        )
    every, epochs = trainer.get("check_val_every_n_epoch"), trainer.get("max_epochs")
    if every is not None and epochs is not None and every > epochs:
        raise UserError(
            f"trainer.check_val_every_n_epoch={every} is more than trainer.max_epochs={epochs}, "
            "so that no epoch would be validated: give a smaller number."
        )


def _short(value: object) -> str:
    """A value as it was typed, on one line of a screen."""
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."


def to_dict(config: DictConfig) -> dict[str, Any]:
    """A group as plain dictionaries and lists: what checkpoints and bundles may hold."""
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
