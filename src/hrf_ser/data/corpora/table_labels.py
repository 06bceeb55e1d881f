"""The column of labels in a user's table: what is a class, what is a gap, and what deserves a warning."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from hrf_ser.data.corpora.files import Row, listed
from hrf_ser.data.corpora.table_file import typed
from hrf_ser.data.corpora.utterance import Utterance
from hrf_ser.errors import UserError

# How spreadsheets and data frames write a missing value.
GAPS = ("", "nan", "none", "null", "n/a", "na", "#n/a", "#na", "<na>", "nat")
_MOST_NUMBERS, _MOST_CLASSES = 20, 50
_SHOWN = 4


def labelled_rows(
    rows: list[Row], labels: Sequence[object] | None, drop: bool
) -> tuple[list[Row], tuple[str, ...], list[str]]:
    """Rows with a label, the classes in their order, and sentences on what a reader of the counts should know.

    Args:
        rows: The table.
        labels: The classes in their order; None takes those of the table, sorted.
        drop: Leave out rows without a label.

    Raises:
        UserError: A row has no label, or one that is no class; or the column holds ratings or other text.
    """
    classes = None if labels is None else _named_classes(labels)
    gaps = [row for row in rows if is_gap(row["label"]) and row["label"] not in (classes or ())]
    if gaps and not drop:
        more = f", nor have {len(gaps) - 1} more rows" if len(gaps) > 1 else ""
        shown = f" but {gaps[0]['label']!r}" if gaps[0]["label"] else ""
        raise UserError(
            f"{gaps[0].where} has no label{shown}{more}: write one, or set data.options.drop_unlabelled=true to leave "
            "such rows out."
        )
    unlabelled = {row.where for row in gaps}
    kept = [row for row in rows if row.where not in unlabelled]
    if not kept:
        raise UserError(f"{rows[0].where.rpartition(', ')[0]} has no row with a label: fill its column label.")
    notes = [f"{len(gaps):,} rows without a label are left out"] if gaps else []
    if classes is None:
        classes = tuple(sorted({row["label"] for row in kept}))
        _refuse_no_classes(kept, classes)
        return kept, classes, notes + _alike(classes) + _several(classes)
    for row in kept:
        if row["label"] not in classes:
            raise UserError(
                f"{row.where} has the label {row['label']!r}, which is none of data.options.labels="
                f"[{','.join(classes)}]: add it there or remove the row."
            )
    return kept, classes, notes


def is_gap(cell: str) -> bool:
    """Whether a cell stands for a missing value."""
    return cell.casefold() in GAPS


def rare_classes(utterances: Iterable[Utterance]) -> list[str]:
    """A sentence for each class that too few utterances or speakers have."""
    speakers: dict[str, set[str]] = {}
    number: Counter[str] = Counter()
    for one in utterances:
        speakers.setdefault(one.label, set()).add(one.speaker)
        number[one.label] += 1
    if len(speakers) == 1:
        return [f"class {next(iter(speakers))} is the only one: training needs two"]
    rare = sorted(label for label, who in speakers.items() if len(who) == 1)
    sentences = [
        f"class {label} has one {'utterance' if number[label] == 1 else 'speaker'} ({min(speakers[label])}): a fold that tests "
        f"{min(speakers[label])} has no example of it in training, and no other fold tests it"
        for label in rare[:_SHOWN]
    ]
    return [*sentences, f"so have {len(rare) - _SHOWN} more classes"] if len(rare) > _SHOWN else sentences


def _named_classes(labels: Sequence[object]) -> tuple[str, ...]:
    if isinstance(labels, str) or not isinstance(labels, Sequence) or not labels:
        raise UserError(f"data.options.labels={labels} is not a list of classes: write e.g. [neutral,angry].")
    # 0, 1 and 1.0 in YAML are numbers.
    classes = tuple(str(int(label) if isinstance(label, float) and label.is_integer() else label) for label in labels)
    if len(set(classes)) < len(classes):
        raise UserError(f"data.options.labels={','.join(classes)} names a class twice: name each once.")
    return classes


def _refuse_no_classes(rows: Sequence[Row], classes: Sequence[str]) -> None:
    """Refuse ratings, such as 3.25, and texts."""
    file = rows[0].where.rpartition(", ")[0]
    numbers = [value for label in classes if (value := _number(label)) is not None]
    many = len(numbers) > _MOST_NUMBERS or any(value % 1 for value in numbers)
    if len(numbers) == len(classes) > 2 and many:
        raise UserError(
            f"{file}: the column label holds {len(classes)} different numbers from {min(numbers):g} to {max(numbers):g}, which "
            "are ratings and not classes: write bins instead, such as low, middle and high, or list the classes in "
            "data.options.labels."
        )
    if len(classes) > _MOST_CLASSES and 2 * len(classes) > len(rows):
        raise UserError(
            f"{file}: the column label holds {len(classes)} different values in {len(rows)} rows ({listed(classes)}): name the "
            "column of classes with data.options.columns={label: ...}."
        )


def _several(classes: Sequence[str]) -> list[str]:
    """A sentence for labels of annotation tools that hold several classes."""
    several = [label for label in classes if re.search(r"\S\s*[;|]\s*\S", label) or label.startswith(("{", '["'))]
    if not several:
        return []
    return [f"{listed([repr(label) for label in several])}: a class each; write one choice a row if they hold several"]


def _number(label: str) -> float | None:
    try:
        return float(label.replace(",", "."))
    except ValueError:
        return None


def _alike(classes: Sequence[str]) -> list[str]:
    """A sentence for classes that differ in case, spaces or the form of an accent only."""
    spellings: dict[str, list[str]] = {}
    for label in classes:
        spellings.setdefault("".join(unicodedata.normalize("NFKC", label).casefold().split()), []).append(label)
    return [
        f"the classes {', '.join(map(repr, alike))} differ in spelling only: "
        f"'+label_map.classes={{{_key(alike[-1])}: [{', '.join(map(typed, alike))}], ...}}' joins them"
        for alike in spellings.values()
        if len(alike) > 1
    ]


def _key(label: str) -> str:
    """A name near a label that Hydra takes as a key, which it takes without quotes only."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", plain) or "joined"
