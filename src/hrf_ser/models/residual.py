"""The sum in which a branch and what goes past it meet."""

import torch
from torch import Tensor


def scaled_sum(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """``x + scale * y`` in one pass over memory, forward and backward; any shape."""
    if torch.compiler.is_exporting():  # Not every runtime knows a sum that scales.
        return x + (y if scale == 1.0 else scale * y)
    return torch.add(x, y, alpha=scale)
