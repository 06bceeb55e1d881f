"""What a schema says of a setting, in words: for errors and for ``--help``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from hrf_ser.config.types import MOST, MOST_WHOLE

Node = dict[str, Any]
_TYPES = {"string": "text", "boolean": "true or false", "null": "null", "object": "a group of settings"}


@functools.cache
def settings_of(schema: type[BaseModel], prefix: str = "") -> Mapping[str, Node]:
    """Dotted key -> JSON schema of every setting, those of groups included. Groups themselves have an entry, too."""
    whole = schema.model_json_schema()
    found: dict[str, Node] = {}

    def walk(node: Node, prefix: str) -> None:
        for name, child in node.get("properties", {}).items():
            found[prefix + name] = child
            reference = next((one["$ref"] for one in (child, *child.get("anyOf", [])) if "$ref" in one), None)
            if reference is not None:
                walk(whole["$defs"][reference.removeprefix("#/$defs/")], f"{prefix}{name}.")

    walk(whole, prefix)
    return found


def is_group(node: Node) -> bool:
    """Whether a setting holds further ones."""
    return "$ref" in node or any("$ref" in one for one in node.get("anyOf", []))


def choices(node: Node) -> list[str]:
    """The values of a setting that has a few; empty for any other."""
    values = node.get("enum", [node["const"]] if "const" in node else [])
    return list(dict.fromkeys(shown(value) for value in values))  # 16 and "16" are typed alike


def expected(node: Node, most: bool = False) -> str:
    """What a value must be, such as ``a number from 0 to 1``.

    Args:
        node: the setting's JSON schema.
        most: name upper bounds that only keep a machine from counting too far.
    """
    text = _expected(node, most)
    return f"{text}, such as {node['examples'][0]}" if "examples" in node else text


def _expected(node: Node, most: bool) -> str:
    if "anyOf" in node:
        parts = [_expected(one, most) for one in node["anyOf"]]
        return f"{', '.join(parts[:-1])} or {parts[-1]}"
    if values := choices(node):
        return ", ".join(values)
    kind = node.get("type", "object")
    if kind == "array":
        item = _expected(node["items"], most).removeprefix("a ").replace("number", "numbers", 1)
        count = f"{node['minItems']} " if node.get("minItems", 0) == node.get("maxItems") else ""
        return f"a list of {count}{item}"
    if kind in ("integer", "number"):
        return f"a {'whole ' if kind == 'integer' else ''}number{_bounds(node, most)}"
    return _TYPES[kind]


def _bounds(node: Node, most: bool) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        return f" greater than {node['exclusiveMinimum']:g}"
    if low is None:
        return ""
    if high is None or (high in (MOST, MOST_WHOLE) and not most):
        return f" greater than or equal to {low:g}"
    return f" from {low:g} to {high:.15g}"


def shown(value: object) -> str:
    """A value as it is typed on a command line, cut where it is long."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}..."
