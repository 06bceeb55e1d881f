"""Writes CREMA-D releases in the owners' grammar, with its oddities: a miniature, and the full-size tree."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

WriteAudio = Callable[[Path, str, str], None]  # path, emotion, speaker

ACTORS = tuple(range(1001, 1092))
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "SAD", "NEU")
ODD_NAME = {"1040_ITH_SAD_XX": "1040_ITH_SAD_X"}  # so in the distribution


def miniature(folder: Path, write_audio: WriteAudio | None = None) -> Path:
    """Write ``CREMA-D`` with ten actors, two of each fold, who say two sentences in each emotion.

    Args:
        folder: Where to write it.
        write_audio: Writes one file; without it audio files are empty.

    Returns:
        The release's folder.
    """
    root = folder / "CREMA-D"
    stems = [
        f"{a}_{s}_{e}_XX" for a, s, e in product((*range(1036, 1041), *range(1072, 1077)), ("MTI", "ITH"), EMOTIONS)
    ]
    _write(root, stems, write_audio)
    (root / "AudioWAV" / "._1036_MTI_ANG_XX.wav").write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (root / "AudioMP3").mkdir()
    (root / "AudioMP3" / "1036_MTI_ANG_XX.mp3").touch()
    (root / "SentenceFilenames.csv").write_text('"Stimulus_Number","Filename"\n1,"1036_MTI_ANG_XX"\n')
    return root


def full_size(folder: Path) -> Path:
    """Write all 7,442 names with empty audio files: 1,271 of each emotion, 1,087 neutral.

    Of the 82 takes of an actor (three intensities of one sentence) 20 are missing in all; which ones is made up here.
    """
    root = folder / "CREMA-D"
    stems = []
    for emotion in EMOTIONS:
        takes = [("IEO", level) for level in ("LO", "MD", "HI")] if emotion != "NEU" else [("IEO", "XX")]
        takes += [(sentence, "XX") for sentence in SENTENCES[1:]]
        names = [f"{actor}_{sentence}_{emotion}_{level}" for actor, (sentence, level) in product(ACTORS, takes)]
        missing = [f"{actor}_DFA_{emotion}_XX" for actor in (ACTORS[:5] if emotion == "NEU" else ACTORS[:3])]
        stems += [name for name in names if name not in missing]
    _write(root, stems)
    return root


def _write(root: Path, stems: list[str], write_audio: WriteAudio | None = None) -> None:
    folder = root / "AudioWAV"
    folder.mkdir(parents=True)
    for stem in stems:
        path = folder / f"{ODD_NAME.get(stem, stem)}.wav"
        if write_audio is None:
            path.touch()
        else:
            write_audio(path, stem.split("_")[2], stem[:4])
    rows = [f'{actor},{20 + actor % 50},"{_sex(actor)}","Caucasian","Not Hispanic"' for actor in ACTORS]
    table = '"ActorID","Age","Sex","Race","Ethnicity"\n' + "\n".join(rows) + "\n"
    (root / "VideoDemographics.csv").write_text(table)


def _sex(actor: int) -> str:
    """Made up but for 1076 and 1040, who are female and male in the distribution."""
    return "Female" if actor % 2 == 0 and actor != 1040 else "Male"
