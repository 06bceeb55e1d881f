"""CREMA-D: 91 actors say twelve sentences in 6 emotions, 7,442 utterances.

On disk: ``AudioWAV/AAAA_SSS_EEE_LL.wav`` (or .flac): actor, sentence, emotion, intensity (LO, MD, HI, XX not stated; one
file ends in X). Beside it ``VideoDemographics.csv``: ActorID, Age, Sex, Race, Ethnicity.

Source: Cao et al., IEEE Transactions on Affective Computing 5(4), 2014; https://github.com/CheyneyComputerScience/CREMA-D.
Folds: the actors in the order of their numbers, dealt into five: fold 1 tests 1001, 1006, 1011, ...
"""

from __future__ import annotations

import re
from pathlib import Path

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.files import (
    Layout,
    audio_files,
    child,
    letters,
    listed,
    match_name,
    read_csv,
    shipped,
    subfolders,
    unnested,
)
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance

EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
ACTORS = tuple(str(number) for number in range(1001, 1092))
FOLDS = {str(fold): ACTORS[fold - 1 :: 5] for fold in range(1, 6)}
SILENT = "1076_MTI_SAD_XX"
LICENCE = "CREMA-D: Open Database License 1.0, contents under the Database Contents License 1.0; cite Cao et al. 2014"
LAYOUT = Layout(
    lambda folder: any(letters(one.name) == "audiowav" for one in (folder, *subfolders(folder))),
    "AudioWAV/1001_DFA_ANG_XX.wav and its like",
    "fetch https://github.com/CheyneyComputerScience/CREMA-D with Git LFS and point data.root at its folder",
)

_NAME = re.compile(
    r"(?P<actor>(?!1000)10[0-8]\d|109[01])_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<intensity>LO|MD|HI|XX?)",
    re.IGNORECASE,
)
_GRAMMAR = (
    "a CREMA-D name such as 1001_IEO_ANG_HI.wav (actor 1001 to 1091, sentence, emotion ANG/DIS/FEA/HAP/NEU/SAD, "
    "intensity LO/MD/HI/XX)"
)


@reader
def read(root: Path, *, drop_silent: bool = True) -> Corpus:
    """List the utterances of CREMA-D.

    Args:
        root: The folder that holds ``AudioWAV``, one above it, or ``AudioWAV`` itself.
        drop_silent: Leave out ``1076_MTI_SAD_XX``, which is silent in the distribution and would stop a run; counts are
            checked with it.
    """
    release = LAYOUT.find(root)
    folder = shipped(release, "AudioWAV") or release
    sexes = _sexes(child(folder.parent, "VideoDemographics.csv"))
    utterances = [_utterance(path, sexes) for path in audio_files(unnested(folder))]
    if not utterances:
        raise LAYOUT.error(f"{folder} holds no audio")
    corpus = Corpus("crema_d", utterances, tuple(EMOTIONS.values()), dict(FOLDS), hint=LAYOUT.hint, licence=LICENCE)
    corpus.count_mismatches = counts.differences(counts.CREMA_D, [(f"class {one.label}",) for one in utterances])
    present = {one.speaker for one in utterances}
    if absent := [actor for actor in ACTORS if actor not in present]:
        corpus.count_mismatches.append(f"{len(absent)} of {len(ACTORS)} actors have no utterance: {listed(absent)}")
    if drop_silent and any(one.utterance == SILENT for one in utterances):
        corpus.utterances = [one for one in corpus.utterances if one.utterance != SILENT]
        corpus.notes.append(f"{SILENT} is silent in the distribution and left out")
    return corpus


def _sexes(file: Path | None) -> dict[str, str]:
    """Actor -> sex, as the distribution's table has it; empty without the table."""
    if file is None:
        return {}
    rows = read_csv(file, ("actorid", "sex"), "restore the distribution's file, or remove it to leave sex empty")
    return {row["actorid"]: sex for row in rows if (sex := row["sex"].lower()) in ("male", "female")}


def _utterance(path: Path, sexes: dict[str, str]) -> Utterance:
    name = {part: text.upper() for part, text in match_name(path, _NAME, _GRAMMAR).groupdict().items()}
    actor = name["actor"]
    return Utterance(
        "_".join(name.values()),
        path,
        EMOTIONS[name["emotion"]],
        speaker=actor,
        sex=sexes.get(actor, ""),
        group=actor,
        extra=(("sentence", name["sentence"]), ("intensity", name["intensity"].ljust(2, "X"))),
    )
