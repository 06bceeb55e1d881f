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
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hrf_ser.data.corpora.files import Layout, audio_files, find_release, listed, read_text, subfolder, subfolders
from hrf_ser.data.corpora.options import check_choice, check_flag
from hrf_ser.data.corpora.utterance import Corpus, Utterance, mismatches
from hrf_ser.errors import UserError

SESSIONS = ("1", "2", "3", "4", "5")
LICENCE = "IEMOCAP: on request from USC SAIL under its release form, not redistributable; cite Busso et al. 2008"
LAYOUT = Layout(
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

# Counts of the complete distribution. Written out instead of derived from CLASSES, so that a lost branch there shows.
EMOTIONS = ("xxx", "fru", "neu", "ang", "sad", "exc", "hap", "sur", "fea", "oth", "dis")
DIALOGS, TURNS = 151, 10_039
_MERGED = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
PER_CLASS = {
    "4": _MERGED,
    "4_no_exc": {**_MERGED, "happy": 595},
    "5": {**_MERGED, "frustrated": 1849},
    "6": {**_MERGED, "happy": 595, "excited": 1041, "frustrated": 1849},
}
# Per-class counts of the label sets whose class happy includes excited.
IMPROVISED_PER_CLASS = {"angry": 289, "happy": 947, "neutral": 1099, "sad": 608}
PER_SESSION_AND_CLASS = {
    "1": {"angry": 229, "happy": 278, "neutral": 384, "sad": 194},
    "2": {"angry": 137, "happy": 327, "neutral": 362, "sad": 197},
    "3": {"angry": 240, "happy": 286, "neutral": 320, "sad": 305},
    "4": {"angry": 327, "happy": 303, "neutral": 258, "sad": 143},
    "5": {"angry": 170, "happy": 442, "neutral": 384, "sad": 245},
}
PER_SESSION = {  # of the label set 4
    "1": {"male": 557, "female": 528, "improvised": 521},
    "2": {"male": 542, "female": 481, "improvised": 530},
    "3": {"male": 629, "female": 522, "improvised": 627},
    "4": {"male": 503, "female": 528, "improvised": 534},
    "5": {"male": 651, "female": 590, "improvised": 731},
}

_DIALOG = re.compile(r"Ses0[1-5][FM]_(?:impro\d\d[ab]?|script\d\d_\d[b]?)")
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


def read(root: Path, *, classes: str = "4", improvised: bool = False) -> Corpus:
    """List the utterances of IEMOCAP.

    A copy that lacks sessions, labels or audio is read as far as it goes, and ``count_mismatches`` names what is missing.

    Args:
        root: The folder that holds ``Session1`` ... ``Session5``, or its parent.
        classes: ``4``: angry, happy (with excited), neutral, sad, 5,531 utterances; ``4_no_exc``: the same without the
            excited ones, 4,490; ``5``: ``4`` and frustrated, 7,380; ``6``: happy and excited apart, and frustrated, 7,380.
        improvised: Keep the improvised dialogs only, 2,943 utterances of ``4``.

    Raises:
        UserError: No session found or nothing readable in any, a folder that is renamed, a label file that is not
            IEMOCAP's (wrong delimiter, another dialog's turns, an unknown emotion), or an unknown option.
    """
    classes = str(classes)  # 4 in YAML is a number
    check_choice("classes", classes, CLASSES)
    check_flag("improvised", improvised)
    LAYOUT.require_folder(root)
    release = find_release(root, [f"Session{number}" for number in SESSIONS], LAYOUT)
    sessions = [_session(release, number) for number in SESSIONS]
    label_of = {emotion: label for label, emotions in CLASSES[classes].items() for emotion in emotions}
    utterances, problems = [], []
    for session in sessions:
        turns = [
            turn
            for turn in session.turns.values()
            if turn.emotion in label_of and ("_impro" in turn.dialog or not improvised)
        ]
        utterances += [
            _utterance(turn, session, label_of[turn.emotion]) for turn in turns if turn.name in session.audio
        ]
        problems += session.problems
        missing = sorted(turn.name for turn in turns if turn.name not in session.audio)
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
    audio: dict[str, Path] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _session(release: Path, number: str) -> _Session:
    session = _Session(number)

    def find(*names: str, lost: str = "") -> Path | None:
        folder = subfolder(release, f"Session{number}", *names)
        if folder is None:
            path = release.joinpath(f"Session{number}", *names)
            session.problems.append(f"session {number}: the folder {path} is missing{lost}")
        return folder

    if find() is None or (labels := find("dialog", "EmoEvaluation", lost=", and with it all labels")) is None:
        return session
    for file in _text_files(labels):
        session.turns.update(_turns(file, number))
    for file in _text_files(subfolder(release, f"Session{number}", "dialog", "transcriptions")):
        found = (_TRANSCRIPTION.fullmatch(line) for line in _lines(file))
        session.text.update((line["turn"], line["text"].strip()) for line in found if line)
    if (wav := find("sentences", "wav", lost=", and with it all audio")) is None:
        return session
    folders = [folder for folder in subfolders(wav) if _DIALOG.fullmatch(folder.name)]
    session.audio = {path.stem: path for folder in folders for path in audio_files(folder)}
    if not session.audio:
        session.problems.append(f"session {number}: the folder {wav} holds no <dialog>/<turn>.wav")
    dialogs = {turn.dialog for turn in session.turns.values()}
    unlabelled = [folder.name for folder in folders if folder.name not in dialogs]
    if unlabelled:
        session.problems.append(
            f"session {number}: {len(unlabelled)} of {len(folders)} dialogs with audio have no label file: "
            f"{listed(unlabelled)}"
        )
    return session


def _text_files(folder: Path | None) -> list[Path]:
    files = [] if folder is None else folder.glob("*.txt")
    return sorted(path for path in files if not path.name.startswith(".") and path.is_file())


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
            if turn.dialog != file.stem:
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
        session.audio[turn.name],
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
    """A sentence for each known count that differs; of a session without any utterance only its total."""
    turns = [turn for session in sessions for turn in session.turns.values()]
    dialogs = len({turn.dialog for turn in turns})
    sentences = []
    if (dialogs, len(turns)) != (DIALOGS, TURNS):
        sentences.append(
            f"label files: {len(turns):,} turns of {dialogs} dialogs found, {TURNS:,} of {DIALOGS} in the distribution"
        )
    if classes == "4" or not improvised:  # the other totals are not known
        per_class = IMPROVISED_PER_CLASS if improvised else PER_CLASS[classes]
        sentences += corpus.total_mismatch(sum(per_class.values()))
    found: Counter[str] = Counter()
    for utterance in corpus.utterances:
        session = f"session {utterance.group}"
        label = f"class {utterance.label}"
        found.update((label, session, f"{session}, {label}", f"{session}, {utterance.sex}"))
        found[f"{session}, improvised"] += "_impro" in utterance.dialog
    absent = tuple(f"session {number}, " for number in SESSIONS if not found[f"session {number}"])
    expected = _expected(classes, improvised)
    return sentences + mismatches(found, {what: n for what, n in expected.items() if not what.startswith(absent)})


def _expected(classes: str, improvised: bool) -> dict[str, int]:
    """The counts that are known for these options."""
    known = [label for label in IMPROVISED_PER_CLASS if label != "happy" or classes in ("4", "5")]
    if improvised:
        expected = {f"class {label}": IMPROVISED_PER_CLASS[label] for label in known}
    else:
        expected = {f"class {label}": number for label, number in PER_CLASS[classes].items()}
    for session in SESSIONS:
        of_4, per_class = PER_SESSION[session], PER_SESSION_AND_CLASS[session]
        if classes == "4":
            expected[f"session {session}"] = of_4["improvised"] if improvised else sum(per_class.values())
        if not improvised:
            expected |= {f"session {session}, class {label}": per_class[label] for label in known}
            expected |= {f"session {session}, {what}": number for what, number in of_4.items() if classes == "4"}
    return expected
