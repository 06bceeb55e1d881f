"""``manifest.csv``: the table of utterances, as other programs read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from hrf_ser.audio.read import duration
from hrf_ser.data.corpora import Utterance
from hrf_ser.files import write_text

COLUMNS = ("utterance", "path", "start", "end", "duration", "speaker", "sex", "label", "group", "part")


def write_manifest(path: Path, utterances: Sequence[Utterance], skipped: Mapping[str, str]) -> None:
    """Write the table, whole or not at all, without the ``skipped`` ids. Columns beyond the common ones come last."""
    seconds: dict[Path, float] = {}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    further = list(dict.fromkeys(name for one in utterances for name, _ in _further(one)))
    writer.writerow([*COLUMNS, *further])
    for one in utterances:
        if one.utterance in skipped:
            continue
        if one.path not in seconds:
            seconds[one.path] = duration(one.path)
        end = seconds[one.path] if one.end is None else min(one.end, seconds[one.path])
        length = end - (one.start or 0.0)
        limits = ("" if limit is None else f"{limit:.6f}".rstrip("0").rstrip(".") for limit in (one.start, one.end))
        extra = dict(_further(one))
        cells = [one.utterance, one.path, *limits, f"{length:.3f}"]
        cells += [one.speaker, one.sex, one.label, one.group, one.split]
        writer.writerow([*cells, *(extra.get(name, "") for name in further)])
    write_text(path, buffer.getvalue())


def _further(one: Utterance) -> tuple[tuple[str, str], ...]:
    return ((("dialog", one.dialog),) if one.dialog else ()) + one.extra
