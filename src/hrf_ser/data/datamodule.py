"""A dataset as batches of features: the LightningDataModule of every corpus."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.data.batches import NO_LABEL, Batch, BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.compute import FrontEnd
from hrf_ser.data.corpora import Corpus, Utterance
from hrf_ser.data.dataset import Dataset
from hrf_ser.data.device_cache import CacheOnDevice, DeviceCache, DeviceLoader, count_frames, should_cache
from hrf_ser.data.out_of_fold import NO_MEMBER
from hrf_ser.data.protocols import SPLITS, Protocol, Split, count_left_out, untrained_classes
from hrf_ser.data.store import Features, JoinedStores, open_store

log = logging.getLogger(__name__)


class SpeechData(LightningDataModule):
    """Batches for training, validation and test.

    Args:
        dataset: the corpus and its split.
        cache_dir: where features are kept.
        front_end: the log-mel front end, or a frozen encoder.
        augmentations: one is drawn for each training utterance; the first is none, as in evaluation.
        batch_size: utterances in a batch.
        seed: of the order of training utterances.
        on_bad_audio: ``stop`` or ``skip``.
        workers: processes that load batches; batches are cheap, so 0 is fastest unless features lie on a slow disk.
        cache_on_device: True keeps the features of a fit or a test on the trainer's device; batches are the same. ``auto`` does
            so on a CUDA device with room, see :func:`hrf_ser.data.device_cache.should_cache`.
    """

    def __init__(
        self,
        dataset: Dataset,
        cache_dir: str | Path,
        front_end: FrontEnd,
        augmentations: Sequence[OfflineAugmentation] = (OfflineAugmentation(),),
        batch_size: int = 32,
        seed: int = 0,
        on_bad_audio: str = "stop",
        workers: int = 0,
        cache_on_device: CacheOnDevice = "auto",
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.cache_dir = Path(cache_dir).expanduser()
        self.front_end, self.augmentations, self.on_bad_audio = front_end, list(augmentations), on_bad_audio
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self.cache_on_device = cache_on_device
        self._cache: DeviceCache | None = None
        self._prepared = False

    @property
    def corpus(self) -> Corpus:
        """The table of all utterances; rows are rows of it."""
        return self.dataset.corpus

    @property
    def protocol(self) -> Protocol:
        """Which speakers train, and on which the checkpoint is selected."""
        return self.dataset.split.protocol

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; a class's number is its place."""
        return self.corpus.labels

    @cached_property
    def split(self) -> Split:
        """The dataset's split without utterances that have no usable audio."""
        split, usable = self.dataset.split, self.stores[0].lengths > 0
        train, val, test = (tuple(row for row in split.rows(name) if usable[row]) for name in SPLITS)
        return replace(split, train=train, val=val, test=test)

    @cached_property
    def unlabelled(self) -> tuple[int, ...]:
        """Rows behind the table: recordings without labels, of which a teacher's targets are known."""
        rows = range(len(self.corpus.utterances), len(self.utterances))
        return tuple(row for row in rows if self.stores[0].lengths[row])

    @property
    def training_rows(self) -> tuple[int, ...]:
        """Rows of an epoch, with labels and without."""
        return self.split.train + self.unlabelled

    @property
    def leaks(self) -> tuple[str, ...]:
        """Sentences about what makes the test scores no estimate for unseen speakers: of the corpus, and of the split."""
        return (*self.corpus.leaks, *self.dataset.split.leaks)

    @property
    def out_of_fold(self) -> Tensor | None:
        """Under ``protocol=out_of_fold`` the ensemble member that leaves out each row, ``(rows,)``."""
        index = self.dataset.out_of_fold
        if index is None:
            return None
        every_member = np.full(len(self.targets) - len(index), NO_MEMBER)
        return torch.from_numpy(np.concatenate([index, every_member]))

    @cached_property
    def stores(self) -> list[Features]:
        """Features of every augmentation, the clean one first. A corpus that is only tested is not augmented."""
        return [self.features(self.front_end, augmentation) for augmentation in self.augmentations]

    def features(self, front_end: FrontEnd, augmentation: OfflineAugmentation) -> Features:
        """Features of every row of the table by any front end, computed where they are missing."""
        parts = []
        for place, (whole, table) in enumerate(zip(self.dataset.corpora, self.dataset.tables, strict=True)):
            changed = augmentation if place == 0 else OfflineAugmentation()
            store = open_store(self.cache_dir, whole, front_end, changed, self.on_bad_audio)
            if table is not whole:
                row = {one.utterance: number for number, one in enumerate(whole.utterances)}
                store = store.of([row[one.utterance] for one in table.utterances])
            parts.append(store)
        if self.dataset.unlabelled is not None:
            parts.append(
                open_store(self.cache_dir, self.dataset.unlabelled, front_end, augmentation, self.on_bad_audio)
            )
        return parts[0] if len(parts) == 1 else JoinedStores(parts)

    def prepare_data(self) -> None:
        """Compute features where they are missing. Lightning calls this more than once."""
        if self._prepared:
            return
        self._prepared = True
        for sentence in self.corpus.count_mismatches:
            log.warning("%s differs from the distribution: %s", self.corpus.name, sentence)
        for sentence in (*self.corpus.notes, *self.leaks):
            log.warning("%s: %s", self.corpus.name, sentence)
        if self.dataset.unlabelled is not None:
            for sentence in self.dataset.unlabelled.notes:
                log.warning("data.unlabelled: %s", sentence)
        split = self.dataset.split
        if number := count_left_out(self.corpus.utterances, split):
            log.warning("fold=%s: %d utterances are in no split, as their dialogs are in another", split.fold, number)
        for sentence in untrained_classes(self.corpus, split):
            log.warning(sentence)
        _ = self.stores

    def setup(self, stage: str) -> None:
        """Put the features of this stage on the trainer's device, where they are to be cached there."""
        if self.trainer is None:
            return
        device = self.trainer.strategy.root_device
        rows = [self.training_rows if stage == "fit" else ()] * len(self.stores)
        evaluated = self.split.test if stage == "test" else self.split.val
        rows[0] = tuple(dict.fromkeys((*rows[0], *evaluated)))
        size = 4 * self.front_end.width * count_frames(self.stores, rows)
        if should_cache(self.cache_on_device, size, device):
            self._cache = DeviceCache(self.stores, rows, self.front_end.width, device)

    def teardown(self, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Free the device of features."""
        if self._cache is not None:
            # Lightning keeps its loaders, and they would keep the features.
            self._cache.release()
            self._cache = None

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class number of every row of the table; ``NO_LABEL`` of rows without."""
        number = {label: index for index, label in enumerate(self.labels)}
        labels = [number[utterance.label] for utterance in self.corpus.utterances]
        return np.array(labels + [NO_LABEL] * (len(self.utterances) - len(labels)))

    @property
    def scores_participants(self) -> bool:
        """Whether all segments of a participant are scored as one."""
        return self.corpus.evaluation_unit == "participant"

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """What each row of the table is scored with: itself, or all segments of its participant."""
        if not self.scores_participants:
            return np.arange(len(self.targets))
        speakers = [utterance.speaker for utterance in self.utterances]
        return np.unique(speakers, return_inverse=True)[1]

    @cached_property
    def utterances(self) -> list[Utterance]:
        """Of every row, those without labels included."""
        further = [] if self.dataset.unlabelled is None else self.dataset.unlabelled.utterances
        return [*self.corpus.utterances, *further]

    def utterance(self, row: int) -> Utterance:
        """The utterance in a row of the table."""
        return self.utterances[row]

    def class_counts(self) -> Tensor:
        """How often each class occurs in an epoch, ``(classes,)``; equally often where participants are balanced."""
        counts = np.bincount(self.targets[list(self.split.train)], minlength=len(self.labels))
        return torch.from_numpy((counts > 0).astype(np.int64) if self.scores_participants else counts)

    def feature_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every band over the training split's frames, ``(n_features,)`` each."""
        store = self.stores[0]
        count, total, squares = 0, np.zeros(self.front_end.width), np.zeros(self.front_end.width)
        for row in self.split.train:
            frames = store[row].astype(np.float64)
            count += len(frames)
            total += frames.sum(0)
            squares += np.square(frames).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
        return torch.from_numpy(mean).float(), torch.from_numpy(std).float()

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the training split and of recordings without labels, each in one of its augmentations."""
        return self._loader(self.training_rows, self.stores, shuffle=True)

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Batches of the validation split; an empty list where the protocol selects no checkpoint."""
        # Without a loader, Lightning does not validate.
        return self._loader(self.split.val, self.stores[:1]) if self.protocol.selects_checkpoint else []

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split."""
        return self._loader(self.split.test, self.stores[:1])

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, unless it is on the device already."""
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
        if self._cache is not None and self._cache.holds(len(stores), rows):
            return DeviceLoader(batches, sampler, self._cache)
        return BatchLoader(batches, sampler, self.workers, pin_memory=torch.cuda.is_available())
