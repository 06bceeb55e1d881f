"""Several small models whose probabilities are averaged."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Models of one kind that start apart and whose probabilities are averaged (Lakshminarayanan et al., "Simple and scalable
    predictive uncertainty estimation using deep ensembles", NeurIPS 2017).

    Members are trained by their own losses on the same batches, each augmented anew for every member; nothing but clipping
    lets them know of each other. For the same parameters this is the other way to spend them than width or depth.

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
        """Classify utterances.

        Args:
            features: shape ``(B, T, n_features)``.
            lengths: shape ``(B,)``, frames; None where all are T.

        Returns:
            The logarithm of the mean probability, of shape ``(B, n_classes)``: logits whose softmax is that mean.
        """
        logits = torch.stack([member(features, lengths) for member in self.members])
        # Not the logarithm of a mean of softmaxes, which is minus infinity where all members are sure.
        return logits.log_softmax(-1).logsumexp(0) - math.log(len(self.members))


def members_of(model: nn.Module) -> list[nn.Module]:
    """The models of an ensemble, or the model itself: each is trained by a loss of its own."""
    return list(model.members) if isinstance(model, Ensemble) else [model]
