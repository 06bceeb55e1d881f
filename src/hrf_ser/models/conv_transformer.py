"""ConvTransformer: a strided convolutional front and a Transformer encoder."""

from typing import ClassVar

from torch import Tensor, nn

from hrf_ser.models.attention import SelfAttention
from hrf_ser.models.backbone import Backbone
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.feed_forward import FeedForward
from hrf_ser.models.options import ConvTransformerOptions
from hrf_ser.models.pooling import create_pooling
from hrf_ser.models.positions import sinusoidal_positions
from hrf_ser.models.registry import register
from hrf_ser.models.subsampling import ConvSubsampling


class TransformerLayer(nn.Module):
    """Pre-norm Transformer layer with ReLU (Xiong et al., "On layer normalization in the Transformer", ICML 2020)."""

    def __init__(self, options: ConvTransformerOptions) -> None:
        super().__init__()
        width = options.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, options.heads, options.attention_dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, options.ffn, nn.ReLU(), options.dropout)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``x`` of shape ``(B, T, C)`` and an attention mask -> ``(B, T, C)``."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        out: Tensor = x + self.ffn(self.ffn_norm(x))
        return out


@register(ConvTransformerOptions)
class ConvTransformer(Backbone):
    """Strided convolutions (a token every ``token_ms``), sinusoidal positions, Transformer layers, pooling, a linear.

    The HRF paper (arXiv 2411.09339) does not describe its backbone of that name; this is the plain form.
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("linear1", "linear2")

    def __init__(self, n_features: int, n_classes: int, hop_ms: float, options: ConvTransformerOptions) -> None:
        super().__init__()
        self.subsampling = ConvSubsampling(n_features, options.width, hop_ms=hop_ms, token_ms=options.token_ms)
        self.dropout = Dropout(options.dropout)
        self.layers = nn.ModuleList(TransformerLayer(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(options.width)
        self.pooling = create_pooling(options.pooling, options.width)
        self.classifier = nn.Linear(self.pooling.out_width, n_classes)

    def embed(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        x, mask = self.subsampling(features, lengths)
        x = self.dropout(x + sinusoidal_positions(x))
        visible = None if mask is None else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, visible)
        embedding: Tensor = self.pooling(self.norm(x), mask)
        return embedding

    def classify(self, embedding: Tensor) -> Tensor:
        return super().classify(self.dropout(embedding))
