"""Positions, for sequences of any length."""

import math

import torch
from torch import Tensor, nn


def sinusoidal_positions(like: Tensor) -> Tensor:
    """Sinusoids ``(T, C)`` for tokens ``(B, T, C)`` (Vaswani et al., NeurIPS 2017, section 3.5), sines first."""
    frames, width = like.shape[1], like.shape[2]
    step = -2.0 * math.log(10_000.0) / width
    frequencies = torch.exp(torch.arange(width // 2, device=like.device, dtype=torch.float32) * step)
    angles = torch.arange(frames, device=like.device, dtype=torch.float32).unsqueeze(1) * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1).to(like.dtype)


class RelativePositionBias(nn.Module):
    """A learned scalar for each head and offset, added to the attention scores.

    The scalar bias of T5 (Raffel et al., JMLR 2020, section 2.1), one table for all layers, with offsets clipped at
    ``max_distance`` tokens (Shaw et al., NAACL 2018, section 3.2) instead of put into buckets. Cheaper than the
    Transformer-XL form of the Conformer paper, which has a second product of queries and positions in every layer.
    """

    def __init__(self, heads: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.table = nn.Embedding(2 * max_distance + 1, heads)
        nn.init.zeros_(self.table.weight)

    def forward(self, frames: int) -> Tensor:
        """Bias of shape ``(1, heads, frames, frames)``, [query, key]."""
        token = torch.arange(frames, device=self.table.weight.device)
        offset = (token.unsqueeze(0) - token.unsqueeze(1)).clamp(-self.max_distance, self.max_distance)
        bias: Tensor = self.table(offset + self.max_distance)
        if torch.compiler.is_exporting():
            # A bias that wants a gradient is traced through another attention kernel than the graph is lowered with.
            bias = bias.detach()
        return bias.permute(2, 0, 1).unsqueeze(0)
