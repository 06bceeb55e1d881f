"""The convolutional front that ConvTransformer and Conformer share."""

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.convolution import TimeConv
from hrf_ser.models.masking import padding_mask, strided_lengths, zero_padding


class ConvSubsampling(nn.Module):
    """Two convolutions over time of kernel 3 and stride 2 (a token every 4 frames), ReLU after each, then LayerNorm.

    One-dimensional, the features being its channels: at the size of a lightweight model the two-dimensional front of
    the Conformer paper would cost more than the encoder. Padding is zeroed before each convolution, so a valid token
    sees beyond the end of its utterance what it would see alone: zeros.

    Args:
        n_features: features a frame.
        width: channels of a token.
    """

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            TimeConv(channels, width, kernel_size=3, stride=2, padding=1) for channels in (n_features, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Subsample.

        Args:
            features: shape ``(B, T, n_features)``.
            lengths: shape ``(B,)``, frames, 1 <= length <= T; None where all are T.

        Returns:
            Tokens of shape ``(B, T', width)`` with ``T' = ceil(ceil(T / 2) / 2)``, and the mask of shape ``(B, T')``, True on
            valid tokens; None where all are.
        """
        x, mask = features, padding_mask(lengths, features.shape[1])
        for convolution in self.convolutions:
            x = F.relu(convolution(zero_padding(x, mask)))
            lengths = strided_lengths(lengths, 2)
            mask = padding_mask(lengths, x.shape[1])
        return self.norm(x), mask
