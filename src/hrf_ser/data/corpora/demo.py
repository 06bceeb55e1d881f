"""A synthetic corpus that needs no download: 12 speakers say everyday sentences in 4 emotions.

eSpeak NG synthesises it at first use. An emotion shifts pitch, pitch range, rate and level as it does in speech (Scherer,
Speech Communication 40, 2003), by an amount that varies with speaker and utterance, so that the emotions overlap and
accuracy lies well above chance and well below 100 %. Each speaker says the same sentences in every emotion. Results on this
corpus do not transfer to human speech.

On disk: ``<speaker>/<speaker>_<emotion>_<nn>.wav``, 16 bit, 22,050 Hz, and ``demo.json``: what they were made with.
Folds: four, of three speakers each.
"""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock
from pydantic import Field

from hrf_ser.data.corpora import espeak
from hrf_ser.data.corpora.options import reader
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.extras import need
from hrf_ser.files import new_folder, remove_leftovers

VERSION = 1  # raise it with every change of the audio: cached copies are then synthesised again
LICENCE = "demo: synthesised by eSpeak NG from this project's own sentences; MIT"

# Voice, and the speaker's own pitch, pitch range and rate in eSpeak's units.
SPEAKERS: dict[str, tuple[str, int, int, int]] = {
    "f1": ("en-us+f1", 48, 50, 172),
    "f2": ("en-gb-x-rp+f2", 40, 44, 160),
    "f3": ("en-gb-scotland+f3", 46, 56, 178),
    "f4": ("en-us+f4", 54, 48, 166),
    "f5": ("en-029+f5", 38, 52, 170),
    "f6": ("en-us-nyc+linda", 36, 46, 182),
    "m1": ("en-us+m1", 50, 50, 168),
    "m2": ("en-gb-x-rp+m2", 42, 54, 158),
    "m3": ("en-gb-scotland+m3", 48, 46, 176),
    "m4": ("en-029+m4", 56, 52, 164),
    "m5": ("en-gb-x-gbclan+m5", 44, 48, 180),
    "m6": ("en-gb-x-gbcwmd+m6", 52, 44, 170),
}
FOLDS = {"1": ("f1", "f2", "m1"), "2": ("f3", "m2", "m3"), "3": ("f4", "f5", "m4"), "4": ("f6", "m5", "m6")}

# Mean shift of pitch, pitch range, rate and volume, in eSpeak's units.
EMOTIONS: dict[str, tuple[int, int, int, int]] = {
    "angry": (14, 10, 46, 36),
    "happy": (34, 36, 14, 12),
    "neutral": (0, 0, 0, 0),
    "sad": (-18, -26, -38, -28),
}
UTTERANCE_SCATTER = (6, 10, 11, 11)  # standard deviation from utterance to utterance
SPEAKER_SCATTER = 0.2  # standard deviation of a speaker's factor on the mean shift
LIMITS = ((0, 99), (0, 99), (100, 280), (30, 140))

SENTENCES = (
    "The parcel is on the kitchen table.",
    "She will call us back at seven.",
    "They moved the meeting to Monday.",
    "The train leaves from platform nine.",
    "He put the keys next to the lamp.",
    "There are two letters in the box.",
    "We walked along the river today.",
    "The window on the left is open.",
    "My brother works in the city.",
    "The blue bag belongs to Martin.",
    "You can park behind the house.",
    "It takes an hour to get there.",
    "The shop opens again at noon.",
    "I gave the book to my neighbour.",
    "The list is in the second drawer.",
    "Somebody is waiting at the door.",
    "The bread comes from the corner shop.",
    "Her office is on the third floor.",
    "We will paint the fence in spring.",
    "The bus stops in front of the school.",
)

_METADATA = "demo.json"
_MADE_BY = "hrf_ser demo corpus"

log = logging.getLogger(__name__)


@reader
def read(root: Path, *, utterances_per_cell: Annotated[int, Field(ge=1)] = 16, seed: int = 0) -> Corpus:
    """List the utterances of the demo corpus, after synthesising it where this version is missing.

    Concurrent processes wait for the one that synthesises.

    Args:
        root: Folder of the corpus; it is created, or replaced as a whole.
        utterances_per_cell: For each of the 12 speakers and 4 emotions.
        seed: The same seed gives the same samples on the same machine.
    """
    recipe = {"made_by": _MADE_BY, "version": VERSION, "seed": seed, "utterances_per_cell": utterances_per_cell}
    root = root.resolve()  # replace the folder that a link points to, not the link
    utterances = _utterances(root, utterances_per_cell)
    try:
        # Checked before locking: a complete corpus may be on a read-only file system.
        if not _complete(root, recipe, utterances):
            root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(root.with_name(f".{root.name}.lock")):
                if not _complete(root, recipe, utterances):
                    _synthesise_corpus(root, recipe, utterances)
    except OSError as error:
        raise UserError(
            f"The demo corpus cannot be made in data.root={root} ({error}): name a folder with 100 MB to spare."
        ) from error
    return Corpus("demo", utterances, tuple(EMOTIONS), dict(FOLDS), licence=LICENCE)


def _utterances(root: Path, per_cell: int) -> list[Utterance]:
    digits = max(2, len(str(per_cell)))
    utterances = []
    for speaker in SPEAKERS:
        for emotion in EMOTIONS:
            for number in range(1, per_cell + 1):
                name = f"{speaker}_{emotion}_{number:0{digits}d}"
                path = root / speaker / f"{name}.wav"
                sex = "female" if speaker.startswith("f") else "male"
                utterances.append(Utterance(name, path, emotion, speaker=speaker, sex=sex, group=speaker))
    return utterances


def _complete(root: Path, recipe: dict[str, Any], utterances: list[Utterance]) -> bool:
    return _read_metadata(root).items() >= recipe.items() and all(utterance.path.is_file() for utterance in utterances)


def _read_metadata(root: Path) -> dict[str, Any]:
    try:
        metadata = json.loads((root / _METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _synthesise_corpus(root: Path, recipe: dict[str, Any], utterances: list[Utterance]) -> None:
    is_demo = _read_metadata(root).get("made_by") == _MADE_BY
    if root.exists() and not is_demo and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"data.root={root} holds something other than the demo corpus: name a new or an empty folder.")
    log.info("Synthesising the demo corpus, %d utterances, in %s", len(utterances), root)
    remove_leftovers(root.parent, root.name)
    with new_folder(root) as folder:
        version = _synthesise(folder, recipe, utterances)
        metadata = {**recipe, "espeak_ng": version, "utterances": len(utterances)}
        (folder / _METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def _synthesise(folder: Path, recipe: dict[str, Any], utterances: list[Utterance]) -> str:
    """Write the utterances below ``folder``; returns the version of eSpeak NG."""
    espeakng_loader = need("espeakng_loader", "demo")

    per_cell, seed = recipe["utterances_per_cell"], recipe["seed"]
    speech = [
        {"path": str(folder / utterance.speaker / utterance.path.name), **_speech(utterance, index % per_cell, seed)}
        for index, utterance in enumerate(utterances)
    ]
    request = {"library": espeakng_loader.get_library_path(), "data": espeakng_loader.get_data_path(), "speech": speech}
    # -I keeps the script's folder off the module path, where table.py and demo.py would shadow other modules.
    program = [sys.executable, "-I", espeak.__file__]
    done = subprocess.run(program, input=json.dumps(request), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(
            f"eSpeak NG could not make the demo corpus in data.root={folder} ({reason}): check the free space there "
            "and reinstall the package espeakng-loader."
        )
    return done.stdout.strip()


def _speech(utterance: Utterance, number: int, seed: int) -> dict[str, str | int]:
    """Parameters of eSpeak NG for an utterance. Separate generators keep the random numbers independent."""
    voice, *baseline = SPEAKERS[utterance.speaker]
    sentences = random.Random(f"{seed}/{utterance.speaker}").sample(SENTENCES, len(SENTENCES))
    factor = random.Random(f"{seed}/{utterance.speaker}/{utterance.label}")
    scatter = random.Random(f"{seed}/{utterance.utterance}")
    values = []
    shifts = EMOTIONS[utterance.label]
    for base, shift, spread, (low, high) in zip((*baseline, 80), shifts, UTTERANCE_SCATTER, LIMITS, strict=True):
        value = base + shift * factor.gauss(1, SPEAKER_SCATTER) + scatter.gauss(0, spread)
        values.append(round(min(max(value, low), high)))
    pitch, pitch_range, rate, volume = values
    text = sentences[number % len(sentences)]
    return {"voice": voice, "text": text, "pitch": pitch, "range": pitch_range, "rate": rate, "volume": volume}
