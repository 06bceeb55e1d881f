"""Features on the training device: the host decides which frames make a batch, and the device gathers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hrf_ser.data.batches import Batch, BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.store import Features
from hrf_ser.errors import UserError

CacheOnDevice = bool | Literal["auto"]
# The rest is for the model, its activations and other programs.
_SHARE = 0.5


class DeviceCache:
    """Selected rows of the store of each augmentation, one after the other in a tensor on a device.

    Raises:
        UserError: they do not fit.
    """

    def __init__(
        self, stores: Sequence[Features], rows: Sequence[Sequence[int]], n_features: int, device: torch.device
    ) -> None:
        self.device = device
        # (augmentations, rows of the table): frames of each, and its first frame; -1 for what is not here.
        self.lengths = np.stack([store.lengths for store in stores])
        self.starts = np.full_like(self.lengths, -1)
        number = 1 + count_frames(stores, rows)
        try:
            self.frames = torch.empty(number, n_features, device=device)
        except RuntimeError as error:
            size = number * n_features * 4 / 1e9
            raise UserError(
                f"cache_on_device: {size:.1f} GB of features do not fit on {device}; set cache_on_device=false."
            ) from error
        self.frames[0] = 0  # what padding reads
        start = 1
        for place, (store, selected) in enumerate(zip(stores, rows, strict=True)):
            for row in selected:
                piece = torch.tensor(store[row])
                self.frames[start : start + len(piece)] = piece
                self.starts[place, row] = start
                start += len(piece)
        self._steps = torch.arange(int(self.lengths.max()), device=device)

    def release(self) -> None:
        """Free the device; nothing can be gathered any more."""
        del self.frames

    def holds(self, augmentations: int, rows: Sequence[int]) -> bool:
        """Whether these rows of the table are here in each of the first ``augmentations``."""
        return bool((self.starts[:augmentations, list(rows)] >= 0).all())

    def gather(self, starts: Tensor, lengths: Tensor, frames: int) -> Tensor:
        """Utterances padded with zeros to ``frames``, ``(batch, frames, n_features)``, in one read.

        Args:
            starts: ``(batch,)`` int64, the first frame of each, on the device.
            lengths: ``(batch,)`` int64, frames of each, on the device.
            frames: the longest, which the host knows, so that it need not wait for the device.
        """
        steps = self._steps[:frames]
        index = torch.where(steps < lengths[:, None], starts[:, None] + steps, 0)
        # Copies whole frames; self.frames[index] goes number by number, six times as long on a CPU.
        return F.embedding(index, self.frames)


class DeviceLoader(BatchLoader):
    """The batches of a BatchLoader, in its order, on the device.

    Starts, lengths, labels, rows and units of an epoch go to the device as one table when it begins; a batch is a slice of it.
    """

    def __init__(self, dataset: FeatureBatches, sampler: BucketSampler, cache: DeviceCache) -> None:
        super().__init__(dataset, sampler, workers=0, pin_memory=False)
        self.labels, self.units, self.cache = dataset.labels, dataset.units, cache

    def _epoch(self) -> Iterator[Batch]:
        draws = self.buckets.index_arrays()
        rows, augmentations = (np.concatenate(part) for part in zip(*draws, strict=True))
        sizes = [len(batch) for batch, _ in draws]
        starts, lengths = self.cache.starts[augmentations, rows], self.cache.lengths[augmentations, rows]
        table = torch.from_numpy(np.stack([starts, lengths, self.labels[rows], rows, self.units[rows], augmentations]))
        longest = np.maximum.reduceat(lengths, np.cumsum([0, *sizes[:-1]]))
        parts = torch.split(table.to(self.cache.device), sizes, dim=1)
        for part, frames in zip(parts, longest.tolist(), strict=True):
            begin, length, label, row, unit, copy = part.unbind()
            features = self.cache.gather(begin, length, frames)
            yield Batch(features=features, lengths=length, labels=label, rows=row, units=unit, copies=copy)


def count_frames(stores: Sequence[Features], rows: Sequence[Sequence[int]]) -> int:
    """Frames of the rows that are taken from each store."""
    return sum(int(store.lengths[list(selected)].sum()) for store, selected in zip(stores, rows, strict=True))


def should_cache(cache_on_device: CacheOnDevice, size: int, device: torch.device) -> bool:
    """Whether ``size`` bytes of features are to lie on ``device``.

    ``auto`` caches on a CUDA device of whose free memory they take less than half. On the CPU the system keeps the files in
    memory as it can, and torch does not report the free memory of other accelerators.
    """
    if cache_on_device != "auto":
        return cache_on_device
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return size < _SHARE * free
