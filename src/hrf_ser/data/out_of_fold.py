"""``protocol=out_of_fold``: which speakers each ensemble member leaves out of its training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hrf_ser.data.corpora import Utterance
from hrf_ser.data.protocols import PROTOCOLS, Split, check_leakage
from hrf_ser.errors import UserError

# The member of rows that no member leaves out.
NO_MEMBER = -1


def out_of_fold_index(utterances: Sequence[Utterance], split: Split, ensemble_size: int) -> NDArray[np.int64]:
    """Deal the training speakers into as many parts as the ensemble has members; each member leaves one part out.

    Groups are dealt in turn, in the order of their commonest label, their sex and their name, so that parts are alike in labels
    of whole groups and in sex, and the same on every machine.

    Returns:
        ``(rows,)``: the member that leaves a row out, whose prediction for it selects the checkpoint; -1 outside of training.

    Raises:
        UserError: fewer groups than members, or a speaker or dialog in two parts.
    """
    labels: dict[str, Counter[str]] = {}
    sexes: dict[str, str] = {}
    for row in split.train:
        utterance = utterances[row]
        labels.setdefault(utterance.group, Counter())[utterance.label] += 1
        sexes.setdefault(utterance.group, utterance.sex)
    if len(labels) < ensemble_size:
        raise UserError(
            f"protocol=out_of_fold: fold={split.fold} has {len(labels)} training groups, and {ensemble_size} members leave out "
            "one each: set model.options.ensemble_size to a smaller number."
        )
    commonest = {group: min(counts, key=lambda label: (-counts[label], label)) for group, counts in labels.items()}
    ordered = sorted(labels, key=lambda group: (commonest[group], sexes[group], group))
    member_of = {group: number % ensemble_size for number, group in enumerate(ordered)}
    index = np.full(len(utterances), NO_MEMBER)
    for row in split.train:
        index[row] = member_of[utterances[row].group]
    for member in range(ensemble_size):
        train, val = (tuple(row for row in split.train if (index[row] == member) == out) for out in (False, True))
        check_leakage(utterances, replace(split, protocol=PROTOCOLS["validation"], train=train, val=val))
    return index
