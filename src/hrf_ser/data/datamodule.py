"""A corpus, divided by a protocol, as batches of features: the LightningDataModule of every corpus."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.batches import Batch, BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.device_cache import CacheOnDevice, DeviceCache, DeviceLoader, frames_of, should_cache
from hrf_ser.data.out_of_fold import out_of_fold_index
from hrf_ser.data.protocols import SPLITS, Split, cross_split, left_out, split
from hrf_ser.data.sources import Source
from hrf_ser.data.store import Features, JoinedStores, open_store
from hrf_ser.data.transfer import join, relabel

__all__ = ["SpeechData", "Source"]

log = logging.getLogger(__name__)


class SpeechData(LightningDataModule):
    """Batches for training, validation and test.

    Args:
        source: the corpus.
        cache_dir: where features are kept.
        front_end: options of the log-mel front end.
        views: how a training utterance may be heard; the first is the clean one, which evaluation hears.
        fold: name of the fold; None takes the first.
        protocol: ``validation``, ``last_epoch``, ``out_of_fold`` or ``test_oracle``.
        folds: what folds hold out, see :func:`hrf_ser.data.folds.folds_of`.
        test_source: another corpus, which is tested instead of a part of the first.
        ensemble_size: of the ensemble, which ``out_of_fold`` deals the speakers to.
        classes: class -> the labels that mean it, in any corpus; None keeps the corpus's own labels.
        batch_size: utterances in a batch.
        seed: of the order of training utterances.
        on_bad_audio: ``stop`` or ``skip``.
        workers: processes that load batches; batches are cheap, so 0 is fastest unless features lie on a slow disk.
        cache_on_device: True keeps the features of a fit or a test on the trainer's device while it lasts, where
        loaders then give
            the same batches, without workers; ``auto`` does so on a CUDA device that has room, see
            :func:`hrf_ser.data.device_cache.should_cache`. Outside of a fit or a test, batches are in the host's memory.
    """

    def __init__(
        self,
        source: Source,
        cache_dir: str | Path,
        front_end: FrontEndConfig,
        views: Sequence[OfflineAugmentation] = (OfflineAugmentation(),),
        fold: str | None = None,
        protocol: str = "validation",
        folds: str | int = "corpus",
        test_source: Source | None = None,
        ensemble_size: int = 1,
        classes: Mapping[str, Sequence[str]] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        on_bad_audio: str = "stop",
        workers: int = 0,
        cache_on_device: CacheOnDevice = "auto",
    ) -> None:
        super().__init__()
        self.sources = [source] if test_source is None else [source, test_source]
        self.classes = classes
        self.cache_dir = Path(cache_dir).expanduser()
        self.front_end, self.views, self.on_bad_audio = front_end, list(views), on_bad_audio
        self.fold, self.protocol, self.folds = fold, protocol, folds
        self.ensemble_size = ensemble_size
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self.cache_on_device = cache_on_device
        self._on_device: DeviceCache | None = None
        self._prepared = False

    @cached_property
    def read(self) -> list[Corpus]:
        """The tables as their readers give them: what features are computed of."""
        return [source.read() for source in self.sources]

    @cached_property
    def tables(self) -> list[Corpus]:
        """The tables with the classes of this run."""
        return self.read if self.classes is None else [relabel(corpus, self.classes) for corpus in self.read]

    @cached_property
    def corpus(self) -> Corpus:
        """The table of all utterances that rows speak of."""
        return self.tables[0] if len(self.tables) == 1 else join(*self.tables)

    @cached_property
    def split(self) -> Split:
        """The parts of this fold, without utterances that have no usable audio."""
        divided = self.divided
        usable = self.stores[0].lengths > 0
        kept = {part: tuple(row for row in getattr(divided, part) if usable[row]) for part in SPLITS}
        return Split(divided.fold, divided.protocol, **kept)

    @cached_property
    def divided(self) -> Split:
        """The parts of this fold by the table alone: no audio is read."""
        if len(self.tables) == 1:
            return split(self.corpus, self.fold, self.protocol, self.folds)
        return cross_split(self.corpus, self.tables[0], self.fold, self.protocol, self.folds)

    @cached_property
    def absent(self) -> Tensor | None:
        """Under ``out_of_fold`` the member that does not train on each row of the table, ``(rows,)``, -1 for none."""
        if self.protocol != "out_of_fold":
            return None
        return torch.from_numpy(out_of_fold_index(self.corpus.utterances, self.divided, self.ensemble_size))

    @cached_property
    def stores(self) -> list[Features]:
        """Features of every view, the clean one first. A corpus that is only tested is heard clean."""
        stores: list[Features] = []
        for view in self.views:
            parts = []
            for place, (whole, table) in enumerate(zip(self.read, self.tables, strict=True)):
                heard = view if place == 0 else OfflineAugmentation()
                store = open_store(self.cache_dir, whole, self.front_end, heard, self.on_bad_audio)
                if table is not whole:
                    row = {one.utterance: number for number, one in enumerate(whole.utterances)}
                    store = store.of([row[one.utterance] for one in table.utterances])
                parts.append(store)
            stores.append(parts[0] if len(parts) == 1 else JoinedStores(parts))
        return stores

    def prepare_data(self) -> None:
        """Check the split before anything is computed, then compute features once a node. Lightning asks more than once."""
        if self._prepared:
            return
        self._prepared = True
        divided = self.divided
        for sentence in self.corpus.count_mismatches:
            log.warning("%s differs from the distribution: %s", self.corpus.name, sentence)
        for sentence in (*self.corpus.notes, *self.corpus.leaks):
            log.warning("%s: %s", self.corpus.name, sentence)
        if apart := left_out(self.corpus.utterances, divided):
            log.warning("fold=%s: %d utterances are in no part, as their dialogs are in another", divided.fold, apart)
        _ = self.stores

    def setup(self, stage: str) -> None:
        """Put what this stage hears on the trainer's device, where it is to be cache_on_device."""
        if self.trainer is None:
            return
        device = self.trainer.strategy.root_device
        heard = [self.split.train if stage == "fit" else ()] * len(self.stores)
        evaluated = self.split.test if stage == "test" else self.split.val
        heard[0] = tuple(dict.fromkeys((*heard[0], *evaluated)))
        size = 4 * self.front_end.n_mels * frames_of(self.stores, heard)
        if should_cache(self.cache_on_device, size, device):
            self._on_device = DeviceCache(self.stores, heard, self.front_end.n_mels, device)

    def teardown(self, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Free the device of features."""
        if self._on_device is not None:
            # Lightning keeps its loaders, and they would keep the features.
            self._on_device.release()
            self._on_device = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; a class's number is its place."""
        return self.corpus.labels

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class number of every row of the table."""
        number = {label: index for index, label in enumerate(self.labels)}
        return np.array([number[utterance.label] for utterance in self.corpus.utterances])

    @property
    def scores_participants(self) -> bool:
        """Whether all segments of a participant are scored as one."""
        return self.corpus.evaluation_unit == "participant"

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """What each row of the table is scored with: itself, or all segments of its participant."""
        if not self.scores_participants:
            return np.arange(len(self.corpus.utterances))
        number = {name: place for place, name in enumerate(sorted({one.speaker for one in self.corpus.utterances}))}
        return np.array([number[one.speaker] for one in self.corpus.utterances])

    def utterance(self, row: int) -> Utterance:
        """The utterance in a row of the table."""
        return self.corpus.utterances[row]

    def class_counts(self) -> Tensor:
        """How often an epoch hears each class, ``(classes,)``."""
        counts = np.bincount(self.targets[list(self.split.train)], minlength=len(self.labels))
        return torch.from_numpy((counts > 0).astype(np.int64) if self.scores_participants else counts)

    def feature_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every band over the training part's frames, ``(n_features,)`` each."""
        store = self.stores[0]
        count, total, squares = 0, np.zeros(self.front_end.n_mels), np.zeros(self.front_end.n_mels)
        for row in self.split.train:
            frames = store[row].astype(np.float64)
            count += len(frames)
            total += frames.sum(0)
            squares += np.square(frames).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
        return torch.from_numpy(mean).float(), torch.from_numpy(std).float()

    def train_dataloader(self) -> BatchLoader:
        return self._loader(self.split.train, self.stores, shuffle=True)

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        # Without a loader, Lightning does not validate.
        return [] if self.protocol == "last_epoch" else self._loader(self.split.val, self.stores[:1])

    def test_dataloader(self) -> BatchLoader:
        return self._loader(self.split.test, self.stores[:1])

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        # Lightning would walk through every batch to leave it where it is.
        if batch["features"].device == device:
            return batch
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def _loader(self, rows: Sequence[int], stores: list[Features], shuffle: bool = False) -> BatchLoader:
        sampler = BucketSampler(
            rows,
            self.stores[0].lengths,
            self.batch_size,
            augmentations=len(stores),
            shuffle=shuffle,
            seed=self.seed,
            strata=(self.targets, self.units) if shuffle and self.scores_participants else None,
        )
        if self.trainer is not None:
            # Lightning starts the first iterator of a resumed fit before it calls set_epoch.
            sampler.set_epoch(self.trainer.current_epoch)
        batches = FeatureBatches(stores, self.targets, self.units)
        if self._on_device is not None and self._on_device.holds(len(stores), rows):
            return DeviceLoader(batches, sampler, self._on_device)
        return BatchLoader(batches, sampler, self.workers, pin_memory=torch.cuda.is_available())
