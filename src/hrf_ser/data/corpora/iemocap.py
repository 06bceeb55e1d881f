"""IEMOCAP: ten actors in five sessions of two, improvised and scripted, 151 dialogs, 10,039 labelled turns.

On disk: ``Session{1..5}/dialog/EmoEvaluation/<dialog>.txt`` with a block for each turn: the line
``[start - end]<TAB>turn<TAB>emotion<TAB>[valence, activation, dominance]``, then the answers of its raters (``C-E2``
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

from hrf_ser.data.corpora.files import audio_files, require_folder, subfolders
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

SESSIONS = ("1", "2", "3", "4", "5")
LICENCE = "IEMOCAP: on request from USC SAIL under its release form, not redistributable; cite Busso et al. 2008"

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

# The complete distribution. Written out instead of derived from CLASSES, so that a branch that gets lost there shows.
EMOTIONS = ("xxx", "fru", "neu", "ang", "sad", "exc", "hap", "sur", "fea", "oth", "dis")
DIALOGS, TURNS = 151, 10_039
_MERGED = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
PER_CLASS = {
    "4": _MERGED,
    "4_no_exc": {**_MERGED, "happy": 595},
    "5": {**_MERGED, "frustrated": 1849},
    "6": {**_MERGED, "happy": 595, "excited": 1041, "frustrated": 1849},
}
_WITH_EXCITED = ("4", "5")  # the label sets whose class happy the next two tables count
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
_ANSWER = re.compile(r"(?P<kind>[CA])-(?P<rater>[EFM]\d+):(?P<answer>[^()]*)(?:\((?P<comment>.*))?")
_SPOKEN = re.compile(r"(?P<turn>Ses\w+)\s*\[[^\]]*\]\s*:(?P<text>.*)")
_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines also breaks at characters that occur inside a line
_LOOKED_FOR = "the folders Session1 ... Session5"
_HINT = (
    "unpack IEMOCAP_full_release as https://sail.usc.edu/iemocap/ ships it and point data.root at the folder that holds "
    "Session1 ... Session5"
)
_NAMES_SHOWN = 4


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
    if classes not in CLASSES:
        raise UserError(f"data.options.classes={classes} is no label set of IEMOCAP: use one of {', '.join(CLASSES)}.")
    if not isinstance(improvised, bool):
        raise UserError(f"data.options.improvised={improvised} must be true or false.")
    require_folder(root, _LOOKED_FOR, _HINT)
    release = _release(root)
    sessions = [_session(release, number) for number in SESSIONS]
    label_of = {emotion: label for label, emotions in CLASSES[classes].items() for emotion in emotions}
    utterances, faults = [], []
    for session in sessions:
        wanted = [
            turn
            for turn in session.turns.values()
            if turn.emotion in label_of and ("_impro" in turn.dialog or not improvised)
        ]
        utterances += [_utterance(turn, session, label_of) for turn in wanted if turn.name in session.audio]
        faults += session.faults
        silent = [turn.name for turn in wanted if turn.name not in session.audio]
        if silent and session.audio:
            faults.append(
                f"session {session.number}: {len(silent)} of {len(wanted)} turns have no audio: {_names(silent)}"
            )
    if not utterances:
        raise UserError(
            f"data.root={root} holds no utterance of IEMOCAP for data.options.classes={classes}"
            f"{''.join(f'; {fault}' for fault in faults)}: {_HINT}."
        )
    folds: dict[str, tuple[str, ...]] = {number: (number,) for number in SESSIONS}
    corpus = Corpus("iemocap", utterances, tuple(CLASSES[classes]), folds, faults, hint=_HINT)
    corpus.licence = LICENCE
    corpus.count_mismatches += [
        *_label_files(sessions),
        *_total(corpus, classes, improvised),
        *_counts(corpus, classes, improvised),
    ]
    return corpus


@dataclass(frozen=True, slots=True)
class _Turn:
    """A block of a label file."""

    name: str
    dialog: str
    emotion: str
    values: tuple[str, str, str]  # valence, activation, dominance: means over the raters
    answers: list[tuple[str, str, str]]  # kind C or A, rater, answer


@dataclass
class _Session:
    """What stands in one session's folder, and what should and does not."""

    number: str
    turns: dict[str, _Turn] = field(default_factory=dict)
    audio: dict[str, Path] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def _release(root: Path) -> Path:
    """The folder that holds the sessions: ``root`` or a folder in it."""
    names = {f"Session{number}" for number in SESSIONS}
    candidates = [root, *subfolders(root)]
    holders = [folder for folder in candidates if any(child.name in names for child in subfolders(folder))]
    if root in holders:
        return root
    if len(holders) > 1:
        raise UserError(
            f"data.root={root} holds sessions in {holders[0]} and in {holders[1]}: point it at one of them."
        )
    if holders:
        return holders[0]
    for folder in candidates:
        for name in sorted(names):
            _subfolder(folder, name)  # a renamed one is refused by its name
    raise UserError(f"data.root={root} holds no session, looked there for {_LOOKED_FOR}: {_HINT}.")


def _subfolder(folder: Path, *names: str) -> Path | None:
    """The folder down ``names``; None where it is missing.

    Raises:
        UserError: There is one with the same letters instead, such as ``Session 1`` or ``emoevaluation``.
    """
    for name in names:
        if not (folder / name).is_dir():
            alike = [one for one in subfolders(folder) if _letters(one.name) == _letters(name)]
            if alike:
                raise UserError(f"{alike[0]} is called {name} in the distribution: rename it.")
            return None
        folder = folder / name
    return folder


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _session(release: Path, number: str) -> _Session:
    session = _Session(number)
    top = _subfolder(release, f"Session{number}")
    if top is None:
        session.faults.append(f"session {number}: the folder {release / f'Session{number}'} is missing")
        return session
    labels = _subfolder(top, "dialog", "EmoEvaluation")
    if labels is None:
        where = top / "dialog" / "EmoEvaluation"
        session.faults.append(f"session {number}: the folder {where} is missing, and with it all labels")
        return session
    for file in _text_files(labels):
        session.turns.update(_turns(file, number))
    spoken = _subfolder(top, "dialog", "transcriptions")
    for file in [] if spoken is None else _text_files(spoken):
        found = (_SPOKEN.fullmatch(line) for line in _lines(file))
        session.text.update((one["turn"], one["text"].strip()) for one in found if one)
    wav = _subfolder(top, "sentences", "wav")
    if wav is None:
        session.faults.append(
            f"session {number}: the folder {top / 'sentences' / 'wav'} is missing, and with it all audio"
        )
        return session
    dialogs = {turn.dialog for turn in session.turns.values()}
    folders = [folder for folder in subfolders(wav) if _DIALOG.fullmatch(folder.name)]
    session.audio = {path.stem: path for folder in folders for path in audio_files(folder)}
    if not session.audio:
        session.faults.append(f"session {number}: the folder {wav} holds no <dialog>/<turn>.wav")
    mute = [folder.name for folder in folders if folder.name not in dialogs]
    if mute:
        session.faults.append(
            f"session {number}: {len(mute)} of {len(folders)} dialogs with audio have no label file: {_names(mute)}"
        )
    return session


def _text_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.txt") if not path.name.startswith(".") and path.is_file())


def _lines(file: Path) -> list[str]:
    """Lines of a text file. Comments and transcriptions of some copies hold accents in Latin-1."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): make it readable or unpack it again.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return _LINE_END.split(text)


def _turns(file: Path, session: str) -> dict[str, _Turn]:
    """The turns of a label file; empty for a note that somebody left there."""
    is_dialog = _DIALOG.fullmatch(file.stem) is not None
    turns: dict[str, _Turn] = {}
    answers: list[tuple[str, str, str]] = []
    for number, line in enumerate(_lines(file), start=1):
        if header := _HEADER.fullmatch(line):
            answers = []
            turn = _turn(header, answers, f"{file}, line {number}", session)
            if turn.dialog != file.stem:
                raise UserError(f"{file}, line {number} is of the dialog {turn.dialog}: name the file so or remove it.")
            if turn.name in turns:
                raise UserError(f"{file}, line {number} labels {turn.name} a second time: unpack the file again.")
            turns[turn.name] = turn
        elif line.startswith("[") and is_dialog:
            raise UserError(
                f"{file}, line {number} reads {line[:40]!r} instead of [start - end], turn, emotion, [v, a, d] separated "
                "by tabs: unpack the file again."
            )
        elif answer := _ANSWER.fullmatch(line):
            answers.append(_answer(answer))
    if is_dialog and not turns:
        raise UserError(
            f"{file} labels no turn, looked there for lines of [start - end], turn, emotion, [v, a, d] separated by tabs: "
            "unpack the file again."
        )
    return turns


def _turn(header: re.Match[str], answers: list[tuple[str, str, str]], where: str, session: str) -> _Turn:
    name = _TURN.fullmatch(header["turn"])
    if name is None:
        raise UserError(
            f"{where} labels {header['turn']}, which is no turn of IEMOCAP such as Ses01F_impro01_F000: "
            "unpack the file again."
        )
    if name[0][4] != session:
        raise UserError(
            f"{where} labels {name[0]}, a turn of session {name[0][4]}: move the file to Session{name[0][4]}."
        )
    if header["emotion"] not in EMOTIONS:
        raise UserError(
            f"{where} has the emotion {header['emotion']!r}, which is none of {', '.join(EMOTIONS)}: "
            "unpack the file again."
        )
    values = (header["valence"], header["activation"], header["dominance"])
    return _Turn(name[0], name["dialog"], header["emotion"], values, answers)


def _answer(line: re.Match[str]) -> tuple[str, str, str]:
    """Kind, rater and answer in short: ``Neutral,Other(amused)`` or, for ``val 3; act 2; dom  2;``, ``3,2,2``."""
    parts = [part.strip() for part in line["answer"].split(";")]
    if line["kind"] == "A":
        scores = {part[:3]: part[3:].strip() for part in parts}
        return "A", line["rater"], ",".join(scores.get(scale, "") for scale in ("val", "act", "dom"))
    comment = (line["comment"] or "").strip().removesuffix(")").strip().replace(";", ",")
    return "C", line["rater"], ",".join(filter(None, parts)) + (f"({comment})" if comment else "")


def _speaker(turn: str) -> str:
    """The session and the letter of the last token; the letter after the session belongs to the dialog."""
    return turn[:5] + turn.rpartition("_")[2][0]


def _utterance(turn: _Turn, session: _Session, label_of: dict[str, str]) -> Utterance:
    def said(kind: str, raters: str) -> str:
        return ";".join(f"{who}:{what}" for is_kind, who, what in turn.answers if is_kind == kind and who[0] in raters)

    speaker = _speaker(turn.name)
    valence, activation, dominance = turn.values
    return Utterance(
        turn.name,
        session.audio[turn.name],
        label_of[turn.emotion],
        speaker=speaker,
        sex="female" if speaker.endswith("F") else "male",
        group=session.number,
        dialog=turn.dialog,
        extra=(
            ("emotion", turn.emotion),
            ("valence", valence),
            ("activation", activation),
            ("dominance", dominance),
            ("raters", said("C", "E")),
            ("ratings", said("A", "E")),
            ("self_report", said("C", "FM")),
            ("self_rating", said("A", "FM")),
            ("text", session.text.get(turn.name, "")),
        ),
    )


def _label_files(sessions: list[_Session]) -> list[str]:
    turns = [turn for session in sessions for turn in session.turns.values()]
    dialogs = {turn.dialog for turn in turns}
    if (len(dialogs), len(turns)) == (DIALOGS, TURNS):
        return []
    return [
        f"label files: {len(turns):,} turns of {len(dialogs)} dialogs found, {TURNS:,} of {DIALOGS} in the distribution"
    ]


def _total(corpus: Corpus, classes: str, improvised: bool) -> list[str]:
    if improvised and classes != "4":
        return []  # not known
    return corpus.total_mismatch(sum((IMPROVISED_PER_CLASS if improvised else PER_CLASS[classes]).values()))


def _counts(corpus: Corpus, classes: str, improvised: bool) -> list[str]:
    """A sentence for each known count that differs; of a session without any utterance only its total."""
    expected = _expected(classes, improvised)
    found: Counter[str] = Counter()
    for one in corpus.utterances:
        session = f"session {one.utterance[4]}"
        found.update((f"class {one.label}", session, f"{session}, class {one.label}", f"{session}, {one.sex}"))
        found[f"{session}, improvised"] += "_impro" in one.utterance
    absent = tuple(f"session {number}, " for number in SESSIONS if not found[f"session {number}"])
    return [
        f"{what}: {found[what]:,} utterances found, {number:,} in the distribution"
        for what, number in expected.items()
        if found[what] != number and not what.startswith(absent)
    ]


def _expected(classes: str, improvised: bool) -> dict[str, int]:
    """The counts that are known for these options."""
    tabled = [label for label in IMPROVISED_PER_CLASS if label != "happy" or classes in _WITH_EXCITED]
    expected: dict[str, int] = {}
    if improvised:
        expected |= {f"class {label}": IMPROVISED_PER_CLASS[label] for label in tabled}
    else:
        expected |= {f"class {label}": number for label, number in PER_CLASS[classes].items()}
    for session in SESSIONS:
        whole, of_class = PER_SESSION[session], PER_SESSION_AND_CLASS[session]
        if classes == "4":
            expected[f"session {session}"] = whole["improvised"] if improvised else sum(of_class.values())
        if not improvised:
            expected |= {f"session {session}, class {label}": of_class[label] for label in tabled}
            expected |= {f"session {session}, {what}": n for what, n in whole.items() if classes == "4"}
    return expected


def _names(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
