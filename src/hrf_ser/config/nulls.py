"""Null means the default: Python's ``None`` in place of YAML's ``null``, and null for a setting that has a number."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf, open_dict

from hrf_ser.config.describe import Node, settings_of
from hrf_ser.config.schema import SCHEMAS

DEFAULTS = {"seed": 0}


def fill_nulls(config: DictConfig, verb: str) -> None:
    """Replace ``None`` that stands for null, and null that stands for a number, in a configuration."""
    with open_dict(config):
        for key, node in settings_of(SCHEMAS[verb]).items():
            if not _nullable(node) or OmegaConf.is_missing(*_place(config, key)):
                continue
            value = OmegaConf.select(config, key, default="")
            if value == "None":
                OmegaConf.update(config, key, DEFAULTS.get(key))
            elif value is None and key in DEFAULTS:
                OmegaConf.update(config, key, DEFAULTS[key])


def _nullable(node: Node) -> bool:
    return any(kind.get("type") == "null" for kind in node.get("anyOf", ()))


def _place(config: DictConfig, key: str) -> tuple[DictConfig, str]:
    group, _, name = key.rpartition(".")
    parent = OmegaConf.select(config, group) if group else config
    return (parent, name) if isinstance(parent, DictConfig) else (OmegaConf.create({}), name)
