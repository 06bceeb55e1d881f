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

from hrf_ser.data.corpora.download import download_ravdess
from hrf_ser.data.corpora.files import Layout, audio_files, folders_with, listed, subfolders
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
LAYOUT = Layout(
    "the folders Actor_01 ... Actor_24",
    "point data.root at the unpacked corpus, or let data.options.download=true fetch it there (208 MB) from "
    "https://zenodo.org/records/1188976",
)

_ACTOR_FOLDER = re.compile(r"Actor_\d\d")
_NAME = re.compile(r"03-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-0[12]-0[12]-(?P<actor>\d\d)")


def read(root: Path, *, download: bool = False) -> Corpus:
    """List the utterances of RAVDESS.

    Songs (channel 02) are skipped: their archive unpacks into the same folders, and sung emotion is another task with
    other counts. ``03-01-03-01-02-01-07`` and ``03-01-03-01-02-02-07`` hold the same audio in the distribution; both
    are kept, as published results have them (one actor, so never on both sides of a fold).

    Args:
        root: The folder that holds ``Actor_NN``, or its parent.
        download: Fetch the official archive into ``root`` if no ``Actor_NN`` is there.

    Raises:
        UserError: No actor's folder or no speech found, a file name that is not RAVDESS's, or a file in the folder of
            another actor.
    """
    if download and not _actor_folders(root):
        download_ravdess(root)
    LAYOUT.require_folder(root)
    folders = _actor_folders(root)
    if not folders:
        raise LAYOUT.error(f"data.root={root} holds no Actor_NN folder")
    read = (_utterance(path) for folder in folders for path in audio_files(folder))
    utterances = [one for one in read if one is not None]
    if not utterances:
        raise LAYOUT.error(f"The Actor_NN folders of data.root={root} hold no .wav or .flac of speech")
    corpus = Corpus("ravdess", utterances, tuple(EMOTIONS.values()), dict(FOLDS), hint=LAYOUT.hint, licence=LICENCE)
    corpus.count_mismatches = _count_mismatches(corpus)
    return corpus


def _actor_folders(root: Path) -> list[Path]:
    """The folders ``Actor_NN`` in ``root`` or, where there are none, in the folders of ``root``."""

    def actors(folder: Path) -> list[Path]:
        return [child for child in subfolders(folder) if _ACTOR_FOLDER.fullmatch(child.name)]

    if not root.is_dir():
        return []
    return [actor for folder in folders_with(root, lambda one: bool(actors(one))) for actor in actors(folder)]


def _utterance(path: Path) -> Utterance | None:
    name = _NAME.fullmatch(path.stem)
    if name is None or name["actor"] not in ACTORS or (name["emotion"], name["intensity"]) == ("01", "02"):
        raise UserError(
            f"{path} is not a RAVDESS name such as 03-01-05-02-01-02-12.wav "
            "(modality 03, channel, emotion, intensity, statement, repetition, actor): rename or remove the file."
        )
    actor = name["actor"]
    if path.parent.name != f"Actor_{actor}":
        raise UserError(f"{path} names actor {actor}: move it to Actor_{actor} or remove it.")
    if name["channel"] == "02":
        return None
    sex = "male" if int(actor) % 2 else "female"
    return Utterance(path.stem, path, EMOTIONS[name["emotion"]], speaker=actor, sex=sex, group=actor)


def _count_mismatches(corpus: Corpus) -> list[str]:
    found = {one.utterance for one in corpus.utterances}
    takes = [take for take in product(EMOTIONS, ("01", "02"), ("01", "02"), ("01", "02")) if take[:2] != ("01", "02")]
    sentences = corpus.total_mismatch(len(ACTORS) * len(takes))
    for actor in ACTORS:
        missing = [name for take in takes if (name := f"03-01-{'-'.join(take)}-{actor}") not in found]
        if missing:
            sentences.append(f"actor {actor}: {len(missing)} of {len(takes)} utterances are missing: {listed(missing)}")
    per_class = {label: 96 if label == "neutral" else 192 for label in corpus.labels}
    return sentences + corpus.mismatches("label", per_class)
