"""From the tokens of an utterance to one vector."""

import torch
from torch import Tensor, nn

from hrf_ser.models.masking import masked_mean, zero_padding


class MeanPooling(nn.Module):
    """Mean over the valid tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_width = width

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, C)``."""
        return masked_mean(x, mask)


class AttentivePooling(nn.Module):
    """Mean weighted by a softmax of one learned score a token.

    Mirsamadi, Barsoum and Zhang, "Automatic speech emotion recognition using recurrent neural networks with local
    attention" (ICASSP 2017), section 3.3. It starts as the plain mean.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_width = width
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, C)``."""
        return (_weights(self.score(x), mask) * zero_padding(x, mask)).sum(1)


class StatisticsPooling(nn.Module):
    """Weighted mean and standard deviation of every channel, with separate weights for each.

    Okabe, Koshinaka and Shinoda, "Attentive statistics pooling for deep speaker embedding" (Interspeech 2018), with the
    channel-wise weights of ECAPA-TDNN (Desplanques, Thienpondt and Demuynck, Interspeech 2020), without its global context.
    """

    def __init__(self, width: int, hidden: int = 32) -> None:
        super().__init__()
        self.out_width = 2 * width
        self.scores = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, 2 C)``, means first."""
        x = zero_padding(x, mask)
        weights = _weights(self.scores(x), mask)
        mean = (weights * x).sum(1, keepdim=True)
        # From the centred values: the difference of two large sums would lose a small variance.
        variance = (weights * (x - mean).square()).sum(1)
        # The floor bounds the root's slope where all tokens are alike.
        return torch.cat((mean.squeeze(1), variance.clamp(min=1e-5).sqrt()), dim=1)


def _weights(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the valid tokens: ``(B, T, C)`` and ``(B, T)`` -> ``(B, T, C)``."""
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(-1), float("-inf"))
    return torch.softmax(scores, dim=1)


Pooling = MeanPooling | AttentivePooling | StatisticsPooling
POOLINGS: dict[str, type[Pooling]] = {
    "mean": MeanPooling,
    "attentive": AttentivePooling,
    "statistics": StatisticsPooling,
}


def create_pooling(name: str, width: int) -> Pooling:
    """Pooling by name: ``mean``, ``attentive`` or ``statistics``. Its vectors have ``out_width`` channels."""
    if name not in POOLINGS:
        raise ValueError(f"There is no pooling {name!r}; there are: {', '.join(POOLINGS)}.")
    return POOLINGS[name](width)
