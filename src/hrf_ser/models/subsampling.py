"""The convolutional front that ConvTransformer and Conformer share."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.convolution import TimeConv
from hrf_ser.models.masking import padding_mask, strided_lengths, zero_padding

# Frames a token -> strides of the two convolutions.
STRIDES = {4: (2, 2), 2: (2, 1), 1: (1, 1)}


def frames_per_token(hop_ms: float, token_ms: float) -> int:
    """The number of frames out of 4, 2 and 1 whose duration is nearest to a token's, as a ratio."""
    if not token_ms > 0:
        raise ValueError(f"token_ms={token_ms} is not greater than 0")
    return min(STRIDES, key=lambda frames: abs(math.log(frames * hop_ms / token_ms)))


class ConvSubsampling(nn.Module):
    """Two convolutions over time of kernel 3, ReLU after each, then LayerNorm.

    One-dimensional, the features being its channels: the two-dimensional front of the Conformer paper would cost more than
    a lightweight encoder. Tokens are ``token_ms`` apart, as near as 4, 2 or 1 frames come to that.
    """

    def __init__(self, n_features: int, width: int, *, hop_ms: float = 10.0, token_ms: float = 40.0) -> None:
        super().__init__()
        self.frames = frames_per_token(hop_ms, token_ms)
        self._strides = STRIDES[self.frames]
        self.convolutions = nn.ModuleList(
            TimeConv(channels, width, kernel_size=3, stride=stride, padding=1)
            for channels, stride in zip((n_features, width), self._strides, strict=True)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``(B, T, n_features)`` and lengths ``(B,)`` -> tokens ``(B, ceil(T / self.frames), width)`` and their mask."""
        x, mask = features, padding_mask(lengths, features.shape[1])
        for convolution, stride in zip(self.convolutions, self._strides, strict=True):
            x = F.relu(convolution(zero_padding(x, mask)))
            lengths = strided_lengths(lengths, stride)
            mask = padding_mask(lengths, x.shape[1])
        return self.norm(x), mask
