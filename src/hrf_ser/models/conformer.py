"""Conformer: attention for the whole utterance, convolution for what is near, in one block."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.attention import SelfAttention
from hrf_ser.models.convolution import TimeConv
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.feed_forward import FeedForward
from hrf_ser.models.masking import MaskedBatchNorm, zero_padding
from hrf_ser.models.pooling import create_pooling
from hrf_ser.models.positions import RelativePositionBias, sinusoidal_positions
from hrf_ser.models.registry import register
from hrf_ser.models.residual import scaled_sum
from hrf_ser.models.subsampling import ConvSubsampling

_POSITIONS = ("relative", "sinusoidal", "none")


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise, batch norm, SiLU, pointwise (Gulati et al., Interspeech 2020, section 2.2).

    The padding mask reaches the depthwise convolution and the batch statistics. Pointwise convolutions are written as
    the linears they are.

    Raises:
        ValueError: the kernel is even.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd to be centred on a token, not {kernel}.")
        self.norm = nn.LayerNorm(width)
        self.pointwise1 = nn.Linear(width, 2 * width)
        # Without a bias: the batch norm that follows has one.
        self.depthwise = TimeConv(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        self.batch_norm = MaskedBatchNorm(width)
        self.pointwise2 = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``x`` of shape ``(B, T, C)`` and ``mask`` of shape ``(B, T)``, True on valid tokens -> ``(B, T, C)``."""
        x = F.glu(self.pointwise1(self.norm(x)), dim=-1)
        x = F.silu(self.batch_norm(self.depthwise(zero_padding(x, mask)), mask))
        out: Tensor = self.dropout(self.pointwise2(x))
        return out


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, LayerNorm (Gulati et al., 2020, section 2.4)."""

    def __init__(
        self, width: int, *, heads: int, ffn: int, kernel: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.ffn1_norm = nn.LayerNorm(width)
        self.ffn1 = FeedForward(width, ffn, nn.SiLU(), dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, attention_dropout)
        self.convolution = ConvolutionModule(width, kernel, dropout)
        self.ffn2_norm = nn.LayerNorm(width)
        self.ffn2 = FeedForward(width, ffn, nn.SiLU(), dropout)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        """``x`` ``(B, T, C)``, ``mask`` ``(B, T)`` and a mask or bias for the attention -> ``(B, T, C)``."""
        x = scaled_sum(x, self.ffn1(self.ffn1_norm(x)), 0.5)
        x = x + self.dropout(self.attention(self.attention_norm(x), attention_mask))
        x = x + self.convolution(x, mask)
        x = scaled_sum(x, self.ffn2(self.ffn2_norm(x)), 0.5)
        normalised: Tensor = self.norm(x)
        return normalised


@register("conformer")
class Conformer(nn.Module):
    """Conformer encoder (Gulati et al., "Conformer: convolution-augmented Transformer", Interspeech 2020), pooled.

    Differs from the paper in the front (one-dimensional convolutions, see :class:`ConvSubsampling`) and in the form
    of the relative positions (see :class:`RelativePositionBias`).

    Args:
        n_features: features a frame.
        n_classes: logits.
        hop_ms: milliseconds from one frame to the next.
        width: channels of a token, even.
        layers: Conformer blocks.
        heads: attention heads; they divide the width.
        ffn: hidden channels of a feed-forward block, of which a Conformer block has two.
        kernel: tokens that the depthwise convolution spans, odd.
        positions: ``relative``, ``sinusoidal`` or ``none``.
        max_distance: offset in tokens from which on relative positions are alike.
        dropout: of residual branches, feed-forward blocks and the pooled vector.
        attention_dropout: of attention probabilities; greater than 0 is slow on a CPU.
        pooling: ``mean``, ``attentive`` or ``statistics``.
        token_ms: milliseconds from one token to the next, see :class:`ConvSubsampling`.

    Raises:
        ValueError: the heads do not divide the width, the kernel is even, or there are no such positions, pooling or
            subsampling.
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("linear1", "linear2")

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        *,
        hop_ms: float = 10.0,
        width: int = 64,
        layers: int = 3,
        heads: int = 4,
        ffn: int = 128,
        kernel: int = 15,
        positions: str = "relative",
        max_distance: int = 64,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        pooling: str = "mean",
        token_ms: float = 40.0,
    ) -> None:
        super().__init__()
        if positions not in _POSITIONS:
            raise ValueError(f"There are no positions {positions!r}; there are: {', '.join(_POSITIONS)}.")
        self.subsampling = ConvSubsampling(n_features, width, hop_ms=hop_ms, token_ms=token_ms)
        self.sinusoidal = positions == "sinusoidal"
        self.relative = RelativePositionBias(heads, max_distance) if positions == "relative" else None
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            ConformerLayer(
                width, heads=heads, ffn=ffn, kernel=kernel, dropout=dropout, attention_dropout=attention_dropout
            )
            for _ in range(layers)
        )
        self.pooling = create_pooling(pooling, width)
        self.classifier = nn.Linear(self.pooling.out_width, n_classes)

    def forward(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """Classify utterances.

        Args:
            features: shape ``(B, T, n_features)``; frames beyond a length may hold anything.
            lengths: shape ``(B,)``, frames, 1 <= length <= T; None where all are T.

        Returns:
            Logits of shape ``(B, n_classes)``.
        """
        x, mask = self.subsampling(features, lengths)
        if self.sinusoidal:
            x = x + sinusoidal_positions(x)
        x = self.dropout(x)
        attention_mask = None if mask is None else mask[:, None, None, :]
        if self.relative is not None:
            bias = self.relative(x.shape[1])
            attention_mask = bias if attention_mask is None else bias.masked_fill(~attention_mask, float("-inf"))
        for layer in self.layers:
            x = layer(x, mask, attention_mask)
        logits: Tensor = self.classifier(self.dropout(self.pooling(x, mask)))
        return logits
