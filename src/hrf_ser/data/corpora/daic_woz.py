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
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.daic_woz_sessions import (
    MIN_SECONDS,
    Correction,
    Turn,
    audio_path,
    chosen_corrections,
    session_turns,
)
from hrf_ser.data.corpora.files import Layout, Row, child, listable, not_unpacked, read_csv, subfolders, unnested
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

LABELS = ("not_depressed", "depressed")
SESSIONS = tuple(str(number) for number in range(300, 493) if number not in (342, 394, 398, 460))
DEPRESSED_FROM = 10  # PHQ-8 score
WRONG_LABEL = "409"  # score 10, but not depressed in the distribution
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

_SEXES = {"0": "male", "1": "female"}
_SESSION_FOLDER = re.compile(r"(\d{3})_P", re.IGNORECASE)
_OTHER_EDITION = re.compile(
    r"(training|train|dev|development|test)_split\.csv|detailed_phq8_labels\.csv|metadata_mapped\.csv|.*avec20(16|19).*\.csv",
    re.IGNORECASE,
)
_AGAIN = "take the comma-separated label file of AVEC 2017 from the corpus's site again"
_Length = Annotated[float, Field(ge=MIN_SECONDS, allow_inf_nan=False)]


def _sessions(folder: Path) -> dict[str, Path]:
    """Number of a session -> its folder."""
    return {match[1]: path for path in subfolders(folder) if (match := _SESSION_FOLDER.fullmatch(path.name))}


LAYOUT = Layout(
    lambda folder: bool(_sessions(folder)),
    "the folders 300_P ... 492_P and the label files of AVEC 2017",
    "ask for the corpus at https://dcapswoz.ict.usc.edu, unpack NNN_P.zip into NNN_P/ and point data.root there",
)


@reader
def read(
    root: Path,
    *,
    unit: Literal["turn", "window"] = "turn",
    window_s: _Length = 4.0,
    hop_s: _Length = 2.0,
    clips: Literal["all", "longest_by_label"] = "all",
    correct_409: bool = False,
    corrections: bool | list[Correction] = True,
    include_test: bool = True,
) -> Corpus:
    """List the participants' turns, or windows over them. The same rule holds for every participant, whatever the label.

    Turns under 0.2 s are left out. A session that cannot be used is named in the count_mismatches and left out.

    Args:
        root: The folder that holds ``NNN_P``, or one above it.
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
    """
    if hop_s > window_s:
        raise UserError(
            f"data.options.hop_s={hop_s:g} leaves gaps between windows of data.options.window_s={window_s:g}: "
            "make it at most as long."
        )
    names = chosen_corrections(corrections)
    release = LAYOUT.find(root)
    sessions = _sessions(release)
    participants, sentences = _participants(root, release, include_test)
    sentences += _session_mismatches(release, sessions, participants, include_test)
    utterances: list[Utterance] = []
    for person in participants:
        if person.number not in sessions:
            continue
        folder = unnested(sessions[person.number])
        turns, problems = session_turns(folder, person.number, names)
        sentences += problems
        label = LABELS[1 if correct_409 and person.number == WRONG_LABEL else person.binary]
        if unit == "window":
            turns = [window for turn in turns for window in _windows(turn, window_s, hop_s)]
        audio = audio_path(folder, person.number)
        segments = [
            Utterance(
                f"{person.number}_{turn.name}",
                audio,
                label,
                speaker=person.number,
                sex=person.sex,
                group=person.number,
                split=person.split,
                start=turn.start,
                end=turn.end,
                extra=(("phq8_score", person.score), ("phq8_binary", str(person.binary)), ("text", turn.text)),
            )
            for turn in turns
        ]
        if clips == "longest_by_label":
            segments = sorted(segments, key=lambda one: (one.start or 0.0) - (one.end or 0.0))[: LONGEST[label]]
        utterances += segments
    if not utterances:
        first = f" ({sentences[0]})" if sentences else ""
        raise LAYOUT.error(f"data.root={root} holds no turn of a labelled participant{first}")
    has_test = any(utterance.split == "test" for utterance in utterances)
    folds: dict[str, tuple[str, ...]] = {"official": (), "dev": ()} if has_test else {"dev": ()}
    corpus = Corpus("daic_woz", utterances, LABELS, folds, hint=LAYOUT.hint, licence=LICENCE)
    corpus.evaluation_unit = "participant"
    corpus.leaks = () if clips == "all" else (LEAK,)
    expected = {name: n for name, n in counts.DAIC_WOZ.items() if include_test or name != "split test"}
    if correct_409:
        expected["split train, class not_depressed"] -= 1
        expected["split train, class depressed"] += 1
    people = {one.speaker: (f"split {one.split}", f"class {one.label}") for one in utterances}
    corpus.count_mismatches = [*counts.differences(expected, people.values(), " participants"), *sentences]
    return corpus


@dataclass(frozen=True, slots=True)
class _Participant:
    number: str
    split: str
    binary: int
    score: str
    sex: str


def _participants(root: Path, release: Path, include_test: bool) -> tuple[list[_Participant], list[str]]:
    """Labelled participants of all splits, and sentences on what is wrong with their labels."""
    around = listable((release, root, release.parent))
    places = dict.fromkeys(place for folder in around for place in (folder, *subfolders(folder)))
    folders = listable(folder for folder in places if not _SESSION_FOLDER.fullmatch(folder.name))
    names = (*LABEL_FILES.values(), UNLABELLED_TEST)
    files = {name: path for name in names for folder in reversed(folders) if (path := child(folder, name))}
    if LABEL_FILES["train"] not in files or LABEL_FILES["val"] not in files:
        raise UserError(_missing_labels(release, folders, files))
    participants: dict[str, _Participant] = {}
    sentences = []
    if include_test and LABEL_FILES["test"] not in files:
        sentences.append(
            f"{release} has no {LABEL_FILES['test']} with the labels of the test split, so its 47 participants are left out "
            f"({UNLABELLED_TEST} has none): download it from the corpus's site"
        )
    for split, name in LABEL_FILES.items():
        if name not in files or (split == "test" and not include_test):
            continue
        for where, person in _labels(files[name], split):
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


def _missing_labels(release: Path, folders: Sequence[Path], files: Collection[str]) -> str:
    missing = [name for name in (LABEL_FILES["train"], LABEL_FILES["val"]) if name not in files]
    names = sorted(path.name for folder in folders for path in folder.iterdir())
    others = dict.fromkeys(name for name in names if _OTHER_EDITION.fullmatch(name) and name not in files)
    found = f", but has {' and '.join(files)}" if files and len(missing) == 2 else ""
    edition = f" ({', '.join(others)} belong to another edition)" if others else ""
    return (
        f"{release} has no {' and '.join(missing)}{found}{edition}: download the label files of AVEC 2017 from the corpus's "
        "site and put them beside the folders NNN_P."
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
    release: Path, sessions: dict[str, Path], participants: list[_Participant], include_test: bool
) -> list[str]:
    labelled = {one.number for one in participants}
    expected = SESSIONS if include_test else sorted(labelled)
    missing = [number for number in expected if number not in sessions]
    unlabelled = [number for number in sessions if number in expected and number not in labelled]
    has_test = any(one.split == "test" for one in participants)
    packed = not_unpacked(release)
    problems = {
        f"{len(missing)} of {len(expected)} folders NNN_P are missing, unpack them into {release}{packed}": missing,
        "folders that the distribution does not have": [number for number in sessions if number not in SESSIONS],
        "in no label file": unlabelled if has_test else [],
        "labelled, but not in the distribution": sorted(labelled - {*SESSIONS}),
    }
    return [f"sessions {_ranges(numbers)}: {problem}" for problem, numbers in problems.items() if numbers]


def _windows(turn: Turn, window_s: float, hop_s: float) -> list[Turn]:
    """Windows that together cover a turn; all have the same length, unless the turn is shorter."""
    last = turn.end - turn.start - window_s
    if last <= 0:
        return [replace(turn, name=f"{turn.name}_w00")]
    count = 1 + math.ceil(last / hop_s - 1e-9)
    begins = [round(turn.start + min(index * hop_s, last), 6) for index in range(count)]
    return [
        replace(turn, name=f"{turn.name}_w{index:02d}", start=begin, end=round(begin + window_s, 6))
        for index, begin in enumerate(begins)
    ]


def _ranges(numbers: Sequence[str]) -> str:
    """``300-302, 305`` for 300, 301, 302, 305."""
    runs: list[list[int]] = []
    for number in sorted(int(one) for one in numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
