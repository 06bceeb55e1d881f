"""Checks of a configuration, without torch: a mistake ends in one sentence within a second."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ValidationError

from hrf_ser.config.describe import Node, choices, expected, settings_of, shown
from hrf_ser.config.other_names import OTHER_NAMES, other_name
from hrf_ser.config.schema import SCHEMAS
from hrf_ser.config.trainer import refused_argument
from hrf_ser.errors import UserError
from hrf_ser.models.options import ModelOptions
from hrf_ser.renamed import renamed

# Loggers name the run's folder, which only Hydra knows; it resolves both groups where it instantiates them.
_UNRESOLVED = ("callbacks", "logger")


def validate(config: DictConfig, verb: str) -> None:
    """Check the settings of ``python -m hrf_ser.<verb>``.

    Raises:
        UserError: names the first key that is wrong, its value and what it may be.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise UserError(_no_value("".join(missing[0].splitlines())))
    values: dict[Any, Any] = {
        key: OmegaConf.to_container(config[key], resolve=key not in _UNRESOLVED)
        if OmegaConf.is_config(config[key])
        else config[key]
        for key in config
    }
    check(SCHEMAS[verb], values, verb)
    if "model" in values:
        check(options_of(values["model"]["name"]), values["model"]["options"], verb, "model.options.")


def options_of(model: str) -> type[ModelOptions]:
    """The options of a model.

    Raises:
        UserError: there is no such model.
    """
    known = ModelOptions.known
    if model not in known and model.isidentifier() and find_spec(f"hrf_ser.models.{model}"):
        import_module(f"hrf_ser.models.{model}")  # A model may define its options in its own file, which imports torch.
    if model not in known:
        from hrf_ser.models.plugins import load_installed
        from hrf_ser.plugins import MODELS, installed

        if not load_installed(model):
            names = sorted({*known, *installed(MODELS)})
            raise UserError(f"model.name={shown(model)} is unknown: use one of {', '.join(names)}.")
    return known[model]


def to_dict(config: DictConfig) -> dict[str, Any]:
    """A group as plain dictionaries and lists: what checkpoints and bundles may hold."""
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def unknown_key(verb: str, key: str) -> str:
    """The sentence for a key that a configuration does not have: its new name, or the nearest known keys."""
    known = list(settings_of(SCHEMAS[verb]))
    if verb == "train":
        known += [key for model in ModelOptions.known.values() for key in settings_of(model, "model.options.")]
    if sentence := renamed(verb, key) or refused_argument(key):
        return sentence
    if key in known:
        return f"{key} is not in this configuration: add it as +{key}=..."
    if key in settings_of(SCHEMAS["train"]):
        return f"{key} is a setting of train and not of {verb}: leave it out."
    sentence = _unknown(verb, key, known)
    if key.partition(".")[0] in _UNRESOLVED:
        return f"{sentence.rstrip('.?')}, or +{key}=... for a setting of Lightning."
    return sentence


def _unknown(verb: str, key: str, known: Iterable[str]) -> str:
    known = list(known)
    applies = key not in known and (verb == "train" or OTHER_NAMES.get(key) in known)
    if applies and (sentence := other_name(key)):
        return sentence
    group, _, last = key.rpartition(".")
    siblings = {other.rpartition(".")[2]: other for other in known if group and other.rpartition(".")[0] == group}
    names = siblings or {other: other for other in known}
    if nearest := difflib.get_close_matches(last if siblings else key, names, n=2):
        return f"{key} is unknown: did you mean {' or '.join(names[name] for name in nearest)}?"
    if siblings:
        return f"{key} is unknown: use one of {', '.join(siblings.values())}."
    return f"{key} is unknown: --help lists all settings."


def check(schema: type[BaseModel], values: Any, verb: str, prefix: str = "") -> None:
    """Check values against a schema.

    Raises:
        UserError: names the first key that is wrong.
    """
    try:
        schema.model_validate(values)
    except ValidationError as error:
        raise UserError(_sentence(error, schema, values, verb, prefix)) from None


def _sentence(error: ValidationError, schema: type[BaseModel], values: Any, verb: str, prefix: str) -> str:
    problem = error.errors(include_url=False)[0]
    place = [" ".join(str(step).split()) for step in problem["loc"]]
    if problem["type"] == "value_error":
        return "".join(f"{group}." for group in (*prefix.split(".")[:-1], *place)) + str(problem["ctx"]["error"])
    key = prefix + ".".join(place)
    settings = settings_of(schema, prefix)
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        value = shown(problem["input"])
        return renamed(verb, key, value) or refused_argument(key, value) or _unknown(verb, key, settings)
    if problem["type"] == "missing":
        return _no_value(key)
    # What follows the key is an element of a list, or one of several types.
    depth = max(n for n in range(1, len(place) + 1) if prefix + ".".join(place[:n]) in settings)
    key, value = prefix + ".".join(place[:depth]), values
    for step in problem["loc"][:depth]:
        value = value[step]
    return renamed(verb, key, value) or f"{key}={shown(value)} {_rule(settings[key], problem['type'])}"


def _rule(node: Node, problem: str) -> str:
    if problem == "finite_number":
        return "must be finite."
    if known := choices(node):
        return f"is unknown: use one of {', '.join(known)}."
    return f"must be {expected(node, most=problem == 'less_than_equal')}."


def _no_value(key: str) -> str:
    return f"{key} has no value: give it on the command line as {key}=..."
