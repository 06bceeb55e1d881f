"""Features on disk: computed once for a corpus and a front end, memory-mapped by every run.

A store is a folder ``<cache_dir>/<corpus>/features/<key>`` with ``frames.f32`` (all frames of all utterances, float32) and
``index.json`` (where each begins, what they were computed from, a checksum). The key stands for the front end, the
augmentation, the corpus's place and its utterances; the index holds a fingerprint of the audio, so that a changed file is
noticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.data.compute import FRAMES, INDEX, FrontEnd, compute_features, report_bad_audio
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.errors import UserError
from hrf_ser.media.ffmpeg import NEEDS_FFMPEG, available

log = logging.getLogger(__name__)

# Raise it when the front end computes something else for the same options.
VERSION = 2


class Features(Protocol):
    """Features by row of a table."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each utterance; 0 for one without usable audio."""

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        """``(frames, n_features)``."""


@dataclass(frozen=True)
class FeatureStore:
    """Features of a corpus.

    Attributes:
        frames: ``(frames of all utterances, n_features)``, memory-mapped.
        begins: ``(utterances,)``; utterance i is ``frames[begins[i]:begins[i] + lengths[i]]``.
        lengths: ``(utterances,)`` frames of each utterance; 0 for a skipped one.
        skipped: utterances without features, with the reason each.
        notes: what is unusual about the audio of other utterances.
    """

    frames: NDArray[np.float32]
    begins: NDArray[np.int64]
    lengths: NDArray[np.int64]
    skipped: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return self.frames[self.begins[row] : self.begins[row] + self.lengths[row]]

    def of(self, rows: Sequence[int]) -> FeatureStore:
        """The features of some utterances, in their order, as a store of their own."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(self, begins=self.begins[chosen], lengths=self.lengths[chosen])


class JoinedStores:
    """Features of several tables, one after the other."""

    def __init__(self, stores: Sequence[FeatureStore]) -> None:
        self.stores = stores
        self.lengths = np.concatenate([store.lengths for store in stores])
        self._ends = np.cumsum([len(store.lengths) for store in stores])

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        place = int(np.searchsorted(self._ends, row, side="right"))
        return self.stores[place][row - int(self._ends[place]) + len(self.stores[place].lengths)]


def open_store(
    cache_dir: Path,
    corpus: Corpus,
    front_end: FrontEnd,
    augmentation: OfflineAugmentation,
    on_bad_audio: str = "stop",
) -> FeatureStore:
    """The features of a corpus, computed first where they are missing, out of date or damaged.

    Concurrent processes wait for the one that computes.

    Args:
        cache_dir: folder of all stores.
        corpus: the table of utterances.
        front_end: what computes features, the log-mel front end or a teacher.
        augmentation: of the waveform, before features are computed.
        on_bad_audio: ``stop`` refuses a corpus with unusable audio, ``skip`` lists it and leaves it out.

    Raises:
        UserError: audio that cannot be used (with ``stop``), or a cache folder that cannot be written.
    """
    folder = cache_dir / corpus.name / "features" / _key(corpus, front_end, augmentation)
    metadata = {
        "version": VERSION,
        "front_end": front_end.as_dict(),
        "augmentation": json.loads(json.dumps(augmentation.as_dict())),
        "audio": _fingerprint(corpus.utterances),
    }
    store = _load(folder, metadata, front_end.width)
    if store is None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                store = _load(folder, metadata, front_end.width)
                if store is None:
                    compute_features(folder, metadata, corpus, front_end, augmentation, on_bad_audio)
                    store = _load(folder, metadata, front_end.width)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise UserError(
                f"{error.filename} cannot be written: set cache_dir to a folder with write permission."
            ) from error
    if store is None:
        raise UserError(f"{folder} changed while it was being written: stop other programs that write there.")
    if store.skipped:
        report_bad_audio(store.skipped, len(corpus.utterances), on_bad_audio)
    return store


def _load(folder: Path, metadata: dict[str, Any], width: int) -> FeatureStore | None:
    """The store in ``folder``, or None where it must be computed."""
    if not folder.exists():
        return None
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if {key: index[key] for key in metadata} != metadata:
            return None
        if _needed_ffmpeg(index["skipped"]) and available() is not None:
            return None
        offsets = np.asarray(index["offsets"], dtype=np.int64)
        frames = np.memmap(folder / FRAMES, dtype=np.float32, mode="r").reshape(-1, width)
        if len(frames) != offsets[-1] or zlib.crc32(frames.data) != index["crc32"]:
            raise ValueError("its checksum differs")
        return FeatureStore(frames, offsets[:-1], np.diff(offsets), dict(index["skipped"]), dict(index["notes"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("%s: the feature file is damaged (%s) and is computed again.", folder, error)
        return None


def _needed_ffmpeg(skipped: dict[str, str]) -> bool:
    """Whether utterances were skipped for want of ffmpeg."""
    return any(NEEDS_FFMPEG in reason for reason in skipped.values())


def _key(corpus: Corpus, front_end: FrontEnd, augmentation: OfflineAugmentation) -> str:
    folders = {folder: folder.resolve() for folder in {one.path.parent for one in corpus.utterances}}
    segments = [
        (one.utterance, str(folders[one.path.parent] / one.path.name), one.start, one.end) for one in corpus.utterances
    ]
    text = json.dumps([VERSION, front_end.as_dict(), augmentation.as_dict(), segments], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fingerprint(utterances: Sequence[Utterance]) -> str:
    """Changes with any file's size or time of change."""
    digest = hashlib.sha256()
    for path in dict.fromkeys(utterance.path for utterance in utterances):
        try:
            stat = path.stat()
            status = (stat.st_size, stat.st_mtime_ns)
        except OSError:
            status = (-1, -1)
        digest.update(repr(status).encode())
    return digest.hexdigest()
