"""Features that lie on the training device: the host says which frames make a batch, and the device gathers them."""

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
    """Chosen utterances of each view, one after the other in a tensor on a device.

    Args:
        stores: the views, each over the whole table.
        heard: rows of the table that are heard of each view.
        n_features: bands of a frame.
        device: where they go.

    Attributes:
        frames: ``(1 + frames of all utterances, n_features)`` float32; the first is zeros, what padding reads.
        starts: ``(views, rows of the table)``, the first frame of each; -1 for what is not here.
        lengths: ``(views, rows of the table)`` frames of each.

    Raises:
        UserError: they do not fit.
    """

    def __init__(
        self, stores: Sequence[Features], heard: Sequence[Sequence[int]], n_features: int, device: torch.device
    ) -> None:
        self.device = device
        self.lengths = np.stack([store.lengths for store in stores])
        self.starts = np.full_like(self.lengths, -1)
        number = 1 + frames_of(stores, heard)
        try:
            self.frames = torch.empty(number, n_features, device=device)
        except RuntimeError as error:
            size = number * n_features * 4 / 1e9
            raise UserError(
                f"cache_on_device: {size:.1f} GB of features do not fit on {device}; set cache_on_device=false."
            ) from error
        self.frames[0] = 0
        start = 1
        for view, (store, rows) in enumerate(zip(stores, heard, strict=True)):
            for row in rows:
                piece = torch.tensor(store[row])
                self.frames[start : start + len(piece)] = piece
                self.starts[view, row] = start
                start += len(piece)
        self._steps = torch.arange(int(self.lengths.max()), device=device)

    def release(self) -> None:
        """Free the device; nothing can be gathered any more."""
        del self.frames

    def holds(self, views: int, rows: Sequence[int]) -> bool:
        """Whether these rows of the table are here in each of the first ``views`` views."""
        return bool((self.starts[:views, list(rows)] >= 0).all())

    def gather(self, starts: Tensor, lengths: Tensor, frames: int) -> Tensor:
        """Utterances padded with zeros, in one read.

        Args:
            starts: ``(batch,)`` int64, the first frame of each, on the device.
            lengths: ``(batch,)`` int64, frames of each, on the device.
            frames: the longest, which the host knows, so that it need not wait for the device.

        Returns:
            ``(batch, frames, n_features)``.
        """
        steps = self._steps[:frames]
        index = torch.where(steps < lengths[:, None], starts[:, None] + steps, 0)
        # Copies whole frames; self.frames[index] goes number by number, six times as long on a CPU.
        return F.embedding(index, self.frames)


class DeviceLoader(BatchLoader):
    """The batches of a BatchLoader, in its order, on the device.

    Where the utterances of an epoch lie, their labels, rows and units go there as one table when it begins; a batch is a slice.

    Args:
        dataset: makes the batches on the host; of it are the labels and units.
        sampler: draws the batches.
        features: what lies on the device.
    """

    def __init__(self, dataset: FeatureBatches, sampler: BucketSampler, features: DeviceCache) -> None:
        super().__init__(dataset, sampler, workers=0, pin_memory=False)
        self.labels, self.units, self.features = dataset.labels, dataset.units, features

    def _epoch(self) -> Iterator[Batch]:
        draws = self.buckets.draws()
        rows, views = (np.concatenate(part) for part in zip(*draws, strict=True))
        sizes = [len(batch) for batch, _ in draws]
        starts, lengths = self.features.starts[views, rows], self.features.lengths[views, rows]
        table = torch.from_numpy(np.stack([starts, lengths, self.labels[rows], rows, self.units[rows]]))
        longest = np.maximum.reduceat(lengths, np.cumsum([0, *sizes[:-1]]))
        parts = torch.split(table.to(self.features.device), sizes, dim=1)
        for part, frames in zip(parts, longest.tolist(), strict=True):
            begin, length, label, row, unit = part.unbind()
            features = self.features.gather(begin, length, frames)
            yield Batch(features=features, lengths=length, labels=label, rows=row, units=unit)


def frames_of(stores: Sequence[Features], heard: Sequence[Sequence[int]]) -> int:
    """Frames of the rows that are heard of each view."""
    return sum(int(store.lengths[list(rows)].sum()) for store, rows in zip(stores, heard, strict=True))


def should_cache(cache_on_device: CacheOnDevice, size: int, device: torch.device) -> bool:
    """Whether ``size`` bytes of features are to lie on ``device``.

    ``auto`` says yes on a CUDA device of which they take less than half of the free memory. On the CPU the system keeps the
    files in memory as it can, and what other accelerators have free torch does not tell alike.
    """
    if cache_on_device != "auto":
        return cache_on_device
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return size < _SHARE * free
