"""Sessions of DAIC-WOZ: the participant's turns, and the known faults of the release, each a correction by name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hrf_ser.data.corpora.files import child, listed, read_text, wav_seconds
from hrf_ser.errors import UserError

# Someone comes in; speech between these seconds is no part of the interview.
INTERRUPTIONS = {"373": (395.0, 428.0), "444": (286.0, 387.0)}
# The times of the transcript are too early by so many seconds.
MISALIGNED = {"318": 34.319917, "321": 3.8379167, "341": 6.1892, "362": 16.8582}
# Ellie was not transcribed, so no line of hers marks the begin of the interview.
WITHOUT_ELLIE = ("451", "458", "480")
MIN_SECONDS = 0.2  # of a turn
# Sessions take 33 minutes at most. Beyond this a time is damaged, and windows over it would be without number.
MAX_SECONDS = 6 * 3600.0
Correction = Literal["interruption", "misaligned", "without_ellie"]
CORRECTIONS: dict[Correction, str] = {
    "interruption": f"sessions {', '.join(INTERRUPTIONS)}: the seconds of an interruption are cut out",
    "misaligned": f"sessions {', '.join(MISALIGNED)}: an offset is added to both times",
    "without_ellie": f"sessions {', '.join(WITHOUT_ELLIE)}: all turns of the participant are kept",
}

_COLUMNS = ("start_time", "stop_time", "speaker")
_SYNC = re.compile(r"[<\[]\s*sync", re.IGNORECASE)  # <sync>, <synch>, [sync], [syncing], <sync.
_SCRUBBED = re.compile(r"([<\[]?scrubbed_entry[>\]]?\s*)+", re.IGNORECASE)  # nothing else: the audio is zeroed
_AROUND = " \t\r\n,"  # stray commas of spreadsheets among them


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of the participant's speech, in seconds of the session's audio.

    Args:
        name: Line of the transcript, with a letter where an interruption cuts it in two.
    """

    name: str
    start: float
    end: float
    text: str


def chosen_corrections(corrections: bool | Sequence[str]) -> frozenset[str]:
    """Names of the corrections that ``data.options.corrections`` chooses."""
    if isinstance(corrections, bool):
        return frozenset(CORRECTIONS if corrections else ())
    return frozenset(corrections)


def audio_path(folder: Path, number: str) -> Path:
    """The audio of a session."""
    return _file(folder, f"{number}_AUDIO.wav")


def _file(folder: Path, name: str) -> Path:
    return child(folder, name) or folder / name


def session_turns(folder: Path, number: str, corrections: Iterable[str]) -> tuple[list[Turn], list[str]]:
    """The turns of a session that can be used, and sentences on the others.

    Turns end where the audio ends; those under 0.2 s are left out.
    """
    audio, transcript = audio_path(folder, number), _file(folder, f"{number}_TRANSCRIPT.csv")
    seconds = wav_seconds(audio) if audio.is_file() else 0.0
    lacks = [path.name for path, bad in ((audio, seconds == 0), (transcript, not transcript.is_file())) if bad]
    if lacks:
        return [], [f"session {number}: {folder} lacks {' and '.join(lacks)}, unpack {number}_P.zip there again"]
    spoken, unread = read_transcript(transcript, number, corrections)
    end = MAX_SECONDS if seconds is None else min(seconds, MAX_SECONDS)
    inside = [Turn(turn.name, max(turn.start, 0.0), min(turn.end, end), turn.text) for turn in spoken]
    turns = [turn for turn in inside if turn.end - turn.start >= MIN_SECONDS - 1e-9]
    total = sum(turn.end - turn.start for turn in turns)
    if total > MAX_SECONDS:
        raise UserError(f"{transcript} has turns of {total / 3600:.0f} hours in all: {_unpack_again(number)}.")
    sentences = []
    if unread:
        lines = listed([str(line) for line in unread])
        sentences.append(f"session {number}: {transcript} has rows without times and speaker, in line {lines}")
    late = sum(turn.start >= end for turn in spoken)
    if late:
        sentences.append(
            f"session {number}: {late} turns begin after the end of {audio} ({seconds:.1f} s), "
            f"unpack {number}_P.zip there again"
        )
    if not turns:
        sentences.append(f"session {number}: no turn of the participant after Ellie's first line in {transcript}")
    return turns, sentences


def read_transcript(path: Path, session: str, corrections: Iterable[str]) -> tuple[list[Turn], list[int]]:
    """The participant's turns after Ellie's first line, and the lines that cannot be understood.

    Left out are blank lines, lines without times or speaker (``NaN`` included), sync marks in any spelling, and lines that
    are ``scrubbed_entry`` alone, whose audio is zeroed.

    Raises:
        UserError: The file cannot be read, or it does not begin with the tab-separated header.
    """
    names = frozenset(corrections)
    rows, unread = _rows(path)
    turns = []
    ellie_spoke = "without_ellie" in names and session in WITHOUT_ELLIE
    offset = MISALIGNED.get(session, 0.0) if "misaligned" in names else 0.0
    interruption = INTERRUPTIONS.get(session) if "interruption" in names else None
    for row in rows:
        if _SYNC.search(row.text):
            continue
        if row.speaker == "ellie":
            ellie_spoke = True
        elif row.speaker == "participant" and ellie_spoke and not _SCRUBBED.fullmatch(row.text):
            pieces = _outside(round(row.start + offset, 6), round(row.end + offset, 6), interruption)
            for letter, (start, end) in zip(("", "b"), pieces, strict=False):
                turns.append(Turn(f"{row.line:04d}{letter}", start, end, row.text))
    return turns, unread


def _outside(start: float, end: float, cut: tuple[float, float] | None) -> list[tuple[float, float]]:
    """What of a turn lies outside the seconds that are cut."""
    if cut is None or end <= cut[0] or start >= cut[1]:
        return [(start, end)]
    return [piece for piece in ((start, cut[0]), (cut[1], end)) if piece[0] < piece[1]]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    start: float
    end: float
    speaker: str
    text: str


def _rows(path: Path) -> tuple[list[_Row], list[int]]:
    """Rows with times and speaker, and the lines of rows that have something else instead."""
    lines = read_text(path, "make it readable or unpack it again", errors="replace").split("\n")
    header = next((number for number, line in enumerate(lines) if line.strip(_AROUND)), 0)
    cells = [cell.strip(_AROUND).lower() for cell in lines[header].split("\t")]
    if any(column not in cells for column in _COLUMNS):
        raise UserError(
            f"{path} does not begin with the tab-separated header start_time, stop_time, speaker, value but with "
            f"{lines[header].strip()[:60]!r}: {_unpack_again(path.name.split('_')[0])}."
        )
    columns = [cells.index(column) for column in _COLUMNS]
    rows, unread = [], []
    for number, line in enumerate(lines[header + 1 :], start=header + 2):
        cells = line.split("\t")
        complete = len(cells) > max(columns)
        values = [cells[column].strip(_AROUND).lower() if column < len(cells) else "" for column in columns]
        if {"", "nan"} & set(values):
            if line.strip(_AROUND) and not complete and "nan" not in values:
                unread.append(number)
            continue
        start, end = _time(values[0]), _time(values[1])
        if start is None or end is None:
            unread.append(number)
            continue
        text = " ".join(cells[max(columns) + 1 :]).strip(_AROUND)
        rows.append(_Row(number, start, end, values[2], "" if text.lower() == "nan" else text))
    return rows, unread


def _time(cell: str) -> float | None:
    """Seconds; None for what is no number or beyond any session."""
    try:
        seconds = float(cell)
    except ValueError:
        return None
    return seconds if -math.inf < seconds <= MAX_SECONDS else None


def _unpack_again(session: str) -> str:
    return f"take the file from {session}_P.zip again, unchanged"
