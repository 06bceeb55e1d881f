"""Several small models whose probabilities are averaged."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hrf_ser.models.backbone import Backbone


class Ensemble(nn.Module):
    """Models of one kind that start apart and whose probabilities are averaged (Lakshminarayanan et al., "Simple and scalable
    predictive uncertainty estimation using deep ensembles", NeurIPS 2017).

    Members train on the same batches with their own losses and augmentation; only gradient clipping couples them.

    Args:
        member: makes one model.
        size: how many members.
    """

    def __init__(self, member: Callable[[], nn.Module], size: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(member() for _ in range(size))
        targets = getattr(self.members[0], "hrf_targets", None)
        if targets is not None:
            self.hrf_targets = targets

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, n_features)`` and lengths ``(B,)`` -> the logarithm of the mean probability, ``(B, n_classes)``."""
        return _mean([member(features, lengths) for member in self.members])

    def embed(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, n_features)`` and lengths ``(B,)`` -> the members' pooled vectors side by side, ``(B, size * width)``."""
        return torch.cat([member.embed(features, lengths) for member in self.members], dim=1)  # type: ignore[operator]

    def classify(self, embedding: Tensor) -> Tensor:
        """``(B, size * width)`` -> what :meth:`forward` returns."""
        pieces = zip(self.members, embedding.chunk(len(self.members), dim=1), strict=True)
        return _mean([member.classify(piece) for member, piece in pieces])  # type: ignore[operator]


def _mean(members: list[Tensor]) -> Tensor:
    """Logits of every member -> the logarithm of the mean probability."""
    # Not the logarithm of a mean of softmaxes, which is minus infinity where all members are sure.
    return torch.stack(members).log_softmax(-1).logsumexp(0) - math.log(len(members))


def members_of(model: nn.Module) -> list[nn.Module]:
    """The models of an ensemble, or the model itself: each is trained with its own loss."""
    return list(model.members) if isinstance(model, Ensemble) else [model]


def can_embed(model: nn.Module) -> bool:
    """Whether a model, or every member of an ensemble, has a pooled vector before its classifier."""
    return all(isinstance(member, Backbone) for member in members_of(model))
