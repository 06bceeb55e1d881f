"""EmoDB, the Berlin database of emotional speech: 10 actors say ten German sentences in 7 emotions, 535 utterances.

On disk: ``wav/SSTTTEV.wav`` (or .flac): speaker, text code, German initial of the emotion, version.

Source: Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005;
http://emodb.bilderbar.info/download/download.zip.
Folds: leave one speaker out, a fold named by the speaker it tests.
"""

from __future__ import annotations

import re
from pathlib import Path

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.files import Layout, audio_files, child, match_name
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
MALE = ("03", "10", "11", "12", "15")
LICENCE = "EmoDB: CC0 1.0 as audEERING's dataset card states; cite Burkhardt et al., Interspeech 2005"

_NAME = re.compile(r"(0[389]|1[0-6])([ab]\d\d)([WLEAFTN])([a-z])", re.IGNORECASE)
_GRAMMAR = "an EmoDB name such as 03a01Fa.wav (speaker 03, 08, 09, 10 to 16; text; emotion W/L/E/A/F/T/N; version)"


def _audio_files(folder: Path) -> list[Path]:
    wav = child(folder, "wav")
    return audio_files(folder if wav is None or wav.is_file() else wav)


LAYOUT = Layout(
    lambda folder: any(_NAME.fullmatch(path.stem) for path in _audio_files(folder)),
    "wav/03a01Fa.wav and its like",
    "unpack http://emodb.bilderbar.info/download/download.zip and point data.root at the folder that holds wav/, "
    "or at wav/ itself",
)


@reader
def read(root: Path) -> Corpus:
    """List the utterances of EmoDB.

    Args:
        root: The folder that holds ``wav/``, one above it, or ``wav/`` itself.
    """
    utterances = [_utterance(path) for path in _audio_files(LAYOUT.find(root))]
    folds: dict[str, tuple[str, ...]] = {speaker: (speaker,) for speaker in sorted({one.speaker for one in utterances})}
    corpus = Corpus("emodb", utterances, tuple(EMOTIONS.values()), folds, hint=LAYOUT.hint, licence=LICENCE)
    found = [(f"class {one.label}", f"speaker {one.speaker}") for one in utterances]
    corpus.count_mismatches = counts.differences(counts.EMODB, found)
    return corpus


def _utterance(path: Path) -> Utterance:
    speaker, text, emotion, version = match_name(path, _NAME, _GRAMMAR).groups()
    name = f"{speaker}{text.lower()}{emotion.upper()}{version.lower()}"
    sex = "male" if speaker in MALE else "female"
    return Utterance(name, path, EMOTIONS[emotion.upper()], speaker=speaker, sex=sex, group=speaker)
