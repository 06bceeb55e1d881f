"""From the tokens of an utterance to one vector."""

import torch
from torch import Tensor, nn

from hrf_ser.models.masking import masked_mean, zero_padding


class MeanPooling(nn.Module):
    """Mean over the valid tokens.

    Args:
        width: channels.
    """

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

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_width = width
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, C)``."""
        score = self.score(x)
        if mask is not None:
            score = score.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        return (torch.softmax(score, dim=1) * zero_padding(x, mask)).sum(1)


class StatisticsPooling(nn.Module):
    """Weighted mean and standard deviation of every channel, with weights of its own for each.

    Okabe, Koshinaka and Shinoda, "Attentive statistics pooling for deep speaker embedding" (Interspeech 2018), with the
    channel-wise weights of ECAPA-TDNN (Desplanques, Thienpondt and Demuynck, Interspeech 2020), without its global context.

    Args:
        width: channels.
        hidden: between the two linears of the scores.
    """

    def __init__(self, width: int, hidden: int = 32) -> None:
        super().__init__()
        self.out_width = 2 * width
        self.scores = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, 2 C)``, means first."""
        x = zero_padding(x, mask)
        scores = self.scores(x)
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        weights = torch.softmax(scores, dim=1)
        mean = (weights * x).sum(1, keepdim=True)
        # From the centred values: the difference of two large sums would lose a small variance.
        variance = (weights * (x - mean).square()).sum(1)
        # The floor bounds the root's slope where all tokens are alike.
        return torch.cat((mean.squeeze(1), variance.clamp(min=1e-5).sqrt()), dim=1)


Pooling = MeanPooling | AttentivePooling | StatisticsPooling
POOLINGS: dict[str, type[Pooling]] = {
    "mean": MeanPooling,
    "attentive": AttentivePooling,
    "statistics": StatisticsPooling,
}


def create_pooling(name: str, width: int) -> Pooling:
    """Pooling by name: ``mean``, ``attentive`` or ``statistics``. Its vectors have ``out_width`` channels.

    Raises:
        ValueError: there is no such pooling.
    """
    if name not in POOLINGS:
        raise ValueError(f"There is no pooling {name!r}; there are: {', '.join(POOLINGS)}.")
    return POOLINGS[name](width)
