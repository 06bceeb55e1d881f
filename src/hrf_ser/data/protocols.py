"""Protocols: which speakers train, validate and test; and the check that no speaker is in two splits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.folds import DEV, OFFICIAL, Folds, folds_of
from hrf_ser.errors import UserError

SPLITS = ("train", "val", "test")
# The fold where all of a corpus trains.
ALL = "all"


@dataclass(frozen=True)
class Protocol:
    """Which speakers train, on which the checkpoint is selected, and the sentences that describe it.

    Attributes:
        name: value of ``protocol``.
        validates_on: whose speakers the validation split holds: ``val`` are reserved for it, ``train`` and ``test`` are those
            of the other splits, None is no validation split.
        selection: how the checkpoint was selected, for one line of the screen.
        description: the same in a sentence for the model card; empty for the usual procedure.
        warning: what every result must carry; empty for estimates for unseen speakers.
    """

    name: str
    validates_on: Literal["val", "train", "test"] | None
    selection: str
    description: str = ""
    warning: str = ""

    @property
    def selects_checkpoint(self) -> bool:
        """Whether there are validation scores by which a checkpoint, or a setting, can be selected."""
        return self.validates_on is not None

    @property
    def trains_on_all_others(self) -> bool:
        """Whether all speakers but the test speakers train, none being reserved for validation, and none tested early."""
        return self.validates_on in (None, "train")

    @property
    def test_is_unseen(self) -> bool:
        """Whether nothing was decided by the test speakers, nor by the other side of their dialogs."""
        return self.validates_on != "test"


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("validation", "val", "selected on validation speakers"),
        Protocol(
            "last_epoch",
            None,
            "the last one; no checkpoint was selected",
            "No checkpoint was selected: all speakers but the test speakers trained for a fixed number of epochs, and the "
            "model of the last epoch was tested once.",
        ),
        Protocol(
            "out_of_fold",
            "train",
            "selected on the speakers that each ensemble member left out",
            "All speakers but the test speakers trained. Each member of the ensemble left a part of them out, and the "
            "checkpoint was selected on the members' predictions for the speakers they left out.",
        ),
        Protocol(
            "test_oracle",
            "test",
            "selected on the test split",
            warning="Protocol test_oracle: the checkpoint was selected on the test split. The scores are no estimate for "
            "unseen speakers.",
        ),
    )
}


@dataclass(frozen=True)
class Split:
    """Rows of a corpus's table in each split. A row is in none where its dialog is in another split.

    Without a validation split ``val`` is empty. Under ``out_of_fold`` ``val`` is ``train``: each ensemble member validates
    on the speakers that it leaves out.
    """

    fold: str
    protocol: Protocol
    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]

    def rows(self, name: str) -> tuple[int, ...]:
        """Rows of the split called ``name``, one of ``SPLITS``."""
        rows: tuple[int, ...] = getattr(self, name)
        return rows

    @property
    def leaks(self) -> tuple[str, ...]:
        """A sentence where the test speakers have trained."""
        if self.train != self.test:
            return ()
        return (
            f"fold={self.fold} trains on all speakers and tests the same; the scores are no estimate for unseen speakers",
        )


def split_corpus(corpus: Corpus, fold: str | None, protocol: str, rule: str | int = "corpus") -> Split:
    """Split a corpus for one fold.

    For a model that is deployed rather than compared, ``fold=all`` trains on all speakers under ``last_epoch``. The test then
    shows what was learned of them, see :attr:`Split.leaks`.

    Args:
        corpus: the table and its folds.
        fold: name of a fold; None takes the first.
        protocol: one of ``PROTOCOLS``.
        rule: what folds hold out, see :func:`hrf_ser.data.folds.folds_of`.

    Raises:
        UserError: an unknown fold, rule or protocol, an empty split, or a speaker or dialog in two splits.
    """
    kind = _protocol(protocol)
    if fold == ALL and ALL not in corpus.folds and kind.validates_on is None:
        everything = tuple(range(len(corpus.utterances)))
        return _split_without_selection(ALL, kind, everything, everything)
    folds, name = _select_fold(corpus, fold, rule)
    split = _official_split(corpus, name, kind) if folds.is_official(name) else _group_split(corpus, folds, name, kind)
    return _checked(split, corpus)


def cross_corpus_split(
    joined: Corpus, source: Corpus, fold: str | None, protocol: str, rule: str | int = "corpus"
) -> Split:
    """Train on one corpus, test on all of another.

    Under ``validation`` the fold of the source corpus validates and the rest of it trains. Otherwise all of the source trains;
    where nothing of it is held out at all, the only fold is ``all``.

    Args:
        joined: rows of ``source``, then those of the corpus that is tested.
        source: the corpus that is trained on.
        fold, protocol, rule: as in :func:`split_corpus`; folds are those of the source.

    Raises:
        UserError: as :func:`split_corpus`; a fold of the source where all of it trains.
    """
    kind = _protocol(protocol)
    everything = tuple(range(len(source.utterances)))
    test = tuple(range(len(source.utterances), len(joined.utterances)))
    if kind.trains_on_all_others:
        if fold not in (None, ALL):
            raise UserError(
                f"fold={fold}: under protocol={protocol} all of {source.name} trains, whichever fold is named; leave fold out."
            )
        return _checked(_split_without_selection(ALL, kind, everything, test), joined)
    folds, name = _select_fold(source, fold, rule)
    if not kind.test_is_unseen:
        train, val = everything, test
    elif folds.is_official(name):
        official = _official_split(source, OFFICIAL, kind)
        train, val = official.train, official.val
    else:
        values = [getattr(utterance, folds.column) for utterance in source.utterances]
        val = tuple(row for row, value in enumerate(values) if value in folds.held_out[name])
        train = _without_dialogs(source.utterances, set(everything) - set(val), _dialogs(source.utterances, val))
    return _checked(Split(name, kind, train=train, val=val, test=test), joined)


def check_leakage(utterances: Sequence[Utterance], split: Split) -> None:
    """Refuse a split that has a speaker or a dialog on two sides.

    ``test_oracle`` validates on what it tests, and published protocols leave one speaker of a dialog out: there only speakers
    are checked. ``out_of_fold`` validates on training speakers, see :func:`hrf_ser.data.out_of_fold.out_of_fold_index`.

    Raises:
        UserError: names the speaker or dialog and both splits.
    """
    unseen = split.protocol.test_is_unseen
    pairs = [("train", "test"), *([("val", "test")] if unseen else [])]
    if split.protocol.validates_on != "train":
        pairs.append(("train", "val"))
    for noun, column in [("Speaker", "speaker"), *([("Dialog", "dialog")] if unseen else [])]:
        values = {name: {getattr(utterances[row], column) for row in split.rows(name)} - {""} for name in SPLITS}
        for first, second in pairs:
            shared = sorted(values[first] & values[second])
            if shared:
                raise UserError(
                    f"{noun} {shared[0]} is in the {first} and in the {second} split of fold={split.fold}: "
                    f"give all utterances of a {noun.lower()} the same group."
                )


def hash_test_speakers(corpus: Corpus, split: Split) -> str:
    """Ten characters that two runs on one corpus share if they test the same speakers."""
    speakers = sorted({corpus.utterances[row].speaker for row in split.test})
    return hashlib.sha256(json.dumps(speakers).encode()).hexdigest()[:10]


# Of the files of predictions, beside which each class has a column.
_COLUMNS = frozenset(
    ("utterance", "speaker", "label", "predicted", "file", "start", "end", "emotion", "probability", "error")
)


def check_classes(corpus: Corpus, split: Split) -> None:
    """Refuse classes that are called like columns of predictions, and a split whose training speakers have one class only."""
    if len({one.label for one in corpus.utterances}) == 1:
        raise UserError(
            f"All utterances of {corpus.name} have the class {corpus.utterances[0].label}: add utterances of another class."
        )
    if taken := sorted(_COLUMNS & set(corpus.labels)):
        raise UserError(
            f"The class {taken[0]} is called like a column of predictions.csv: rename it with "
            f"'+label_map.classes={{class_{taken[0]}: [{taken[0]}], ...}}'."
        )
    labels = {corpus.utterances[row].label for row in split.train}
    if len(labels) == 1:
        raise UserError(
            f"fold={split.fold} of {corpus.name} trains on the class {min(labels)} alone: add training utterances of another "
            "class, or test other speakers with fold= or protocol.folds=."
        )


def untrained_classes(corpus: Corpus, split: Split) -> list[str]:
    """A sentence for each class that is evaluated, but has no training utterance."""
    number = {name: Counter(corpus.utterances[row].label for row in split.rows(name)) for name in SPLITS}
    return [
        f"fold={split.fold}: {number[name][label]} utterances of the {name} split have the class {label}, and no training "
        "utterance has; they cannot be recognised"
        for name in ("val", "test")
        for label in corpus.labels
        if number[name][label] and not number["train"][label]
    ]


def count_left_out(utterances: Sequence[Utterance], split: Split) -> int:
    """Utterances that are in no split because others of their dialog are in one."""
    used = {row for name in SPLITS for row in split.rows(name)}
    dialogs = _dialogs(utterances, used)
    return sum(1 for row, utterance in enumerate(utterances) if row not in used and utterance.dialog in dialogs)


def _protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise UserError(f"protocol={name} is unknown: use one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _select_fold(corpus: Corpus, fold: str | None, rule: str | int) -> tuple[Folds, str]:
    folds = folds_of(corpus, rule)
    names = list(folds.held_out)
    name = names[0] if fold is None else str(fold)
    if name not in names:
        every = f", or all of them: -m fold={','.join(names)}" if name.lower() in ("all", "*", "none") else ""
        raise UserError(f"fold={name} is not a fold of {corpus.name}: use one of {', '.join(names)}{every}.")
    return folds, name


def _checked(split: Split, corpus: Corpus) -> Split:
    for name in SPLITS:
        if not split.rows(name) and not (name == "val" and not split.protocol.selects_checkpoint):
            raise UserError(
                f"fold={split.fold} of {corpus.name} has no utterances for its {name} split: "
                "the copy under data.root is incomplete, or it has too few groups to split."
            )
    check_leakage(corpus.utterances, split)
    return split


def _official_split(corpus: Corpus, name: str, protocol: Protocol) -> Split:
    """The split of the corpus's owners; ``dev`` tests their validation split, for corpora without test labels."""
    rows = {name: [row for row, one in enumerate(corpus.utterances) if one.split == name] for name in SPLITS}
    train, val, test = rows["train"], rows["val"], rows["test"]
    if name == DEV:
        test = val
        reserved = _some_groups([corpus.utterances[row] for row in train]) if protocol.validates_on == "val" else set()
        val = [row for row in train if corpus.utterances[row].group in reserved]
        train = [row for row in train if corpus.utterances[row].group not in reserved]
    if protocol.trains_on_all_others:
        return _split_without_selection(name, protocol, [*train, *val], test)
    return Split(name, protocol, tuple(train), tuple(val if protocol.test_is_unseen else test), tuple(test))


def _split_without_selection(name: str, protocol: Protocol, rows: Iterable[int], test: Sequence[int]) -> Split:
    """All rows train; they validate too where every ensemble member leaves some of them out."""
    train = tuple(sorted(rows))
    return Split(name, protocol, train=train, val=train if protocol.selects_checkpoint else (), test=tuple(test))


def _group_split(corpus: Corpus, folds: Folds, name: str, protocol: Protocol) -> Split:
    """The split of a fold that holds out groups or speakers."""
    held_out = {fold: values for fold, values in folds.held_out.items() if not folds.is_official(fold)}
    utterances = corpus.utterances
    column = [getattr(utterance, folds.column) for utterance in utterances]
    test = [row for row, value in enumerate(column) if value in held_out[name]]
    rest = set(range(len(utterances))) - set(test)
    if not protocol.test_is_unseen:
        return Split(name, protocol, train=tuple(sorted(rest)), val=tuple(test), test=tuple(test))
    rest = set(_without_dialogs(utterances, rest, _dialogs(utterances, test)))
    if protocol.trains_on_all_others:
        return _split_without_selection(name, protocol, rest, test)
    groups = {utterances[row].group for row in test}
    if any(one.group in groups and value not in held_out[name] for one, value in zip(utterances, column, strict=True)):
        # The test speaker shares a group with others, and with it the dialogs: the next group validates.
        names = sorted({utterance.group for utterance in utterances})
        following = names[(names.index(max(groups)) + 1) % len(names)]
        val = [row for row in rest if utterances[row].group == following]
    elif len(held_out) > 2:
        names = list(held_out)
        following_values = held_out[names[(names.index(name) + 1) % len(names)]]
        val = [row for row in rest if column[row] in following_values]
    else:
        reserved = _some_groups([utterances[row] for row in sorted(rest)])
        val = [row for row in rest if utterances[row].group in reserved]
    train = _without_dialogs(utterances, rest - set(val), _dialogs(utterances, val))
    return Split(name, protocol, train=train, val=tuple(sorted(val)), test=tuple(test))


def _dialogs(utterances: Sequence[Utterance], rows: Iterable[int]) -> set[str]:
    return {utterances[row].dialog for row in rows} - {""}


def _without_dialogs(utterances: Sequence[Utterance], rows: Iterable[int], dialogs: set[str]) -> tuple[int, ...]:
    return tuple(row for row in sorted(rows) if utterances[row].dialog not in dialogs)


def _some_groups(utterances: Sequence[Utterance]) -> set[str]:
    """A fifth of the groups, at least one, where there is no further fold to validate on.

    Groups are taken at even steps in the order of their commonest label, so that the labels of whole groups are represented.
    """
    labels: dict[str, Counter[str]] = {}
    for utterance in utterances:
        labels.setdefault(utterance.group, Counter())[utterance.label] += 1
    if len(labels) < 2:
        raise UserError(
            f"{len(labels)} group(s) beside the test split, but training and validation need one each: "
            "add speakers, or give finer groups."
        )
    ordered = sorted(labels, key=lambda group: (max(labels[group], key=labels[group].__getitem__), group))
    return set(ordered[2::5] or ordered[:1])
