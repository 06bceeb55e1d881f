"""Computing the features of a corpus, on all cores; what a kill left is gone on with."""

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.files import about, publish, remove_leftovers, write_text

log = logging.getLogger(__name__)

FRAMES, INDEX = "frames.f32", "index.json"
WANTED, JOURNAL = "wanted.json", "journal.jsonl"
_JOURNAL_SECONDS = 1.0

Computed = NDArray[np.float32] | UserError


def compute_features(
    folder: Path,
    wanted: dict[str, Any],
    corpus: Corpus,
    front_end: FrontEndConfig,
    view: OfflineAugmentation,
    on_bad_audio: str,
) -> None:
    """Write the feature store ``folder``, whole or not at all.

    Work goes on in ``<folder>.partial``. A process that is killed leaves it, and the next one begins where it stopped; an error
    removes it.

    Args:
        folder: the store.
        wanted: what its index must say; work that was begun for anything else is thrown away.
        corpus: the table of utterances.
        front_end: options of the log-mel front end.
        view: how the waveform is changed first.
        on_bad_audio: ``stop`` or ``skip``.

    Raises:
        UserError: unusable audio, with ``stop``.
        OSError: a full disk or a folder that cannot be written.
    """
    from rich.progress import track

    remove_leftovers(folder.parent, folder.name)
    utterances = corpus.utterances
    label = f"Features of {corpus.name}" + ("" if view.is_clean else f" ({_describe(view)})")
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        work = _Work(partial, wanted, front_end.n_mels)
        if work.done:
            log.warning("%s: going on after %d of %d utterances.", label, len(work.done), len(utterances))
        rest = utterances[len(work.done) :]
        with work:
            for result in track(
                _features(rest, front_end, view), label, total=len(utterances), completed=len(work.done)
            ):
                work.add(result)
        skipped = {one.utterance: reason for one, (_, reason) in zip(utterances, work.done, strict=True) if reason}
        if skipped and (on_bad_audio == "stop" or len(skipped) == len(utterances)):
            report_bad_audio(skipped, len(utterances), "stop")
        offsets = np.cumsum([0, *(frames for frames, _ in work.done)])
        index = {**wanted, "offsets": offsets.tolist(), "skipped": skipped, "crc32": work.checksum}
        write_text(partial / INDEX, json.dumps(index))
        for name in (WANTED, JOURNAL):
            (partial / name).unlink()
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
            "Mend them, or set data.on_bad_audio=skip to go on without."
        )
    log.warning("%d of %d utterances are skipped: %s", len(reasons), total, listed)


class _Work:
    """Features as far as they are computed: a file of frames, and a journal that says which of its bytes count.

    The journal is written after the frames that it speaks of, and each line holds the checksum of all frames so far, so that
    whatever a kill cut off is noticed.
    """

    def __init__(self, folder: Path, wanted: dict[str, Any], width: int) -> None:
        self.folder = folder
        self.done: list[tuple[int, str | None]] = []
        self.checksum = 0
        self._bytes = 4 * width
        self._unwritten: list[str] = []
        self._written = time.monotonic()
        if not self._taken_up(wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_text(folder / WANTED, json.dumps(wanted))
            self.done, self.checksum = [], 0

    def _taken_up(self, wanted: dict[str, Any]) -> bool:
        """Whether the folder holds work of the same kind that is sound."""
        try:
            remove_leftovers(self.folder)
            if json.loads((self.folder / WANTED).read_text(encoding="utf-8")) != wanted:
                return False
            journal = (self.folder / JOURNAL).read_bytes()
            whole = journal[: journal.rfind(b"\n") + 1]
            os.truncate(self.folder / JOURNAL, len(whole))
            for line in whole.splitlines():
                frames, self.checksum, reason = json.loads(line)
                self.done.append((int(frames), reason))
            size = self._bytes * sum(frames for frames, _ in self.done)
            os.truncate(self.folder / FRAMES, size)
            checksum = 0
            with open(self.folder / FRAMES, "rb") as file:
                while block := file.read(1 << 24):
                    checksum = zlib.crc32(block, checksum)
                return file.tell() == size and checksum == self.checksum
        except (OSError, ValueError, TypeError):
            return False

    def __enter__(self) -> _Work:
        self._frames = open(self.folder / FRAMES, "ab")
        self._journal = open(self.folder / JOURNAL, "a", encoding="utf-8")
        return self

    def add(self, result: Computed) -> None:
        """Take the features of the next utterance, ``(frames, n_features)``, or the reason why it has none."""
        if isinstance(result, UserError):
            self.done.append((0, str(result)))
        else:
            data = result.tobytes()
            self.checksum = zlib.crc32(data, self.checksum)
            self._frames.write(data)
            self.done.append((len(result), None))
        frames, reason = self.done[-1]
        self._unwritten.append(json.dumps([frames, self.checksum, reason]) + "\n")
        if time.monotonic() - self._written > _JOURNAL_SECONDS:
            self._write_journal()

    def _write_journal(self) -> None:
        self._frames.flush()
        self._journal.writelines(self._unwritten)
        self._journal.flush()
        self._unwritten.clear()
        self._written = time.monotonic()

    def __exit__(self, *error: object) -> None:
        with self._frames, self._journal:
            self._write_journal()
            os.fsync(self._frames.fileno())


def _features(
    utterances: Sequence[Utterance], front_end: FrontEndConfig, view: OfflineAugmentation
) -> Iterator[Computed]:
    """Features of each utterance in order, ``(frames, n_mels)``, or why it has none; on all cores."""
    compute = _extractor(front_end, view)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield from pool.map(compute, utterances)
        finally:
            pool.shutdown(cancel_futures=True)


def _extractor(front_end: FrontEndConfig, view: OfflineAugmentation) -> Callable[[Utterance], Computed]:
    import torch

    from hrf_ser.audio.front_end import LogMel
    from hrf_ser.audio.read import read_audio

    log_mel = LogMel(front_end)

    def compute(utterance: Utterance) -> Computed:
        try:
            waveform = torch.from_numpy(read_audio(utterance.path, utterance.start, utterance.end))
        except UserError as error:
            return error
        with torch.inference_mode():
            waveform = view.apply(waveform, utterance.utterance)
            features, frames = log_mel(waveform[None], torch.tensor([waveform.shape[0]]))
            return np.asarray(features[0, : int(frames)].contiguous().numpy(), dtype=np.float32)

    return compute


def _describe(view: OfflineAugmentation) -> str:
    parts = [f"speed {view.speed:g}"] if view.speed != 1.0 else []
    if view.snr_db is not None:
        parts.append(f"noise at {view.snr_db[0]:g}-{view.snr_db[1]:g} dB")
    return ", ".join(parts)
