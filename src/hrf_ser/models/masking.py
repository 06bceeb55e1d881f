"""What keeps padding out of a result: masks, lengths after striding, means and batch statistics over valid frames.

Padding is replaced (``masked_fill``), never multiplied by zero: whatever it holds, infinities included, is gone, and
its gradient is exactly zero.
"""

import torch
from torch import Tensor, nn


def padding_mask(lengths: Tensor, frames: int) -> Tensor:
    """Lengths of shape ``(B,)``, 1 <= length <= frames, to a mask of shape ``(B, frames)``, True on valid frames."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def zero_padding(x: Tensor, mask: Tensor) -> Tensor:
    """``x`` of shape ``(B, T, C)`` with zeros where ``mask`` of shape ``(B, T)`` is False."""
    return x.masked_fill(~mask.unsqueeze(-1), 0.0)


def strided_lengths(lengths: Tensor, stride: int) -> Tensor:
    """Valid frames after striding, ``ceil(length / stride)``, shape ``(B,)``.

    Holds for a convolution with an odd kernel and ``padding=kernel // 2``, and for pooling whose last window may be
    partly filled. It is at least 1 where the length is.
    """
    return (lengths + stride - 1) // stride


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid frames: ``(B, T, C)`` and ``(B, T)`` -> ``(B, C)``."""
    return zero_padding(x, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy, ICML 2015) whose statistics see valid frames only.

    In training both the batch statistics and the running ones are taken over the valid frames of the batch, so neither
    the output nor the running statistics depend on how far the batch was padded. In evaluation it is the plain affine
    map of :class:`torch.nn.BatchNorm1d`. A single valid frame normalises to the bias instead of raising.
    """

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise.

        Args:
            input: shape ``(B, C, T)``.
            mask: shape ``(B, T)``, True on valid frames; None where all are valid.

        Returns:
            Shape ``(B, C, T)``; padding holds finite values without meaning.
        """
        if mask is None or not (self.training or self.running_mean is None):
            return super().forward(input)
        padding = ~mask.unsqueeze(1)
        count = mask.sum().clamp(min=1)
        # Half precision would lose the sum over a batch's frames.
        x = input.float().masked_fill(padding, 0.0)
        mean = x.sum((0, 2)) / count
        centred = (x - mean.unsqueeze(1)).masked_fill(padding, 0.0)
        variance = centred.square().sum((0, 2)) / count
        self._track(mean.detach(), variance.detach(), count)
        normalised = (centred * torch.rsqrt(variance + self.eps).unsqueeze(1)).to(input.dtype)
        if self.weight is None:
            return normalised
        return normalised * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)

    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.training or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
