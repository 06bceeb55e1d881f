"""Batches of features: length-bucketed, the same for the same seed and epoch, resumable in mid-epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hrf_ser.data.balance import balanced_order
from hrf_ser.data.store import Features

# The label of an utterance without one, which the cross-entropy ignores.
NO_LABEL = -100


class Batch(TypedDict):
    """One padded batch.

    features ``(batch, frames, n_features)``, lengths ``(batch,)`` in frames, labels ``(batch,)``, rows ``(batch,)`` of the
    corpus's table, units ``(batch,)``: the evaluation unit, which is the utterance or the participant, copies ``(batch,)``:
    the augmented copy, 0 the clean one.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    rows: Tensor
    units: Tensor
    copies: Tensor


def select(batch: Batch, kept: Tensor) -> Batch:
    """The utterances of a batch for which ``kept``, ``(batch,)``, is true; frames stay padded to the same length."""
    return cast(Batch, {name: cast(Tensor, values)[kept] for name, values in batch.items()})


# (row of the table, augmentation) of each utterance of a batch
BatchIndices = list[tuple[int, int]]


class FeatureBatches(Dataset[Batch]):
    """Makes tensors of a whole batch: each utterance is copied once, without collation of samples."""

    def __init__(self, stores: Sequence[Features], labels: NDArray[np.int64], units: NDArray[np.int64]) -> None:
        self.stores = stores
        self.labels, self.units = labels, units

    def __getitem__(self, indices: BatchIndices) -> Batch:
        pieces = [self.stores[augmentation][row] for row, augmentation in indices]
        lengths = [len(piece) for piece in pieces]
        features = np.zeros((len(pieces), max(lengths), pieces[0].shape[1]), dtype=np.float32)
        for padded, piece in zip(features, pieces, strict=True):
            padded[: len(piece)] = piece
        rows = np.array([row for row, _ in indices])
        return Batch(
            features=torch.from_numpy(features),
            lengths=torch.tensor(lengths),
            labels=torch.from_numpy(self.labels[rows]),
            rows=torch.from_numpy(rows),
            units=torch.from_numpy(self.units[rows]),
            copies=torch.tensor([augmentation for _, augmentation in indices]),
        )


class BucketSampler(Sampler[BatchIndices]):
    """Samples batches of utterances of similar length.

    An epoch's order follows from the seed and the epoch alone. Utterances are shuffled, sorted by length within pools of
    ``pool`` batches, cut into batches, and the batches are shuffled.

    Args:
        rows: rows of the corpus's table.
        lengths: frames of every row of the table.
        batch_size: utterances in a batch; the last may hold fewer.
        augmentations: number of augmented copies, the clean one included, of which each utterance draws one.
        shuffle: False keeps the rows in order of length, for evaluation.
        seed: of the order and the augmentations.
        pool: batches' worth of utterances that are sorted by length together.
        strata: class and participant of every row of the table, to draw all equally often; None draws every utterance once.
    """

    def __init__(
        self,
        rows: Sequence[int],
        lengths: NDArray[np.int64],
        batch_size: int,
        augmentations: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        pool: int = 8,
        strata: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> None:
        self.rows = np.asarray(rows)
        self.lengths = lengths[self.rows]
        self.batch_size, self.augmentations = batch_size, augmentations
        self.shuffle, self.pool = shuffle, pool
        self.seed = seed
        self.strata = None if strata is None else (strata[0][self.rows], strata[1][self.rows])
        self.epoch = 0
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self) -> Iterator[BatchIndices]:
        for rows, augmentations in self.index_arrays():
            yield list(zip(rows.tolist(), augmentations.tolist(), strict=True))

    def index_arrays(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows and augmentations ``(batch,)`` of every batch that is left of this epoch. The next call gives a whole epoch."""
        skip, self.skip = self.skip, 0
        return self._batches()[skip:]

    def _batches(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        number = len(self.rows)
        augmentations = np.zeros(number, dtype=np.int64)
        if not self.shuffle:
            batches = self._cut(np.argsort(self.lengths, kind="stable"))
        else:
            generator = np.random.default_rng([self.seed, self.epoch])
            order = generator.permutation(number) if self.strata is None else balanced_order(generator, *self.strata)
            augmentations = generator.integers(self.augmentations, size=number)
            pools = [order[i : i + self.pool * self.batch_size] for i in range(0, number, self.pool * self.batch_size)]
            sorted_pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
            cut = [places for pool in sorted_pools for places in self._cut(pool)]
            batches = [cut[place] for place in generator.permutation(len(cut))]
        return [(self.rows[places], augmentations[places]) for places in batches]

    def _cut(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]


class BatchLoader(DataLoader[Batch]):
    """A DataLoader that resumes in the middle of an epoch (Lightning's stateful protocol)."""

    def __init__(self, dataset: FeatureBatches, sampler: BucketSampler, workers: int, pin_memory: bool) -> None:
        # batch_size=None: the sampler draws whole batches, and the dataset makes them.
        super().__init__(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
        )
        self.buckets = sampler
        self._done = 0

    def _epoch(self) -> Iterator[Batch]:
        """What is left of the sampler's epoch."""
        return super().__iter__()

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._done = self.buckets.skip
        for batch in self._epoch():
            self._done += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Batches of the running epoch that have been handed out; 0 between epochs."""
        return {"batches": self._done % len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.buckets.skip = state["batches"]
