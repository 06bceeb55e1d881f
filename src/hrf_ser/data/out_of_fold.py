"""``protocol=out_of_fold``: which speakers each member of an ensemble goes without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hrf_ser.data.corpora import Utterance
from hrf_ser.data.protocols import Split, check_leakage
from hrf_ser.errors import UserError

# The number of no member: of rows that are in no member's part.
NOBODY = -1


def out_of_fold_index(utterances: Sequence[Utterance], divided: Split, members: int) -> NDArray[np.int64]:
    """Deal the speakers who train into as many parts as there are members; each member goes without one part.

    Groups are dealt in turn, in the order of their commonest label, their sex and their name, so that parts are alike in labels
    of whole groups and in sex, and the same on every machine.

    Args:
        utterances: rows of the corpus's table.
        divided: its parts under ``out_of_fold``.
        members: of the ensemble.

    Returns:
        ``(rows,)``: the number of the member that does not train on a row, and is asked about it to choose the epoch; -1 for
        rows that do not train.

    Raises:
        UserError: fewer groups than members, or a speaker or dialog in two parts.
    """
    labels: dict[str, Counter[str]] = {}
    sexes: dict[str, str] = {}
    for row in divided.train:
        one = utterances[row]
        labels.setdefault(one.group, Counter())[one.label] += 1
        sexes.setdefault(one.group, one.sex)
    if len(labels) < members:
        raise UserError(
            f"protocol=out_of_fold: fold={divided.fold} has {len(labels)} training groups, and {members} members leave one out "
            "each: set model.options.ensemble_size to a smaller number."
        )
    commonest = {group: min(counts, key=lambda label: (-counts[label], label)) for group, counts in labels.items()}
    ordered = sorted(labels, key=lambda group: (commonest[group], sexes[group], group))
    part = {group: number % members for number, group in enumerate(ordered)}
    absent = np.full(len(utterances), NOBODY)
    for row in divided.train:
        absent[row] = part[utterances[row].group]
    for member in range(members):
        heard, asked = (
            tuple(row for row in divided.train if (absent[row] == member) == apart) for apart in (False, True)
        )
        check_leakage(utterances, replace(divided, protocol="validation", train=heard, val=asked))
    return absent
