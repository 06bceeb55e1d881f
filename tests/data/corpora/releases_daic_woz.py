"""Releases of DAIC-WOZ in the grammar of the real one, with invented participants and answers.

Every function writes below a folder of the test's own, and tells what a reader must find. Placeholder audio has a correct
header and the size it promises, but holds zeros that take no room on disk; ``audio`` writes real sessions instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

Audio = Callable[[Path, float, str], None]  # path, seconds, class

TRAIN, DEV, TEST = (f"{part}_split_Depression_AVEC2017.csv" for part in ("train", "dev", "test"))
RATE = 16_000
SESSIONS = [number for number in range(300, 493) if number not in (342, 394, 398, 460)]
OFFSETS = {318: 34.319917, 321: 3.8379167, 341: 6.1892, 362: 16.8582}
WITHOUT_ELLIE = (451, 458, 480)
SYNC = ("<sync>", "<synch>", "[sync]", "[synch]", "[syncing]", "[synching]", "<sync.", "<Sync> okay")
ITEMS = ("NoInterest", "Depressed", "Sleep", "Tired", "Appetite", "Failure", "Concentrating", "Moving")
FULL_DEPRESSED = {"train": 30, "dev": 12, "test": 14}


@dataclass(frozen=True)
class Participant:
    """A row of a label file."""

    number: int
    split: str  # train, dev, test
    score: int
    binary: int
    gender: int


@dataclass
class Release:
    """Where it was written, and the turns that it holds: utterance -> begin and end in seconds of the audio."""

    root: Path
    participants: list[Participant]
    turns: dict[str, tuple[float, float]]


def placeholder(path: Path, seconds: float, label: str = "") -> None:
    """A mono 16-bit file of zeros. Its size is as the header says, the zeros are a hole in the file."""
    size = 2 * round(seconds * RATE)
    fields = [b"RIFF", 36 + size, b"WAVEfmt ", 16, 0x00010001, RATE, 2 * RATE, 0x00100002, b"data", size]
    with open(path, "wb") as file:
        file.write(b"".join(one if isinstance(one, bytes) else one.to_bytes(4, "little") for one in fields))
        file.truncate(44 + size)


def participant(number: int, split: str, score: int, binary: int | None = None) -> Participant:
    """Depressed from a score of 10, unless ``binary`` says otherwise."""
    return Participant(number, split, score, int(score >= 10) if binary is None else binary, number % 2)


MINIATURE = [
    participant(303, "train", 4),
    participant(318, "train", 15),
    participant(319, "train", 13),
    participant(373, "train", 9),
    participant(409, "train", 10, binary=0),
    participant(451, "train", 16),
    participant(302, "dev", 0),
    participant(321, "dev", 20),
    participant(300, "test", 2),
    participant(362, "test", 21),
]


def miniature(root: Path, *, audio: Audio = placeholder, without: Collection[int] = ()) -> Release:
    """Ten participants, among them one with each known fault, and the real release's oddities.

    Session 373 has 440 s of audio and all others under 90 s: leave it out with ``without=[373]`` to train on real audio.
    """
    people = [one for one in MINIATURE if one.number not in without]
    release = _write(root, people, audio)
    first = root / "303_P"
    for name in ("._303_TRANSCRIPT.csv", ".~lock.303_TRANSCRIPT.csv#", "._303_AUDIO.wav"):
        (first / name).write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (first / "303_CLNF_AUs.txt").write_text("frame, timestamp\n")
    (root / "._304_P").mkdir()
    (root / "._train_split_Depression_AVEC2017.csv").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    return release


def full(root: Path) -> Release:
    """All 189 participants in the published numbers."""
    others = [number for number in SESSIONS if number != 409]
    test = others[::4]
    rest = [number for number in others if number not in test]
    dev = rest[::4][:35]
    people = []
    for split, numbers in (("train", [n for n in rest if n not in dev]), ("dev", dev), ("test", test)):
        people += [
            participant(number, split, 10 + number % 15 if i < FULL_DEPRESSED[split] else number % 10)
            for i, number in enumerate(numbers)
        ]
    return _write(root, [*people, participant(409, "train", 10, binary=0)], placeholder)


def write_labels(root: Path, people: list[Participant]) -> None:
    """The four label files. In the train file one PHQ item is empty, the dev file has Windows line ends and commas below."""
    header = ",".join(["Participant_ID", "PHQ8_Binary", "PHQ8_Score", "Gender", *(f"PHQ8_{item}" for item in ITEMS)])
    for split, newline, below in (("train", "\n", ""), ("dev", "\r\n", ",,,,,,,,,,,\r\n")):
        rows = [
            ",".join(map(str, [one.number, one.binary, one.score, one.gender, *_items(one)]))
            for one in people
            if one.split == split
        ]
        text = newline.join([header, *rows]) + newline + below
        (root / f"{split}_split_Depression_AVEC2017.csv").write_bytes(text.encode())
    test = [one for one in people if one.split == "test"]
    plain = ["participant_ID,Gender", *(f"{one.number},{one.gender}" for one in test)]
    (root / "test_split_Depression_AVEC2017.csv").write_text("\n".join(plain) + "\n")
    labelled = ["Participant_ID,PHQ_Binary,PHQ_Score,Gender"]
    labelled += [f"{one.number},{one.binary},{one.score},{one.gender}" for one in test]
    (root / "full_test_split.csv").write_text("\n".join(labelled))  # the last line has no newline


def _items(one: Participant) -> list[str]:
    items = [str(min(3, max(0, one.score - 3 * i))) for i in range(8)]
    if one.number == 319:
        items[2] = ""
    return items


def _write(root: Path, people: list[Participant], audio: Audio) -> Release:
    release = Release(root, people, {})
    root.mkdir(parents=True)
    write_labels(root, people)
    for one in people:
        folder = root / f"{one.number}_P"
        folder.mkdir()
        lines, kept = transcript(one.number)
        newline = "\r\n" if one.number % 5 == 1 else "\n"
        text = newline.join(lines) + (newline if one.number % 2 else "")
        (folder / f"{one.number}_TRANSCRIPT.csv").write_bytes(text.encode())
        end = max(end for _, end in kept.values())
        audio(folder / f"{one.number}_AUDIO.wav", end + 4.0, "depressed" if one.binary else "not_depressed")
        release.turns |= {f"{one.number}_{name}": limits for name, limits in kept.items()}
    return release


def transcript(number: int) -> tuple[list[str], dict[str, tuple[float, float]]]:
    """Lines of a session's transcript, and the turns that are to be found there: line number -> begin and end."""
    offset = OFFSETS.get(number, 0.0)
    ellie = number not in WITHOUT_ELLIE
    lines = ["start_time\tstop_time\tspeaker\tvalue" + (",,," if number % 3 == 0 else "")]
    kept: dict[str, tuple[float, float]] = {}

    def add(start: float, stop: float, speaker: str, value: str, keep: bool = False) -> None:
        if speaker == "Ellie" and not ellie:
            return
        lines.append(f"{start:g}\t{stop:g}\t{speaker}\t{value}")
        if keep:
            kept[f"{len(lines):04d}"] = (round(start + offset, 6), round(stop + offset, 6))

    add(1.5, 2.75, "Participant", "is it on", keep=not ellie)  # before Ellie begins
    add(3, 4, "Participant", SYNC[number % len(SYNC)])
    lines.append("")
    add(5.5, 8.25, "Ellie", "hi i'm ellie thanks for coming in today")
    add(9, 10.5, "Participant", "good,,", keep=True)
    lines += [",,,", "nan\tnan\tnan\tnan", "\t\t\t"]
    add(11, 12.5, "Ellie", "ellie17Dec2012_07 (what's your name)")
    add(13, 14, "Participant", "scrubbed_entry")  # zeroed audio
    add(14.25, 16, "Participant", "i'm <laughter> scrubbed_entry from here", keep=True)
    add(16.5, 16.625, "Participant", "mm")  # under 0.2 s
    add(17, 18.5, "Participant ", "yeah", keep=True)
    add(19, 21.5, "Ellie", "how are you doing today")
    add(22, 31.75, "Participant", "um okay i guess\ti don't sync up well with mornings", keep=True)
    add(32, 34, "Participant", "nan", keep=True)
    add(35, 35.5, "Participant", SYNC[(number + 3) % len(SYNC)])
    add(36, 38, "Ellie", "goodbye")
    add(38.5, 40, "participant", "bye", keep=True)
    if number == 373:
        for start, stop, outside in ((390, 397, (390, 395)), (400, 405, None), (420, 430, (428, 430))):
            add(start, stop, "Participant", "someone is at the door")
            if outside:
                kept[f"{len(lines):04d}"] = outside
        add(432, 436, "Participant", "where were we", keep=True)
    elif number == 444:
        add(280, 390, "Participant", "someone is at the door")
        kept[f"{len(lines):04d}"] = (280, 286)
        kept[f"{len(lines):04d}b"] = (387, 390)
    return lines, kept


def turns_of(corpus, *sessions):
    return {one.utterance: (one.start, one.end) for one in corpus.utterances if not sessions or one.speaker in sessions}


def differences(corpus, release):
    """A sentence for each turn that is missing, surplus or elsewhere."""
    found, expected = turns_of(corpus), release.turns
    return [
        f"{name}: {found.get(name)} instead of {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != pytest.approx(expected.get(name))
    ]


def edit(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
