"""What a corpus reader returns: a table of utterances and what folds hold out. No tensor, no audio is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hrf_ser.errors import UserError


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled stretch of speech.

    Args:
        utterance: Id, unique in its corpus.
        path: Audio file.
        label: Class name.
        speaker: Id of the speaker, unique in the corpus.
        sex: ``male``, ``female`` or empty where the corpus does not say.
        group: What folds hold out: the speaker, the session, the actor.
        part: Official ``train``, ``val`` or ``test``; empty where the corpus has no official parts.
        dialog: Conversation in which it was spoken; empty where the corpus has none. No dialog may be on two sides of a split.
        start: Begin in seconds; None is the begin of the file.
        end: End in seconds; None is the end of the file.
        extra: Further columns of the manifest, name and value: ratings, scores, text.
    """

    utterance: str
    path: Path
    label: str
    speaker: str
    sex: str = ""
    group: str = ""
    part: str = ""
    dialog: str = ""
    start: float | None = None
    end: float | None = None
    extra: tuple[tuple[str, str], ...] = ()


@dataclass
class Corpus:
    """All utterances of a corpus.

    Args:
        name: Name in the registry.
        utterances: Sorted by utterance id.
        labels: Class names in class order.
        folds: Fold name -> the values of ``group`` that this fold tests. Published folds stay as published, so a fold
            may test nobody where the copy on disk is incomplete. The fold ``official`` names no group: its parts are
            those of the column ``part``; the fold ``dev`` tests the official ``val`` part.
        count_mismatches: One sentence for each count that differs from the complete distribution; empty = complete.
        notes: Sentences on what is left out of a copy, complete or not.
        hint: What to do where the copy is not complete.
        licence: One line for the card of a model trained on it.
        evaluation_unit: ``utterance``, or ``participant`` where the label is a person's and utterances are pieces of
        the session.
        leaks: One sentence for each way in which the options let a label reach the choice of what is scored; results carry
            them wherever they are shown.

    Raises:
        UserError: Two utterances have the same id, or a label is not one of ``labels``.
    """

    name: str
    utterances: list[Utterance]
    labels: tuple[str, ...]
    folds: dict[str, tuple[str, ...]]
    count_mismatches: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hint: str = ""
    licence: str = ""
    evaluation_unit: str = "utterance"
    leaks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.utterances = sorted(self.utterances, key=lambda one: one.utterance)
        first: dict[str, Path] = {}
        for one in self.utterances:
            if one.utterance in first:
                raise UserError(
                    f"Utterance {one.utterance} of {self.name} is there twice, {first[one.utterance]} and {one.path}: "
                    "remove one copy or point data.root at a folder that holds only one."
                )
            first[one.utterance] = one.path
            if one.label not in self.labels:
                raise UserError(
                    f"{one.path} has the label {one.label!r}, which is none of {', '.join(self.labels)}: "
                    "correct or remove the file."
                )

    def mismatches(self, column: str, expected: dict[str, int], noun: str) -> list[str]:
        """A sentence for each value of a column whose number of utterances is not the expected one.

        Args:
            column: Field of an utterance, e.g. ``label``.
            expected: Value -> number of utterances in the complete distribution.
            noun: What to call the value in the sentence, e.g. ``class``.
        """
        found = Counter(getattr(one, column) for one in self.utterances)
        return [
            f"{noun} {value}: {found[value]:,} utterances found, {number:,} in the distribution"
            for value, number in expected.items()
            if found[value] != number
        ]

    def total_mismatch(self, expected: int) -> list[str]:
        """A sentence if the number of utterances is not the expected one, else nothing."""
        found = len(self.utterances)
        return [] if found == expected else [f"{found:,} utterances found, {expected:,} in the distribution"]
