"""Other tools' ways of writing a command, as Hydra reads them: ``--key=value``, ``--key value``, Python's and JSON's values."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from hrf_ser.errors import UserError

# Hydra's own options that look like a setting.
_HYDRA = {"cfg", "package", "info", "help", "run", "multirun", "resolve", "version"}
_FLAG = re.compile(r"--(?P<key>[A-Za-z_][\w.@/]*)(?:=(?P<value>.*))?", re.DOTALL)
_OVERRIDE = re.compile(r"(?P<prefix>\+{0,2})(?P<key>[A-Za-z_][\w.@/]*)=(?P<value>.*)", re.DOTALL)
_QUOTES = ("'", '"')
# Names of speakers that YAML reads as truth values and fractions.
_NO_NAME = re.compile(
    r"true|false|[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)", re.IGNORECASE
)
# A text with a character that Hydra does not take without quotes.
_ODD = re.compile(r"(?<!['\"\w])[^\s,:'\"()\[\]{}]*[^\x00-\x7f\s=][^\s,:'\"()\[\]{}]*")
_NULL = {"None", "null", "Null", "NULL"}


def normalise(words: Sequence[str], conf: Path) -> list[str]:
    """The overrides of a command line in Hydra's grammar; what is in it already stays as it is.

    Args:
        words: of the command line.
        conf: the folder conf/.

    Raises:
        UserError: a file of arguments, as ``${args_json_file}`` of a W&B sweep gives it.
    """
    several = bool({"-m", "--multirun"} & set(words))
    return [_quoted(override, several) for word in _join_flags(words) for override in _expand(word, conf)]


def _join_flags(words: Sequence[str]) -> Iterator[str]:
    """``--key=value``, ``--key value`` and ``--key`` -> ``key=value`` and ``key=true``."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag = _FLAG.fullmatch(word)
        if flag is None or flag["key"] in _HYDRA:
            yield word
            # The value of an option of Hydra's, such as the folder of --config-dir.
            if word.startswith("-") and rest and "=" not in rest[0] and not rest[0].startswith("-"):
                yield rest.pop(0)
        elif flag["value"] is not None:
            yield f"{flag['key']}={flag['value']}"
        elif rest and not re.match(r"-{1,2}[A-Za-z]", rest[0]) and not _OVERRIDE.fullmatch(rest[0]):
            yield f"{flag['key']}={rest.pop(0)}"
        else:
            yield f"{flag['key']}=true"


def _expand(word: str, conf: Path) -> Iterator[str]:
    if word.startswith("{") and isinstance(content := _literal(word), dict):
        for key, value in content.items():
            yield from _expand(f"{key}={_typed(value)}", conf)
        return
    if word.endswith(".json") and "=" not in word:
        raise UserError(
            f"{word} is no setting: write ${{args_no_hyphens}} in place of ${{args_json_file}} under command: in the "
            "sweep file."
        )
    override = _OVERRIDE.fullmatch(word)
    if override is None:
        yield word
        return
    prefix, key, value = override["prefix"], override["key"], override["value"]
    if value[:1] in {"{", "["} and (content := _literal(value)) is not None:
        if isinstance(content, dict) and content and all(isinstance(name, str) for name in content):
            for name, item in content.items():
                yield from _expand(f"{prefix}{key}.{name}={_typed(item)}", conf)
            return
        value = _typed(content)
    elif value in _NULL and (conf / key).is_dir():
        value = "none" if (conf / key / "none.yaml").is_file() else "null"
    if key.startswith("trainer."):
        prefix = _trainer_prefix(prefix, key.removeprefix("trainer."), conf)
    yield f"{prefix}{key}={value}"


def _trainer_prefix(prefix: str, argument: str, conf: Path) -> str:
    """What adds an argument of Lightning's Trainer that conf/trainer does not list, so that nobody has to type a plus."""
    from omegaconf import OmegaConf

    from hrf_ser.config.trainer import ARGUMENTS

    if argument.partition(".")[0] not in ARGUMENTS:
        return prefix
    return "" if argument in OmegaConf.load(conf / "trainer" / "default.yaml") else "++"


def _quoted(override: str, several: bool) -> str:
    """The override with quotes around texts that Hydra's grammar does not take without: umlauts, ``=``, a speaker ``true``.

    Args:
        override: of the command line.
        several: whether it is of a sweep, where commas separate values.
    """
    parts = _OVERRIDE.fullmatch(override)
    if parts is None:
        return override
    begin, value = f"{parts['prefix']}{parts['key']}=", parts["value"]
    if parts["key"] == "fold" and value[:1] not in _QUOTES:
        names = value.split(",") if several else [value]
        if any(_NO_NAME.fullmatch(name) for name in names):
            return begin + ",".join(_quote(name) if _NO_NAME.fullmatch(name) else name for name in names)
    if _is_sweep(override) is not None:
        return override
    nested = value[:1] in ("[", "{")
    candidates = [_ODD.sub(lambda match: _quote(match[0]), value)] if nested or not several else []
    if parts["key"] == "fold" and several:
        candidates = [",".join(map(_quote, value.split(",")))]
    elif not nested and value[:1] not in _QUOTES and not (several and "," in value):
        candidates.append(_quote(value))
    accepted = (True, False) if several else (False,)
    return next((begin + one for one in candidates if _is_sweep(begin + one) in accepted), override)


def _quote(text: str) -> str:
    return str(QuotedString(text, Quote.single).with_quotes())


def parsed(override: str) -> Override | None:
    """The override as Hydra reads it; None where it is not in its grammar."""
    try:
        return OverridesParser.create().parse_override(override)
    except (HydraException, ValueError, RecursionError):
        return None


def _is_sweep(override: str) -> bool | None:
    """Whether it has several values; None where it is not in Hydra's grammar."""
    found = parsed(override)
    return None if found is None else bool(found.is_sweep_override())


def _literal(text: str) -> Any:
    """A list or dictionary that Python or JSON wrote; None for Hydra's own ``{width: 16}`` and anything else."""
    for parse in (ast.literal_eval, json.loads):
        try:
            content = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(content, list | dict):
            return content
    return None


def _typed(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_typed, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, str) and not re.fullmatch(r"[\w./@-]+", value):
        return _quote(value)
    return str(value)
