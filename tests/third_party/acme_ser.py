"""A package of somebody else: a model and a corpus, which know nothing of hrf_ser's configuration."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hrf_ser.data.corpora import Corpus, Utterance


class MeanPooled(nn.Module):
    """Two feed-forward layers over the mean of the frames."""

    hrf_targets = ("up", "down")

    def __init__(self, n_features: int, n_classes: int, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.up = nn.Linear(n_features, width)
        self.down = nn.Linear(width, n_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            pooled = features.mean(1)
        else:
            inside = torch.arange(features.shape[1], device=features.device) < lengths[:, None]
            pooled = features.masked_fill(~inside[..., None], 0).sum(1) / lengths[:, None]
        return self.down(self.dropout(torch.relu(self.up(pooled))))


def folders(root: Path, *, skip: list[str] | None = None) -> Corpus:
    """``root/<speaker>/<label>-<number>.wav``."""
    paths = [path for path in sorted(Path(root).glob("*/*.wav")) if path.parent.name not in (skip or [])]
    rows = [
        Utterance(
            f"{path.parent.name}-{path.stem}", path, path.stem.split("-")[0], path.parent.name, group=path.parent.name
        )
        for path in paths
    ]
    speakers = sorted({row.speaker for row in rows})
    return Corpus("acme", rows, tuple(sorted({row.label for row in rows})), {name: (name,) for name in speakers})
