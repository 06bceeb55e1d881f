"""What is known to be wrong of a model before torch is imported.

The model refuses the same, later; torch and Lightning take seconds to import, and a typing error should not.
"""

from __future__ import annotations

import re
from typing import Any

from omegaconf import DictConfig

from hrf_ser.entry import conf_dir
from hrf_ser.errors import UserError
from hrf_ser.settings import to_dict

# Parsed as YAML, the files would take as long as everything else here together.
_NAME = re.compile(r"^name: *(?P<name>\w+)", re.MULTILINE)
_OPTION = re.compile(r"^  (\w+):", re.MULTILINE)
_LEAST = {**dict.fromkeys(("width", "layers", "heads", "ffn", "kernel", "ensemble_size"), 1), "max_distance": 0}
_CHOICES = {
    "positions": ("relative", "sinusoidal", "none"),
    "pooling": ("mean", "attentive", "statistics"),
}


def check_model(config: DictConfig) -> None:
    """Refuse a model that is none, or whose options are another's or do not fit together.

    Raises:
        UserError: names the key and what it may be.
    """
    name = config.model.name
    texts = [file.read_text(encoding="utf-8") for file in sorted((conf_dir() / "model").glob("*.yaml"))]
    known = {found["name"]: _OPTION.findall(text) for text in texts if (found := _NAME.search(text))}
    if name not in known:
        raise UserError(f"model: there is no model {name!r}; the models are: {', '.join(known)}.")
    options = to_dict(config.model.options)
    for key in options:
        if key not in known[name]:
            raise UserError(f"model: {name} has no option {key}; its options are: {', '.join(known[name])}.")
    _check_sizes(options)
    for key, choices in _CHOICES.items():
        if key in options and options[key] not in choices:
            raise UserError(f"model: {key}={options[key]} is unknown: use one of {', '.join(choices)}.")


def _check_sizes(options: dict[str, Any]) -> None:
    sizes = {key: value for key, value in options.items() if isinstance(value, int) and not isinstance(value, bool)}
    for key, value in sizes.items():
        least = _LEAST.get(key)
        if least is not None and value < least:
            raise UserError(f"model: {key}={value} is not a whole number of at least {least}.")
    width, heads, kernel = sizes.get("width", 0), sizes.get("heads", 1), sizes.get("kernel", 1)
    if width % heads:
        raise UserError(f"model: width must be a multiple of heads, and {width} is no multiple of {heads}.")
    if width % 2:
        raise UserError(f"model: width must be even, as half of it are sines and half cosines of a place, not {width}.")
    if kernel % 2 == 0:
        raise UserError(f"model: kernel must be odd to be centred on a token, not {kernel}.")
    for key in ("dropout", "attention_dropout", "head_dropout"):
        value = options.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UserError(f"model: {key}={value} is not a number from 0 to 1.")
    layers = options.get("layers")
    if isinstance(layers, list) and not any(layers):
        raise UserError(f"model: layers={layers} are no layers at all; give each stage one or more.")
