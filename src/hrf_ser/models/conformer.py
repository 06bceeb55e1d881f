"""Conformer: attention for the whole utterance, convolution for what is near, in one block."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.attention import SelfAttention
from hrf_ser.models.backbone import Backbone
from hrf_ser.models.convolution import TimeConv
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.feed_forward import FeedForward
from hrf_ser.models.masking import MaskedBatchNorm, zero_padding
from hrf_ser.models.options import ConformerOptions
from hrf_ser.models.pooling import create_pooling
from hrf_ser.models.positions import RelativePositionBias, sinusoidal_positions
from hrf_ser.models.registry import register
from hrf_ser.models.residual import scaled_sum
from hrf_ser.models.subsampling import ConvSubsampling


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise, batch norm, SiLU, pointwise (Gulati et al., Interspeech 2020, section 2.2)."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
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

    def __init__(self, options: ConformerOptions) -> None:
        super().__init__()
        width, ffn, dropout = options.width, options.ffn, options.dropout
        self.ffn1_norm = nn.LayerNorm(width)
        self.ffn1 = FeedForward(width, ffn, nn.SiLU(), dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, options.heads, options.attention_dropout)
        self.convolution = ConvolutionModule(width, options.kernel, dropout)
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
        out: Tensor = self.norm(x)
        return out


@register(ConformerOptions)
class Conformer(Backbone):
    """Conformer encoder (Gulati et al., "Conformer: convolution-augmented Transformer", Interspeech 2020), pooled.

    Differs from the paper in :class:`ConvSubsampling` (one-dimensional) and :class:`RelativePositionBias` (a scalar).
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("linear1", "linear2")

    def __init__(self, n_features: int, n_classes: int, hop_ms: float, options: ConformerOptions) -> None:
        super().__init__()
        self.subsampling = ConvSubsampling(n_features, options.width, hop_ms=hop_ms, token_ms=options.token_ms)
        self.sinusoidal = options.positions == "sinusoidal"
        relative = options.positions == "relative"
        self.relative = RelativePositionBias(options.heads, options.max_distance) if relative else None
        self.dropout = Dropout(options.dropout)
        self.layers = nn.ModuleList(ConformerLayer(options) for _ in range(options.layers))
        self.pooling = create_pooling(options.pooling, options.width)
        self.classifier = nn.Linear(self.pooling.out_width, n_classes)

    def embed(self, features: Tensor, lengths: Tensor | None) -> Tensor:
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
        embedding: Tensor = self.pooling(x, mask)
        return embedding

    def classify(self, embedding: Tensor) -> Tensor:
        return super().classify(self.dropout(embedding))
