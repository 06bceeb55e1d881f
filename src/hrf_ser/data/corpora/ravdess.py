"""RAVDESS, audio-only speech: 24 actors say two sentences in 8 emotions, 1,440 utterances.

On disk: ``Actor_NN/MM-CC-EE-II-SS-RR-AA.wav`` (or .flac): modality (03 audio only), channel (01 speech, 02 song),
emotion, intensity (01 normal, 02 strong; neutral has normal only), statement, repetition, actor (odd male, even female).

Source: Livingstone and Russo, PLoS ONE 13(5): e0196391, 2018; https://zenodo.org/records/1188976.
Folds: EmoBox (Ma et al., Interspeech 2024), six speaker-independent folds.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.download import download_ravdess
from hrf_ser.data.corpora.files import Layout, audio_files, listed, match_name, subfolders, unnested
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
FOLDS = {
    "1": ("01", "11", "20", "21"),
    "2": ("04", "10", "12", "14"),
    "3": ("08", "09", "19", "23"),
    "4": ("03", "05", "07", "24"),
    "5": ("02", "15", "16", "18"),
    "6": ("06", "13", "17", "22"),
}
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
LICENCE = "RAVDESS: CC BY-NC-SA 4.0 (non-commercial), Livingstone and Russo 2018, doi:10.5281/zenodo.1188976"

_ACTOR_FOLDER = re.compile(r"Actor_\d\d", re.IGNORECASE)
_NAME = re.compile(r"03-(0[12])-(?!01-02)(0[1-8])-(0[12])-0[12]-0[12]-(0[1-9]|1\d|2[0-4])")  # no strong neutral
_GRAMMAR = (
    "a RAVDESS name such as 03-01-05-02-01-02-12.wav "
    "(modality 03, channel, emotion, intensity, statement, repetition, actor)"
)


def _actor_folders(folder: Path) -> list[Path]:
    return [child for child in subfolders(folder) if _ACTOR_FOLDER.fullmatch(child.name)]


LAYOUT = Layout(
    lambda folder: bool(_actor_folders(folder)),
    "the folders Actor_01 ... Actor_24",
    "point data.root at the unpacked corpus, or let data.options.download=true fetch it there (208 MB) from "
    "https://zenodo.org/records/1188976",
)


@reader
def read(root: Path, *, download: bool = False) -> Corpus:
    """List the utterances of RAVDESS.

    Songs (channel 02) are skipped: their archive unpacks into the same folders. ``03-01-03-01-02-01-07`` and
    ``03-01-03-01-02-02-07`` hold the same audio in the distribution; both are kept, as in published results (one actor, so
    never on both sides of a fold).

    Args:
        root: The folder that holds ``Actor_NN``, or one above it.
        download: Fetch the official archive into ``root`` if no ``Actor_NN`` is there.
    """
    if download and not (root.is_dir() and any(map(LAYOUT.holds, (root, *subfolders(root))))):
        download_ravdess(root)
    folders = [actor for folder in LAYOUT.find_all(root) for actor in _actor_folders(folder)]
    files = [path for folder in folders for path in audio_files(unnested(folder))]
    utterances = [one for path in files if (one := _utterance(path)) is not None]
    if not utterances:
        raise LAYOUT.error(f"The Actor_NN folders of data.root={root} hold no .wav or .flac of speech")
    corpus = Corpus("ravdess", utterances, tuple(EMOTIONS.values()), dict(FOLDS), hint=LAYOUT.hint, licence=LICENCE)
    found = [(f"actor {one.speaker}", f"class {one.label}") for one in utterances]
    corpus.count_mismatches = [*counts.differences(counts.RAVDESS, found), *_missing(corpus)]
    return corpus


def _utterance(path: Path) -> Utterance | None:
    channel, emotion, _, actor = match_name(path, _NAME, _GRAMMAR).groups()
    if path.parent.name.casefold() != f"actor_{actor}":
        raise UserError(f"{path} names actor {actor}: move it to Actor_{actor} or remove it.")
    if channel == "02":
        return None
    sex = "male" if int(actor) % 2 else "female"
    return Utterance(path.stem, path, EMOTIONS[emotion], speaker=actor, sex=sex, group=actor)


def _missing(corpus: Corpus) -> list[str]:
    """A sentence with the first files that are missing of an actor who is there."""
    codes = product(
        EMOTIONS, ("01", "02"), ("01", "02"), ("01", "02"), sorted({one.speaker for one in corpus.utterances})
    )
    names = {f"03-01-{'-'.join(code)}" for code in codes if code[:2] != ("01", "02")}
    missing = sorted(names - {one.utterance for one in corpus.utterances})
    return [f"{len(missing)} files are missing: {listed(missing)}"] if missing else []
