"""M3ED: dialogues of two speakers from 56 Chinese TV series in 7 emotions, 24,437 utterances with audio.

On disk: ``annotation.json`` (series -> dialog -> speakers and utterances), ``splitInfo/movie_list_{train,val,test}.txt``
(one series a line) and ``modality_speech/{A|B}_{utterance}.wav``; A and B are the two speakers of a dialog.

Source: Zhao et al., M3ED: Multi-modal Multi-scene Multi-label Emotional Dialogue Database, ACL 2022;
https://github.com/AIM3-RUC/RUCM3ED.
Folds: ``official``, the split of its owners; no series is in two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from hrf_ser.data.corpora import counts
from hrf_ser.data.corpora.files import (
    Layout,
    audio_files,
    child,
    listed,
    not_unpacked,
    read_text,
    subfolders,
    unnested,
    wav_seconds,
)
from hrf_ser.data.corpora.options import Seconds, reader
from hrf_ser.data.corpora.utterance import SEXES, Corpus, Utterance
from hrf_ser.errors import UserError

EMOTIONS = ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise")  # the owners' ids 0 to 6
SPLITS = ("train", "val", "test")
SHORT_SECONDS = 0.2
FRAMES_PER_SECOND = 25
LICENCE = "M3ED: the owners' terms, github.com/AIM3-RUC/RUCM3ED; cite Zhao et al., ACL 2022"

ANNOTATION, AUDIO = "annotation.json", "modality_speech"
LAYOUT = Layout(
    lambda folder: child(folder, ANNOTATION) is not None,
    f"{ANNOTATION}, splitInfo/ and {AUDIO}/",
    "get the release from https://github.com/AIM3-RUC/RUCM3ED, unpack the speech beside it and point data.root at it",
)
_TIME = re.compile(r"(\d{1,4}):(\d{1,4}):(\d{1,4}):(\d{1,4})")
_AGAIN = f"take {ANNOTATION} from the release again"


_Text = Annotated[str, BeforeValidator(str)]


class _Speaker(BaseModel):
    Name: _Text
    Gender: _Text = ""


class _Emotions(BaseModel, extra="allow"):  # EmoAnnotator1, ...
    final_main_emo: _Text
    final_mul_emo: _Text = ""


class _Entry(BaseModel):
    Speaker: _Text
    EmoAnnotation: _Emotions
    Text: _Text = ""
    StartTime: _Text = ""
    EndTime: _Text = ""


class _Dialog(BaseModel):
    SpeakerInfo: dict[str, _Speaker]
    Dialog: dict[str, _Entry]


_Annotation = TypeAdapter(dict[str, dict[str, _Dialog]])  # series -> dialog


@reader
def read(root: Path, *, min_seconds: Seconds = SHORT_SECONDS) -> Corpus:
    """List the utterances of M3ED, in the order of their dialogs.

    An utterance that is annotated but has no audio (no file, or an empty one) is left out and reported. Counts are checked
    before short clips are left out, as the published ones include them.

    Args:
        root: The folder that holds ``annotation.json``, or one above it.
        min_seconds: Clips shorter than this are left out; 0 keeps all.
    """
    release = LAYOUT.find(root)
    clips = _clips(root, release)
    present = {path.name.casefold(): path for path in audio_files(clips)}
    splits = _splits(release)
    annotated = [
        replace(one, path=present.get(one.path.name.casefold(), clips / one.path))
        for one in _annotated(child(release, ANNOTATION) or release, splits)
    ]
    if not annotated:
        raise UserError(f"{release / ANNOTATION} has no utterance: {_AGAIN}.")
    # None where only an audio reader knows the length; no file is as no audio.
    seconds = {
        one.utterance: wav_seconds(one.path) if one.path.name.casefold() in present else 0.0 for one in annotated
    }
    utterances = [one for one in annotated if seconds[one.utterance] != 0]
    if not utterances:
        raise LAYOUT.error(f"{clips} holds no clip of an annotated utterance, such as {annotated[0].path.name}")
    corpus = Corpus("m3ed", utterances, EMOTIONS, {"official": ()}, hint=LAYOUT.hint, licence=LICENCE)
    # By name, 10 would come before 2.
    corpus.utterances = [one for one in utterances if (seconds[one.utterance] or min_seconds) >= min_seconds]
    found = [(f"split {one.split}", f"class {one.label}") for one in utterances]
    of_splits = counts.differences(counts.M3ED, found, " utterances with audio")
    short = [(f"clips under {SHORT_SECONDS:g} s",) for length in seconds.values() if 0 < (length or 0) < SHORT_SECONDS]
    corpus.count_mismatches = [
        *of_splits,
        *counts.differences(counts.M3ED_SERIES, [(f"movie_list_{split}.txt",) for split in splits.values()], " series"),
        *counts.differences(counts.M3ED_SHORT, short, ""),
        *_unmatched(splits, annotated, clips, list(present.values())),
    ]
    silent = [one.path.name for one in annotated if seconds[one.utterance] == 0]
    if silent:
        # The published counts are of utterances with audio: where they match, the owners ship the others without audio.
        (corpus.count_mismatches if of_splits else corpus.notes).append(
            f"{len(silent):,} annotated utterances have no audio (no file in {AUDIO}, or an empty one; about a dozen in "
            f"the distribution) and are left out: {listed(silent)}"
        )
    if number := len(utterances) - len(corpus.utterances):
        corpus.notes.append(f"{number} clips under {min_seconds:g} s are left out")
    return corpus


def _clips(root: Path, release: Path) -> Path:
    """The folder of the clips: beside the annotation, or in another folder of ``root``."""
    clips = next(filter(None, (child(folder, AUDIO) for folder in (release, root, *subfolders(root)))), None)
    if clips is None:
        raise LAYOUT.error(f"{release} has no folder {AUDIO} with the clips beside {ANNOTATION}{not_unpacked(release)}")
    return unnested(clips)


def _splits(release: Path) -> dict[str, str]:
    """Series -> its official split."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        name = f"movie_list_{split}.txt"
        path = child(release, "splitInfo", name) or release / "splitInfo" / name
        for series in filter(None, (line.strip() for line in read_text(path, LAYOUT.hint).splitlines())):
            if splits.setdefault(series, split) != split:
                raise UserError(
                    f"{path} lists the series {series}, which movie_list_{splits[series]}.txt lists too: "
                    "take the three lists from the same release."
                )
    return splits


def _annotated(path: Path, splits: dict[str, str]) -> Iterator[Utterance]:
    """All annotated utterances, their paths without folder; within a dialog by the number that ends their id."""
    try:
        annotation = _Annotation.validate_json(read_text(path, _AGAIN))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        *place, last = map(str, problem["loc"] or [""])
        if problem["type"] == "missing":
            raise UserError(f"{path}, {', '.join(place)} has no {last}: {_AGAIN}.") from None
        what = f"{path} is not JSON" if problem["type"] == "json_invalid" else ", ".join([str(path), *place, last])
        raise UserError(f"{what} ({problem['msg']}): {_AGAIN}.") from None
    for series, dialogs in annotation.items():
        if series not in splits:
            raise UserError(
                f"{path} has the series {series}, which is in none of movie_list_{{train,val,test}}.txt: "
                "take the lists and the annotation from the same release."
            )
        for dialog, content in sorted(dialogs.items(), key=lambda item: _number(item[0], path)):
            for name, entry in sorted(content.Dialog.items(), key=lambda item: _number(item[0], path)):
                speaker = content.SpeakerInfo.get(entry.Speaker)
                emotion = entry.EmoAnnotation.final_main_emo
                label = emotion.strip().lower()
                if speaker is None:
                    raise UserError(f"{path}, {name}: SpeakerInfo has no {entry.Speaker}: {_AGAIN}.")
                if label not in EMOTIONS:
                    raise UserError(
                        f"{path}, {name}: final_main_emo is {emotion!r}, which is none of {', '.join(EMOTIONS)}: {_AGAIN}."
                    )
                yield Utterance(
                    name,
                    Path(f"{entry.Speaker}_{name}.wav"),
                    label,
                    speaker=f"{series}_{speaker.Name.strip()}",
                    sex=SEXES.get(speaker.Gender.strip().lower(), ""),
                    group=series,
                    split=splits[series],
                    dialog=dialog,
                    extra=(("turn", str(_number(name, path))), *_ratings(entry)),
                )


def _ratings(entry: _Entry) -> tuple[tuple[str, str], ...]:
    others = (entry.EmoAnnotation.model_extra or {}).items()
    raters = sorted((key.removeprefix("EmoAnnotator"), str(value)) for key, value in others if "Annotator" in key)
    return (
        ("text", entry.Text),
        ("dialog_start", _dialog_time(entry.StartTime)),
        ("dialog_end", _dialog_time(entry.EndTime)),
        ("emotions", entry.EmoAnnotation.final_mul_emo),
        *((f"annotator_{rater}", emotion) for rater, emotion in raters),
    )


def _number(name: str, path: Path) -> int:
    """The number that ends a name."""
    digits = re.search(r"\d{1,9}$", name)
    if digits is None:
        raise UserError(f"{path} has the name {name!r}, which ends in no number: {_AGAIN}.")
    return int(digits[0])


def _dialog_time(time: str) -> str:
    """``HH:MM:SS:FF`` at 25 frames a second -> seconds; empty where the annotation has no such time."""
    parts = _TIME.fullmatch(time.strip())
    if parts is None:
        return ""
    hours, minutes, seconds, frames = (int(part) for part in parts.groups())
    return f"{3600 * hours + 60 * minutes + seconds + frames / FRAMES_PER_SECOND:.2f}"


def _unmatched(
    splits: dict[str, str], annotated: Sequence[Utterance], clips: Path, present: Sequence[Path]
) -> Iterator[str]:
    """Series and clips of which the annotation knows nothing."""
    series = {one.group for one in annotated}
    for name, split in splits.items():
        if name not in series:
            yield f"series {name}: in movie_list_{split}.txt, but not in {ANNOTATION}"
    names = {one.path.name.casefold() for one in annotated}
    surplus = sorted(path.name for path in present if path.name.casefold() not in names)
    if surplus:
        yield f"{clips} holds {len(surplus):,} clips that are not annotated: {listed(surplus)}"
