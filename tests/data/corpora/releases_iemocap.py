"""Writes IEMOCAP releases in the owners' grammar, with its oddities: a miniature, and the full-size label tree."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WriteAudio = Callable[[Path, str, str], None]  # path, emotion, speaker

CLASSES = ("ang", "hap", "neu", "sad")
# Of the complete distribution with excited counted as happy, in the order of CLASSES.
PER_SESSION = {
    1: (229, 278, 384, 194),
    2: (137, 327, 362, 197),
    3: (240, 286, 320, 305),
    4: (327, 303, 258, 143),
    5: (170, 442, 384, 245),
}
MALE = {1: 557, 2: 542, 3: 629, 4: 503, 5: 651}
# One of the tables whose sums over sessions (521, 530, 627, 534, 731) and classes (289, 947, 1099, 608) are the
# distribution's; its single cells are made up.
IMPROVISED = {
    1: (78, 155, 200, 88),
    2: (30, 213, 195, 92),
    3: (58, 168, 242, 159),
    4: (81, 166, 212, 75),
    5: (42, 245, 250, 194),
}
HAPPY, HAPPY_AND_EXCITED = 595, 1636
OTHERS = {"xxx": 2507, "fru": 1849, "sur": 107, "fea": 40, "oth": 3, "dis": 2}

_SCRIPTS = ("script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2")
_IMPROS = tuple(f"impro{number:02d}" for number in range(1, 9))
_TWICE = (
    "impro01",
    "impro02",
    "impro03",
    "impro04",
    "impro05a",
    "impro05b",
    "impro06",
    "impro07",
    "impro08a",
    "impro08b",
)
_PLOTS = {
    "Ses01F": (*_IMPROS[:7], *_SCRIPTS),
    "Ses01M": (*_IMPROS[:7], *_SCRIPTS),
    "Ses02F": (*_IMPROS, *_SCRIPTS),
    "Ses02M": (*_IMPROS, *_SCRIPTS),
    "Ses03F": (*_IMPROS, *_SCRIPTS),
    "Ses03M": (*_TWICE, *_SCRIPTS),
    "Ses04F": (*_IMPROS, *_SCRIPTS),
    "Ses04M": (*_IMPROS, *_SCRIPTS),
    "Ses05F": (*_IMPROS, *_SCRIPTS),
    "Ses05M": (*_IMPROS, *_SCRIPTS, "script01_1b"),
}
DIALOGS = tuple(f"{start}_{plot}" for start, plots in _PLOTS.items() for plot in plots)

MINIATURE_DIALOGS = (
    "Ses01F_impro01",
    "Ses01M_script01_1",
    "Ses02F_script02_2",
    "Ses02M_impro07",
    "Ses03F_impro02",
    "Ses03M_impro05a",
    "Ses04F_script03_1",
    "Ses04F_impro08",  # not M: so the letter of the dialog gives other counts than the letter of the speaker
    "Ses05F_impro03",
    "Ses05M_script01_1b",
)
MINIATURE_EMOTIONS = ("neu", "ang", "hap", "exc", "sad", "fru", "xxx")

_WORDS = {
    "ang": "Anger",
    "hap": "Happiness",
    "exc": "Excited",
    "neu": "Neutral",
    "sad": "Sadness",
    "fru": "Frustration",
    "sur": "Surprise",
    "fea": "Fear",
    "dis": "Disgust",
}


@dataclass(frozen=True)
class Turn:
    """A labelled turn, e.g. ``Ses01F_impro01_F000`` and ``neu``."""

    name: str
    emotion: str

    @property
    def dialog(self) -> str:
        return self.name.rpartition("_")[0]

    @property
    def speaker(self) -> str:
        return self.name[:5] + self.name.rpartition("_")[2][0]


def miniature(folder: Path, write_audio: WriteAudio | None = None, turns_per_cell: int = 1) -> Path:
    """Write ``IEMOCAP_full_release`` with two dialogs a session, whose two speakers say a turn of each of seven emotions.

    Session 2 has Windows line ends, session 4 files without a newline at their end, session 5 texts in Latin-1.

    Args:
        folder: Where to write it.
        write_audio: Writes one file; without it audio files are empty.
        turns_per_cell: Turns of each dialog, speaker and emotion.

    Returns:
        The release's folder.
    """
    root = folder / "IEMOCAP_full_release"
    for dialog in MINIATURE_DIALOGS:
        turns = []
        for sex in "FM":
            emotions = MINIATURE_EMOTIONS * turns_per_cell
            turns += [Turn(f"{dialog}_{sex}{number:03d}", emotion) for number, emotion in enumerate(emotions)]
        write_dialog(
            root,
            turns,
            write_audio,
            newline="\r\n" if dialog.startswith("Ses02") else "\n",
            encoding="latin-1" if dialog.startswith("Ses05") else "utf-8",
            ends_with_newline=not dialog.startswith("Ses04"),
        )
        _write_what_is_not_read(root, dialog)
    return root


def full_size(folder: Path) -> Path:
    """Write all 10,039 turns of 151 dialogs with empty audio files; every published count comes out."""
    root = folder / "IEMOCAP_full_release"
    by_dialog: dict[str, list[Turn]] = {dialog: [] for dialog in DIALOGS}
    for turn in full_size_turns():
        by_dialog[turn.dialog].append(turn)
    for turns in by_dialog.values():
        write_dialog(root, turns)
    return root


def full_size_turns() -> list[Turn]:
    """The 10,039 turns: one table that has every published sum."""
    cells: list[tuple[int, bool, str, str]] = []  # session, improvised, sex, emotion
    happy = 0
    for session, per_class in PER_SESSION.items():
        mine: list[tuple[bool, str]] = []
        for emotion, number, improvised in zip(CLASSES, per_class, IMPROVISED[session], strict=True):
            for index in range(number):
                name = emotion
                if emotion == "hap":  # dealt so that 595 stay happy and the others are excited
                    before, happy = happy * HAPPY // HAPPY_AND_EXCITED, happy + 1
                    name = "hap" if happy * HAPPY // HAPPY_AND_EXCITED > before else "exc"
                mine.append((index < improvised, name))
        random.Random(session).shuffle(mine)
        cells += [
            (session, improvised, "M" if index < MALE[session] else "F", emotion)
            for index, (improvised, emotion) in enumerate(mine)
        ]
    others = [emotion for emotion, number in OTHERS.items() for _ in range(number)]
    cells += [(index % 5 + 1, index % 10 < 5, "FM"[index % 3 % 2], emotion) for index, emotion in enumerate(others)]
    places = {
        (session, improvised): [
            dialog for dialog in DIALOGS if dialog[4] == str(session) and ("_impro" in dialog) == improvised
        ]
        for session in PER_SESSION
        for improvised in (False, True)
    }
    dealt: dict[tuple[int, bool], int] = {}
    numbers: dict[str, int] = {}
    turns = []
    for session, improvised, sex, emotion in cells:
        place = (session, improvised)
        dealt[place] = dealt.get(place, -1) + 1
        start = f"{places[place][dealt[place] % len(places[place])]}_{sex}"
        numbers[start] = numbers.get(start, -1) + 1
        turns.append(Turn(f"{start}{numbers[start]:03d}", emotion))
    return turns


def write_dialog(
    root: Path,
    turns: list[Turn],
    write_audio: WriteAudio | None = None,
    *,
    newline: str = "\n",
    encoding: str = "utf-8",
    ends_with_newline: bool = True,
) -> None:
    """Write label file, transcription and audio of one dialog below ``root/Session{N}``."""
    dialog = turns[0].dialog
    session = root / f"Session{dialog[4]}"
    labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    spoken = []
    for index, turn in enumerate(turns):
        start = 6.2901 + 2.5 * index
        times = (start, start + 1.9456)
        labels += [*_block(turn, *times, cafe=encoding == "latin-1"), ""]
        spoken.append(f"{turn.name} [{times[0]:08.4f}-{times[1]:08.4f}]: {_sentence(turn, encoding)}")
        if index == 0:
            spoken += [f"{dialog}_FXX0 [{times[0]:08.4f}-{times[1]:08.4f}]: [GARBAGE]", "M: hm.", ""]
    _write(session / "dialog" / "EmoEvaluation" / f"{dialog}.txt", labels, newline, encoding, ends_with_newline)
    _write(session / "dialog" / "transcriptions" / f"{dialog}.txt", spoken, newline, encoding, ends_with_newline)
    audio = session / "sentences" / "wav" / dialog
    audio.mkdir(parents=True, exist_ok=True)
    for turn in turns:
        path = audio / f"{turn.name}.wav"
        if write_audio is None:
            path.touch()
        else:
            write_audio(path, turn.emotion, turn.speaker)


def _sentence(turn: Turn, encoding: str) -> str:
    return 'At the café: "yes, yes".' if encoding == "latin-1" else f"Excuse me, {turn.emotion}: [LAUGHTER] it's me."


def _block(turn: Turn, start: float, end: float, *, cafe: bool) -> list[str]:
    word, own = _WORDS.get(turn.emotion, "Other"), turn.speaker[-1]
    comment = "café" if cafe else "mocking; then calm"
    return [
        f"[{start:.4f} - {end:.4f}]\t{turn.name}\t{turn.emotion}\t[2.5000, 3.0000, 1.6667]",
        f"C-E2:\t{word};\t()",
        f"C-E3:\t{word}; Frustration;\t()",
        f"C-E4:\tOther;\t({comment})",
        f"C-{own}1:\t{word};\t()",
        "A-E3:\tval 3; act 2; dom  2;\t()",
        "A-E4:\tval 2; act 4; dom  ;\t(mostly nervousness)",
        f"A-{own}1:\tval 4; act 3; dom  1;\t()",
    ]


def _write(file: Path, lines: list[str], newline: str, encoding: str, ends_with_newline: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = newline.join(lines).rstrip() + (newline if ends_with_newline else "")
    file.write_bytes(text.encode(encoding))


def _write_what_is_not_read(root: Path, dialog: str) -> None:
    """What macOS and the release put beside: resource forks, and one rater's answers in sub-folders."""
    session = root / f"Session{dialog[4]}"
    labels = session / "dialog" / "EmoEvaluation"
    wrong = f"[0.0000 - 1.0000]\t{dialog}_F000\tsur\t[5.0000, 5.0000, 5.0000]\n"
    for name, text in {
        f"Attribute/{dialog}_e3_atr.txt": f"{dialog}_F000 :act 2; :val 3; :dom  2; ()\n",
        f"Categorical/{dialog}_e2_cat.txt": f"{dialog}_F000 :Neutral state; ()\n",
        f"Self-evaluation/{dialog}_f1_cat.txt": f"{dialog}_F000 :Anger; ()\n",
        f"Categorical/{dialog}.txt": wrong,
        f"{dialog}.anvil": wrong,
    }.items():
        (labels / name).parent.mkdir(exist_ok=True)
        (labels / name).write_text(text)
    fork = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X\n[0.0000\xff"
    for hidden in (
        labels / f"._{dialog}.txt",
        session / "dialog" / "transcriptions" / f"._{dialog}.txt",
        session / "sentences" / "wav" / dialog / f"._{dialog}_F000.wav",
        session / "sentences" / "wav" / "._.DS_Store",
    ):
        hidden.write_bytes(fork)
    (session / "sentences" / "wav" / dialog / f"{dialog}_FXX0.wav").touch()
    (session / "sentences" / "wav" / dialog / f"{dialog}_F000.txt").touch()
