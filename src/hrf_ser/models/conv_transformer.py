"""ConvTransformer: a strided convolutional front and a Transformer encoder."""

from typing import ClassVar

from torch import Tensor, nn

from hrf_ser.models.attention import SelfAttention
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.feed_forward import FeedForward
from hrf_ser.models.pooling import create_pooling
from hrf_ser.models.positions import sinusoidal_positions
from hrf_ser.models.registry import register
from hrf_ser.models.subsampling import ConvSubsampling


class TransformerLayer(nn.Module):
    """Pre-norm Transformer layer with ReLU (Xiong et al., "On layer normalization in the Transformer", ICML 2020)."""

    def __init__(self, width: int, *, heads: int, ffn: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, attention_dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, ffn, nn.ReLU(), dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``x`` of shape ``(B, T, C)`` and an attention mask -> ``(B, T, C)``."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        out: Tensor = x + self.ffn(self.ffn_norm(x))
        return out


@register("conv_transformer")
class ConvTransformer(nn.Module):
    """Strided convolutions (a token every ``token_ms``), sinusoidal positions, Transformer layers, pooling, a linear.

    The backbone of that name in the HRF paper (arXiv 2411.09339) is not described in what could be read; this is the
    plain form.

    Args:
        n_features: features a frame.
        n_classes: logits.
        hop_ms: milliseconds from one frame to the next.
        width: channels of a token, even.
        layers: Transformer layers.
        heads: attention heads; they divide the width.
        ffn: hidden channels of a feed-forward block.
        dropout: of residual branches, feed-forward blocks and the pooled vector.
        attention_dropout: of attention probabilities; greater than 0 is slow on a CPU.
        pooling: ``mean``, ``attentive`` or ``statistics``.
        token_ms: milliseconds from one token to the next, see :class:`ConvSubsampling`.

    Raises:
        ValueError: the heads do not divide the width, or there is no such pooling or subsampling.
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("linear1", "linear2")

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        *,
        hop_ms: float = 10.0,
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        ffn: int = 128,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        pooling: str = "mean",
        token_ms: float = 40.0,
    ) -> None:
        super().__init__()
        self.subsampling = ConvSubsampling(n_features, width, hop_ms=hop_ms, token_ms=token_ms)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(width, heads=heads, ffn=ffn, dropout=dropout, attention_dropout=attention_dropout)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
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
        x = self.dropout(x + sinusoidal_positions(x))
        visible = None if mask is None else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, visible)
        logits: Tensor = self.classifier(self.dropout(self.pooling(self.norm(x), mask)))
        return logits
