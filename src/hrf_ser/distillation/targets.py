"""What a teacher says of every utterance of a run: soft labels and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.data.datamodule import SpeechData
from hrf_ser.distillation.head import cross_fitted_probabilities
from hrf_ser.distillation.whisper import WhisperEmbeddings


@dataclass(frozen=True)
class Targets:
    """A teacher's targets for every row of a corpus's table.

    Attributes:
        log_probabilities: ``(members, copies, rows, classes)``; one member where all train on the same speakers.
        embeddings: ``(copies, rows, width)``, standardised over the training split; None where the teacher has none.
    """

    log_probabilities: Tensor
    embeddings: Tensor | None

    def probabilities(self, out_of_fold: Tensor | None = None) -> Tensor:
        """Of the teacher itself for every row, ``(rows, classes)``, from a head that was fit without the row's speaker.

        Args:
            out_of_fold: ``(rows,)``, the member that leaves out each row, whose head has not seen its label.
        """
        clean = self.log_probabilities[:, 0].exp()
        if out_of_fold is None:
            return clean[0]
        own = clean[out_of_fold.clamp(min=0), torch.arange(clean.shape[1])]
        return torch.where((out_of_fold < 0)[:, None], clean.mean(0), own)


def whisper_targets(data: SpeechData, embeddings: WhisperEmbeddings, c: float, folds: int, balanced: bool) -> Targets:
    """Targets of a frozen Whisper encoder with a head that is fit on the training split."""
    stores = [data.features(embeddings, augmentation) for augmentation in data.augmentations]
    rows = range(len(data.corpus.utterances))
    # An utterance without usable audio is in no split.
    empty = np.zeros((1, embeddings.width), dtype=np.float32)
    table = np.stack(
        [np.concatenate([store[row] if store.lengths[row] else empty for row in rows]) for store in stores]
    )
    return head_targets(data, table, c, folds, balanced)


def head_targets(data: SpeechData, embeddings: NDArray[np.float32], c: float, folds: int, balanced: bool) -> Targets:
    """Targets from embeddings ``(copies, rows, width)``: soft labels of a head, and the embeddings, standardised."""
    groups = [utterance.group or utterance.speaker for utterance in data.corpus.utterances]
    probabilities = [
        cross_fitted_probabilities(embeddings, data.targets, groups, train, len(data.labels), c, folds, balanced)
        for train in _training_rows(data)
    ]
    own = embeddings[:, list(data.split.train)].reshape(-1, embeddings.shape[-1])
    standardised = (embeddings - own.mean(0)) / own.std(0).clip(min=1e-6)
    return Targets(
        # Classes that are missing among training speakers have the probability 0.
        torch.from_numpy(np.log(np.stack(probabilities).clip(min=1e-8))),
        torch.from_numpy(standardised.astype(np.float32)),
    )


def _training_rows(data: SpeechData) -> list[Sequence[int]]:
    """Rows that train each ensemble member, or all of them."""
    train, index = data.split.train, data.dataset.out_of_fold
    if index is None:
        return [train]
    return [[row for row in train if index[row] != member] for member in range(int(index.max()) + 1)]
