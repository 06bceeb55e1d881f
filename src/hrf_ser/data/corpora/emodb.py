"""EmoDB, the Berlin database of emotional speech: 10 actors say ten German sentences in 7 emotions, 535 utterances.

On disk: ``wav/SSTTTEV.wav`` (or .flac): speaker, text code, German initial of the emotion, version.

Source: Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005;
http://emodb.bilderbar.info/download/download.zip.
Folds: leave one speaker out, a fold named by the speaker it tests.
"""

from __future__ import annotations

import re
from pathlib import Path

from hrf_ser.data.corpora.files import audio_files, require_folder
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
PER_SPEAKER = {
    "03": 49,
    "08": 58,
    "09": 43,
    "10": 38,
    "11": 55,
    "12": 35,
    "13": 61,
    "14": 69,
    "15": 56,
    "16": 71,
}
MALE = frozenset({"03", "10", "11", "12", "15"})
LICENCE = "EmoDB: CC0 1.0 as audEERING's dataset card states; cite Burkhardt et al., Interspeech 2005"

_NAME = re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]")
_LOOKED_FOR = "wav/03a01Fa.wav and its like"
_HINT = (
    "unpack http://emodb.bilderbar.info/download/download.zip and point data.root at the folder that holds wav/, "
    "or at wav/ itself"
)


def read(root: Path) -> Corpus:
    """List the utterances of EmoDB.

    Args:
        root: The folder that holds ``wav/``, or ``wav/`` itself.

    Raises:
        UserError: No such folder, no audio in it, or a file name that is not EmoDB's.
    """
    require_folder(root, _LOOKED_FOR, _HINT)
    files = audio_files(root / "wav") if (root / "wav").is_dir() else audio_files(root)
    if not files:
        raise UserError(f"data.root={root} holds no audio, looked there for {_LOOKED_FOR}: {_HINT}.")
    utterances = [_utterance(path) for path in files]
    folds: dict[str, tuple[str, ...]] = {speaker: (speaker,) for speaker in sorted({one.speaker for one in utterances})}
    corpus = Corpus("emodb", utterances, tuple(EMOTIONS.values()), folds, hint=_HINT, licence=LICENCE)
    corpus.count_mismatches = [
        *corpus.total_mismatch(sum(PER_CLASS.values())),
        *corpus.mismatches("label", PER_CLASS, "class"),
        *corpus.mismatches("speaker", PER_SPEAKER, "speaker"),
    ]
    return corpus


def _utterance(path: Path) -> Utterance:
    parts = _NAME.fullmatch(path.stem)
    if parts is None or parts["speaker"] not in PER_SPEAKER:
        raise UserError(
            f"{path} is not an EmoDB name such as 03a01Fa.wav (speaker {', '.join(PER_SPEAKER)}; text; emotion "
            f"{'/'.join(EMOTIONS)}; version): rename or remove the file."
        )
    speaker = parts["speaker"]
    sex = "male" if speaker in MALE else "female"
    return Utterance(path.stem, path, EMOTIONS[parts["emotion"]], speaker=speaker, sex=sex, group=speaker)
