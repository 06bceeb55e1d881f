"""EmoDB, the Berlin database of emotional speech: 10 actors say ten German sentences in 7 emotions, 535 utterances.

On disk: ``wav/SSTTTEV.wav`` (or .flac): speaker, text code, German initial of the emotion, version.

Source: Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005;
http://emodb.bilderbar.info/download/download.zip.
Folds: leave one speaker out, a fold named by the speaker it tests.
"""

from __future__ import annotations

import re
from pathlib import Path

from hrf_ser.data.corpora.files import Layout, audio_files
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
PER_CLASS = dict(zip(EMOTIONS.values(), (127, 81, 46, 69, 71, 62, 79), strict=True))
SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
PER_SPEAKER = dict(zip(SPEAKERS, (49, 58, 43, 38, 55, 35, 61, 69, 56, 71), strict=True))
MALE = ("03", "10", "11", "12", "15")
LICENCE = "EmoDB: CC0 1.0 as audEERING's dataset card states; cite Burkhardt et al., Interspeech 2005"
LAYOUT = Layout(
    "wav/03a01Fa.wav and its like",
    "unpack http://emodb.bilderbar.info/download/download.zip and point data.root at the folder that holds wav/, "
    "or at wav/ itself",
)

_NAME = re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]")


def read(root: Path) -> Corpus:
    """List the utterances of EmoDB.

    Args:
        root: The folder that holds ``wav/``, or ``wav/`` itself.

    Raises:
        UserError: No such folder, no audio in it, or a file name that is not EmoDB's.
    """
    LAYOUT.require_folder(root)
    files = audio_files(root / "wav" if (root / "wav").is_dir() else root)
    if not files:
        raise LAYOUT.error(f"data.root={root} holds no audio")
    utterances = [_utterance(path) for path in files]
    folds: dict[str, tuple[str, ...]] = {speaker: (speaker,) for speaker in sorted({one.speaker for one in utterances})}
    corpus = Corpus("emodb", utterances, tuple(EMOTIONS.values()), folds, hint=LAYOUT.hint, licence=LICENCE)
    corpus.count_mismatches = [
        *corpus.total_mismatch(sum(PER_CLASS.values())),
        *corpus.mismatches("label", PER_CLASS),
        *corpus.mismatches("speaker", PER_SPEAKER),
    ]
    return corpus


def _utterance(path: Path) -> Utterance:
    name = _NAME.fullmatch(path.stem)
    if name is None or name["speaker"] not in SPEAKERS:
        raise UserError(
            f"{path} is not an EmoDB name such as 03a01Fa.wav (speaker {', '.join(SPEAKERS)}; text; emotion "
            f"{'/'.join(EMOTIONS)}; version): rename or remove the file."
        )
    speaker = name["speaker"]
    sex = "male" if speaker in MALE else "female"
    return Utterance(path.stem, path, EMOTIONS[name["emotion"]], speaker=speaker, sex=sex, group=speaker)
