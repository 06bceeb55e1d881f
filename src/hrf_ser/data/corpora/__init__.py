"""Corpora: what is on disk -> a table of utterances. One file a corpus; no tensor, no audio.

A reader is ``read(root, **options) -> Corpus``. To add a corpus, write one and enter it below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora import crema_d, daic_woz, demo, emodb, iemocap, m3ed, ravdess, table
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

__all__ = ["read_corpus", "corpus_names", "Corpus", "Utterance"]

_READERS: dict[str, Callable[..., Corpus]] = {
    "demo": demo.read,
    "ravdess": ravdess.read,
    "emodb": emodb.read,
    "crema_d": crema_d.read,
    "iemocap": iemocap.read,
    "m3ed": m3ed.read,
    "daic_woz": daic_woz.read,
    "table": table.read,
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def corpus_names() -> tuple[str, ...]:
    """Names that `read_corpus` knows."""
    return tuple(_READERS)


def read_corpus(name: str, root: str | Path, **options: Any) -> Corpus:
    """Read the table of utterances of one corpus.

    Args:
        name: One of `corpus_names`.
        root: What ``data.root`` names: the corpus's folder, or for ``table`` the CSV file. ``~`` is the home folder.
        options: Keywords of that corpus's reader (``data.options``).

    Raises:
        UserError: Unknown corpus or option, or what the corpus's reader refuses.
    """
    if name not in _READERS:
        raise UserError(f"data.name={name} is not a corpus: choose one of {', '.join(_READERS)}.")
    try:
        return _READERS[name](Path(root).expanduser(), **options)
    except UserError as error:
        # A name or cell in the message may hold line breaks and the terminal's own commands.
        raise UserError(_CONTROL.sub(" ", str(error))) from error
