"""Which corpus, and where; read once, although it is first looked at before torch is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora import Corpus, read_corpus

# Tables that were read ahead and wait for the run that asked.
_WAITING: list[tuple[Source, Corpus]] = []


@dataclass(frozen=True)
class Source:
    """Which corpus, and where.

    Attributes:
        name: one of ``corpus_names()``.
        root: the corpus's folder or CSV file.
        options: keywords of the corpus's reader.
    """

    name: str
    root: str | Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> Corpus:
        """The table, as its reader gives it.

        Raises:
            UserError: what the reader refuses.
        """
        for place, (source, corpus) in enumerate(_WAITING):
            if source == self:
                del _WAITING[place]
                return corpus
        return read_corpus(self.name, self.root, **self.options)


def read_ahead(sources: list[Source]) -> list[Corpus]:
    """The tables of the run that starts now: what is wrong with them is told before torch is imported.

    Each waits for the next :meth:`Source.read`; those that an earlier run left are forgotten, as files may have changed since.

    Raises:
        UserError: what a reader refuses.
    """
    _WAITING.clear()
    corpora = [source.read() for source in sources]
    _WAITING.extend(zip(sources, corpora, strict=True))
    return corpora
