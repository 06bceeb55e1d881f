"""Attention and stages for an exported graph: the same function of one utterance in fewer operations.

On a device the light models spend more time between operations than in them. One utterance has no padding, so only the edges of
windows are masked; and its tokens are rows of a matrix, ``(T, C)``, on which a linear is one operation, bias included.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.attention import BLOCK as _BLOCK
from hrf_ser.models.attention import SelfAttention, WindowedSelfAttention, blocks_of
from hrf_ser.models.positions import sinusoidal_positions
from hrf_ser.models.speechformer import SpeechFormerLayer, Stage


class RowAttention(nn.Module):
    """:class:`SelfAttention` on rows ``(T, C)``, and on one utterance ``(1, T, C)`` by its rows."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = attention.heads, attention.qkv, attention.out

    def mask(self, _frames: int, _device: torch.device) -> Tensor | None:
        """What :meth:`forward` adds to the scores of so many tokens."""
        return None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens and :meth:`mask` -> the same shape."""
        rows = x.squeeze(0) if x.ndim == 3 else x
        rows = self.join(F.scaled_dot_product_attention(*self.project(rows), attn_mask=mask))
        return rows.unsqueeze(0) if x.ndim == 3 else rows

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(T, C)`` -> queries, keys and values, ``(1, heads, T, D)`` each."""
        qkv = self.qkv(x).view(x.shape[0], 3, self.heads, x.shape[1] // self.heads).permute(1, 2, 0, 3)
        query, key, value = qkv.split(1)
        return query, key, value

    def join(self, heads: Tensor) -> Tensor:
        """``(1, heads, T, D)`` -> ``(T, C)``."""
        joined: Tensor = self.out(heads.squeeze(0).transpose(0, 1).flatten(1))
        return joined


class BandAttention(RowAttention):
    """:class:`WindowedSelfAttention` over all pairs, under a band: for few tokens, of which blocks would cost more."""

    def __init__(self, attention: WindowedSelfAttention) -> None:
        super().__init__(attention)
        self.window = attention.window

    def mask(self, frames: int, device: torch.device) -> Tensor | None:
        """``(T, T)``."""
        token = torch.arange(frames, device=device)
        return _hidden((token.unsqueeze(1) - token).abs() > self.window // 2)


class BlockAttention(BandAttention):
    """:class:`WindowedSelfAttention` in blocks, for many tokens: cost grows with T. T is a multiple of 16."""

    def mask(self, frames: int, device: torch.device) -> Tensor | None:
        """``(T' / 16, 16, 16 + window - 1)`` for the T' tokens that fill the last block. Those beyond T see each other."""
        query = torch.arange(_BLOCK, device=device).unsqueeze(1)
        key = torch.arange(_BLOCK + self.window - 1, device=device) - self.window // 2
        first = _BLOCK * torch.arange(blocks_of(frames), device=device)[:, None, None]
        beyond = ((first + key) >= frames) & ((first + query) < frames)
        return _hidden(((query - key).abs() > self.window // 2) | (first + key < 0) | beyond)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens ``(T', C)`` and :meth:`mask` -> ``(T', C)``."""
        frames, width = x.shape
        blocks, keys, depth = frames // _BLOCK, _BLOCK + self.window - 1, width // self.heads
        query, key, value = self.project(x)
        index = torch.arange(blocks * keys, device=x.device)
        near = (index // keys * _BLOCK + index % keys - self.window // 2).clamp(0, frames - 1)
        attended = F.scaled_dot_product_attention(
            query.view(self.heads, blocks, _BLOCK, depth),
            key.index_select(2, near).view(self.heads, blocks, keys, depth),
            value.index_select(2, near).view(self.heads, blocks, keys, depth),
            attn_mask=mask,
        )
        return self.join(attended.view(1, self.heads, frames, depth))


class RowStage(nn.Module):
    """A stage of SpeechFormer, all its layers on rows, whose attention is replaced: by blocks where tokens are ``many``."""

    def __init__(self, stage: Stage, many: bool) -> None:
        super().__init__()
        self.norm, self.positions, self.layers = stage.norm, stage.positions, stage.layers
        for layer in self.layers:
            assert isinstance(layer, SpeechFormerLayer)
            attention = layer.attention
            if not isinstance(attention, WindowedSelfAttention):
                layer.attention = RowAttention(attention)  # type: ignore[assignment]
            else:
                layer.attention = BlockAttention(attention) if many else BandAttention(attention)  # type: ignore[assignment]
        self.many = many and stage.window is not None

    def forward(self, x: Tensor, _lengths: None) -> Tensor:
        """``(1, T, C)`` -> ``(1, T, C)``."""
        frames = x.shape[1]
        x = self.norm(x)
        if self.many:
            x = F.pad(x, (0, 0, 0, blocks_of(frames) * _BLOCK - frames))
        positions = sinusoidal_positions(x) if self.positions else None
        x = x.squeeze(0)
        mask = self.layers[0].attention.mask(frames, x.device)  # type: ignore[operator, union-attr]
        for layer in self.layers:
            x = layer(x, mask, positions)
        return x[:frames].unsqueeze(0)


def _hidden(mask: Tensor) -> Tensor:
    """The addend of scores, ``-inf`` where the mask is True."""
    return torch.zeros_like(mask, dtype=torch.float32).masked_fill(mask, float("-inf"))
