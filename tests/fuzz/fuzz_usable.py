"""What programs take for granted of a configuration that was checked: all that is cheap to build of it is built."""

from __future__ import annotations

import functools
from typing import Any

import torch
from omegaconf import OmegaConf

from hrf_ser.audio.front_end import LogMel
from hrf_ser.config import to_dict
from hrf_ser.errors import UserError
from hrf_ser.training.instantiate import instantiate_data, instantiate_hrf
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer, build_schedule

KEYS = (
    *("rank", "seed", "batch_size", "workers", "threads", "hrf", "compile", "cache_on_device", "fold"),
    *("protocol.name", "protocol.folds", "data.on_bad_audio", "loss.class_weights", "loss.label_smoothing"),
    *("reparam.factors", "reparam.init", "reparam.mode", "reparam.weight_decay", "reparam.targets"),
    *("optimizer.name", "optimizer.lr", "optimizer.weight_decay", "optimizer.momentum"),
    *("optimizer.schedule", "optimizer.warmup_epochs", "optimizer.final_lr"),
    *("trainer.max_epochs", "trainer.accumulate_grad_batches", "trainer.check_val_every_n_epoch"),
    *("features.n_mels", "features.hop_ms", "features.window_ms", "features.normalisation"),
    *("features.f_min", "features.f_max", "features.floor_db", "features.trim_db"),
    *("augment.speed", "augment.noise_snr_db", "augment.gain_db", "augment.mixup"),
    *("augment.time_masks", "augment.time_width", "augment.band_masks", "augment.band_width"),
)
_WHOLE = ("seed", "batch_size", "workers", "trainer.max_epochs", "trainer.accumulate_grad_batches")
_BANDS = 4


def usable(config: Any) -> None:
    """Build data, front end, model, loss, optimizer, schedule and factors of ``config``, and use each once."""
    for key in _WHOLE:
        value = OmegaConf.select(config, key)
        assert type(value) is int, f"{key} is {value!r}"
        assert abs(value) < 2**32
    data = instantiate_data(config, dataset=None)  # type: ignore[arg-type]  # of which nothing is used here
    features, lengths = _log_mel(data.front_end)(torch.zeros(1, 800), torch.tensor([800]))
    assert features.shape[2] == config.features.n_mels
    assert 0 < int(lengths) <= features.shape[1]
    # Other speeds may want filters of a gigabyte.
    augmented = [one.apply(torch.ones(800), "a") for one in data.augmentations if one.speed in (1.0, 0.9, 1.1)]
    assert all(waveform.isfinite().all() for waveform in augmented)
    module = _module(config)
    loss = module.training_step(_batch(), 0)
    assert loss.isfinite()
    _optimise(config, module)
    _factorise(config, module)


@functools.lru_cache
def _log_mel(front_end: Any) -> LogMel:
    return LogMel(front_end)


def _module(config: Any) -> EmotionModule:
    augment = {
        key: value
        for key, value in to_dict(config.augment).items()
        if key not in ("speed", "noise_snr_db", "telephone")
    }
    return EmotionModule(
        "conv_transformer",
        ["a", "b"],
        _BANDS,
        batches_per_epoch=3,
        hop_ms=float(config.features.hop_ms),
        options={"width": 4, "layers": 1, "heads": 2, "ffn": 4},
        normalisation=config.features.normalisation,
        augment=augment,
        class_weights=config.loss.class_weights,
        label_smoothing=config.loss.label_smoothing,
        seed=config.seed,
    )


def _batch() -> Any:
    lengths = torch.tensor([8, 3])
    return {"features": torch.ones(2, 8, _BANDS), "lengths": lengths, "labels": torch.tensor([0, 1])}


def _optimise(config: Any, module: EmotionModule) -> None:
    options = OptimizerConfig(**to_dict(config.optimizer), factor_decay=config.reparam.weight_decay)
    optimizer = build_optimizer(module.model, options)
    schedule = build_schedule(optimizer, options, steps=3 * config.trainer.max_epochs, steps_per_epoch=3)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    assert all(0 <= group["lr"] < float("inf") for group in optimizer.param_groups)


def _factorise(config: Any, module: EmotionModule) -> None:
    config = config.copy()
    config.hrf = True
    try:
        instantiate_hrf(config, module)
    except UserError as error:
        # Only the model knows which ranks and layers it has.
        if not str(error).startswith("rank or reparam: "):
            raise
