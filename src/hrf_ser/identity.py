"""What makes two runs the same run: the settings that decide the result, their hash, and the keys in which they differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
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
# Keys that name a file and stand for its content.
FILE_KEYS = frozenset({"data.root", "test_data.root", "init_from", "teacher.path"})


def is_pretrained(config: DictConfig) -> bool:
    """Whether the model is a classifier on a frozen encoder."""
    return bool(OmegaConf.select(config, "model.name") == "pretrained")


def has_validation(config: DictConfig) -> bool:
    """Whether the protocol of a configuration has a validation split; a configuration without a protocol counts as one."""
    # Reports need the names of settings only, and the corpora behind the protocols take a tenth of a second to import.
    from hrf_ser.data.protocols import PROTOCOLS

    protocol = PROTOCOLS.get(str(OmegaConf.select(config, "protocol.name")))
    return protocol is None or protocol.selects_checkpoint


def idle_callbacks(config: DictConfig) -> dict[str, str]:
    """Callbacks of the configuration that monitor ``val/...`` where nothing is validated, and what they monitor."""
    if has_validation(config):
        return {}
    names = config.get("callbacks") or ()
    monitors = {str(name): str(OmegaConf.select(config, f"callbacks.{name}.monitor")) for name in names}
    return {name: monitor for name, monitor in monitors.items() if monitor.startswith("val/")}


def result_settings(config: DictConfig) -> dict[str, Any]:
    """The part of a configuration that decides the result, resolved, as plain data.

    HRF's settings are left out without HRF, and idle callbacks always. The root and the licence of a corpus are left out. Of a
    table, and for initial weights, the content of the file stands for its path.
    """
    settings: dict[str, Any] = {
        str(key): OmegaConf.to_container(config[key], resolve=True) if OmegaConf.is_config(config[key]) else config[key]
        for key in config
        if key not in LEFT_OUT and config[key] is not None
    }
    for key in ("data", "test_data"):
        if key in settings:
            root = settings[key].pop("root", None)
            settings[key].get("options", {}).pop("licence", None)
            if settings[key].get("name") == "table":
                settings[key]["root"] = _content(root)
    if "init_from" in settings:
        settings["init_from"] = _weights(settings["init_from"])
    if settings["data"].get("unlabelled") is None:
        settings["data"].pop("unlabelled", None)
    if "teacher" in settings:
        settings["teacher"]["path"] = _weights(settings["teacher"]["path"])
    if is_pretrained(config):
        options = settings["model"]["options"]
        options["name_or_path"] = _weights(options["name_or_path"])
    if not settings.get("hrf"):
        settings.pop("rank", None)
        settings.pop("reparam", None)
    for name in idle_callbacks(config):
        del settings["callbacks"][name]
    trainer = settings.get("trainer", {})
    settings["trainer"] = {key: value for key, value in trainer.items() if key not in TRAINER_LEFT_OUT}
    return settings


def identity(config: DictConfig) -> str:
    """Ten characters that two configurations share if, and only if, they describe the same run of this version.

    The checkpoint from which a run resumes is no part of it, as it must have the same settings.
    """
    settings = {"version": __version__, **result_settings(config)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:10]


def run_name(config: DictConfig) -> str:
    """Name of a run's folder in a sweep: what a reader looks for, and the identity."""
    hrf = f"hrf{float(config.rank):g}" if config.hrf else "plain"
    fold = "first" if config.fold is None else str(config.fold)
    fields = [config.data.name, config.model.label, hrf, f"fold{fold}", f"seed{config.seed}", identity(config)]
    return "_".join(str(field).replace("/", "-") for field in fields)


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """``{"optimizer": {"lr": 0.001}}`` -> ``{"optimizer.lr": 0.001}``; a list stays one value."""
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (flatten(item, f"{prefix}.{key}" if prefix else str(key)) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Keys, as one types them, with their two values where these differ; a missing key is null."""
    a, b = flatten(dict(first)), flatten(dict(second))
    return ((key, a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key))


def as_typed(value: Any) -> str:
    """A value as one types it on the command line."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(as_typed, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _weights(path: object) -> str:
    """The content of a checkpoint or of a bundle's weights; of a run's folder its bundle counts."""
    place = Path(str(path)).expanduser()
    inside = (place / "model.safetensors", place / BUNDLE / "model.safetensors")
    return _content(next((file for file in inside if file.is_file()), place))


def _content(path: object) -> str:
    try:
        return hashlib.sha256(Path(str(path)).expanduser().read_bytes()).hexdigest()
    except OSError:
        return str(path)
