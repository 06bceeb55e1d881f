"""Multi-head self-attention over all tokens, or over a window around each, through torch's fused kernel."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.masking import padding_mask

# Queries that share one block of keys in windowed attention. Forward and backward, 32 x 215 tokens, 4 heads of 16, one
# CPU core: 8 -> 20 ms, 16 -> 17 ms, 32 -> 15 ms, 64 -> 22 ms; the multiply-adds of the scores grow with it.
BLOCK = 16


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017, section 3.2.2).

    ``heads`` divide ``width``. Dropout on the attention probabilities leaves the fused CPU kernel (three times slower).
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, and {width} is no multiple of {heads}.")
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            x: shape ``(B, T, C)``.
            mask: broadcastable to ``(B, heads, T, T)``, [query, key]: boolean, True where the query attends to the key,
                or a bias to add to the scores. Every query attends to some key; None: to all.

        Returns:
            Shape ``(B, T, C)``.
        """
        batch, frames, width = x.shape
        # Permuted before it is split: an exported graph then has one transposition, at a third of the cost of three.
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        out: Tensor = self.out(self._attend(query, key, value, mask))
        return out

    def mask(self, lengths: Tensor | None, x: Tensor) -> Tensor | None:
        """The mask that :meth:`forward` takes, for lengths ``(B,)`` and tokens ``(B, T, C)``: every valid key."""
        mask = padding_mask(lengths, x.shape[1])
        return None if mask is None else mask[:, None, None, :]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """``(N, heads, queries, D)`` and twice ``(N, heads, keys, D)`` -> ``(N, queries, heads * D)``."""
        heads = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        heads = heads.transpose(1, 2)
        if torch.compiler.is_exporting():
            # The fused kernel's memory layout makes the next line a view; a runtime's may not.
            heads = heads.clone(memory_format=torch.contiguous_format)
        return heads.flatten(2)


class WindowedSelfAttention(SelfAttention):
    """Self-attention of each token to the ``window`` tokens of the utterance centred on it; ``window`` is odd.

    The speech-based attention of SpeechFormer (Chen et al., Interspeech 2022, section 2.1), in blocks: 16 queries and
    the ``16 + window - 1`` keys around them go into the fused kernel together, with a band as mask. Time and memory
    are linear in T.
    """

    def __init__(self, width: int, heads: int, window: int, dropout: float = 0.0) -> None:
        super().__init__(width, heads, dropout)
        if window % 2 == 0:
            raise ValueError(f"window must be odd to be centred on a token, not {window}.")
        self.window = window

    def mask(self, lengths: Tensor | None, x: Tensor) -> Tensor:
        """The mask that :meth:`forward` takes, for lengths ``(B,)`` and tokens ``(B, T, C)``: the valid keys in the window."""
        batch, frames, _ = x.shape
        if lengths is None:
            lengths = torch.full((batch,), frames, device=x.device)
        return window_mask(lengths, frames, self.window)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``x`` of shape ``(B, T, C)`` and ``self.mask(lengths, T)`` -> ``(B, T, C)``."""
        batch, frames, width = x.shape
        head_width = width // self.heads
        blocks, keys = blocks_of(frames), BLOCK + self.window - 1
        query, key_value = self.qkv(x).split((width, 2 * width), dim=-1)
        query = _take(query, torch.arange(blocks * BLOCK, device=x.device))
        query = query.view(batch * blocks, BLOCK, self.heads, head_width).transpose(1, 2)
        key_value = _take(key_value, key_positions(frames, self.window, x.device))
        key, value = key_value.view(batch * blocks, keys, 2, self.heads, head_width).permute(2, 0, 3, 1, 4).unbind(0)
        attended = self._attend(query, key, value, mask).reshape(batch, blocks * BLOCK, width)
        # A slice would tie an exported graph to the lengths that share the example's number of blocks.
        attended = _take(attended, torch.arange(frames, device=x.device))
        out: Tensor = self.out(attended)
        return out


def window_mask(lengths: Tensor, frames: int, window: int) -> Tensor:
    """Mask of :class:`WindowedSelfAttention` for lengths ``(B,)``: ``(B * blocks, 1, 16, 16 + window - 1)``, boolean.

    Padding attends to itself, since a query without any key would give NaN.
    """
    query = torch.arange(BLOCK, device=lengths.device).unsqueeze(1)
    key = torch.arange(BLOCK + window - 1, device=lengths.device) - window // 2
    inside = (query - key).abs() <= window // 2
    positions = key_positions(frames, window, lengths.device)
    valid = (positions >= 0) & (positions < lengths.unsqueeze(1))
    return (inside & valid.view(-1, 1, 1, BLOCK + window - 1)) | (query == key)


def blocks_of(frames: int) -> int:
    # Two at least: torch.export takes 1 in its example for a constant, and a graph must take short and long utterances.
    blocks: int = torch.sym_max(2, (frames + BLOCK - 1) // BLOCK)
    return blocks


def key_positions(frames: int, window: int, device: torch.device) -> Tensor:
    """Where in the sequence the keys of all blocks are, shape ``(blocks * keys,)``; some lie outside it."""
    keys = BLOCK + window - 1
    index = torch.arange(blocks_of(frames) * keys, device=device)
    return index // keys * BLOCK + index % keys - window // 2


def _take(x: Tensor, positions: Tensor) -> Tensor:
    """Tokens of ``(B, T, C)`` at ``positions``; the nearest token stands in for one outside the sequence."""
    return x.index_select(1, positions.clamp(min=0).clamp(max=x.shape[1] - 1))
