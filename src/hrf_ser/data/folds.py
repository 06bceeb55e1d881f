"""Folds: what of a corpus is held out for the test, under the rule that ``protocol.folds`` names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hrf_ser.data.corpora import Corpus
from hrf_ser.errors import UserError

# Folds of a corpus whose owners published a split: they test a split, not groups.
OFFICIAL, DEV = "official", "dev"
RULES = ("corpus", "group", "speaker", "official")


@dataclass(frozen=True)
class Folds:
    """The folds of a corpus under one rule.

    Attributes:
        column: field of an utterance that is held out, ``group`` or ``speaker``.
        held_out: name of a fold -> the values of that column which it tests. A fold is called by what it tests; of ``k``
            folds the first is ``1ofk``. ``official`` and ``dev`` test an official split and name no value.
    """

    column: str
    held_out: dict[str, tuple[str, ...]]

    def is_official(self, name: str) -> bool:
        """Whether the fold tests a split of the corpus's owners; a group may have the name of such a fold."""
        return not self.held_out[name]


def folds_of(corpus: Corpus, rule: str | int = "corpus") -> Folds:
    """The folds of a corpus.

    Args:
        corpus: the table of utterances.
        rule: ``corpus``: as published for it. ``group``: leave one group out (a session, an actor). ``speaker``: leave one
            speaker out. ``official``: the split of the corpus's owners. A whole number k: the groups dealt into k folds of
            about equal size, the same on every machine.

    Raises:
        UserError: an unknown rule, more folds than groups, or ``official`` where there is no official split.
    """
    if rule == "corpus":
        return Folds("group", dict(corpus.folds))
    if rule in ("group", "speaker"):
        names = sorted({getattr(one, str(rule)) for one in corpus.utterances})
        return Folds(str(rule), {name: (name,) for name in names})
    if rule == "official":
        official: dict[str, tuple[str, ...]] = {name: () for name in corpus.folds if name in (OFFICIAL, DEV)}
        if not official:
            raise UserError(f"protocol.folds=official: {corpus.name} has no official split, use another rule.")
        return Folds("group", official)
    if isinstance(rule, int) and not isinstance(rule, bool):
        return Folds("group", _dealt(corpus, rule))
    raise UserError(f"protocol.folds={rule} is unknown: use {', '.join(RULES)}, or a number of folds.")


def _dealt(corpus: Corpus, k: int) -> dict[str, tuple[str, ...]]:
    """The largest group first, each into the fold that is smallest so far; names break ties."""
    sizes = Counter(one.group for one in corpus.utterances)
    if not 2 <= k <= len(sizes):
        raise UserError(
            f"protocol.folds={k}: {corpus.name} has {len(sizes)} groups to deal, so use a number from 2 to {len(sizes)}."
        )
    dealt: list[list[str]] = [[] for _ in range(k)]
    filled = [0] * k
    for group in sorted(sizes, key=lambda name: (-sizes[name], name)):
        fold = filled.index(min(filled))
        dealt[fold].append(group)
        filled[fold] += sizes[group]
    return {f"{number}of{k}": tuple(sorted(groups)) for number, groups in enumerate(dealt, start=1)}
