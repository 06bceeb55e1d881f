"""IEMOCAP: ten actors in five sessions of two, improvised and scripted, 151 dialogs, 10,039 labelled turns.

On disk: ``Session{1..5}/dialog/EmoEvaluation/<dialog>.txt`` with a block for each turn: the line
``[start - end]<TAB>turn<TAB>emotion<TAB>[valence, activation, dominance]``, then the ratings of its raters (``C-E2``
categorical, ``A-E3`` dimensional; raters F and M are the actors themselves). Audio:
``Session{N}/sentences/wav/<dialog>/<turn>.wav``; text: ``Session{N}/dialog/transcriptions/<dialog>.txt``.

Source: Busso et al., Language Resources and Evaluation 42, 2008; https://sail.usc.edu/iemocap/.
Folds: leave one session out (5) or one speaker out (10), named by what they test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.files import Layout, audio_files, letters, listed, read_text, shipped, subfolders, unnested
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

SESSIONS = ("1", "2", "3", "4", "5")
EMOTIONS = ("xxx", "fru", "neu", "ang", "sad", "exc", "hap", "sur", "fea", "oth", "dis")
LICENCE = "IEMOCAP: on request from USC SAIL under its release form, not redistributable; cite Busso et al. 2008"
LAYOUT = Layout(
    lambda folder: any(
        letters(child.name) in {f"session{number}" for number in SESSIONS} for child in subfolders(folder)
    ),
    "the folders Session1 ... Session5",
    "unpack IEMOCAP_full_release as https://sail.usc.edu/iemocap/ ships it and point data.root at the folder that holds "
    "Session1 ... Session5",
)

# Name of a label set -> class -> the labels of the corpus in it.
CLASSES: dict[str, dict[str, tuple[str, ...]]] = {
    "4": {"angry": ("ang",), "happy": ("hap", "exc"), "neutral": ("neu",), "sad": ("sad",)},
    "4_no_exc": {"angry": ("ang",), "happy": ("hap",), "neutral": ("neu",), "sad": ("sad",)},
    "5": {"angry": ("ang",), "happy": ("hap", "exc"), "neutral": ("neu",), "sad": ("sad",), "frustrated": ("fru",)},
    "6": {
        "angry": ("ang",),
        "happy": ("hap",),
        "excited": ("exc",),
        "neutral": ("neu",),
        "sad": ("sad",),
        "frustrated": ("fru",),
    },
}

_DIALOG = re.compile(r"Ses0[1-5][FM]_(?:impro\d\d[ab]?|script\d\d_\d[b]?)", re.IGNORECASE)
_TURN = re.compile(rf"(?P<dialog>{_DIALOG.pattern})_[FM]\d{{3}}")
_HEADER = re.compile(
    r"\[[\d.]+ - [\d.]+\]\t(?P<turn>\S+)\t(?P<emotion>\w+)"
    r"\t\[(?P<valence>[^\s,\]]+), *(?P<activation>[^\s,\]]+), *(?P<dominance>[^\s,\]]+)\]\s*"
)
# Both end in what may hold spaces and is stripped afterwards: two neighbours that match spaces take their time on many.
_RATING = re.compile(r"(?P<kind>[CA])-(?P<rater>[EFM]\d+):(?P<rating>[^()]*)(?:\((?P<comment>.*))?")
_TRANSCRIPTION = re.compile(r"(?P<turn>Ses\w+)\s*\[[^\]]*\]\s*:(?P<text>.*)")
_LINE = "[start - end], turn, emotion, [v, a, d] separated by tabs"
_AGAIN = "unpack the file again"


@reader
def read(
    root: Path,
    *,
    classes: Annotated[Literal["4", "4_no_exc", "5", "6"], BeforeValidator(str)] = "4",  # 4 in YAML is a number
    improvised: bool = False,
) -> Corpus:
    """List the utterances of IEMOCAP.

    A copy that lacks sessions, labels or audio is read as far as it goes, and ``count_mismatches`` names what is missing.

    Args:
        root: The folder that holds ``Session1`` ... ``Session5``, or one above it.
        classes: ``4``: angry, happy (with excited), neutral, sad, 5,531 utterances; ``4_no_exc``: the same without the
            excited ones, 4,490; ``5``: ``4`` and frustrated, 7,380; ``6``: happy and excited apart, and frustrated, 7,380.
        improvised: Keep the improvised dialogs only, 2,943 utterances of ``4``.
    """
    release = LAYOUT.find(root)
    sessions = [_session(release, number) for number in SESSIONS]
    label_of = {emotion: label for label, emotions in CLASSES[classes].items() for emotion in emotions}
    utterances, problems = [], []
    for session in sessions:
        turns = [
            turn
            for turn in session.turns.values()
            if turn.emotion in label_of and ("_impro" in turn.dialog or not improvised)
        ]
        missing = sorted(turn.name for turn in turns if turn.name.casefold() not in session.audio)
        utterances += [
            _utterance(turn, session, label_of[turn.emotion]) for turn in turns if turn.name.casefold() in session.audio
        ]
        problems += session.problems
        if missing and session.audio:
            problems.append(
                f"session {session.number}: {len(missing)} of {len(turns)} turns have no audio: {listed(missing)}"
            )
    if not utterances:
        raise LAYOUT.error(
            f"data.root={root} holds no utterance of IEMOCAP for data.options.classes={classes}"
            f"{''.join(f'; {problem}' for problem in problems)}"
        )
    folds: dict[str, tuple[str, ...]] = {number: (number,) for number in SESSIONS}
    corpus = Corpus("iemocap", utterances, tuple(CLASSES[classes]), folds, hint=LAYOUT.hint, licence=LICENCE)
    corpus.count_mismatches = [*problems, *_count_mismatches(sessions, corpus, classes, improvised)]
    return corpus


@dataclass(frozen=True, slots=True)
class _Turn:
    """A block of a label file."""

    name: str
    dialog: str
    emotion: str
    means: tuple[str, str, str]  # valence, activation, dominance: means over the raters
    ratings: list[tuple[str, str, str]]  # kind C or A, rater, rating


@dataclass
class _Session:
    """What stands in one session's folder, and sentences on what is missing."""

    number: str
    turns: dict[str, _Turn] = field(default_factory=dict)
    audio: dict[str, Path] = field(default_factory=dict)  # by the turn's name in lower case
    text: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _session(release: Path, number: str) -> _Session:
    session = _Session(number)

    def find(folder: Path, *names: str, lost: str = "") -> Path | None:
        found = shipped(folder, *names)
        if found is None:
            session.problems.append(f"session {number}: the folder {folder.joinpath(*names)} is missing{lost}")
        return found

    if (place := find(release, f"Session{number}")) is None:
        return session
    place = unnested(place)
    if (labels := find(place, "dialog", "EmoEvaluation", lost=", and with it all labels")) is None:
        return session
    for file in _text_files(labels):
        session.turns.update(_turns(file, number))
    for file in _text_files(shipped(place, "dialog", "transcriptions")):
        found = (_TRANSCRIPTION.fullmatch(line) for line in _lines(file))
        session.text.update((line["turn"], line["text"].strip()) for line in found if line)
    if (wav := find(place, "sentences", "wav", lost=", and with it all audio")) is None:
        return session
    folders = [folder for folder in subfolders(wav) if _DIALOG.fullmatch(folder.name)]
    session.audio = {path.stem.casefold(): path for folder in folders for path in audio_files(folder)}
    if not session.audio:
        session.problems.append(f"session {number}: the folder {wav} holds no <dialog>/<turn>.wav")
    dialogs = {turn.dialog.casefold() for turn in session.turns.values()}
    unlabelled = [folder.name for folder in folders if folder.name.casefold() not in dialogs]
    if unlabelled:
        session.problems.append(
            f"session {number}: {len(unlabelled)} of {len(folders)} dialogs with audio have no label file: "
            f"{listed(unlabelled)}"
        )
    return session


def _text_files(folder: Path | None) -> list[Path]:
    files = [] if folder is None else folder.iterdir()
    return sorted(path for path in files if path.suffix.lower() == ".txt" and path.name[0] != "." and path.is_file())


def _lines(file: Path) -> list[str]:
    """Lines of a text file. Comments and transcriptions of some copies hold accents in Latin-1."""
    text = read_text(file, "make it readable or unpack it again", fallback="latin-1")
    return text.split("\n")  # str.splitlines also breaks at characters that occur inside a line


def _turns(file: Path, session: str) -> dict[str, _Turn]:
    """The turns of a label file; empty for a note that somebody left there."""
    is_dialog = _DIALOG.fullmatch(file.stem) is not None
    turns: dict[str, _Turn] = {}
    ratings: list[tuple[str, str, str]] = []
    for number, line in enumerate(_lines(file), start=1):
        where = f"{file}, line {number}"
        if header := _HEADER.fullmatch(line):
            turn = _turn(header, where, session)
            if turn.dialog.casefold() != file.stem.casefold():
                raise UserError(f"{where} is of the dialog {turn.dialog}: name the file so or remove it.")
            if turn.name in turns:
                raise UserError(f"{where} labels {turn.name} a second time: {_AGAIN}.")
            turns[turn.name], ratings = turn, turn.ratings
        elif line.startswith("[") and is_dialog:
            raise UserError(f"{where} reads {line[:40]!r} instead of {_LINE}: {_AGAIN}.")
        elif rating := _RATING.fullmatch(line):
            ratings.append(_rating(rating))
    if is_dialog and not turns:
        raise UserError(f"{file} labels no turn; expected lines of {_LINE}: {_AGAIN}.")
    return turns


def _turn(header: re.Match[str], where: str, session: str) -> _Turn:
    name = _TURN.fullmatch(header["turn"])
    if name is None:
        raise UserError(
            f"{where} labels {header['turn']}, which is no turn of IEMOCAP such as Ses01F_impro01_F000: {_AGAIN}."
        )
    if name[0][4] != session:
        raise UserError(
            f"{where} labels {name[0]}, a turn of session {name[0][4]}: move the file to Session{name[0][4]}."
        )
    if header["emotion"] not in EMOTIONS:
        raise UserError(
            f"{where} has the emotion {header['emotion']!r}, which is none of {', '.join(EMOTIONS)}: {_AGAIN}."
        )
    means = (header["valence"], header["activation"], header["dominance"])
    return _Turn(name[0], name["dialog"], header["emotion"], means, [])


def _rating(line: re.Match[str]) -> tuple[str, str, str]:
    """Kind, rater and rating in short: ``Neutral,Other(amused)`` or, for ``val 3; act 2; dom  2;``, ``3,2,2``."""
    items = [item.strip() for item in line["rating"].split(";")]
    if line["kind"] == "A":
        scores = {item[:3]: item[3:].strip() for item in items}
        return "A", line["rater"], ",".join(scores.get(scale, "") for scale in ("val", "act", "dom"))
    comment = (line["comment"] or "").strip().removesuffix(")").strip().replace(";", ",")
    return "C", line["rater"], ",".join(filter(None, items)) + (f"({comment})" if comment else "")


def _speaker(turn: str) -> str:
    """The session and the letter of the last token; the letter after the session belongs to the dialog."""
    return turn[:5] + turn.rpartition("_")[2][0]


def _utterance(turn: _Turn, session: _Session, label: str) -> Utterance:
    def ratings(kind: str, raters: str) -> str:
        """``rater:rating`` of the raters whose names begin with one of these letters."""
        return ";".join(
            f"{who}:{what}" for its_kind, who, what in turn.ratings if its_kind == kind and who[0] in raters
        )

    speaker = _speaker(turn.name)
    return Utterance(
        turn.name,
        session.audio[turn.name.casefold()],
        label,
        speaker=speaker,
        sex="female" if speaker.endswith("F") else "male",
        group=session.number,
        dialog=turn.dialog,
        extra=(
            ("emotion", turn.emotion),
            *zip(("valence", "activation", "dominance"), turn.means, strict=True),
            ("raters", ratings("C", "E")),
            ("ratings", ratings("A", "E")),
            ("self_report", ratings("C", "FM")),
            ("self_rating", ratings("A", "FM")),
            ("text", session.text.get(turn.name, "")),
        ),
    )


def _count_mismatches(sessions: list[_Session], corpus: Corpus, classes: str, improvised: bool) -> list[str]:
    turns = [turn for session in sessions for turn in session.turns.values()]
    files = [("labelled turns",)] * len(turns) + [("labelled dialogs",)] * len({turn.dialog for turn in turns})
    found = []
    for one in corpus.utterances:
        style = "improvised" if "_impro" in one.dialog else "scripted"
        found.append((f"session {one.group}", f"class {one.label}", one.sex, style))
    expected = counts.IEMOCAP_IMPROVISED if improvised else counts.IEMOCAP
    return [
        *counts.differences(counts.IEMOCAP_LABEL_FILES, files, ""),
        *counts.differences(expected[classes], found),
    ]
