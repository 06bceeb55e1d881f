"""Who trains, who chooses the epoch, who is tested: folds and the check that nobody is on two sides.

``honest``: the speakers of the test fold are heard once, at the end; the epoch is chosen on other speakers, those of the next
fold. ``paper``: as much of the field's published code does, the epoch is chosen on the test fold itself and no speaker is
spent on validation. Its results are not estimates for unseen speakers, and everything they touch says ``paper``.
"""

from __future__ import annotations

from dataclasses import dataclass

from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.errors import UserError

PROTOCOLS = ("honest", "paper")
PARTS = ("train", "val", "test")
OFFICIAL = "official"


@dataclass(frozen=True)
class Split:
    """Rows of a corpus's table in each part."""

    fold: str
    protocol: str
    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def split(corpus: Corpus, fold: str | None, protocol: str) -> Split:
    """Divide a corpus for one fold.

    Args:
        corpus: the table and its folds.
        fold: name of a fold; None takes the first.
        protocol: ``honest`` or ``paper``.

    Raises:
        UserError: an unknown fold or protocol, a part without utterances, or a speaker on two sides.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol={protocol} is unknown: use one of {', '.join(PROTOCOLS)}.")
    names = list(corpus.folds)
    name = names[0] if fold is None else str(fold)
    if name not in names:
        raise UserError(f"fold={name} is not a fold of {corpus.name}: use one of {', '.join(names)}.")
    divided = _official(corpus, protocol) if name == OFFICIAL else _by_groups(corpus, name, protocol)
    for part in PARTS:
        if not getattr(divided, part):
            raise UserError(
                f"fold={name} of {corpus.name} has no utterances for its {part} part: "
                "the copy under data.root is incomplete, or it has too few groups to divide."
            )
    check_leakage(corpus.utterances, divided)
    return divided


def _official(corpus: Corpus, protocol: str) -> Split:
    """The parts that the corpus's owners drew."""
    rows = {part: tuple(r for r, one in enumerate(corpus.utterances) if one.part == part) for part in PARTS}
    val = rows["test"] if protocol == "paper" else rows["val"]
    return Split(OFFICIAL, protocol, train=rows["train"], val=val, test=rows["test"])


def _by_groups(corpus: Corpus, name: str, protocol: str) -> Split:
    """The parts of a fold that holds out groups."""
    names = [fold for fold in corpus.folds if fold != OFFICIAL]
    test_groups = set(corpus.folds[name])
    if protocol == "paper":
        val_groups = test_groups
    elif len(names) > 2:
        val_groups = set(corpus.folds[names[(names.index(name) + 1) % len(names)]])
    else:
        val_groups = _some_groups(corpus, test_groups)
    rows = range(len(corpus.utterances))
    group = [utterance.group for utterance in corpus.utterances]
    return Split(
        fold=name,
        protocol=protocol,
        train=tuple(row for row in rows if group[row] not in test_groups | val_groups),
        val=tuple(row for row in rows if group[row] in val_groups),
        test=tuple(row for row in rows if group[row] in test_groups),
    )


def check_leakage(utterances: list[Utterance], divided: Split) -> None:
    """Refuse a split that has a speaker on two sides.

    Raises:
        UserError: names the speaker and both parts.
    """
    heard = {part: {utterances[row].speaker for row in getattr(divided, part)} for part in PARTS}
    pairs = [("train", "test"), ("train", "val")]
    if divided.protocol != "paper":
        pairs.append(("val", "test"))
    for one, other in pairs:
        shared = sorted(heard[one] & heard[other])
        if shared:
            raise UserError(
                f"Speaker {shared[0]} is in the {one} and in the {other} part of fold={divided.fold}: "
                "give all utterances of a speaker the same group."
            )


def _some_groups(corpus: Corpus, test_groups: set[str]) -> set[str]:
    """A fifth of the groups that are not tested, at least one, where there is no third fold to validate on."""
    rest = sorted({utterance.group for utterance in corpus.utterances} - test_groups)
    if len(rest) < 2:
        raise UserError(
            f"{corpus.name} has {len(rest)} group(s) beside the test fold, but training and validation need one each: "
            "add speakers, or give finer groups."
        )
    return set(rest[: max(1, len(rest) // 5)])
