"""What keeps padding out of a result: masks, lengths after striding, means and batch statistics over valid frames.

Padding is replaced (``masked_fill``), never multiplied by zero: whatever it holds, infinities included, is gone, and
its gradient is exactly zero. Lengths or a mask of None say that there is no padding: utterances of one length, or one alone.
"""

import torch
from torch import Tensor, nn


def padding_mask(lengths: Tensor | None, frames: int) -> Tensor | None:
    """Lengths of shape ``(B,)``, 1 <= length <= frames, to a mask of shape ``(B, frames)``, True on valid frames."""
    return None if lengths is None else torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def zero_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` of shape ``(B, T, C)`` with zeros where ``mask`` of shape ``(B, T)`` is False."""
    return x if mask is None else x.masked_fill(~mask.unsqueeze(-1), 0.0)


def strided_lengths(lengths: Tensor | None, stride: int) -> Tensor | None:
    """Valid frames after striding, ``ceil(length / stride)``, shape ``(B,)``.

    Holds for a convolution with an odd kernel and ``padding=kernel // 2``, and for pooling whose last window may be
    partly filled. It is at least 1 where the length is.
    """
    return None if lengths is None else (lengths + stride - 1) // stride


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the valid frames: ``(B, T, C)`` and ``(B, T)`` -> ``(B, C)``."""
    if mask is None:
        return x.mean(1)
    return zero_padding(x, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy, ICML 2015) of tokens, whose statistics see valid ones only.

    In training both the batch statistics and the running ones are taken over the valid tokens of the batch, so neither
    the output nor the running statistics depend on how far the batch was padded. In evaluation it is the affine map of
    :class:`torch.nn.BatchNorm1d`. A single valid token normalises to the bias instead of raising.
    """

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise.

        Args:
            input: shape ``(B, T, C)``.
            mask: shape ``(B, T)``, True on valid tokens; None where all are valid.

        Returns:
            Shape ``(B, T, C)``; padding holds finite values without meaning.
        """
        if not self.training and self.running_mean is not None and self.running_var is not None:
            scale = self._scale(self.running_var)
            shift = -self.running_mean * scale
            return torch.addcmul(shift if self.bias is None else shift + self.bias, input, scale)
        # Half precision would lose the sum over a batch's frames.
        x = zero_padding(input.float(), mask)
        tokens = input.shape[0] * input.shape[1]
        count = torch.tensor(tokens, device=x.device) if mask is None else mask.sum().clamp(min=1)
        mean = x.sum((0, 1)) / count
        centred = x - mean
        # What padding, now ``-mean``, adds to the sum of squares is known, which spares putting it to zero once more.
        squares = centred.square().sum((0, 1)) - (tokens - count) * mean.square()
        variance = squares.clamp(min=0.0) / count
        self._track(mean.detach(), variance.detach(), count)
        normalised = centred * self._scale(variance)
        return (normalised if self.bias is None else normalised + self.bias).to(input.dtype)

    def _scale(self, variance: Tensor) -> Tensor:
        scale = torch.rsqrt(variance + self.eps)
        return scale if self.weight is None else scale * self.weight

    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.training or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
