"""Tables of settings: types and meanings from the schema, defaults from conf/."""

from __future__ import annotations

import html
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hrf_ser.config.describe import Node, expected, is_group, settings_of, shown
from hrf_ser.config.schema import SCHEMAS
from hrf_ser.config.trainer import REFUSED
from hrf_ser.data.corpora import corpus_names
from hrf_ser.models.options import ModelOptions

CONF = Path(__file__).resolve().parents[2] / "conf"
REQUIRED = "???"
# Settings whose values have a page of their own.
_PAGES = {"model.options": "models.md", "data.options": "corpora.md"}


def settings_tables(verb: str) -> str:
    """Every setting of ``python -m hrf_ser.<verb>``: single ones first, then a table for each group."""
    defaults = composed(verb)
    settings = settings_of(SCHEMAS[verb])
    leaves = {
        key: node for key, node in settings.items() if not is_group(node) and key.partition(".")[0] != "test_data"
    }
    groups = [key for key, node in settings.items() if is_group(node) and key != "test_data"]
    single = {key: node for key, node in leaves.items() if "." not in key}
    parts = [table(row(key, node, defaults) for key, node in single.items())]
    for group in groups:
        inside = {key: node for key, node in leaves.items() if key.startswith(f"{group}.")}
        parts.append(f"## {group} {{ #{group} }}\n\n{settings[group].get('description', '')}")
        parts.append(table(row(key, node, defaults) for key, node in inside.items()))
        if group == "trainer":
            parts.append("Arguments of Lightning's Trainer that a run refuses:")
            parts.append("\n".join(f"- `trainer.{name}`: {reason}." for name, reason in REFUSED.items()))
    return "\n\n".join(parts)


def model_options() -> str:
    """The options of every model, with the defaults of its light and its large configuration."""
    parts = []
    for name in sorted(ModelOptions.known):
        light, large = (_options(CONF / f"model/{file}.yaml") for file in (name, f"{name}_large"))
        rows = []
        for key, node in settings_of(ModelOptions.known[name], "model.options.").items():
            option = key.rpartition(".")[2]
            usual, larger = (options.get(option, node.get("default")) for options in (light, large or light))
            default = code(usual) if usual == larger else f"{code(usual)}, large {code(larger)}"
            rows.append(cells(key, default, expected(node), node["description"], anchor=f"{name}.{option}"))
        parts.append(f"## {name} {{ #{name} }}\n\n{table(rows)}")
    return "\n\n".join(parts)


def corpus_options() -> str:
    """The options of every corpus, with the meanings that its reader's docstring gives."""
    parts = []
    for corpus in corpus_names():
        config = OmegaConf.load(CONF / f"data/{corpus}.yaml")
        options = OmegaConf.to_container(config.options)
        meanings = arguments_of(import_module(f"hrf_ser.data.corpora.{corpus}").read)
        rows = [
            cells(f"data.options.{option}", code(default), kind_of(default), meanings[option], f"{corpus}.{option}")
            for option, default in options.items()
        ]
        parts.append(f"## {corpus} {{ #{corpus} }}\n\n{table(rows) if rows else 'No options.'}")
    return "\n\n".join(parts)


def _options(path: Path) -> Mapping[str, Any]:
    """The options of a file of conf/model; none where there is no such file."""
    return dict(OmegaConf.load(path).options) if path.is_file() else {}


@cache
def composed(verb: str) -> dict[str, Any]:
    """The configuration of a command without overrides, with the home folder as ``~``."""
    environment = {key: value for key, value in os.environ.items() if key != "HRF_SER_CACHE"} | {"HOME": "~"}
    with mock.patch.dict(os.environ, environment, clear=True):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(verb)
        values: dict[str, Any] = {
            str(key): REQUIRED if OmegaConf.is_missing(config, key) else _plain(config[key], str(key)) for key in config
        }
    return values


def _plain(value: Any, key: str) -> Any:
    # Loggers name the run's folder, which is not known here.
    return (
        OmegaConf.to_container(value, resolve=key not in ("callbacks", "logger"))
        if OmegaConf.is_config(value)
        else value
    )


def row(key: str, node: Node, defaults: Mapping[str, Any]) -> str:
    """A row of a table of settings."""
    value: Any = defaults
    for step in key.split("."):
        value = value.get(step, node.get("default")) if isinstance(value, Mapping) else node.get("default")
    if value == REQUIRED:
        default = "required"
    elif isinstance(value, Mapping):
        default = f"[options](../{_PAGES[key]})" if key in _PAGES else f"[choices](../presets.md#{key})"
    else:
        default = code(value)
    return cells(key, default, expected(node), node["description"], key)


def arguments_of(function: Any) -> dict[str, str]:
    """The ``Args:`` of a docstring."""
    import griffe

    sections = griffe.Docstring(inspect.getdoc(function) or "").parse("google", warnings=False)
    return {
        argument.name: " ".join(argument.description.split())
        for section in sections
        if section.kind is griffe.DocstringSectionKind.parameters
        for argument in section.value
    }


def kind_of(value: Any) -> str:
    """The type of an option that no schema describes."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return kinds.get(type(value), "a list, or null")


def code(value: Any) -> str:
    """A value as it is typed on a command line."""
    return f"`{shown(value)}`" if shown(value) else "`''`"


def table(rows: Iterable[str]) -> str:
    """A table of settings, which narrow screens show as a list."""
    header = "<tr><th>setting</th><th>default</th><th>type</th><th>meaning</th></tr>"
    body = "\n".join(rows)
    return f'<table class="settings" markdown>\n<thead markdown>{header}</thead>\n<tbody markdown>\n{body}\n</tbody>\n</table>'


def cells(key: str, default: str, kind: str, meaning: str, anchor: str) -> str:
    """The four cells of a setting."""
    breakable = "<wbr>".join(_steps(html.escape(key)))
    name = f'<a class="setting" href="#{anchor}" id="{anchor}"><code>{breakable}</code></a>'
    return (
        f'<tr markdown><td>{name}</td><td data-label="default" markdown="span">{default}</td>'
        f'<td data-label="type">{html.escape(kind)}</td><td>{_meaning(meaning)}</td></tr>'
    )


def _meaning(text: str) -> str:
    """Text with the code of a docstring; nothing else in it is Markdown."""
    return re.sub(r"(`{1,2})(.+?)\1", r"<code>\2</code>", html.escape(text, quote=False))


def _steps(key: str) -> Iterator[str]:
    """Where a dotted key may break over lines."""
    *groups, last = key.split(".")
    yield from (f"{group}." for group in groups)
    yield last.replace("_", "_<wbr>")
