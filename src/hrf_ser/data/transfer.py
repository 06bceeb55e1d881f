"""Labels that two corpora share, and the table of one corpus that trains and another that is tested."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hrf_ser.data.corpora import Corpus
from hrf_ser.errors import UserError


def relabel(corpus: Corpus, classes: Mapping[str, Sequence[str]]) -> Corpus:
    """The utterances whose labels belong to a class, under its name; others are left out, with a note.

    Args:
        corpus: the table.
        classes: class -> the labels that mean it, in any corpus. Their order is the order of classes.

    Raises:
        UserError: a label is in two classes, fewer than two classes, or none of the corpus's labels is in any.
    """
    if len(classes) < 2:
        raise UserError("label_map.classes names fewer than two classes: name at least two.")
    class_of: dict[str, str] = {}
    for name, labels in classes.items():
        for label in labels:
            if class_of.setdefault(label, name) != name:
                raise UserError(f"label_map.classes: {label} is in {class_of[label]} and in {name}, keep one.")
    kept = [replace(one, label=class_of[one.label]) for one in corpus.utterances if one.label in class_of]
    if not kept:
        raise UserError(
            f"label_map.classes names no label of {corpus.name}, which has {', '.join(corpus.labels)}: add them."
        )
    # A copy, not a new table: that would sort the utterances, and a reader may have had its reason for their order.
    changed = copy.copy(corpus)
    changed.utterances, changed.labels = kept, tuple(classes)
    dropped = [label for label in corpus.labels if label not in class_of]
    if dropped:
        dropped_rows = len(corpus.utterances) - len(kept)
        changed.notes = [*corpus.notes, f"{dropped_rows:,} utterances of no class of label_map ({', '.join(dropped)})"]
    return changed


def join(source: Corpus, target: Corpus) -> Corpus:
    """The table of a training corpus, then that of the test corpus, called ``source>target``.

    Raises:
        UserError: the two differ in classes or evaluation unit, or are the same corpus.
    """
    if source.labels != target.labels:
        raise UserError(
            f"{source.name} has the classes {', '.join(source.labels)}, and {target.name} {', '.join(target.labels)}: "
            "name what they share with label_map=, for example label_map=four."
        )
    if source.evaluation_unit != target.evaluation_unit:
        raise UserError(
            f"{source.name} is scored by {source.evaluation_unit} and {target.name} by {target.evaluation_unit}: "
            "choose two corpora that are scored alike."
        )
    if source.name == target.name and source.utterances[0].path.parent == target.utterances[0].path.parent:
        raise UserError(f"{source.name} would be tested on itself: leave data@test_data out, folds do that.")
    joined = copy.copy(source)
    joined.name = f"{source.name}>{target.name}"
    joined.utterances = [*as_joined(source).utterances, *as_joined(target).utterances]
    for field in ("count_mismatches", "notes"):
        setattr(joined, field, [f"{c.name}: {s}" for c in (source, target) for s in getattr(c, field)])
    joined.leaks = tuple(dict.fromkeys((*source.leaks, *target.leaks)))
    joined.licence = "; ".join(dict.fromkeys((source.licence, target.licence)))
    return joined


def as_joined(corpus: Corpus) -> Corpus:
    """A corpus as it stands in a joined table: its name is before every name that the other corpus may have as well."""
    changed, prefix = copy.copy(corpus), corpus.name
    changed.utterances = [
        replace(
            one,
            utterance=f"{prefix}/{one.utterance}",
            speaker=f"{prefix}/{one.speaker}",
            group=f"{prefix}/{one.group}",
            dialog=f"{prefix}/{one.dialog}" if one.dialog else "",
        )
        for one in corpus.utterances
    ]
    return changed
