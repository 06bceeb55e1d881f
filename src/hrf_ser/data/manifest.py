"""``manifest.csv``: the table of utterances, as other programs read it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hrf_ser.audio.read import duration
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.protocols import OFFICIAL, PARTS
from hrf_ser.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("utterance", "path", "start", "end", "duration", "speaker", "sex", "label", "group", "part")


def write_manifest(path: Path, utterances: Sequence[Utterance], skipped: Mapping[str, str]) -> None:
    """Write the table, whole or not at all. Columns that a corpus has beyond the common ones come last.

    Args:
        path: the CSV file.
        utterances: its rows.
        skipped: ids of utterances without usable audio, which are left out.
    """
    seconds: dict[Path, float] = {}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    further = list(dict.fromkeys(name for one in utterances for name, _ in one.extra))
    writer.writerow([*COLUMNS, *further])
    for one in utterances:
        if one.utterance in skipped:
            continue
        if one.path not in seconds:
            seconds[one.path] = duration(one.path)
        end = seconds[one.path] if one.end is None else min(one.end, seconds[one.path])
        length = end - (one.start or 0.0)
        limits = ("" if limit is None else f"{limit:.6f}".rstrip("0").rstrip(".") for limit in (one.start, one.end))
        extra = dict(one.extra)
        cells = [one.utterance, one.path, *limits, f"{length:.3f}"]
        cells += [one.speaker, one.sex, one.label, one.group, one.part]
        writer.writerow([*cells, *(extra.get(name, "") for name in further)])
    write_text(path, buffer.getvalue())


def count_table(corpus: Corpus) -> Table:
    """Utterances per fold, or official part, and class."""
    from rich.table import Table

    table = Table(title=f"{corpus.name}: utterances by fold and class", title_justify="left")
    for column in ("fold", *corpus.labels, "all", "speakers"):
        table.add_column(column, justify="left" if column == "fold" else "right")
    parts = {fold: [one for one in corpus.utterances if one.group in groups] for fold, groups in corpus.folds.items()}
    if OFFICIAL in parts:
        del parts[OFFICIAL]
        parts |= {part: [one for one in corpus.utterances if one.part == part] for part in PARTS}
    for fold, inside in parts.items():
        counts = Counter(one.label for one in inside)
        speakers = {one.speaker for one in inside}
        table.add_row(fold, *(str(counts[label]) for label in corpus.labels), str(len(inside)), str(len(speakers)))
    total = Counter(one.label for one in corpus.utterances)
    everybody = {one.speaker for one in corpus.utterances}
    counts_of_all = (str(total[label]) for label in corpus.labels)
    table.add_section()
    table.add_row("all", *counts_of_all, str(len(corpus.utterances)), str(len(everybody)))
    return table
