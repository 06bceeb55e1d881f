"""What other installed packages register under a group of entry points."""

from __future__ import annotations

import functools
import sys
from importlib.metadata import EntryPoint, entry_points

MODELS, CORPORA = "hrf_ser.models", "hrf_ser.corpora"


def installed(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of everything in ``group``."""
    return _installed(group, tuple(sys.path))


@functools.cache
def _installed(group: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
