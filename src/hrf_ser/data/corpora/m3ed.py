"""M3ED: dialogues of two speakers from 56 Chinese TV series in 7 emotions, 24,437 utterances with audio.

On disk: ``annotation.json`` (series -> dialog -> speakers and utterances), ``splitInfo/movie_list_{train,val,test}.txt``
(one series a line) and ``modality_speech/{A|B}_{utterance}.wav``; A and B are the two speakers of a dialog.

Source: Zhao et al., M3ED: Multi-modal Multi-scene Multi-label Emotional Dialogue Database, ACL 2022;
https://github.com/AIM3-RUC/RUCM3ED.
Folds: ``official``, the parts that its owners drew, no series in two of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora.files import audio_files, require_folder, subfolders, wav_seconds
from hrf_ser.data.corpora.utterance import Corpus, Utterance
from hrf_ser.errors import UserError

EMOTIONS = ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")  # the owners' ids 0 to 6
PER_PART = {
    "train": dict(zip(EMOTIONS, (1625, 7126, 2734, 1145, 3814, 280, 696), strict=True)),
    "val": dict(zip(EMOTIONS, (303, 1042, 489, 134, 681, 50, 120), strict=True)),
    "test": dict(zip(EMOTIONS, (358, 1853, 734, 218, 736, 65, 234), strict=True)),
}
SERIES = {"train": 38, "val": 7, "test": 11}
SHORT_SECONDS, SHORT_CLIPS = 0.2, 58  # clips of the distribution that are shorter
FRAMES_PER_SECOND = 25
LICENCE = "M3ED: the owners' terms, github.com/AIM3-RUC/RUCM3ED; cite Zhao et al., ACL 2022"

ANNOTATION, AUDIO = "annotation.json", "modality_speech"
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
_TIME = re.compile(r"(\d{1,4}):(\d{1,4}):(\d{1,4}):(\d{1,4})")
_LOOKED_FOR = f"{ANNOTATION}, splitInfo/ and {AUDIO}/"
_HINT = (
    "get the release from https://github.com/AIM3-RUC/RUCM3ED, unpack the speech beside it and point data.root at it"
)
_NAMES_SHOWN = 4


def read(root: Path, *, min_seconds: float = 0.2) -> Corpus:
    """List the utterances of M3ED, in the order of their dialogs.

    An utterance that is annotated but has no audio (no file, or an empty one) is left out and reported. Counts are checked
    before short clips are left out, as the published ones include them.

    Args:
        root: The folder that holds ``annotation.json``, or its parent.
        min_seconds: Clips shorter than this are left out; 0 keeps all.

    Raises:
        UserError: A part of the release is missing or damaged, an annotation cannot be understood (it is named), or a
            series is in two lists or in none.
    """
    if isinstance(min_seconds, bool) or not isinstance(min_seconds, int | float) or not min_seconds >= 0:
        raise UserError(
            f"data.options.min_seconds={min_seconds} is no length in seconds: write e.g. 0.2, or 0 for all."
        )
    require_folder(root, _LOOKED_FOR, _HINT)
    release = _release(root)
    parts = _parts(release / "splitInfo")
    folder = _audio_folder(root, release)
    annotated = list(_annotated(release / ANNOTATION, parts, folder))
    if not annotated:
        raise UserError(f"{release / ANNOTATION} has no utterance: take the file from the release again.")
    there = {path.name for path in audio_files(folder)}
    lengths = {one.utterance: wav_seconds(one.path) if one.path.name in there else 0.0 for one in annotated}
    utterances = [one for one in annotated if lengths[one.utterance] != 0]
    if not utterances:
        raise UserError(f"{folder} holds no clip of an annotated utterance, such as {annotated[0].path.name}: {_HINT}.")
    corpus = Corpus("m3ed", utterances, EMOTIONS, {"official": ()}, hint=_HINT, licence=LICENCE)
    surplus = there - {one.path.name for one in annotated}
    corpus.count_mismatches = [
        *_part_mismatches(corpus),
        *_series_mismatches(parts, {one.group for one in annotated}),
        *_surplus(folder, surplus),
        *_short_mismatch(lengths),
    ]
    silent = _without_audio([one for one in annotated if lengths[one.utterance] == 0])
    # The published counts are of utterances with audio: where they come out, what has none is as its owners ship it.
    (corpus.count_mismatches if _part_mismatches(corpus) else corpus.notes).extend(silent)
    long_enough = [one for one in utterances if (seconds := lengths[one.utterance]) is None or seconds >= min_seconds]
    if len(long_enough) < len(utterances):
        corpus.notes.append(f"{len(utterances) - len(long_enough)} clips under {min_seconds:g} s are left out")
    corpus.utterances = long_enough  # in the order of the dialogs: by name, 10 would come before 2
    return corpus


def _release(root: Path) -> Path:
    for folder in (root, *subfolders(root)):
        if (folder / ANNOTATION).is_file():
            return folder
    raise UserError(f"data.root={root} holds no {ANNOTATION}, looked there for {_LOOKED_FOR}: {_HINT}.")


def _audio_folder(root: Path, release: Path) -> Path:
    """The folder of the clips: beside the annotation, or in another folder of ``root``."""
    for folder in (release, root, *subfolders(root)):
        if (folder / AUDIO).is_dir():
            return folder / AUDIO
    raise UserError(f"{release} has no folder {AUDIO} with the clips beside {ANNOTATION}: {_HINT}.")


def _parts(folder: Path) -> dict[str, str]:
    """Series -> its official part."""
    parts: dict[str, str] = {}
    for part in PER_PART:
        path = folder / f"movie_list_{part}.txt"
        for series in filter(None, (line.strip() for line in _text(path).splitlines())):
            if parts.get(series, part) != part:
                raise UserError(
                    f"{path} lists the series {series}, which movie_list_{parts[series]}.txt lists too: "
                    "take the three lists from the same release."
                )
            parts[series] = part
    return parts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8: take the file from the release again, unchanged.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {_HINT}.") from None


def _annotated(path: Path, parts: dict[str, str], folder: Path) -> Iterator[Utterance]:
    """All annotated utterances; within a dialog by the number that ends their id (numbers have gaps)."""
    try:
        annotation = json.loads(_text(path))
        # Half a character, which JSON can write and no file name or table can hold.
        json.dumps(annotation, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error).partition(",")[0]
        raise UserError(f"{path} is not JSON ({where}): take the file from the release again.") from None
    for series, dialogs in _table(annotation, str(path)).items():
        if series not in parts:
            raise UserError(
                f"{path} has the series {series}, which is in none of movie_list_{{train,val,test}}.txt: "
                "take the lists and the annotation from the same release."
            )
        for dialog, content in _in_order(dialogs, f"{path}, {series}"):
            where = f"{path}, {dialog}"
            speakers = _table(_entry(content, "SpeakerInfo", where), f"{where}, SpeakerInfo")
            for utterance, entry in _in_order(_entry(content, "Dialog", where), f"{where}, Dialog"):
                letter, one = _utterance(f"{path}, {utterance}", utterance, entry, speakers)
                yield replace(
                    one,
                    path=folder / f"{letter}_{utterance}.wav",
                    speaker=f"{series}_{one.speaker}",
                    group=series,
                    part=parts[series],
                    dialog=dialog,
                    extra=(("turn", str(_number(utterance))), *one.extra),
                )


def _utterance(where: str, utterance: str, entry: Any, speakers: dict[str, Any]) -> tuple[str, Utterance]:
    """What an utterance's own entry says, and the letter of its speaker in the dialog."""
    letter = str(_entry(entry, "Speaker", where))
    speaker = _table(_entry(speakers, letter, f"{where}: SpeakerInfo"), f"{where}: SpeakerInfo of {letter}")
    ratings = _table(_entry(entry, "EmoAnnotation", where), f"{where}: EmoAnnotation")
    label = str(_entry(ratings, "final_main_emo", where)).strip().lower()
    if label not in EMOTIONS:
        raise UserError(
            f"{where}: final_main_emo is {ratings['final_main_emo']!r}, which is none of {', '.join(EMOTIONS)}: "
            "take annotation.json from the release again."
        )
    raters = sorted(key for key in ratings if key.startswith("EmoAnnotator"))
    extra = (
        ("text", str(entry.get("Text", ""))),
        ("dialog_start", _dialog_time(entry.get("StartTime"))),
        ("dialog_end", _dialog_time(entry.get("EndTime"))),
        ("emotions", str(ratings.get("final_mul_emo", ""))),
        *((f"annotator_{rater.removeprefix('EmoAnnotator')}", str(ratings[rater])) for rater in raters),
    )
    sex = _SEXES.get(str(speaker.get("Gender", "")).strip().lower(), "")
    name = str(_entry(speaker, "Name", f"{where}: SpeakerInfo of {letter}")).strip()
    return letter, Utterance(utterance, Path(), label, speaker=name, sex=sex, extra=extra)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where} is no table of names and values: take annotation.json from the release again.")
    return value


def _entry(table: Any, key: str, where: str) -> Any:
    if key not in _table(table, where):
        raise UserError(f"{where} has no {key}: take annotation.json from the release again.")
    return table[key]


def _in_order(table: Any, where: str) -> list[tuple[str, Any]]:
    """Entries of a table in the order of the number that ends their names."""
    for name in _table(table, where):
        if _number(name) is None:
            raise UserError(f"{where} has the name {name!r}, which ends in no number: take annotation.json again.")
    return sorted(table.items(), key=lambda item: _number(item[0]) or 0)


def _number(name: str) -> int | None:
    digits = re.search(r"\d{1,9}$", name)
    return None if digits is None else int(digits[0])


def _dialog_time(time: object) -> str:
    """``HH:MM:SS:FF`` at 25 frames a second -> seconds; empty where the annotation has no such time."""
    parts = _TIME.fullmatch(str(time).strip())
    if parts is None:
        return ""
    hours, minutes, seconds, frames = (int(part) for part in parts.groups())
    return f"{3600 * hours + 60 * minutes + seconds + frames / FRAMES_PER_SECOND:.2f}"


def _part_mismatches(corpus: Corpus) -> list[str]:
    found = Counter((one.part, one.label) for one in corpus.utterances)
    sentences = []
    for part, per_class in PER_PART.items():
        expected = {f"part {part}": sum(per_class.values())}
        counts = {f"part {part}": sum(found[part, label] for label in EMOTIONS)}
        for label, number in per_class.items():
            expected[f"part {part}, class {label}"] = number
            counts[f"part {part}, class {label}"] = found[part, label]
        sentences += [
            f"{what}: {counts[what]:,} utterances with audio found, {number:,} in the distribution"
            for what, number in expected.items()
            if counts[what] != number
        ]
    return sentences


def _series_mismatches(parts: dict[str, str], annotated: set[str]) -> list[str]:
    listed = Counter(parts.values())
    sentences = [
        f"movie_list_{part}.txt: {listed[part]} series found, {number} in the distribution"
        for part, number in SERIES.items()
        if listed[part] != number
    ]
    return sentences + [
        f"series {series}: in movie_list_{part}.txt, but not in {ANNOTATION}"
        for series, part in parts.items()
        if series not in annotated
    ]


def _without_audio(annotated: list[Utterance]) -> list[str]:
    if not annotated:
        return []
    names = [one.path.name for one in annotated]
    return [
        f"{len(names):,} annotated utterances have no audio (no file in {AUDIO}, or an empty one; about a dozen in the "
        f"distribution) and are left out: {_first(names)}"
    ]


def _surplus(folder: Path, names: set[str]) -> list[str]:
    return [f"{folder} holds {len(names):,} clips that are not annotated: {_first(sorted(names))}"] if names else []


def _short_mismatch(lengths: dict[str, float | None]) -> list[str]:
    short = sum(1 for seconds in lengths.values() if seconds is not None and 0 < seconds < SHORT_SECONDS)
    if short == SHORT_CLIPS:
        return []
    return [f"clips under {SHORT_SECONDS:g} s: {short:,} found, {SHORT_CLIPS} in the distribution"]


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
