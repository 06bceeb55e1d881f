"""Features on disk: computed once for a corpus and a front end, memory-mapped by every run.

A store is a folder ``<cache_dir>/<corpus>/features/<key>`` with ``frames.f32`` (all frames of all utterances, float32) and
``index.json`` (where each begins, what they were computed from, a checksum). The key stands for the front end, the view and the
corpus's place; the index holds a fingerprint of the audio, so that a changed file makes the store anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hrf_ser.audio.augment import View
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.files import new_folder, write_text

log = logging.getLogger(__name__)

# Raised by whoever changes what the front end computes for the same options.
VERSION = 1
FRAMES, INDEX = "frames.f32", "index.json"
ON_BAD_AUDIO = ("stop", "skip")

Computed = NDArray[np.float32] | UserError


@dataclass(frozen=True)
class FeatureStore:
    """Features of a corpus.

    Attributes:
        frames: ``(frames of all utterances, n_features)``, memory-mapped.
        offsets: ``(utterances + 1,)``; utterance i is ``frames[offsets[i]:offsets[i + 1]]``.
        skipped: utterances without features, with the reason each.
    """

    frames: NDArray[np.float32]
    offsets: NDArray[np.int64]
    skipped: dict[str, str]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each utterance; 0 for a skipped one."""
        return np.diff(self.offsets)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return self.frames[self.offsets[row] : self.offsets[row + 1]]


def open_store(
    cache_dir: Path,
    corpus: Corpus,
    front_end: FrontEndConfig,
    view: View,
    on_bad_audio: str = "stop",
) -> FeatureStore:
    """The features of a corpus, computed first where they are missing, out of date or damaged.

    Runs that start at once share the work: one computes, the others wait.

    Args:
        cache_dir: where stores live.
        corpus: the table of utterances.
        front_end: options of the log-mel front end.
        view: how the waveform is changed first.
        on_bad_audio: ``stop`` refuses a corpus with unusable audio, ``skip`` lists it and goes on without.

    Raises:
        UserError: audio that cannot be used (with ``stop``), or a cache folder that cannot be written.
    """
    if on_bad_audio not in ON_BAD_AUDIO:
        raise UserError(f"data.on_bad_audio={on_bad_audio} is unknown: use one of {', '.join(ON_BAD_AUDIO)}.")
    folder = cache_dir / corpus.name / "features" / _key(corpus, front_end, view)
    wanted = {
        "version": VERSION,
        "front_end": front_end.as_dict(),
        "view": json.loads(json.dumps(view.as_dict())),
        "audio": _fingerprint(corpus.utterances),
    }
    store = _load(folder, wanted)
    if store is None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                store = _load(folder, wanted)
                if store is None:
                    _compute(folder, wanted, corpus, front_end, view, on_bad_audio)
                    store = _load(folder, wanted)
        except PermissionError as error:
            raise UserError(f"{error.filename}: cannot be written; set cache_dir to a folder you may write.") from error
    if store is None:
        raise UserError(f"{folder}: changes while it is being written; stop other programs that write there.")
    if store.skipped:
        report_bad_audio(store.skipped, len(corpus.utterances), on_bad_audio)
    return store


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


def _compute(
    folder: Path, wanted: dict[str, Any], corpus: Corpus, front_end: FrontEndConfig, view: View, on_bad_audio: str
) -> None:
    from rich.progress import track

    utterances = corpus.utterances
    label = f"Features of {corpus.name}" + ("" if view.is_clean else f" ({_describe(view)})")
    skipped: dict[str, str] = {}
    offsets = [0]
    checksum = 0
    with new_folder(folder) as temporary:
        with open(temporary / FRAMES, "wb") as file:
            results = _features(utterances, front_end, view)
            for utterance, result in zip(utterances, track(results, label, total=len(utterances)), strict=True):
                if isinstance(result, UserError):
                    skipped[utterance.utterance] = str(result)
                    offsets.append(offsets[-1])
                    continue
                data = result.tobytes()
                checksum = zlib.crc32(data, checksum)
                file.write(data)
                offsets.append(offsets[-1] + len(result))
            file.flush()
            os.fsync(file.fileno())
        if skipped and (on_bad_audio == "stop" or len(skipped) == len(utterances)):
            report_bad_audio(skipped, len(utterances), "stop")
        index = {**wanted, "offsets": offsets, "skipped": skipped, "crc32": checksum}
        write_text(temporary / INDEX, json.dumps(index))


def _features(utterances: Sequence[Utterance], front_end: FrontEndConfig, view: View) -> Iterator[Computed]:
    """Features of each utterance in order, ``(frames, n_mels)``, or why it has none; on all cores."""
    compute = _extractor(front_end, view)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(compute, utterances)


def _extractor(front_end: FrontEndConfig, view: View) -> Callable[[Utterance], Computed]:
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


def _load(folder: Path, wanted: dict[str, Any]) -> FeatureStore | None:
    """The store in ``folder``, or None where it must be computed."""
    if not folder.exists():
        return None
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if {key: index[key] for key in wanted} != wanted:
            return None
        offsets = np.asarray(index["offsets"], dtype=np.int64)
        width = wanted["front_end"]["n_mels"]
        frames = np.memmap(folder / FRAMES, dtype=np.float32, mode="r").reshape(-1, width)
        if len(frames) != offsets[-1] or zlib.crc32(frames.data) != index["crc32"]:
            raise ValueError("its checksum differs")
        return FeatureStore(frames, offsets, dict(index["skipped"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("%s: the feature file is damaged (%s) and is computed again.", folder, error)
        return None


def _key(corpus: Corpus, front_end: FrontEndConfig, view: View) -> str:
    place = os.path.commonpath([utterance.path.resolve().parent for utterance in corpus.utterances])
    text = json.dumps([VERSION, front_end.as_dict(), view.as_dict(), place], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fingerprint(utterances: Sequence[Utterance]) -> str:
    """Changes with any file's size or time of change, and with the stretch that is read of it."""
    digest = hashlib.sha256()
    status: dict[Path, tuple[int, int]] = {}
    for utterance in utterances:
        if utterance.path not in status:
            try:
                stat = utterance.path.stat()
                status[utterance.path] = (stat.st_size, stat.st_mtime_ns)
            except OSError:
                status[utterance.path] = (-1, -1)
        digest.update(repr((utterance.utterance, utterance.start, utterance.end, *status[utterance.path])).encode())
    return digest.hexdigest()


def _describe(view: View) -> str:
    parts = [f"speed {view.speed:g}"] if view.speed != 1.0 else []
    if view.snr_db is not None:
        parts.append(f"noise at {view.snr_db[0]:g}-{view.snr_db[1]:g} dB")
    return ", ".join(parts)
