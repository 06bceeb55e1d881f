"""Counts of the complete distributions, and how a copy differs from them.

A count is named by what is counted: ``class sad``, ``session 3, class sad``; the total has the empty name. The numbers are
written out instead of derived from the readers, so that a branch that a reader loses shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

Counts = dict[str, int]


def differences(expected: Mapping[str, int], found: Iterable[Sequence[str]], noun: str = " utterances") -> list[str]:
    """A sentence for each count that is not the expected one.

    Args:
        expected: Count by name.
        found: What each utterance counts as, such as ``("session 3", "class sad")``; pairs are counted too.
        noun: What is counted, after a space; empty where the names say it.
    """
    number = Counter(", ".join(pair) for names in found for size in range(3) for pair in combinations(names, size))
    return [
        f"{name}: {number[name]:,}{noun} found, {count:,} in the distribution".removeprefix(": ")
        for name, count in expected.items()
        # Of a session that is missing as a whole, only the session's own count is named.
        if number[name] != count and (", " not in name or number[name.rpartition(", ")[0]])
    ]


def grid(columns: Sequence[str], rows: Mapping[str, Sequence[int]]) -> Counts:
    """The total of a table of counts, the sums of its rows and columns, and its cells."""
    return {
        "": sum(map(sum, rows.values())),
        **{row: sum(numbers) for row, numbers in rows.items()},
        **{column: sum(numbers) for column, numbers in zip(columns, zip(*rows.values(), strict=True), strict=True)},
        **_cells(columns, rows),
    }


def per_class(counts: Mapping[str, int]) -> Counts:
    """The total and the count of each class."""
    return {"": sum(counts.values()), **{f"class {label}": number for label, number in counts.items()}}


def _cells(columns: Sequence[str], rows: Mapping[str, Sequence[int]]) -> Counts:
    return {
        f"{row}, {column}": number
        for row, numbers in rows.items()
        for column, number in zip(columns, numbers, strict=True)
    }


RAVDESS = grid(
    (
        "class neutral",
        *(f"class {label}" for label in ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")),
    ),
    {f"actor {number:02d}": (4, 8, 8, 8, 8, 8, 8, 8) for number in range(1, 25)},
)

EMODB = {
    **per_class(
        {"anger": 127, "boredom": 81, "disgust": 46, "fear": 69, "happiness": 71, "sadness": 62, "neutral": 79}
    ),
    **{"speaker 03": 49, "speaker 08": 58, "speaker 09": 43, "speaker 10": 38, "speaker 11": 55},
    **{"speaker 12": 35, "speaker 13": 61, "speaker 14": 69, "speaker 15": 56, "speaker 16": 71},
}

CREMA_D = per_class(
    {"angry": 1271, "disgust": 1271, "fearful": 1271, "happy": 1271, "neutral": 1087, "sad": 1271}
)  # of 91 actors

IEMOCAP_LABEL_FILES = {"labelled dialogs": 151, "labelled turns": 10_039}
_IEMOCAP_SESSIONS = {  # happy with excited
    "session 1": (229, 278, 384, 194),
    "session 2": (137, 327, 362, 197),
    "session 3": (240, 286, 320, 305),
    "session 4": (327, 303, 258, 143),
    "session 5": (170, 442, 384, 245),
}
_IEMOCAP_HALVES = {
    "session 1": (557, 528, 521),
    "session 2": (542, 481, 530),
    "session 3": (629, 522, 627),
    "session 4": (503, 528, 534),
    "session 5": (651, 590, 731),
}
_MERGED = _cells(("class angry", "class happy", "class neutral", "class sad"), _IEMOCAP_SESSIONS)
_APART = {name: number for name, number in _MERGED.items() if not name.endswith("happy")}
IEMOCAP = {  # by label set
    "4": {
        **per_class({"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}),
        **{session: sum(numbers) for session, numbers in _IEMOCAP_SESSIONS.items()},
        **_MERGED,
        **_cells(("male", "female", "improvised"), _IEMOCAP_HALVES),
    },
    "4_no_exc": {**per_class({"angry": 1103, "happy": 595, "neutral": 1708, "sad": 1084}), **_APART},
    "5": {**per_class({"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084, "frustrated": 1849}), **_MERGED},
    "6": {
        **per_class({"angry": 1103, "happy": 595, "excited": 1041, "neutral": 1708, "sad": 1084, "frustrated": 1849}),
        **_APART,
    },
}
_IMPROVISED = per_class({"angry": 289, "happy": 947, "neutral": 1099, "sad": 608})
_IMPROVISED_APART = {f"class {label}": _IMPROVISED[f"class {label}"] for label in ("angry", "neutral", "sad")}
IEMOCAP_IMPROVISED = {
    "4": {**_IMPROVISED, **{session: numbers[2] for session, numbers in _IEMOCAP_HALVES.items()}},
    "4_no_exc": _IMPROVISED_APART,
    "5": {**_IMPROVISED_APART, "class happy": 947},
    "6": _IMPROVISED_APART,
}

M3ED = grid(
    [f"class {label}" for label in ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")],
    {
        "split train": (1625, 7126, 2734, 1145, 3814, 280, 696),
        "split val": (303, 1042, 489, 134, 681, 50, 120),
        "split test": (358, 1853, 734, 218, 736, 65, 234),
    },
)
M3ED_SERIES = {"movie_list_train.txt": 38, "movie_list_val.txt": 7, "movie_list_test.txt": 11}
M3ED_SHORT = {"clips under 0.2 s": 58}

DAIC_WOZ = {  # participants; the published numbers do not say how many of the test split are depressed
    "split train": 107,
    "split train, class not_depressed": 77,
    "split train, class depressed": 30,
    "split val": 35,
    "split val, class not_depressed": 23,
    "split val, class depressed": 12,
    "split test": 47,
}
