"""DAIC-WOZ: 189 interviews by the animated agent Ellie, each with the PHQ-8 depression score of its participant.

On disk: ``NNN_P/NNN_AUDIO.wav`` (the whole session), ``NNN_P/NNN_TRANSCRIPT.csv`` (tab-separated turns) and the label
files of AVEC 2017: ``train_split_Depression_AVEC2017.csv``, ``dev_split_Depression_AVEC2017.csv`` and, for the test part,
``full_test_split.csv``. Audio is read by start and end, never copied.

Source: Gratch et al., The Distress Analysis Interview Corpus of human and computer interviews, LREC 2014;
https://dcapswoz.ict.usc.edu.
Folds: ``official``, the parts of AVEC 2017 (its dev part is ``val``), where the test part has labels; ``dev`` tests the dev
part. No participant is in two parts.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrf_ser.data.corpora.daic_woz_faults import MIN_SECONDS, audio_path, chosen_corrections, session_turns
from hrf_ser.data.corpora.files import require_folder, subfolders
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

LABELS = ("not_depressed", "depressed")
SESSIONS = tuple(str(number) for number in range(300, 493) if number not in (342, 394, 398, 460))
PARTICIPANTS = {"train": 107, "val": 35, "test": 47}
PER_CLASS = {"train": (77, 30), "val": (23, 12)}  # as distributed
DEPRESSED_FROM = 10  # PHQ-8 score
WRONG_LABEL = "409"  # score 10, but not depressed in the distribution
UNITS = ("turn", "window")
CLIPS = ("all", "longest_by_label")
LONGEST = {
    "not_depressed": 18,
    "depressed": 46,
}  # clips of a participant in SpeechFormer (Chen et al., Interspeech 2022)
LEAK = "the label of a participant decides which of the clips are heard (data.options.clips=longest_by_label)"
LABEL_FILES = {
    "train": "train_split_Depression_AVEC2017.csv",
    "val": "dev_split_Depression_AVEC2017.csv",
    "test": "full_test_split.csv",
}
UNLABELLED_TEST = "test_split_Depression_AVEC2017.csv"
LICENCE = "DAIC-WOZ: research use under the owners' agreement, dcapswoz.ict.usc.edu; cite Gratch et al., LREC 2014"

_SEXES = {"0": "male", "1": "female"}
_COLUMNS = {
    "participant": ("participant_id",),
    "binary": ("phq8_binary", "phq_binary"),
    "score": ("phq8_score", "phq_score"),
}
_SESSION_FOLDER = re.compile(r"(\d{3})_P")
_OTHER_EDITION = re.compile(
    r"(training|train|dev|development|test)_split\.csv|detailed_phq8_labels\.csv|metadata_mapped\.csv|.*avec20(16|19).*\.csv",
    re.IGNORECASE,
)
_LOOKED_FOR = "the folders 300_P ... 492_P and the label files of AVEC 2017"
_HINT = "ask for the corpus at https://dcapswoz.ict.usc.edu, unpack NNN_P.zip into NNN_P/ and point data.root there"


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
            depressed and the longest 46 of one who is, as the SpeechFormer papers do, on all parts: the label leaks into what
            is scored, and every result says so.
        correct_409: Call participant 409 depressed, as the score of 10 says; the distribution does not.
        corrections: Which known faults to correct: true for all, false for none, or names of
            ``daic_woz_faults.CORRECTIONS``.
        include_test: Read the test part, where ``full_test_split.csv`` has its labels.

    Raises:
        UserError: No session, a label file is missing, of another edition or wrong (the row is named), a transcript is not
            tab-separated, or an option has no such value.
    """
    names = chosen_corrections(corrections)
    _check_windows(unit, window_s, hop_s)
    if clips not in CLIPS:
        raise UserError(f"data.options.clips={clips} is unknown: use one of {', '.join(CLIPS)}.")
    require_folder(root, _LOOKED_FOR, _HINT)
    sessions = _sessions(root)
    participants, sentences = _participants(root, next(iter(sessions.values())).parent, include_test)
    expected = SESSIONS if include_test else tuple(one.number for one in participants)
    sentences += _session_mismatches(sessions, participants, expected)
    utterances: list[Utterance] = []
    for one in participants:
        if one.number not in sessions:
            continue
        turns, problems = session_turns(sessions[one.number], one.number, names)
        sentences += problems
        label = LABELS[1 if correct_409 and one.number == WRONG_LABEL else one.binary]
        pieces = []
        for turn in turns:
            spans = [(turn.start, turn.end)] if unit == "turn" else _windows(turn.start, turn.end, window_s, hop_s)
            for index, (start, end) in enumerate(spans):
                suffix = "" if unit == "turn" else f"_w{index:02d}"
                pieces.append(
                    Utterance(
                        utterance=f"{one.number}_{turn.name}{suffix}",
                        path=audio_path(sessions[one.number], one.number),
                        label=label,
                        speaker=one.number,
                        sex=one.sex,
                        group=one.number,
                        part=one.part,
                        start=start,
                        end=end,
                        extra=(("phq8_score", one.score), ("phq8_binary", str(one.binary)), ("text", turn.text)),
                    )
                )
        utterances += pieces if clips == "all" else _longest(pieces, LONGEST[label])
    if not utterances:
        first = f", {sentences[0]}" if sentences else ""
        raise UserError(f"data.root={root} holds no turn of a labelled participant{first}: {_HINT}.")
    tested = any(one.part == "test" for one in utterances)
    folds: dict[str, tuple[str, ...]] = {"official": (), "dev": ()} if tested else {"dev": ()}
    corpus = Corpus("daic_woz", utterances, LABELS, folds, hint=_HINT, licence=LICENCE, evaluation_unit="participant")
    corpus.leaks = () if clips == "all" else (LEAK,)
    corpus.count_mismatches = [*_count_mismatches(corpus, correct_409, include_test), *sentences]
    return corpus


@dataclass(frozen=True, slots=True)
class _Participant:
    number: str
    part: str
    binary: int
    score: str
    sex: str


def _check_windows(unit: str, window_s: float, hop_s: float) -> None:
    if unit not in UNITS:
        raise UserError(f"data.options.unit={unit} is unknown: use one of {', '.join(UNITS)}.")
    for key, value in (("window_s", window_s), ("hop_s", hop_s)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_SECONDS <= value < math.inf:
            raise UserError(f"data.options.{key}={value} is no length in seconds: write {MIN_SECONDS:g} or more.")
    if hop_s > window_s:
        raise UserError(
            f"data.options.hop_s={hop_s} leaves gaps between windows of data.options.window_s={window_s}: "
            "make it at most as long."
        )


def _sessions(root: Path) -> dict[str, Path]:
    """Number of a session -> its folder, in ``root`` or, where there is none, in a folder of ``root``."""
    for folder in (root, *subfolders(root)):
        here = {match[1]: path for path in subfolders(folder) if (match := _SESSION_FOLDER.fullmatch(path.name))}
        if here:
            return here
    raise UserError(f"data.root={root} holds no folder NNN_P, looked there for {_LOOKED_FOR}: {_HINT}.")


def _participants(root: Path, release: Path, include_test: bool) -> tuple[list[_Participant], list[str]]:
    """Labelled participants of all parts, and what is to be said about their labels."""
    folders = [release, root] + [one for folder in (release, root) for one in subfolders(folder)]
    folders = [one for one in dict.fromkeys(folders) if not _SESSION_FOLDER.fullmatch(one.name)]
    participants: dict[str, _Participant] = {}
    sentences = []
    for part, name in LABEL_FILES.items():
        if part == "test" and not include_test:
            continue
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None and part == "test":
            sentences.append(
                f"{release} has no {name} with the labels of the test part, so its {PARTICIPANTS[part]} participants are "
                f"left out ({UNLABELLED_TEST} has none): download it from the corpus's site"
            )
            continue
        if path is None:
            raise UserError(_missing_labels(release, folders, name))
        for where, one in _labels(path, part):
            if one.number in participants:
                raise UserError(
                    f"{where}: participant {one.number} is there twice, in the {participants[one.number].part} and in the "
                    f"{part} part: take the label files from the corpus's site again."
                )
            participants[one.number] = one
            if one.score and (int(one.score) >= DEPRESSED_FROM) != bool(one.binary) and one.number != WRONG_LABEL:
                sentences.append(
                    f"{where}: participant {one.number} has the score {one.score}, but binary {one.binary}"
                )
    return list(participants.values()), sentences


def _missing_labels(release: Path, folders: Iterable[Path], name: str) -> str:
    others = sorted(path.name for folder in folders for path in folder.iterdir() if _OTHER_EDITION.fullmatch(path.name))
    others = [other for other in others if other not in (*LABEL_FILES.values(), UNLABELLED_TEST)]
    found = f" ({', '.join(dict.fromkeys(others))} belong to another edition)" if others else ""
    return (
        f"{release} has no {name}{found}: download the label files of AVEC 2017 from the corpus's site and put them "
        "beside the folders NNN_P."
    )


def _labels(path: Path, part: str) -> Iterator[tuple[str, _Participant]]:
    """Participants of a label file, and the row of each for messages."""
    header: list[str] = []
    columns: dict[str, str] = {}
    for number, line in enumerate(_rows(path), start=1):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if not header:
            header = [cell.lower() for cell in cells]
            columns = _label_columns(path, header)
            continue
        row = dict(zip(header, cells, strict=False))
        where = f"{path}, row {number}"
        participant = _whole(where, columns["participant"], row, range(1000))
        score = row.get(columns["score"], "")
        score = "" if score.lower() in ("", "nan") else str(_whole(where, columns["score"], row, range(25)))
        binary = _whole(where, columns["binary"], row, range(2))
        sex = _SEXES.get(row.get("gender", "").removesuffix(".0"), "")
        yield where, _Participant(str(participant), part, binary, score, sex)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(_text(path), newline=""))
    except csv.Error as error:
        raise UserError(f"{path} is not CSV ({error}): take the label file from the corpus's site again.") from None


def _label_columns(path: Path, header: list[str]) -> dict[str, str]:
    columns = {}
    for what, names in _COLUMNS.items():
        known = [name for name in names if name in header]
        if not known:
            raise UserError(
                f"{path} has no column {' or '.join(names)} but {','.join(header)!r}: it is of another edition, take "
                "the comma-separated file of AVEC 2017 from the corpus's site."
            )
        columns[what] = known[0]
    return columns


def _whole(where: str, column: str, row: dict[str, str], allowed: range) -> int:
    """A whole number, also where a spreadsheet wrote ``10.0``."""
    try:
        value = float(row.get(column, ""))
    except ValueError:
        value = math.nan
    if value not in allowed:
        raise UserError(
            f"{where}: {column}={row.get(column, '')} is no whole number from {allowed[0]} to {allowed[-1]}: "
            "take the label file from the corpus's site again."
        )
    return int(value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it readable or download it again.") from None


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
    if unlabelled and any(one.part == "test" for one in participants):
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


def _longest(pieces: list[Utterance], number: int) -> list[Utterance]:
    return sorted(pieces, key=lambda one: (one.start or 0.0) - (one.end or 0.0))[:number]


def _count_mismatches(corpus: Corpus, correct_409: bool, include_test: bool) -> list[str]:
    classes = {one.speaker: (one.part, one.label) for one in corpus.utterances}
    found = Counter(classes.values())
    moved = int(correct_409)
    sentences = []
    for part, number in PARTICIPANTS.items():
        if part == "test" and not include_test:
            continue
        expected = {f"part {part}": number}
        counts = {f"part {part}": sum(found[part, label] for label in LABELS)}
        if part in PER_CLASS:
            negative, positive = PER_CLASS[part]
            shift = moved if part == "train" else 0
            for label, per_class in zip(LABELS, (negative - shift, positive + shift), strict=True):
                expected[f"part {part}, class {label}"] = per_class
                counts[f"part {part}, class {label}"] = found[part, label]
        sentences += [
            f"{what}: {counts[what]} participants found, {wanted} in the distribution"
            for what, wanted in expected.items()
            if counts[what] != wanted
        ]
    return sentences


def _ranges(numbers: Sequence[str]) -> str:
    """``300-302, 305`` for 300, 301, 302, 305."""
    runs: list[list[int]] = []
    for number in sorted(int(one) for one in numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
