"""Balanced sampling: every class, and in it every participant, equally often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_order(
    generator: np.random.Generator, classes: NDArray[np.int64], participants: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Sample as many segments as there are: equally many of each class and, within a class, of each participant.

    A participant of DAIC-WOZ may have ten times the turns of another, whatever the diagnosis. A segment is repeated only
    after all of its participant's. Only training is balanced; evaluation uses every segment once.

    Args:
        generator: source of the random numbers.
        classes: ``(segments,)``.
        participants: ``(segments,)``; a participant has one class.

    Returns:
        ``(segments,)`` indices into these arrays, shuffled; some occur more than once, some not at all.
    """
    drawn = []
    names = np.unique(classes)
    for name, quota in zip(names, _shares(generator, len(classes), len(names)), strict=True):
        people = np.unique(participants[classes == name])
        for person, share in zip(people, _shares(generator, quota, len(people)), strict=True):
            own = np.flatnonzero(participants == person)
            rounds = [generator.permutation(own) for _ in range(-(-share // len(own)))]
            drawn.extend(np.concatenate([*rounds, own[:0]])[:share].tolist())
    return generator.permutation(np.array(drawn, dtype=np.int64))


def _shares(generator: np.random.Generator, total: int, number: int) -> list[int]:
    """``total`` in ``number`` shares that differ by at most one; at random which are larger."""
    shares = np.full(number, total // number)
    shares[generator.permutation(number)[: total % number]] += 1
    return [int(share) for share in shares]
