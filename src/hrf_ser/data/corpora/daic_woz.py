"""DAIC-WOZ: 189 interviews by the animated agent Ellie, each with the PHQ-8 depression score of its participant.

On disk: ``NNN_P/NNN_AUDIO.wav`` (the whole session), ``NNN_P/NNN_TRANSCRIPT.csv`` (tab-separated turns) and the label
files of AVEC 2017: ``train_split_Depression_AVEC2017.csv``, ``dev_split_Depression_AVEC2017.csv`` and, with the test
labels, ``full_test_split.csv``. Audio is read by start and end, never copied.

Source: Gratch et al., The Distress Analysis Interview Corpus of human and computer interviews, LREC 2014;
https://dcapswoz.ict.usc.edu.
Folds: ``official``, the split of AVEC 2017 (its dev is ``val``), where test has labels; ``dev`` tests dev. No participant is in
two splits.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrf_ser.data.corpora.daic_woz_sessions import MIN_SECONDS, audio_path, chosen_corrections, session_turns
from hrf_ser.data.corpora.files import Layout, Row, folders_with, read_csv, subfolders
from hrf_ser.data.corpora.options import check_choice, check_seconds
from hrf_ser.data.corpora.utterance import Corpus, Utterance, mismatches
from hrf_ser.errors import UserError

LABELS = ("not_depressed", "depressed")
SESSIONS = tuple(str(number) for number in range(300, 493) if number not in (342, 394, 398, 460))
PARTICIPANTS = {"train": 107, "val": 35, "test": 47}
PER_CLASS = {"train": (77, 30), "val": (23, 12)}  # as distributed
DEPRESSED_FROM = 10  # PHQ-8 score
WRONG_LABEL = "409"  # score 10, but not depressed in the distribution
UNITS = ("turn", "window")
CLIPS = ("all", "longest_by_label")
# Clips of a participant in SpeechFormer (Chen et al., Interspeech 2022)
LONGEST = {"not_depressed": 18, "depressed": 46}
LEAK = "the label of a participant decides which of the clips are used (data.options.clips=longest_by_label)"
LABEL_FILES = {
    "train": "train_split_Depression_AVEC2017.csv",
    "val": "dev_split_Depression_AVEC2017.csv",
    "test": "full_test_split.csv",
}
UNLABELLED_TEST = "test_split_Depression_AVEC2017.csv"
LICENCE = "DAIC-WOZ: research use under the owners' agreement, dcapswoz.ict.usc.edu; cite Gratch et al., LREC 2014"

LAYOUT = Layout(
    "the folders 300_P ... 492_P and the label files of AVEC 2017",
    "ask for the corpus at https://dcapswoz.ict.usc.edu, unpack NNN_P.zip into NNN_P/ and point data.root there",
)

_SEXES = {"0": "male", "1": "female"}
_SESSION_FOLDER = re.compile(r"(\d{3})_P")
_OTHER_EDITION = re.compile(
    r"(training|train|dev|development|test)_split\.csv|detailed_phq8_labels\.csv|metadata_mapped\.csv|.*avec20(16|19).*\.csv",
    re.IGNORECASE,
)
_AGAIN = "take the comma-separated label file of AVEC 2017 from the corpus's site again"


def read(
    root: Path,
    *,
    unit: str = "turn",
    window_s: float = 4.0,
    hop_s: float = 2.0,
    clips: str = "all",
    correct_409: bool = False,
    corrections: bool | Sequence[str] = True,
    include_test: bool = True,
) -> Corpus:
    """List the participants' turns, or windows over them. The same rule holds for every participant, whatever the label.

    Turns under 0.2 s are left out. A session that cannot be used is named in the count_mismatches and left out.

    Args:
        root: The folder that holds ``NNN_P``, or its parent.
        unit: ``turn`` makes an utterance of each turn. ``window`` covers each turn with windows of ``window_s``, one every
            ``hop_s``; the last one is moved back to end with the turn, and a shorter turn is one window as it is.
        window_s: Seconds of a window.
        hop_s: Seconds from one window to the next, at most ``window_s``.
        clips: ``all`` keeps every clip of every participant. ``longest_by_label`` keeps the longest 18 of one who is not
            depressed and the longest 46 of one who is, as the SpeechFormer papers do, in all splits: the label leaks into
            what is evaluated, and every result says so.
        correct_409: Call participant 409 depressed, as the score of 10 says; the distribution does not.
        corrections: Which known faults to correct: true for all, false for none, or names of
            ``daic_woz_sessions.CORRECTIONS``.
        include_test: Read the test split, where ``full_test_split.csv`` has its labels.

    Raises:
        UserError: No session, a label file is missing, of another edition or wrong (the row is named), a transcript is not
            tab-separated, or an option has no such value.
    """
    names = chosen_corrections(corrections)
    check_choice("unit", unit, UNITS)
    check_choice("clips", clips, CLIPS)
    check_seconds("window_s", window_s, MIN_SECONDS)
    check_seconds("hop_s", hop_s, MIN_SECONDS)
    if hop_s > window_s:
        raise UserError(
            f"data.options.hop_s={hop_s} leaves gaps between windows of data.options.window_s={window_s}: "
            "make it at most as long."
        )
    LAYOUT.require_folder(root)
    sessions = _sessions(root)
    participants, sentences = _participants(root, next(iter(sessions.values())).parent, include_test)
    expected = SESSIONS if include_test else tuple(person.number for person in participants)
    sentences += _session_mismatches(sessions, participants, expected)
    utterances: list[Utterance] = []
    for person in participants:
        if person.number not in sessions:
            continue
        turns, problems = session_turns(sessions[person.number], person.number, names)
        sentences += problems
        label = LABELS[1 if correct_409 and person.number == WRONG_LABEL else person.binary]
        segments = []
        for turn in turns:
            spans = [(turn.start, turn.end)] if unit == "turn" else _windows(turn.start, turn.end, window_s, hop_s)
            for index, (start, end) in enumerate(spans):
                suffix = "" if unit == "turn" else f"_w{index:02d}"
                segments.append(
                    Utterance(
                        utterance=f"{person.number}_{turn.name}{suffix}",
                        path=audio_path(sessions[person.number], person.number),
                        label=label,
                        speaker=person.number,
                        sex=person.sex,
                        group=person.number,
                        split=person.split,
                        start=start,
                        end=end,
                        extra=(("phq8_score", person.score), ("phq8_binary", str(person.binary)), ("text", turn.text)),
                    )
                )
        utterances += segments if clips == "all" else _longest(segments, LONGEST[label])
    if not utterances:
        first = f" ({sentences[0]})" if sentences else ""
        raise LAYOUT.error(f"data.root={root} holds no turn of a labelled participant{first}")
    has_test = any(utterance.split == "test" for utterance in utterances)
    folds: dict[str, tuple[str, ...]] = {"official": (), "dev": ()} if has_test else {"dev": ()}
    corpus = Corpus("daic_woz", utterances, LABELS, folds, hint=LAYOUT.hint, licence=LICENCE)
    corpus.evaluation_unit = "participant"
    corpus.leaks = () if clips == "all" else (LEAK,)
    corpus.count_mismatches = [*_count_mismatches(corpus, correct_409, include_test), *sentences]
    return corpus


@dataclass(frozen=True, slots=True)
class _Participant:
    number: str
    split: str
    binary: int
    score: str
    sex: str


def _sessions(root: Path) -> dict[str, Path]:
    """Number of a session -> its folder, in ``root`` or, where there is none, in a folder of ``root``."""

    def numbered(folder: Path) -> dict[str, Path]:
        return {match[1]: path for path in subfolders(folder) if (match := _SESSION_FOLDER.fullmatch(path.name))}

    releases = folders_with(root, lambda folder: bool(numbered(folder)))
    if not releases:
        raise LAYOUT.error(f"data.root={root} holds no folder NNN_P")
    return numbered(releases[0])


def _participants(root: Path, release: Path, include_test: bool) -> tuple[list[_Participant], list[str]]:
    """Labelled participants of all splits, and sentences on what is wrong with their labels."""
    folders = [release, root, *subfolders(release), *subfolders(root)]
    folders = [folder for folder in dict.fromkeys(folders) if not _SESSION_FOLDER.fullmatch(folder.name)]
    participants: dict[str, _Participant] = {}
    sentences = []
    for split, name in LABEL_FILES.items():
        if split == "test" and not include_test:
            continue
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None and split == "test":
            sentences.append(
                f"{release} has no {name} with the labels of the test split, so its {PARTICIPANTS[split]} participants "
                f"are left out ({UNLABELLED_TEST} has none): download it from the corpus's site"
            )
            continue
        if path is None:
            raise UserError(_missing_labels(release, folders, name))
        for where, person in _labels(path, split):
            if person.number in participants:
                raise UserError(
                    f"{where}: participant {person.number} is there twice, in the split "
                    f"{participants[person.number].split} and in the split {split}: {_AGAIN}."
                )
            participants[person.number] = person
            depressed = person.score and int(person.score) >= DEPRESSED_FROM
            if person.score and depressed != bool(person.binary) and person.number != WRONG_LABEL:
                sentences.append(
                    f"{where}: participant {person.number} has the score {person.score}, but binary {person.binary}"
                )
    return list(participants.values()), sentences


def _missing_labels(release: Path, folders: Sequence[Path], name: str) -> str:
    known = (*LABEL_FILES.values(), UNLABELLED_TEST)
    names = sorted(path.name for folder in folders for path in folder.iterdir())
    others = dict.fromkeys(name for name in names if _OTHER_EDITION.fullmatch(name) and name not in known)
    found = f" ({', '.join(others)} belong to another edition)" if others else ""
    return (
        f"{release} has no {name}{found}: download the label files of AVEC 2017 from the corpus's site and put them "
        "beside the folders NNN_P."
    )


def _labels(path: Path, split: str) -> Iterator[tuple[str, _Participant]]:
    """Participants of a label file, and the row of each for messages."""
    rows = read_csv(path, ("participant_id",), _AGAIN)
    columns = []
    for names in (("phq8_binary", "phq_binary"), ("phq8_score", "phq_score")):
        known = [name for name in names if rows and name in rows[0].cells]
        if rows and not known:
            raise UserError(f"{path} has no column {' or '.join(names)} but {','.join(rows[0].cells)!r}: {_AGAIN}.")
        columns += known[:1]
    for row in rows:
        binary, score = columns
        number = _whole(row, "participant_id", range(1000))
        points = "" if row[score].lower() in ("", "nan") else str(_whole(row, score, range(25)))
        sex = _SEXES.get(row["gender"].removesuffix(".0"), "")
        yield row.where, _Participant(str(number), split, _whole(row, binary, range(2)), points, sex)


def _whole(row: Row, column: str, allowed: range) -> int:
    """A whole number, also where a spreadsheet wrote ``10.0``."""
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if value not in allowed:
        raise UserError(
            f"{row.where}: {column}={row[column]} is no whole number from {allowed[0]} to {allowed[-1]}: {_AGAIN}."
        )
    return int(value)


def _session_mismatches(
    sessions: dict[str, Path], participants: list[_Participant], expected: Sequence[str]
) -> list[str]:
    sentences = []
    missing = [number for number in expected if number not in sessions]
    if missing:
        where = next(iter(sessions.values())).parent
        sentences.append(
            f"sessions {_ranges(missing)}: {len(missing)} of {len(expected)} folders NNN_P are missing, "
            f"unpack them into {where}"
        )
    surplus = [number for number in sessions if number not in SESSIONS]
    if surplus:
        sentences.append(f"sessions {_ranges(surplus)}: folders that the distribution does not have")
    unknown = [one.number for one in participants if one.number not in SESSIONS]
    labelled = {one.number for one in participants}
    unlabelled = [number for number in sessions if number in expected and number not in labelled]
    if unlabelled and any(one.split == "test" for one in participants):
        sentences.append(f"sessions {_ranges(unlabelled)}: in no label file")
    if unknown:
        sentences.append(f"participants {_ranges(unknown)}: labelled, but not in the distribution")
    return sentences


def _windows(start: float, end: float, window_s: float, hop_s: float) -> list[tuple[float, float]]:
    """Windows that together cover a turn; all have the same length, unless the turn is shorter."""
    last = end - start - window_s
    if last <= 0:
        return [(start, end)]
    count = 1 + math.ceil(last / hop_s - 1e-9)
    begins = [round(start + min(index * hop_s, last), 6) for index in range(count)]
    return [(begin, round(begin + window_s, 6)) for begin in begins]


def _longest(segments: list[Utterance], number: int) -> list[Utterance]:
    return sorted(segments, key=lambda one: (one.start or 0.0) - (one.end or 0.0))[:number]


def _count_mismatches(corpus: Corpus, correct_409: bool, include_test: bool) -> list[str]:
    found: Counter[str] = Counter()
    for split, label in {one.speaker: (one.split, one.label) for one in corpus.utterances}.values():
        found.update((f"split {split}", f"split {split}, class {label}"))
    expected = {}
    for split, number in PARTICIPANTS.items():
        if split == "test" and not include_test:
            continue
        expected[f"split {split}"] = number
        if split in PER_CLASS:
            negative, positive = PER_CLASS[split]
            moved = int(correct_409 and split == "train")
            expected[f"split {split}, class not_depressed"] = negative - moved
            expected[f"split {split}, class depressed"] = positive + moved
    return mismatches(found, expected, "participants")


def _ranges(numbers: Sequence[str]) -> str:
    """``300-302, 305`` for 300, 301, 302, 305."""
    runs: list[list[int]] = []
    for number in sorted(int(one) for one in numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
