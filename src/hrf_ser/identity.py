"""What makes two runs the same run: everything that changes the result but for the machine's rounding."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hrf_ser import __version__
from hrf_ser.run_folder import BUNDLE

# Paths, loggers, devices, and what belongs to the sweep rather than the run.
LEFT_OUT = frozenset({"hydra", "logger", "cache_dir", "ckpt_path", "workers", "cache_on_device", "threads", "sweep"})
TRAINER_LEFT_OUT = frozenset(
    {
        "_target_",
        "accelerator",
        "devices",
        "num_nodes",
        "strategy",
        "enable_progress_bar",
        "enable_model_summary",
        "log_every_n_steps",
        "default_root_dir",
        "profiler",
        "use_distributed_sampler",
        "num_sanity_val_steps",
        "deterministic",
    }
)


def idle_callbacks(config: DictConfig) -> dict[str, str]:
    """Callbacks that have nothing to watch, and what they would: under ``protocol=last_epoch`` those that monitor ``val/...``.

    They are no part of the run.
    """
    if OmegaConf.select(config, "protocol.name") != "last_epoch":
        return {}
    names = config.get("callbacks") or ()
    watched = {str(name): str(OmegaConf.select(config, f"callbacks.{name}.monitor")) for name in names}
    return {name: monitor for name, monitor in watched.items() if monitor.startswith("val/")}


def settings_of_result(config: DictConfig) -> dict[str, Any]:
    """The part of a configuration that decides the result, resolved, as plain data.

    Without HRF the rank and the finer settings of HRF decide nothing, nor do callbacks that are idle. A path is no part of it,
    but a table of one's own and weights to start from are known by nothing else, so that their content stands for them.
    """
    resolved: dict[str, Any] = {
        str(key): OmegaConf.to_container(config[key], resolve=True) if OmegaConf.is_config(config[key]) else config[key]
        for key in config
        if key not in LEFT_OUT and config[key] is not None
    }
    for key in ("data", "test_data"):
        if key in resolved:
            source = dict(resolved[key])
            root = source.pop("root", None)
            if source.get("name") == "table":
                source["table"] = _content(root)
            resolved[key] = source
    if "init_from" in resolved:
        resolved["init_from"] = _weights(resolved["init_from"])
    if not resolved.get("hrf"):
        resolved.pop("rank", None)
        resolved.pop("reparam", None)
    for name in idle_callbacks(config):
        del resolved["callbacks"][name]
    trainer = resolved.get("trainer", {})
    resolved["trainer"] = {key: value for key, value in trainer.items() if key not in TRAINER_LEFT_OUT}
    return resolved


def identity(config: DictConfig) -> str:
    """Ten characters that two configurations share if, and only if, they describe the same run of this version.

    Where it goes on (``ckpt_path``) is no part of it: only with a run of the same settings. One that goes on for longer than
    it was begun for has the identity of the longer run, although its learning rate fell sooner.
    """
    settings = {"version": __version__, **settings_of_result(config)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:10]


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """``{"optimizer": {"lr": 0.001}}`` -> ``{"optimizer.lr": 0.001}``; a list stays one value."""
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (flatten(item, f"{prefix}.{key}" if prefix else str(key)) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}


def run_name(config: DictConfig) -> str:
    """Name of a run's folder in a sweep: what a reader looks for, and the identity."""
    hrf = f"hrf{float(config.rank):g}" if config.hrf else "plain"
    fold = "first" if config.fold is None else str(config.fold)
    words = [config.data.name, config.model.label, hrf, f"fold{fold}", f"seed{config.seed}", identity(config)]
    return "_".join(str(word).replace("/", "-") for word in words)


def _weights(path: object) -> str:
    """The content of a checkpoint, or of a bundle's weights; of a run's folder its bundle counts."""
    place = Path(str(path)).expanduser()
    inside = (place / "model.safetensors", place / BUNDLE / "model.safetensors")
    return _content(next((file for file in inside if file.is_file()), place))


def _content(root: object) -> str:
    try:
        return hashlib.sha256(Path(str(root)).expanduser().read_bytes()).hexdigest()
    except OSError:
        return str(root)
