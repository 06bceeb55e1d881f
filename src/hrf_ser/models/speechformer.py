"""SpeechFormer: attention over frames, phonemes, words and the utterance, on ever fewer tokens."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.attention import SelfAttention, WindowedSelfAttention
from hrf_ser.models.backbone import Backbone
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.feed_forward import FeedForward
from hrf_ser.models.masking import padding_mask, strided_lengths, zero_padding
from hrf_ser.models.options import SpeechFormerOptions
from hrf_ser.models.pooling import create_pooling
from hrf_ser.models.positions import sinusoidal_positions
from hrf_ser.models.registry import register
from hrf_ser.models.residual import scaled_sum

# Table 1 of the paper, in milliseconds: how far the frame, phoneme and word stages see, and how long a token is after
# each of them. The utterance stage sees everything.
_WINDOWS_MS = (50.0, 400.0, 2000.0)
_TOKENS_MS = (50.0, 250.0, 1000.0)


def stage_sizes(hop_ms: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Windows and merges in tokens, for frames that are ``hop_ms`` milliseconds apart.

    A window is odd, so that it has a centre; a merge is rounded to the nearest number of tokens, half up. At 10 ms they
    are those of the paper: windows (5, 9, 9), merges (5, 5, 4).
    """
    windows, merges, token_ms = [], [], hop_ms
    for window_ms, merged_ms in zip(_WINDOWS_MS, _TOKENS_MS, strict=True):
        windows.append(2 * math.floor(window_ms / token_ms / 2 + 1e-6) + 1)
        merges.append(max(1, math.floor(merged_ms / token_ms + 0.5 + 1e-6)))
        token_ms *= merges[-1]
    return tuple(windows), tuple(merges)


class SpeechFormerLayer(nn.Module):
    """Post-norm Transformer layer with ReLU. Positions go to the attention only, not into the residual stream.

    ``residual`` is the weight of what goes past a branch: 1 in the paper, more in DeepNorm.
    """

    def __init__(self, attention: SelfAttention, width: int, ffn: int, dropout: float, residual: float) -> None:
        super().__init__()
        self.residual = residual
        self.attention = attention
        self.attention_norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, ffn, nn.ReLU(), dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, positions: Tensor | None) -> Tensor:
        """``x`` ``(B, T, C)``, an attention mask or None and positions ``(T, C)`` or None -> ``(B, T, C)``."""
        attended = self.attention(x if positions is None else x + positions, mask)
        x = self.attention_norm(scaled_sum(self.dropout(attended), x, self.residual))
        normalised: Tensor = self.ffn_norm(scaled_sum(self.ffn(x), x, self.residual))
        return normalised


class Stage(nn.Module):
    """LayerNorm and the layers of one stage; ``window`` None is global attention."""

    def __init__(self, number: int, width: int, window: int | None, options: SpeechFormerOptions) -> None:
        super().__init__()
        self.window = window
        self.positions = number == 0
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList()
        depth = sum(options.layers)
        residual, gain = ((2 * depth) ** 0.25, (8 * depth) ** -0.25) if options.deepnorm else (1.0, 1.0)
        for _ in range(options.layers[number]):
            attention = (
                SelfAttention(width, options.heads, options.attention_dropout)
                if window is None
                else WindowedSelfAttention(width, options.heads, window, options.attention_dropout)
            )
            self.layers.append(SpeechFormerLayer(attention, width, width // 2, options.dropout, residual))
        for layer in self.layers:
            _initialise(layer, gain)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """``(B, T, C)`` and ``(B,)`` -> ``(B, T, C)``."""
        x = self.norm(x)
        positions = sinusoidal_positions(x) if self.positions else None
        mask: Tensor | None = None
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, SpeechFormerLayer)
            if number == 0:  # The same for all layers of a stage.
                mask = layer.attention.mask(lengths, x)
            x = layer(x, mask, positions)
        return x


def _initialise(layer: nn.Module, gain: float) -> None:
    """Glorot's initialisation; DeepNorm scales what carries values through a branch, not queries and keys."""
    assert isinstance(layer, SpeechFormerLayer)
    linears = (layer.attention.qkv, layer.attention.out, layer.ffn.linear1, layer.ffn.linear2)
    for linear in linears:
        nn.init.xavier_uniform_(linear.weight)
    with torch.no_grad():
        layer.attention.qkv.weight[2 * layer.attention.qkv.in_features :].mul_(gain)
        for linear in linears[1:]:
            linear.weight.mul_(gain)


class MergeBlock(nn.Module):
    """Mean of every ``merge`` tokens, a linear and LayerNorm (SpeechFormer, section 2.2).

    A last group that is filled in part is the mean of that part; the published implementation counts its padding.
    """

    def __init__(self, width: int, out_width: int, merge: int) -> None:
        super().__init__()
        self.merge = merge
        self.linear = nn.Linear(width, out_width)
        self.norm = nn.LayerNorm(out_width)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``(B, T, C)`` and ``(B,)`` -> ``(B, ceil(T / merge), out)`` and the lengths ``(B,)`` by the same rule."""
        batch, frames, width = x.shape
        groups = (frames + self.merge - 1) // self.merge
        x = F.pad(zero_padding(x, padding_mask(lengths, frames)), (0, 0, 0, groups * self.merge - frames))
        valid = frames if lengths is None else lengths.unsqueeze(1)
        filled = (valid - self.merge * torch.arange(groups, device=x.device)).clamp(1, self.merge)
        mean = x.view(batch, groups, self.merge, width).sum(2) / filled.unsqueeze(-1)
        return self.norm(self.linear(mean)), strided_lengths(lengths, self.merge)


@register(SpeechFormerOptions)
class SpeechFormer(Backbone):
    """SpeechFormer (Chen et al., "SpeechFormer: a hierarchical efficient framework", Interspeech 2022).

    Four stages, the first three with windowed attention (50, 400 and 2000 ms), merging between them to tokens of 50,
    250 and 1000 ms; pooling and three linears. Unlike the published implementation it masks padding and what lies outside
    the utterance, which there is zeros. To export it with a dynamic time axis, the example must exceed one second.

    With ``deepnorm`` residuals are weighted and branches initialised as in DeepNet (Wang et al., 2022, arXiv 2203.00555,
    figure 2), without which a deep post-norm model hardly leaves chance on a small corpus.
    """

    hrf_targets: ClassVar[tuple[str, ...]] = ("linear1", "linear2")

    def __init__(self, n_features: int, n_classes: int, hop_ms: float, options: SpeechFormerOptions) -> None:
        super().__init__()
        width = options.width
        windows, merges = stage_sizes(hop_ms)
        self.projection = nn.Identity() if n_features == width else nn.Linear(n_features, width)
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList()
        for stage, window in enumerate((*windows, None)):
            self.stages.append(Stage(stage, width, window, options))
            if window is not None:
                self.merges.append(MergeBlock(width, width * options.expand[stage], merges[stage]))
                width *= options.expand[stage]
        self.pooling = create_pooling(options.pooling, width)
        self.classifier = nn.Sequential(
            nn.Linear(self.pooling.out_width, width // 2),
            nn.ReLU(),
            Dropout(options.head_dropout),
            nn.Linear(width // 2, width // 4),
            nn.ReLU(),
            Dropout(options.head_dropout),
            nn.Linear(width // 4, n_classes),
        )

    def embed(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        x = self.projection(zero_padding(features, padding_mask(lengths, features.shape[1])))
        for stage, merge in zip(self.stages, self.merges, strict=False):
            x, lengths = merge(stage(x, lengths), lengths)
        x = self.stages[-1](x, lengths)
        embedding: Tensor = self.pooling(x, padding_mask(lengths, x.shape[1]))
        return embedding
