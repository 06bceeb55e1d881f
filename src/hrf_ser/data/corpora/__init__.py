"""Corpora: what is on disk -> a table of utterances. One file a corpus; no tensor, no audio.

The reader of a corpus is ``read(root, **options) -> Corpus`` in the file of its name: to add one, write it and name it below.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora.plugins import find_reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.plugins import CORPORA, installed

__all__ = ["read_corpus", "corpus_names", "Corpus", "Utterance"]

_CORPORA = ("demo", "ravdess", "emodb", "crema_d", "iemocap", "m3ed", "daic_woz", "table")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def corpus_names() -> tuple[str, ...]:
    """Names that `read_corpus` knows."""
    return _CORPORA


def read_corpus(name: str, root: str | Path, **options: Any) -> Corpus:
    """Read the table of utterances of one corpus.

    Args:
        name: One of `corpus_names`.
        root: What ``data.root`` names: the corpus's folder, or for ``table`` the CSV file. ``~`` is the home folder.
        options: Keywords of that corpus's reader (``data.options``).

    Raises:
        UserError: Unknown corpus or option, or what the corpus's reader refuses.
    """
    read = import_module(f"{__name__}.{name}").read if name in _CORPORA else find_reader(name)
    if read is None:
        raise UserError(
            f"data.name={name} is not a corpus: choose one of {', '.join([*_CORPORA, *installed(CORPORA)])}."
        )
    try:
        corpus = read(Path(root).expanduser(), **options)
    except UserError as error:
        # A name or cell in the message may hold line breaks and the terminal's own commands.
        raise UserError(_CONTROL.sub(" ", str(error))) from error
    if not isinstance(corpus, Corpus):
        raise UserError(f"data.name={name}: its reader returned {type(corpus).__name__} and no hrf_ser Corpus.")
    return corpus
