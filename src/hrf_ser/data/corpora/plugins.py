"""Corpora of other packages, under a name of the group ``hrf_ser.corpora`` of their entry points, or added by their reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus
from hrf_ser.plugins import CORPORA, installed

_READERS: dict[str, Callable[..., Corpus]] = {}


def add_corpus(name: str, read: Any) -> None:
    """Register ``read(root, **options) -> Corpus``; the annotations of its options are checked.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(read):
        raise TypeError(f"{name} is no function that reads a corpus")
    _READERS[name] = read if hasattr(read, "__wrapped__") else reader(read)


def find_reader(name: str) -> Callable[..., Corpus] | None:
    """The reader that was added under this name, or that an installed package has; None where there is none."""
    if name not in _READERS and (point := installed(CORPORA).get(name)) is not None:
        add_corpus(name, point.load())
    return _READERS.get(name)
