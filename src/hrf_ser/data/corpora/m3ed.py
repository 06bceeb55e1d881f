"""M3ED: dialogues of two speakers from 56 Chinese TV series in 7 emotions, 24,437 utterances with audio.

On disk: ``annotation.json`` (series -> dialog -> speakers and utterances), ``splitInfo/movie_list_{train,val,test}.txt``
(one series a line) and ``modality_speech/{A|B}_{utterance}.wav``; A and B are the two speakers of a dialog.

Source: Zhao et al., M3ED: Multi-modal Multi-scene Multi-label Emotional Dialogue Database, ACL 2022;
https://github.com/AIM3-RUC/RUCM3ED.
Folds: ``official``, the split of its owners; no series is in two of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrf_ser.data.corpora.files import Layout, audio_files, folders_with, listed, read_text, subfolders, wav_seconds
from hrf_ser.data.corpora.options import check_seconds
from hrf_ser.data.corpora.utterance import Corpus, Utterance, mismatches
from hrf_ser.errors import UserError

EMOTIONS = ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")  # the owners' ids 0 to 6
PER_SPLIT = {
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
LAYOUT = Layout(
    f"{ANNOTATION}, splitInfo/ and {AUDIO}/",
    "get the release from https://github.com/AIM3-RUC/RUCM3ED, unpack the speech beside it and point data.root at it",
)
_AGAIN = f"take {ANNOTATION} from the release again"


def read(root: Path, *, min_seconds: float = 0.2) -> Corpus:
    """List the utterances of M3ED, in the order of their dialogs.

    An utterance that is annotated but has no audio (no file, or an empty one) is left out and reported. Counts are checked
    before short clips are left out, as the published ones include them.

    Args:
        root: The folder that holds ``annotation.json``, or its parent.
        min_seconds: Clips shorter than this are left out; 0 keeps all.

    Raises:
        UserError: A file of the release is missing or damaged, an annotation cannot be understood (it is named), or a
            series is in two lists or in none.
    """
    check_seconds("min_seconds", min_seconds, 0)
    LAYOUT.require_folder(root)
    releases = folders_with(root, lambda folder: (folder / ANNOTATION).is_file())
    if not releases:
        raise LAYOUT.error(f"data.root={root} holds no {ANNOTATION}")
    release = releases[0]
    # The clips may be unpacked beside the annotation or in another folder of root.
    folders = [folder / AUDIO for folder in (release, root, *subfolders(root)) if (folder / AUDIO).is_dir()]
    if not folders:
        raise LAYOUT.error(f"{release} has no folder {AUDIO} with the clips beside {ANNOTATION}")
    clips = folders[0]
    splits = _splits(release / "splitInfo")
    annotated = list(_annotated(release / ANNOTATION, splits, clips))
    if not annotated:
        raise UserError(f"{release / ANNOTATION} has no utterance: {_AGAIN}.")
    present = {path.name for path in audio_files(clips)}
    seconds = {one.utterance: wav_seconds(one.path) if one.path.name in present else 0.0 for one in annotated}
    utterances = [one for one in annotated if seconds[one.utterance] != 0]
    if not utterances:
        raise LAYOUT.error(f"{clips} holds no clip of an annotated utterance, such as {annotated[0].path.name}")
    corpus = Corpus("m3ed", utterances, EMOTIONS, {"official": ()}, hint=LAYOUT.hint, licence=LICENCE)
    of_splits = _split_mismatches(corpus)
    corpus.count_mismatches = [*of_splits, *_series_mismatches(splits, {one.group for one in annotated})]
    surplus = sorted(present - {one.path.name for one in annotated})
    if surplus:
        corpus.count_mismatches.append(
            f"{clips} holds {len(surplus):,} clips that are not annotated: {listed(surplus)}"
        )
    short = sum(length is not None and 0 < length < SHORT_SECONDS for length in seconds.values())
    if short != SHORT_CLIPS:
        corpus.count_mismatches.append(
            f"clips under {SHORT_SECONDS:g} s: {short:,} found, {SHORT_CLIPS} in the distribution"
        )
    silent = [one.path.name for one in annotated if seconds[one.utterance] == 0]
    if silent:
        # The published counts are of utterances with audio: where they match, the owners ship the others without audio.
        (corpus.count_mismatches if of_splits else corpus.notes).append(
            f"{len(silent):,} annotated utterances have no audio (no file in {AUDIO}, or an empty one; about a dozen in "
            f"the distribution) and are left out: {listed(silent)}"
        )
    # In the order of the dialogs: by name, 10 would come before 2.
    corpus.utterances = [
        one for one in utterances if (length := seconds[one.utterance]) is None or length >= min_seconds
    ]
    if len(corpus.utterances) < len(utterances):
        number = len(utterances) - len(corpus.utterances)
        corpus.notes.append(f"{number} clips under {min_seconds:g} s are left out")
    return corpus


def _splits(folder: Path) -> dict[str, str]:
    """Series -> its official split."""
    splits: dict[str, str] = {}
    for split in PER_SPLIT:
        path = folder / f"movie_list_{split}.txt"
        for series in filter(None, (line.strip() for line in read_text(path, LAYOUT.hint).splitlines())):
            if splits.get(series, split) != split:
                raise UserError(
                    f"{path} lists the series {series}, which movie_list_{splits[series]}.txt lists too: "
                    "take the three lists from the same release."
                )
            splits[series] = split
    return splits


def _annotated(path: Path, splits: dict[str, str], clips: Path) -> Iterator[Utterance]:
    """All annotated utterances; within a dialog by the number that ends their id (numbers have gaps)."""
    try:
        annotation = json.loads(read_text(path, _AGAIN))
        # Half a character, which JSON can write and no file name or table can hold.
        json.dumps(annotation, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error).partition(",")[0]
        raise UserError(f"{path} is not JSON ({where}): {_AGAIN}.") from None
    for series, dialogs in _table(annotation, str(path)).items():
        if series not in splits:
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
                    path=clips / f"{letter}_{utterance}.wav",
                    speaker=f"{series}_{one.speaker}",
                    group=series,
                    split=splits[series],
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
            f"{_AGAIN}."
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
        raise UserError(f"{where} is no table of names and values: {_AGAIN}.")
    return value


def _entry(table: Any, key: str, where: str) -> Any:
    if key not in _table(table, where):
        raise UserError(f"{where} has no {key}: {_AGAIN}.")
    return table[key]


def _in_order(table: Any, where: str) -> list[tuple[str, Any]]:
    """Entries of a table in the order of the number that ends their names."""
    for name in _table(table, where):
        if _number(name) is None:
            raise UserError(f"{where} has the name {name!r}, which ends in no number: {_AGAIN}.")
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


def _split_mismatches(corpus: Corpus) -> list[str]:
    found: Counter[str] = Counter()
    for utterance in corpus.utterances:
        found.update((f"split {utterance.split}", f"split {utterance.split}, class {utterance.label}"))
    expected = {}
    for split, per_class in PER_SPLIT.items():
        expected[f"split {split}"] = sum(per_class.values())
        expected |= {f"split {split}, class {label}": number for label, number in per_class.items()}
    return mismatches(found, expected, "utterances with audio")


def _series_mismatches(splits: dict[str, str], annotated: set[str]) -> list[str]:
    listed_series = Counter(f"movie_list_{split}.txt" for split in splits.values())
    expected = {f"movie_list_{split}.txt": number for split, number in SERIES.items()}
    return mismatches(listed_series, expected, "series") + [
        f"series {series}: in movie_list_{split}.txt, but not in {ANNOTATION}"
        for series, split in splits.items()
        if series not in annotated
    ]
