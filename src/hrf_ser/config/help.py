"""``python -m hrf_ser.<verb> --help``: the commands of conf/<verb>.yaml, and every setting of the schema."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from hrf_ser.config import options_of
from hrf_ser.config.describe import Node, expected, is_group, settings_of, shown
from hrf_ser.config.schema import SCHEMAS

_LEFT = 38


def help_text(verb: str, conf: Path, overrides: Sequence[str] = ()) -> str:
    """The help of a verb; its defaults are those of a command with these overrides."""
    with initialize_config_dir(str(conf), version_base="1.3"):
        config = compose(verb, list(overrides))
    lines = (conf / f"{verb}.yaml").read_text(encoding="utf-8").splitlines()
    header = [line[1:].removeprefix(" ") for line in takewhile(lambda line: line.startswith("#"), lines)]
    settings = dict(settings_of(SCHEMAS[verb]))
    if "model" in config:
        settings.pop("model.options")
        settings |= settings_of(options_of(config.model.name), "model.options.")
    single = {key: node for key, node in settings.items() if "." not in key and not is_group(node)}
    parts = [header, list(_choices(conf, verb)), list(_rows(single, config))]
    for group in (key for key, node in settings.items() if "." not in key and is_group(node)):
        inside = {key: node for key, node in settings.items() if key.startswith(f"{group}.")}
        if config.get(group) is not None:
            parts.append(list(_rows(inside, config)))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _choices(conf: Path, verb: str) -> Iterator[str]:
    """Groups of settings that are chosen by name, with the names."""
    loaded = OmegaConf.load(conf / f"{verb}.yaml")
    for entry in loaded.defaults:
        for group, default in entry.items() if OmegaConf.is_dict(entry) else ():
            folder = conf / str(group).partition("@")[0]
            if folder.is_dir():
                names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
                yield _row(f"{group}={shown(default)}", names)


def _rows(settings: dict[str, Node], config: DictConfig) -> Iterator[str]:
    for key, node in settings.items():
        if is_group(node):
            continue
        group, _, name = key.rpartition(".")
        required = OmegaConf.is_missing(OmegaConf.select(config, group) if group else config, name)
        default = None if required else OmegaConf.select(config, key)
        value = "..." if required or OmegaConf.is_dict(default) else shown(default)
        yield _row(f"{key}={value}", f"{node['description']} ({expected(node)}{', required' if required else ''})")


def _row(left: str, text: str) -> str:
    width = max(40, min(120, shutil.get_terminal_size().columns) - _LEFT - 4)
    right = textwrap.wrap(text, width, break_on_hyphens=False)
    first = f"  {left:<{_LEFT}}  {right[0]}" if len(left) <= _LEFT else f"  {left}\n{'':{_LEFT + 4}}{right[0]}"
    return "\n".join([first, *(f"{'':{_LEFT + 4}}{line}" for line in right[1:])])
