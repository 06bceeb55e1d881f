"""Computes the features of a corpus on all cores; resumes where a killed process stopped."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.files import about, publish, remove_leftovers

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FRAMES, INDEX = "frames.f32", "index.json"
PROGRESS = "journal.jsonl"  # of an unfinished store
_SECONDS_BETWEEN_WRITES = 1.0

# Kept with the features of an utterance, and counted by prepare.
CHANNELS_CANCEL = "its channels cancel"

# Features with a note on how they were made, or why there are none.
Computed = tuple[NDArray[np.float32], str | None] | UserError


class FrontEnd(Protocol):
    """What computes features, and what of it names a store."""

    @property
    def title(self) -> str:
        """Of the progress bar."""

    @property
    def width(self) -> int:
        """Features of a frame."""

    def as_dict(self) -> dict[str, Any]:
        """Everything that decides the features."""

    def extractor(self) -> Callable[[Tensor], NDArray[np.float32]]:
        """A function from audio at 16 kHz, ``(samples,)``, to features ``(frames, width)``."""


def compute_features(
    folder: Path,
    metadata: dict[str, Any],
    corpus: Corpus,
    front_end: FrontEnd,
    augmentation: OfflineAugmentation,
    on_bad_audio: str,
) -> None:
    """Write the feature store ``folder``, whole or not at all.

    It is written to ``<folder>.partial``, from which the next process resumes after a kill if it has the same ``metadata``; an
    error removes it.

    Raises:
        UserError: unusable audio, with ``on_bad_audio=stop``.
        OSError: a full disk or a folder that cannot be written.
    """
    from rich.progress import track

    remove_leftovers(folder.parent, folder.name)
    utterances = corpus.utterances
    title = f"{front_end.title} of {corpus.name}" + ("" if augmentation.is_clean else f" ({_describe(augmentation)})")
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        with _PartialStore(partial, metadata, front_end.width) as store:
            done = len(store.utterances)
            if done:
                log.warning("%s: resumed after %d of %d utterances.", title, done, len(utterances))
            results = _features(utterances[done:], front_end, augmentation)
            for result in track(results, title, total=len(utterances), completed=done):
                store.add(result)
        computed = list(zip(utterances, store.utterances, strict=True))
        skipped = {one.utterance: why for one, (frames, why) in computed if why and not frames}
        notes = {one.utterance: note for one, (frames, note) in computed if note and frames}
        if skipped and (on_bad_audio == "stop" or len(skipped) == len(utterances)):
            report_bad_audio(skipped, len(utterances), "stop")
        offsets = np.cumsum([0, *(frames for frames, _ in store.utterances)])
        index = {
            **metadata,
            "offsets": offsets.tolist(),
            "skipped": skipped,
            "notes": notes,
            "crc32": store.checksum,
        }
        (partial / INDEX).write_text(json.dumps(index), encoding="utf-8")
        (partial / PROGRESS).unlink()
        publish(partial, folder)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise about(error, folder) from error
        raise


def report_bad_audio(skipped: dict[str, str], total: int, on_bad_audio: str) -> None:
    """Warn about unusable audio with ``skip``.

    Raises:
        UserError: with ``stop``; names the first files.
    """
    reasons = list(skipped.values())
    listed = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
    if on_bad_audio == "stop":
        raise UserError(
            f"{len(reasons)} of {total} utterances cannot be used: {listed}. "
            "Replace them, or set data.on_bad_audio=skip to leave them out."
        )
    log.warning("%d of %d utterances are skipped: %s", len(reasons), total, listed)


class _PartialStore:
    """An unfinished store: a file of frames, and a progress file with the metadata and a line for each utterance.

    A line is written after the frames of its utterance and holds the checksum of all frames so far, which detects lost
    frames and lines.

    Attributes:
        utterances: frames of each computed utterance and a note, or 0 and the reason why it has none.
        checksum: of all frames.
    """

    def __init__(self, folder: Path, metadata: dict[str, Any], n_features: int) -> None:
        self.folder = folder
        self.utterances: list[tuple[int, str | None]] = []
        self.checksum = 0
        self._unwritten: list[str] = []
        self._last_write = time.monotonic()
        if not self._resume(metadata, 4 * n_features):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / PROGRESS).write_text(json.dumps(metadata) + "\n", encoding="utf-8")
            self.utterances, self.checksum = [], 0

    def _resume(self, metadata: dict[str, Any], bytes_per_frame: int) -> bool:
        """Load what the folder holds; False where it has other metadata or is damaged."""
        try:
            content = (self.folder / PROGRESS).read_bytes()
            complete = content[: content.rfind(b"\n") + 1]
            os.truncate(self.folder / PROGRESS, len(complete))
            first, *lines = complete.splitlines()
            if json.loads(first) != metadata:
                return False
            for line in lines:
                frames, self.checksum, note = json.loads(line)
                self.utterances.append((int(frames), note))
            size = bytes_per_frame * sum(frames for frames, _ in self.utterances)
            os.truncate(self.folder / FRAMES, size)
            checksum = 0
            with open(self.folder / FRAMES, "rb") as file:
                while block := file.read(1 << 24):
                    checksum = zlib.crc32(block, checksum)
                return file.tell() == size and checksum == self.checksum
        except (OSError, ValueError, TypeError):
            return False

    def add(self, result: Computed) -> None:
        """Append the features of the next utterance, ``(frames, n_features)``, or the reason why it has none."""
        frames, note = 0, None
        if isinstance(result, UserError):
            note = str(result)
        else:
            features, note = result
            frames, data = len(features), features.tobytes()
            self.checksum = zlib.crc32(data, self.checksum)
            self._frames.write(data)
        self.utterances.append((frames, note))
        self._unwritten.append(json.dumps([frames, self.checksum, note]) + "\n")
        if time.monotonic() - self._last_write > _SECONDS_BETWEEN_WRITES:
            self._write_progress()

    def _write_progress(self) -> None:
        self._frames.flush()
        self._progress.writelines(self._unwritten)
        self._progress.flush()
        self._unwritten.clear()
        self._last_write = time.monotonic()

    def __enter__(self) -> _PartialStore:
        self._frames = open(self.folder / FRAMES, "ab")
        self._progress = open(self.folder / PROGRESS, "a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        with self._frames, self._progress:
            self._write_progress()
            os.fsync(self._frames.fileno())


def _features(
    utterances: Sequence[Utterance], front_end: FrontEnd, augmentation: OfflineAugmentation
) -> Iterator[Computed]:
    """Features of each utterance in order, ``(frames, width)``, or why it has none; on all cores."""
    compute = _extractor(front_end, augmentation)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield from pool.map(compute, utterances)
        finally:
            pool.shutdown(cancel_futures=True)


def _extractor(front_end: FrontEnd, augmentation: OfflineAugmentation) -> Callable[[Utterance], Computed]:
    import torch

    from hrf_ser.audio.read import read_recording

    extract = front_end.extractor()

    def compute(utterance: Utterance) -> Computed:
        try:
            recording = read_recording(utterance.path, utterance.start, utterance.end)
        except UserError as error:
            return error
        waveform = torch.from_numpy(recording.samples)
        with torch.inference_mode():
            features = extract(augmentation.apply(waveform, utterance.utterance))
        return features, CHANNELS_CANCEL if recording.channels_cancel else None

    return compute


def _describe(augmentation: OfflineAugmentation) -> str:
    parts = [f"speed {augmentation.speed:g}"] if augmentation.speed != 1.0 else []
    if augmentation.snr_db is not None:
        parts.append("noise at {:g}-{:g} dB".format(*augmentation.snr_db))
    if augmentation.telephone:
        parts.append("telephone")
    return ", ".join(parts)
