"""A corpus, divided by a protocol, as batches of features: the LightningDataModule of every corpus."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.audio.augment import View
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.batches import BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.corpora import Corpus, Utterance, read_corpus
from hrf_ser.data.protocols import Split, split
from hrf_ser.data.store import FeatureStore, open_store

log = logging.getLogger(__name__)


class SpeechData(LightningDataModule):
    """Batches for training, validation and test.

    Args:
        name: corpus, one of ``corpus_names()``.
        root: the corpus's folder or CSV file.
        options: keywords of the corpus's reader.
        cache_dir: where features are kept.
        front_end: options of the log-mel front end.
        views: how a training utterance may be heard; the first is the clean one, which evaluation hears.
        fold: name of the fold; None takes the first.
        protocol: ``honest`` or ``paper``.
        batch_size: utterances in a batch.
        seed: of the order of training utterances.
        on_bad_audio: ``stop`` or ``skip``.
        workers: processes that load batches; batches are cheap, so 0 is fastest unless features lie on a slow disk.
    """

    def __init__(
        self,
        name: str,
        root: str | Path,
        cache_dir: str | Path,
        front_end: FrontEndConfig,
        options: Mapping[str, Any] | None = None,
        views: Sequence[View] = (View(),),
        fold: str | None = None,
        protocol: str = "honest",
        batch_size: int = 32,
        seed: int = 0,
        on_bad_audio: str = "stop",
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.corpus_name, self.root, self.options = name, root, dict(options or {})
        self.cache_dir = Path(cache_dir).expanduser()
        self.front_end, self.views, self.on_bad_audio = front_end, list(views), on_bad_audio
        self.fold, self.protocol = fold, protocol
        self.batch_size, self.seed, self.workers = batch_size, seed, workers

    @cached_property
    def corpus(self) -> Corpus:
        """The table of utterances, read once."""
        return read_corpus(self.corpus_name, self.root, **self.options)

    @cached_property
    def split(self) -> Split:
        """The parts of this fold, without utterances that have no usable audio."""
        divided = split(self.corpus, self.fold, self.protocol)
        usable = self.stores[0].lengths > 0
        kept = {part: tuple(row for row in getattr(divided, part) if usable[row]) for part in ("train", "val", "test")}
        return Split(divided.fold, divided.protocol, **kept)

    @cached_property
    def stores(self) -> list[FeatureStore]:
        """Features of every view, the clean one first."""
        return [open_store(self.cache_dir, self.corpus, self.front_end, view, self.on_bad_audio) for view in self.views]

    def prepare_data(self) -> None:
        """Check the split before anything is computed, then compute features once a node."""
        split(self.corpus, self.fold, self.protocol)
        for sentence in self.corpus.invariants:
            log.warning("%s differs from the distribution: %s", self.corpus.name, sentence)
        _ = self.stores

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; a class's number is its place."""
        return self.corpus.labels

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class number of every row of the table."""
        number = {label: index for index, label in enumerate(self.labels)}
        return np.array([number[utterance.label] for utterance in self.corpus.utterances])

    def utterance(self, row: int) -> Utterance:
        """The utterance in a row of the table."""
        return self.corpus.utterances[row]

    def class_counts(self) -> Tensor:
        """Training utterances of each class, ``(classes,)``."""
        return torch.from_numpy(np.bincount(self.targets[list(self.split.train)], minlength=len(self.labels)))

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

    def val_dataloader(self) -> BatchLoader:
        return self._loader(self.split.val, self.stores[:1])

    def test_dataloader(self) -> BatchLoader:
        return self._loader(self.split.test, self.stores[:1])

    def _loader(self, rows: Sequence[int], stores: list[FeatureStore], shuffle: bool = False) -> BatchLoader:
        sampler = BucketSampler(
            rows,
            self.stores[0].lengths,
            self.batch_size,
            views=len(stores),
            shuffle=shuffle,
            seed=self.seed,
        )
        if self.trainer is not None:
            # Lightning starts the first iterator of a resumed fit before it calls set_epoch.
            sampler.set_epoch(self.trainer.current_epoch)
        pin = torch.cuda.is_available()
        return BatchLoader(FeatureBatches(stores, self.targets), sampler, self.workers, pin_memory=pin)
