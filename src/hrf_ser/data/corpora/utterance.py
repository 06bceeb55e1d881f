"""What a corpus reader returns: a table of utterances and what folds hold out. No tensor, no audio is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hrf_ser.errors import UserError

SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


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
        split: Official ``train``, ``val`` or ``test``; empty where the corpus has no official split. The manifest and the
            user's table call this column ``part``: other programs rely on that name.
        dialog: Conversation in which it was spoken; empty where the corpus has none. A dialog is never in two splits.
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
    split: str = ""
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
        folds: Fold name -> the values of ``group`` that this fold tests. Published folds stay as published, so a fold may
            have no test speaker where the copy on disk is incomplete. The fold ``official`` names no group: it uses the
            official splits; the fold ``dev`` tests the official ``val``.
        count_mismatches: One sentence for each count that differs from the complete distribution; empty = complete.
        notes: Sentences on what is left out of a copy, complete or not.
        hint: What to do where the copy is not complete; empty where no counts of the distribution are known.
        licence: One line for the card of a model trained on it.
        evaluation_unit: ``utterance``, or ``participant`` where the label is a person's and utterances are segments of
            the session.
        leaks: One sentence for each way in which the options let a label decide what is evaluated; results carry them
            wherever they are shown.

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
