"""Masks, lengths after striding, means and batch statistics over valid frames.

Padding is replaced (``masked_fill``), never multiplied by zero, so that it may hold infinities and its gradient is exactly
zero. Lengths or a mask of None: there is no padding.
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

    Holds for an odd kernel with ``padding=kernel // 2``, and for pooling whose last window may be partly filled.
    """
    return None if lengths is None else (lengths + stride - 1) // stride


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the valid frames: ``(B, T, C)`` and ``(B, T)`` -> ``(B, C)``."""
    if mask is None:
        return x.mean(1)
    return zero_padding(x, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe and Szegedy, ICML 2015) with batch and running statistics of the valid tokens only.

    A single valid token normalises to the bias instead of raising.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, T, C)`` and ``(B, T)``, True on valid tokens -> ``(B, T, C)``; padding becomes finite, without meaning."""
        if not self.training:
            scale = self._scale(self.running_var)
            return torch.addcmul(-self.running_mean * scale + self.bias, input, scale)
        # Half precision would lose the sum over a batch's frames.
        x = zero_padding(input.float(), mask)
        tokens = input.shape[0] * input.shape[1]
        count = torch.tensor(tokens, device=x.device) if mask is None else mask.sum().clamp(min=1)
        mean = x.sum((0, 1)) / count
        centred = x - mean
        # Padding is ``-mean`` here; subtracting what it adds is cheaper than masking once more.
        squares = centred.square().sum((0, 1)) - (tokens - count) * mean.square()
        variance = squares.clamp(min=0.0) / count
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        unbiased = variance.detach() * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean.detach().to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return (centred * self._scale(variance) + self.bias).to(input.dtype)

    def _scale(self, variance: Tensor) -> Tensor:
        return torch.rsqrt(variance + self.eps) * self.weight
