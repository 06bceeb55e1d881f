"""Docstrings of the API pages: Sphinx roles become code, and public names without a docstring are found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import griffe

ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):`~?([^`]*)`")


class Roles(griffe.Extension):
    """Show ``:func:`name` `` as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda role: f"`{role.group(1).rpartition('.')[2]}`", obj.docstring.value)


def undocumented(names: Sequence[str], source: Path) -> Iterator[str]:
    """Public functions, classes and methods below ``names`` that have no docstring."""
    package = griffe.load("hrf_ser", search_paths=[source], resolve_aliases=True)
    for name in names:
        yield from _undocumented(
            package[name.removeprefix("hrf_ser").removeprefix(".")] if name != "hrf_ser" else package
        )


def _undocumented(found: griffe.Object | griffe.Alias) -> Iterator[str]:
    target = found.final_target if isinstance(found, griffe.Alias) else found
    if not target.docstring:
        yield target.path
    for name, member in target.members.items():
        if _is_public(target, name, member):
            yield from _undocumented(member)


def _is_public(parent: griffe.Object, name: str, member: griffe.Object | griffe.Alias) -> bool:
    if name.startswith("_"):
        return False
    if parent.is_module:
        if parent.exports is not None:
            return name in parent.exports
        return not member.is_alias and (member.is_function or member.is_class)
    return member.is_function or (member.is_attribute and "property" in member.labels)
