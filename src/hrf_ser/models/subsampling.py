"""The convolutional fronts that ConvTransformer and Conformer share."""

import torch.nn.functional as F
from torch import Tensor, nn

from hrf_ser.models.convolution import TimeConv
from hrf_ser.models.dropout import Dropout
from hrf_ser.models.masking import MaskedBatchNorm, padding_mask, strided_lengths, zero_padding


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


class NormedConv(nn.Module):
    """Convolution over time, masked batch norm, ReLU. Without a bias: the batch norm that follows has one."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = TimeConv(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.batch_norm = MaskedBatchNorm(width)

    def forward(self, x: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
        """``(B, T, channels)``, the masks of what goes in and of what comes out -> ``(B, ceil(T / stride), width)``."""
        return F.relu(self.batch_norm(self.convolution(zero_padding(x, before)), after))


class ResidualStage(nn.Module):
    """A strided convolution, and two more past which a residual goes (He et al., "Deep residual learning", CVPR 2016)."""

    def __init__(self, channels: int, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.strided = NormedConv(channels, width, kernel, stride=2)
        self.first, self.second = NormedConv(width, width, 3), NormedConv(width, width, 3)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
        """``(B, T, channels)`` and masks -> ``(B, ceil(T / 2), width)``."""
        x = self.strided(x, before, after)
        out: Tensor = x + self.dropout(self.second(self.first(x, after, after), after, after))
        return out


class ResidualSubsampling(nn.Module):
    """Two residual stages (a token every 4 frames), then LayerNorm: three times as deep as :class:`ConvSubsampling`.

    Args:
        n_features: features a frame.
        width: channels of a token.
        dropout: of the residual branches.
    """

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            ResidualStage(channels, width, kernel, dropout) for channels, kernel in ((n_features, 5), (width, 3))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As :meth:`ConvSubsampling.forward`."""
        x, mask = features, padding_mask(lengths, features.shape[1])
        for stage in self.stages:
            lengths = strided_lengths(lengths, 2)
            after = padding_mask(lengths, (x.shape[1] + 1) // 2)
            x, mask = stage(x, mask, after), after
        return self.norm(x), mask


SUBSAMPLINGS = ("plain", "residual")


def create_subsampling(name: str, n_features: int, width: int, dropout: float) -> ConvSubsampling | ResidualSubsampling:
    """Front by name: ``plain`` or ``residual``.

    Raises:
        ValueError: there is no such front.
    """
    if name not in SUBSAMPLINGS:
        raise ValueError(f"There is no subsampling {name!r}; there are: {', '.join(SUBSAMPLINGS)}.")
    return ConvSubsampling(n_features, width) if name == "plain" else ResidualSubsampling(n_features, width, dropout)
