"""Releases of M3ED in the grammar of the real one, with invented series, names and sentences.

Every function writes below a folder of the test's own. Placeholder clips have a correct header and the size it promises,
but hold zeros that take no room on disk; ``audio`` writes real ones instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Audio = Callable[[Path, float, str], None]  # path, seconds, class

RATE = 16_000
EMOTIONS = ("Happy", "Neutral", "Sad", "Disgust", "Anger", "Fear", "Surprise")
FULL = {
    "train": {
        "Neutral": 7126,
        "Anger": 3814,
        "Sad": 2734,
        "Happy": 1625,
        "Disgust": 1145,
        "Surprise": 696,
        "Fear": 280,
    },
    "val": {"Neutral": 1042, "Anger": 681, "Sad": 489, "Happy": 303, "Disgust": 134, "Surprise": 120, "Fear": 50},
    "test": {"Neutral": 1853, "Anger": 736, "Sad": 734, "Happy": 358, "Disgust": 218, "Surprise": 234, "Fear": 65},
}
FULL_SERIES = {"train": 38, "val": 7, "test": 11}
FULL_WITHOUT_AUDIO = {"train": 7, "val": 2, "test": 3}
FULL_SHORT = 58

_SYLLABLES = ("an", "bei", "chun", "da", "feng", "guang", "hai", "jia", "lan", "ming", "nian", "qing", "shan", "xi")
_GENDERS = ("Male", "female", "male", "Female", "MALE", "FEMALE")
_AGES = ("young", "Mid", "mid", "Young", "old", "child")


@dataclass
class Spoken:
    """An utterance to write: its number in the dialog, speaker, class and length of its clip (None: no file)."""

    number: int
    letter: str
    emotion: str
    seconds: float | None = 1.0


def placeholder(path: Path, seconds: float, emotion: str = "") -> None:
    """A mono 16-bit clip of zeros. Its size is as the header says, the zeros are a hole in the file."""
    size = 2 * round(seconds * RATE)
    fields = [b"RIFF", 36 + size, b"WAVEfmt ", 16, 0x00010001, RATE, 2 * RATE, 0x00100002, b"data", size]
    with open(path, "wb") as file:
        file.write(b"".join(one if isinstance(one, bytes) else one.to_bytes(4, "little") for one in fields))
        file.truncate(44 + size)


def clock(frames: int) -> str:
    """``HH:MM:SS:FF`` at 25 frames a second."""
    seconds, frame = divmod(frames, 25)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}"


def series_names(count: int) -> list[str]:
    """Pinyin in one word, as the owners name series."""
    return [
        _SYLLABLES[i % 14] + _SYLLABLES[i // 14 % 14] + _SYLLABLES[(i * 5 + 3) % 14] + "zhi" * (i // 14 % 2)
        for i in range(count)
    ]


def write_release(root: Path, parts: dict[str, dict[str, list[list[Spoken]]]], *, audio: Audio = placeholder) -> Path:
    """Write a release: ``parts`` is part -> series -> dialogs -> utterances.

    The last line of each list has no newline, as in the real release.
    """
    (root / "splitInfo").mkdir(parents=True)
    (root / "modality_speech").mkdir()
    annotation: dict[str, Any] = {}
    for part, shows in parts.items():
        (root / "splitInfo" / f"movie_list_{part}.txt").write_text("\n".join(shows), encoding="utf-8")
        for series, dialogs in shows.items():
            annotation[series] = {
                f"{series}_{number}": _dialog(root, f"{series}_{number}", number, spoken, audio)
                for number, spoken in enumerate(dialogs, start=1)
            }
    write_annotation(root, annotation)
    return root


def write_annotation(root: Path, annotation: dict[str, Any]) -> None:
    """Indented by four, Chinese characters as themselves."""
    (root / "annotation.json").write_text(json.dumps(annotation, indent=4, ensure_ascii=False), encoding="utf-8")


def read_annotation(root: Path) -> dict[str, Any]:
    """The annotation, for a test to change."""
    return json.loads((root / "annotation.json").read_text(encoding="utf-8"))


def _dialog(root: Path, dialog: str, number: int, spoken: list[Spoken], audio: Audio) -> dict[str, Any]:
    entries = {}
    begin = 1
    for one in spoken:
        utterance = f"{dialog}_{one.number}"
        path = root / "modality_speech" / f"{one.letter}_{utterance}.wav"
        if one.seconds is not None:
            (placeholder if one.seconds == 0 else audio)(path, one.seconds, one.emotion.lower())
        end = begin + max(1, round(25 * (one.seconds or 1.0)))
        entries[utterance] = {
            "StartTime": clock(begin),
            "EndTime": clock(end),
            "Text": f"这是第{one.number}句",
            "Speaker": one.letter,
            "EmoAnnotation": {
                "EmoAnnotator1": one.emotion,
                "EmoAnnotator2": "Neutral",
                "EmoAnnotator3": one.emotion,
                "final_mul_emo": one.emotion,
                "final_main_emo": one.emotion,
            },
        }
        begin = end + 5
    speakers = {
        letter: {
            "Name": ("王小", "林大")[i] + "甲乙丙丁"[number % 4],
            "Age": _AGES[(number + i) % 6],
            "Gender": _GENDERS[(2 * number + i) % 6],
            "OtherName": [],
        }
        for i, letter in enumerate("AB")
    }
    return {"SpeakerInfo": speakers, "Dialog": entries}


def miniature(root: Path, *, audio: Audio = placeholder, per_class: int = 1) -> Path:
    """Two series for training, one each to validate and test; every class in each, and the real release's oddities.

    A gap in the numbers, ten and more utterances in a dialog, entries out of order, a clip that is missing, one that is
    empty, one under 0.2 s, a list with Windows line ends, ``._*`` files.
    """
    train, second, val, test = series_names(4)
    plain = [Spoken(n, "AB"[n % 2], EMOTIONS[(n - 1) % 7]) for n in range(1, 7 * per_class + 1)]
    last = len(plain)
    odd = [
        Spoken(last + 5, "A", "Fear", None),  # the numbers jump
        Spoken(last + 4, "B", "Sad", 0.0),
        Spoken(last + 6, "A", "Anger", 0.15),
        Spoken(last + 3, "B", "Happy"),
    ]
    shows = {
        "train": {train: [[*plain, *odd], plain], second: [plain]},
        "val": {val: [plain]},
        "test": {test: [plain]},
    }
    write_release(root, shows, audio=audio)
    lists = root / "splitInfo" / "movie_list_train.txt"
    lists.write_bytes(lists.read_bytes().replace(b"\n", b"\r\n"))
    for name in ("._annotation.json", f"modality_speech/._A_{train}_1_2.wav", "modality_speech/.DS_Store"):
        (root / name).write_bytes(b"\x00\x05\x16\x07Mac OS X")
    return root


def full(root: Path) -> Path:
    """24,437 utterances with audio in the published counts, a dozen without (some missing, some empty), 58 short clips."""
    names = iter(series_names(sum(FULL_SERIES.values())))
    short = FULL_SHORT
    shows: dict[str, dict[str, list[list[Spoken]]]] = {}
    for part, per_class in FULL.items():
        emotions = [emotion for emotion, number in per_class.items() for _ in range(number)]
        without = [("Neutral", 0.0 if i % 2 else None) for i in range(FULL_WITHOUT_AUDIO[part])]
        clips: list[tuple[str, float | None]] = [*((emotion, 1.0) for emotion in emotions), *without]
        if part == "train":
            clips[:short] = [(emotion, 0.007 if i == 0 else 0.19) for i, (emotion, _) in enumerate(clips[:short])]
        series = [next(names) for _ in range(FULL_SERIES[part])]
        shows[part] = {name: list(_dialogs(clips[i :: len(series)])) for i, name in enumerate(series)}
    return write_release(root, shows)


def _dialogs(clips: list[tuple[str, float | None]]) -> Iterator[list[Spoken]]:
    """Dialogs of 25 utterances, with a gap after the tenth."""
    for begin in range(0, len(clips), 25):
        yield [
            Spoken(i + 1 + (i >= 10), "AB"[i % 2], emotion, seconds)
            for i, (emotion, seconds) in enumerate(clips[begin : begin + 25])
        ]
