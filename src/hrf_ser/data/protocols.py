"""Who trains, who chooses the epoch, who is tested; and the check that nobody is on two sides.

``validation``: the speakers of the test fold are heard once, at the end; the epoch is chosen on other speakers,
those of the next
fold, and what was said in one dialog is never on two sides. ``test_oracle``: as much of the field's published code
does, the epoch is
chosen on the test fold itself and no speaker is spent on validation. Its results are not estimates for unseen speakers, and
everything they touch says ``test_oracle``. ``last_epoch``: nothing is chosen. All speakers that are not tested
train, for a number of
epochs that was settled beforehand, and the last epoch's model is tested, once. ``out_of_fold``: all speakers that
are not tested
train, but every member of an ensemble goes without a part of them, see :mod:`hrf_ser.data.out_of_fold`; the epoch is
chosen by what each member says of the speakers it goes without.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.folds import DEV, OFFICIAL, Folds, folds_of
from hrf_ser.errors import UserError

PROTOCOLS = ("validation", "last_epoch", "out_of_fold", "test_oracle")
# Under these all speakers that are not tested train.
_ALL_TRAIN = ("last_epoch", "out_of_fold")
SPLITS = ("train", "val", "test")
# The one fold there is where nothing of a corpus is held out.
ALL = "all"


@dataclass(frozen=True)
class Split:
    """Rows of a corpus's table in each part. A row may be in none, where its dialog is heard in another part.

    Under ``last_epoch`` nobody validates, and ``val`` is empty. Under ``out_of_fold`` ``val`` is ``train``: who
    trains one member of an ensemble is validated on with another.
    """

    fold: str
    protocol: str
    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def split(corpus: Corpus, fold: str | None, protocol: str, rule: str | int = "corpus") -> Split:
    """Divide a corpus for one fold.

    Args:
        corpus: the table and its folds.
        fold: name of a fold; None takes the first.
        protocol: ``validation``, ``last_epoch``, ``out_of_fold`` or ``test_oracle``.
        rule: what folds hold out, see :func:`hrf_ser.data.folds.folds_of`.

    Raises:
        UserError: an unknown fold, rule or protocol, a part without utterances, or a speaker or dialog on two sides.
    """
    folds, name = _chosen(corpus, fold, protocol, rule)
    divided = _by_parts(corpus, name, protocol) if folds.by_parts(name) else _by_values(corpus, folds, name, protocol)
    _require_parts(divided, corpus.name)
    check_leakage(corpus.utterances, divided)
    return divided


def cross_split(joined: Corpus, source: Corpus, fold: str | None, protocol: str, rule: str | int = "corpus") -> Split:
    """Train on one corpus, test on another.

    ``validation``: the fold of the source corpus chooses the epoch, the rest of the source trains. ``test_oracle``:
    all of the source
    trains, and the epoch is chosen on the corpus that is tested. ``last_epoch``, ``out_of_fold``: all of the source
    trains, so that its folds would be one run again and again; the only fold is ``all``. All of the other corpus is tested.

    Args:
        joined: rows of ``source``, then those of the corpus that is tested.
        source: the corpus that is trained on.
        fold: a fold of the source; None takes the first.
        protocol: ``validation``, ``last_epoch``, ``out_of_fold`` or ``test_oracle``.
        rule: what the source's folds hold out.

    Raises:
        UserError: as :func:`split`; a fold of the source where all of it trains.
    """
    everyone = tuple(range(len(source.utterances)))
    test = tuple(range(len(source.utterances), len(joined.utterances)))
    all_train = protocol in _ALL_TRAIN
    if all_train and fold not in (None, ALL):
        raise UserError(
            f"fold={fold}: under protocol={protocol} all of {source.name} trains, whichever fold is named; leave fold out."
        )
    folds, name = _chosen(source, None if all_train else fold, protocol, rule)
    if all_train:
        divided = _all_train(ALL, protocol, everyone, test)
    elif protocol == "test_oracle":
        divided = Split(name, protocol, train=everyone, val=test, test=test)
    elif folds.by_parts(name):
        own = _by_parts(source, OFFICIAL, protocol)
        divided = Split(name, protocol, train=own.train, val=own.val, test=test)
    else:
        column = [getattr(one, folds.column) for one in source.utterances]
        val = [row for row, value in enumerate(column) if value in folds.held_out[name]]
        heard = _dialogs(source.utterances, val)
        train = _without(source.utterances, set(range(len(column))) - set(val), heard)
        divided = Split(name, protocol, train=train, val=tuple(val), test=test)
    _require_parts(divided, joined.name)
    check_leakage(joined.utterances, divided)
    return divided


def check_leakage(utterances: Sequence[Utterance], divided: Split) -> None:
    """Refuse a split that has a speaker, or a dialog, on two sides.

    ``test_oracle`` validates on what it tests, and leaves one speaker of a dialog out as published protocols do: there only
    speakers are checked, between training and the rest. ``out_of_fold`` validates on who trains: see
    :func:`hrf_ser.data.out_of_fold.out_of_fold_index`.

    Raises:
        UserError: names the speaker or dialog and both parts.
    """
    honest = divided.protocol != "test_oracle"
    pairs = [("train", "test"), *([("val", "test")] if honest else [])]
    if divided.protocol != "out_of_fold":
        pairs.append(("train", "val"))
    for noun, column in [("Speaker", "speaker"), *([("Dialog", "dialog")] if honest else [])]:
        heard = {part: {getattr(utterances[row], column) for row in getattr(divided, part)} - {""} for part in SPLITS}
        for one, other in pairs:
            shared = sorted(heard[one] & heard[other])
            if shared:
                raise UserError(
                    f"{noun} {shared[0]} is in the {one} and in the {other} part of fold={divided.fold}: "
                    f"give all utterances of a {noun.lower()} the same group."
                )


def hash_test_speakers(corpus: Corpus, divided: Split) -> str:
    """Ten characters that two runs on one corpus share if they test the same speakers."""
    speakers = sorted({corpus.utterances[row].speaker for row in divided.test})
    return hashlib.sha256(json.dumps(speakers).encode()).hexdigest()[:10]


def left_out(utterances: Sequence[Utterance], divided: Split) -> int:
    """Utterances that are in no part because others of their dialog are in one."""
    used = {row for part in SPLITS for row in getattr(divided, part)}
    heard = _dialogs(utterances, used)
    return sum(1 for row, one in enumerate(utterances) if row not in used and one.dialog in heard)


def _chosen(corpus: Corpus, fold: str | None, protocol: str, rule: str | int) -> tuple[Folds, str]:
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol={protocol} is unknown: use one of {', '.join(PROTOCOLS)}.")
    folds = folds_of(corpus, rule)
    names = list(folds.held_out)
    name = names[0] if fold is None else str(fold)
    if name not in names:
        raise UserError(f"fold={name} is not a fold of {corpus.name}: use one of {', '.join(names)}.")
    return folds, name


def _require_parts(divided: Split, name: str) -> None:
    for part in SPLITS:
        if not getattr(divided, part) and (part, divided.protocol) != ("val", "last_epoch"):
            raise UserError(
                f"fold={divided.fold} of {name} has no utterances for its {part} part: "
                "the copy under data.root is incomplete, or it has too few groups to divide."
            )


def _by_parts(corpus: Corpus, name: str, protocol: str) -> Split:
    """The parts that the corpus's owners drew; ``dev`` tests their validation part, as one must without test labels."""
    rows = {part: [row for row, one in enumerate(corpus.utterances) if one.split == part] for part in SPLITS}
    train, val, test = rows["train"], rows["val"], rows["test"]
    if name == DEV:
        test = val
        chosen = _some_groups([corpus.utterances[row] for row in train]) if protocol == "validation" else set()
        val = [row for row in train if corpus.utterances[row].group in chosen]
        train = [row for row in train if corpus.utterances[row].group not in chosen]
    if protocol in _ALL_TRAIN:
        return _all_train(name, protocol, [*train, *val], test)
    return Split(name, protocol, tuple(train), tuple(test if protocol == "test_oracle" else val), tuple(test))


def _all_train(name: str, protocol: str, rows: Iterable[int], test: Sequence[int]) -> Split:
    train = tuple(sorted(rows))
    return Split(name, protocol, train=train, val=train if protocol == "out_of_fold" else (), test=tuple(test))


def _by_values(corpus: Corpus, folds: Folds, name: str, protocol: str) -> Split:
    """The parts of a fold that holds out groups or speakers."""
    held_out = {fold: values for fold, values in folds.held_out.items() if not folds.by_parts(fold)}
    utterances = corpus.utterances
    column = [getattr(one, folds.column) for one in utterances]
    test = [row for row, value in enumerate(column) if value in held_out[name]]
    rest = set(range(len(utterances))) - set(test)
    if protocol == "test_oracle":
        return Split(name, protocol, train=tuple(sorted(rest)), val=tuple(test), test=tuple(test))
    rest = set(_without(utterances, rest, _dialogs(utterances, test)))
    if protocol in _ALL_TRAIN:
        return _all_train(name, protocol, rest, test)
    groups = {utterances[row].group for row in test}
    if any(one.group in groups and value not in held_out[name] for one, value in zip(utterances, column, strict=True)):
        # The tested speaker shares a group with others, and with it the dialogs: the next group chooses the epoch.
        names = sorted({one.group for one in utterances})
        following = names[(names.index(max(groups)) + 1) % len(names)]
        val = [row for row in rest if utterances[row].group == following]
    elif len(held_out) > 2:
        names = list(held_out)
        chosen = held_out[names[(names.index(name) + 1) % len(names)]]
        val = [row for row in rest if column[row] in chosen]
    else:
        val_groups = _some_groups([utterances[row] for row in sorted(rest)])
        val = [row for row in rest if utterances[row].group in val_groups]
    train = _without(utterances, rest - set(val), _dialogs(utterances, val))
    return Split(name, protocol, train=train, val=tuple(sorted(val)), test=tuple(test))


def _dialogs(utterances: Sequence[Utterance], rows: Iterable[int]) -> set[str]:
    return {utterances[row].dialog for row in rows} - {""}


def _without(utterances: Sequence[Utterance], rows: Iterable[int], dialogs: set[str]) -> tuple[int, ...]:
    return tuple(row for row in sorted(rows) if utterances[row].dialog not in dialogs)


def _some_groups(utterances: Sequence[Utterance]) -> set[str]:
    """A fifth of the groups, at least one, where there is no further fold to validate on.

    Groups are taken at even steps in the order of their commonest label, so that a label of whole groups is met with too.
    """
    labels: dict[str, Counter[str]] = {}
    for one in utterances:
        labels.setdefault(one.group, Counter())[one.label] += 1
    if len(labels) < 2:
        raise UserError(
            f"{len(labels)} group(s) beside the test part, but training and validation need one each: "
            "add speakers, or give finer groups."
        )
    ordered = sorted(labels, key=lambda group: (max(labels[group], key=labels[group].__getitem__), group))
    return set(ordered[2::5] or ordered[:1])
