"""A straightforward SpeechFormer to compare with, written from the paper's description (Chen et al., Interspeech 2022).

Every token's window of keys and values is copied out of the sequence, zeros stand beyond its ends, attention is a product,
a softmax, dropout and a product, and there is no padding mask: this is what an implementation does that follows the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WindowAttention(nn.Module):
    """Multi-head attention of each token to the ``window`` tokens around it; None is the whole sequence."""

    def __init__(self, width: int, heads: int, window: int | None, dropout: float) -> None:
        super().__init__()
        self.heads, self.window, self.dropout = heads, window, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, C)`` -> ``(B, T, C)``."""
        batch, frames, width = x.shape
        query, key, value = (
            layer(x).view(batch, frames, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        query = query / math.sqrt(query.shape[-1])
        if self.window is None:
            attended = self._weights(query @ key.transpose(-1, -2)) @ value
        else:
            # (B, heads, T, 1, D) with (B, heads, T, window, D)
            key, value = (self._windows(one) for one in (key, value))
            weights = self._weights(query.unsqueeze(3) @ key.transpose(-1, -2))
            attended = (weights @ value).squeeze(3)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(batch, frames, width))
        return out

    def _weights(self, scores: Tensor) -> Tensor:
        return F.dropout(scores.softmax(-1), self.dropout, self.training)

    def _windows(self, x: Tensor) -> Tensor:
        assert self.window is not None
        frames, half = x.shape[2], self.window // 2
        padded = F.pad(x, (0, 0, half, half)).contiguous()
        *outer, step, inner = padded.stride()
        shape = (*x.shape[:2], frames, self.window, x.shape[3])
        return padded.as_strided(shape, (*outer, step, step, inner)).contiguous()


class Layer(nn.Module):
    """Post-norm Transformer layer; positions go to the attention only."""

    def __init__(self, width: int, heads: int, ffn: int, window: int | None, dropout: float) -> None:
        super().__init__()
        self.attention = WindowAttention(width, heads, window, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor | None) -> Tensor:
        """``(B, T, C)`` and positions ``(T, C)`` or None -> ``(B, T, C)``."""
        attended = self.attention(x if positions is None else x + positions)
        x = self.norm1(x + self.dropout(attended))
        hidden = self.dropout(F.relu(self.linear1(x)))
        out: Tensor = self.norm2(x + self.dropout(self.linear2(hidden)))
        return out


class StraightSpeechFormer(nn.Module):
    """Four stages at a hop of 10 ms: windows of 5, 9 and 9 tokens and the whole, merges of 5, 5 and 4 tokens.

    Args:
        n_classes: logits.
        width: features of a frame and channels of a token.
        heads: attention heads; they divide the width.
        layers: layers of the four stages.
        dropout: of residual branches, feed-forward blocks and attention probabilities.
    """

    def __init__(
        self,
        n_classes: int,
        width: int = 128,
        heads: int = 8,
        layers: Sequence[int] = (2, 2, 4, 4),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        windows, self.merges = (5, 9, 9, None), (5, 5, 4)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in windows)
        self.stages = nn.ModuleList(
            nn.ModuleList(Layer(width, heads, width // 2, window, dropout) for _ in range(number))
            for number, window in zip(layers, windows, strict=True)
        )
        self.merge_linears = nn.ModuleList(nn.Linear(width, width) for _ in self.merges)
        self.merge_norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.merges)
        self.classifier = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width // 2, width // 4),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width // 4, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, width)``, all frames of which count -> ``(B, n_classes)``."""
        for number, stage in enumerate(self.stages):
            x = self.norms[number](x)
            positions = _sinusoids(x) if number == 0 else None
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                x = layer(x, positions)
            if number < len(self.merges):
                merge = self.merges[number]
                x = F.pad(x, (0, 0, 0, -x.shape[1] % merge))
                x = F.avg_pool1d(x.transpose(1, 2), merge).transpose(1, 2)
                x = self.merge_norms[number](self.merge_linears[number](x))
        logits: Tensor = self.classifier(x.mean(1))
        return logits


def _sinusoids(x: Tensor) -> Tensor:
    frames, width = x.shape[1:]
    angles = torch.arange(frames).unsqueeze(1) * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack((angles.sin(), angles.cos()), -1).view(frames, width)
