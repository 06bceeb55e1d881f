"""From the tokens of an utterance to one vector."""

import torch
from torch import Tensor, nn

from hrf_ser.models.masking import masked_mean, zero_padding


class MeanPooling(nn.Module):
    """Mean over the valid tokens."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, C)``."""
        return masked_mean(x, mask)


class AttentivePooling(nn.Module):
    """Mean weighted by a softmax of one learned score a token.

    Mirsamadi, Barsoum and Zhang, "Automatic speech emotion recognition using recurrent neural networks with local
    attention" (ICASSP 2017), section 3.3. It starts as the plain mean.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, C)``."""
        score = self.score(x)
        if mask is not None:
            score = score.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        return (torch.softmax(score, dim=1) * zero_padding(x, mask)).sum(1)


def create_pooling(name: str, width: int) -> MeanPooling | AttentivePooling:
    """Pooling by name, ``mean`` or ``attentive``.

    Raises:
        ValueError: there is no such pooling.
    """
    if name == "mean":
        return MeanPooling()
    if name == "attentive":
        return AttentivePooling(width)
    raise ValueError(f"There is no pooling {name!r}; there are: mean, attentive.")
