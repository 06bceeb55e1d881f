"""CREMA-D: 91 actors say twelve sentences in 6 emotions, 7,442 utterances.

On disk: ``AudioWAV/AAAA_SSS_EEE_LL.wav`` (or .flac): actor, sentence, emotion, intensity (LO, MD, HI, XX not stated; one
file ends in X). Beside it ``VideoDemographics.csv``: ActorID, Age, Sex, Race, Ethnicity.

Source: Cao et al., IEEE Transactions on Affective Computing 5(4), 2014; https://github.com/CheyneyComputerScience/CREMA-D.
Folds: the actors in the order of their numbers, dealt into five: fold 1 tests 1001, 1006, 1011, ...
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

from hrf_ser.data.corpora.files import audio_files, require_folder, subfolders
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
PER_CLASS = dict(zip(EMOTIONS.values(), (1271, 1271, 1271, 1271, 1087, 1271), strict=True))
ACTORS = tuple(str(number) for number in range(1001, 1092))
FOLDS = {str(fold): ACTORS[fold - 1 :: 5] for fold in range(1, 6)}
SILENT = "1076_MTI_SAD_XX"
LICENCE = "CREMA-D: Open Database License 1.0, contents under the Database Contents License 1.0; cite Cao et al. 2014"

_FOLDER = "AudioWAV"
_DEMOGRAPHICS = "VideoDemographics.csv"
_SEXES = {"male": "male", "female": "female"}
_NAME = re.compile(
    r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<intensity>LO|MD|HI|XX?)"
)
_LOOKED_FOR = "AudioWAV/1001_DFA_ANG_XX.wav and its like"
_HINT = "fetch https://github.com/CheyneyComputerScience/CREMA-D with Git LFS and point data.root at its folder"


def read(root: Path, *, drop_silent: bool = True) -> Corpus:
    """List the utterances of CREMA-D.

    Args:
        root: The folder that holds ``AudioWAV``, its parent, or ``AudioWAV`` itself.
        drop_silent: Leave out ``1076_MTI_SAD_XX``, which is silent in the distribution and would stop a run; counts are
            checked with it.

    Raises:
        UserError: No ``AudioWAV`` or no audio in it, a file name that is not CREMA-D's, or a table of the actors that
            cannot be read.
    """
    if not isinstance(drop_silent, bool):
        raise UserError(f"data.options.drop_silent={drop_silent} must be true or false.")
    require_folder(root, _LOOKED_FOR, _HINT)
    folder = _audio_folder(root)
    sexes = _sexes(folder.parent / _DEMOGRAPHICS)
    utterances = [_utterance(path, sexes) for path in audio_files(folder)]
    if not utterances:
        raise UserError(f"{folder} holds no audio, looked there for {_LOOKED_FOR}: {_HINT}.")
    complete = Corpus("crema_d", utterances, tuple(EMOTIONS.values()), dict(FOLDS), hint=_HINT, licence=LICENCE)
    kept = [one for one in complete.utterances if not (drop_silent and one.utterance == SILENT)]
    notes = [f"{SILENT} is silent in the distribution and left out"] if len(kept) < len(complete.utterances) else []
    return replace(complete, utterances=kept, count_mismatches=_count_mismatches(complete), notes=notes)


def _audio_folder(root: Path) -> Path:
    """``AudioWAV``: ``root`` itself, in it, or in a folder in it."""
    if root.name == _FOLDER:
        return root
    candidates = [root, *subfolders(root)]
    holders = [one / _FOLDER for one in candidates if any(child.name == _FOLDER for child in subfolders(one))]
    if root / _FOLDER in holders:
        return root / _FOLDER
    if len(holders) > 1:
        raise UserError(f"data.root={root} holds {holders[0]} and {holders[1]}: point it at the folder of one of them.")
    if holders:
        return holders[0]
    for child in (child for one in candidates for child in subfolders(one)):
        if re.sub(r"[\W_]", "", child.name).casefold() == _FOLDER.casefold():
            raise UserError(f"{child} is called {_FOLDER} in the distribution: rename it.")
    raise UserError(f"data.root={root} holds no folder {_FOLDER}, looked there for {_LOOKED_FOR}: {_HINT}.")


def _sexes(file: Path) -> dict[str, str]:
    """Actor -> sex, as the distribution's table has it; empty without the table."""
    if not file.is_file():
        return {}
    try:
        rows = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig", errors="replace"), newline=""))
        if not {"ActorID", "Sex"} <= set(rows.fieldnames or ()):
            raise UserError(
                f"{file} lacks the columns ActorID and Sex, its first row reads {','.join(rows.fieldnames or ())[:200]!r}: "
                "restore the distribution's file, or remove it to go without the actors' sex."
            )
        return {(row["ActorID"] or "").strip(): _SEXES.get((row["Sex"] or "").strip().lower(), "") for row in rows}
    except (OSError, csv.Error) as error:
        raise UserError(
            f"{file} cannot be read as CSV ({error}): restore the distribution's file, or remove it."
        ) from None


def _utterance(path: Path, sexes: dict[str, str]) -> Utterance:
    parts = _NAME.fullmatch(path.stem)
    if parts is None or parts["actor"] not in ACTORS:
        raise UserError(
            f"{path} is not a CREMA-D name such as 1001_IEO_ANG_HI.wav (actor 1001 to 1091, sentence, emotion "
            f"{'/'.join(EMOTIONS)}, intensity LO/MD/HI/XX): rename or remove the file."
        )
    actor = parts["actor"]
    return Utterance(
        path.stem,
        path,
        EMOTIONS[parts["emotion"]],
        speaker=actor,
        sex=sexes.get(actor, ""),
        group=actor,
        extra=(("sentence", parts["sentence"]), ("intensity", parts["intensity"].ljust(2, "X"))),
    )


def _count_mismatches(corpus: Corpus) -> list[str]:
    present = {one.speaker for one in corpus.utterances}
    absent = [actor for actor in ACTORS if actor not in present]
    sentences = corpus.total_mismatch(sum(PER_CLASS.values()))
    if absent:
        names = ", ".join(absent[:4]) + (", ..." if len(absent) > 4 else "")
        sentences.append(f"{len(absent)} of {len(ACTORS)} actors have no utterance: {names}")
    return sentences + corpus.mismatches("label", PER_CLASS, "class")
