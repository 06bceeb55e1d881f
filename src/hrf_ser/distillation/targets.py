"""What a teacher says of every utterance of a run: soft labels and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.data.compute import FrontEnd
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.distillation.bundle import BundleOutputs
from hrf_ser.distillation.head import Head, cross_fitted_probabilities
from hrf_ser.distillation.table import read_teacher_table
from hrf_ser.encoders.statistics import LayerStatistics


@dataclass(frozen=True)
class Targets:
    """A teacher's targets for every row of a run; not a number where the teacher does not know the utterance.

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


def whisper_targets(data: SpeechData, embeddings: LayerStatistics, head: Head) -> Targets:
    """Targets of a frozen Whisper encoder with a head that is fit on the training split."""
    return head_targets(data, _outputs(data, embeddings), head)


def bundle_targets(data: SpeechData, outputs: BundleOutputs) -> Targets:
    """Targets of a finished run, whose own head is its classifier."""
    table = _outputs(data, outputs)
    embeddings = table[..., outputs.classes :]
    return Targets(
        torch.from_numpy(table[None, ..., : outputs.classes]),
        _standardise(data, embeddings) if embeddings.size else None,
    )


def table_targets(data: SpeechData, path: Path, head: Head) -> Targets:
    """Targets from a file with soft labels, or with embeddings for a head; augmented copies share those of the utterance."""
    names = [utterance.utterance for utterance in data.utterances]
    values, are_probabilities = read_teacher_table(path, names, data.training_rows, data.labels)
    copies = np.repeat(values[None], len(data.augmentations), axis=0)
    if are_probabilities:
        return Targets(_log(copies[None]), None)
    return head_targets(data, copies, head)


def head_targets(data: SpeechData, embeddings: NDArray[np.float32], head: Head) -> Targets:
    """Targets from embeddings ``(copies, rows, width)``: soft labels of a head, and the embeddings, standardised."""
    groups = [utterance.group or utterance.speaker for utterance in data.utterances]
    probabilities = [
        cross_fitted_probabilities(embeddings, data.targets, groups, train, len(data.labels), head)
        for train in _training_rows(data)
    ]
    return Targets(_log(np.stack(probabilities)), _standardise(data, embeddings))


def _outputs(data: SpeechData, teacher: FrontEnd) -> NDArray[np.float32]:
    """One vector for each augmented copy of each utterance, ``(copies, rows, width)``."""
    stores = [data.features(teacher, augmentation) for augmentation in data.augmentations]
    # An utterance without usable audio is in no split.
    unknown = np.full((1, teacher.width), np.nan, dtype=np.float32)
    rows = range(len(data.utterances))
    return np.stack(
        [np.concatenate([store[row] if store.lengths[row] else unknown for row in rows]) for store in stores]
    )


def _standardise(data: SpeechData, embeddings: NDArray[np.float32]) -> Tensor:
    own = embeddings[:, list(data.split.train)].reshape(-1, embeddings.shape[-1])
    return torch.from_numpy(((embeddings - own.mean(0)) / own.std(0).clip(min=1e-6)).astype(np.float32))


def _log(probabilities: NDArray[np.float32]) -> Tensor:
    # A class that no training utterance has has the probability 0.
    return torch.from_numpy(np.log(probabilities.clip(min=1e-8)))


def _training_rows(data: SpeechData) -> list[Sequence[int]]:
    """Rows that train each ensemble member, or all of them."""
    train, index = data.split.train, data.dataset.out_of_fold
    if index is None:
        return [train]
    return [[row for row in train if index[row] != member] for member in range(int(index.max()) + 1)]
