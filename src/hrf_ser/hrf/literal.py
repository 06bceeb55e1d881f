"""Literal mode: real layers in a row, as the paper draws them. Slow, and the reference for the folded mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import Init, draw, inner_dimension, merge_bias, multiply


class LiteralLinear(nn.Module):
    """Linear layers in a row, with no non-linearity in between, in the place of one ``nn.Linear``.

    ``weight`` and ``bias`` read as the merged layer's, for models that look at them instead of calling the layer
    (``nn.TransformerEncoderLayer`` in evaluation, ``nn.MultiheadAttention``'s output projection).
    """

    def __init__(self, layer: nn.Linear, rank: float, n_factors: int, init: Init, bias: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.plain_type = type(layer)
        inner = inner_dimension(rank, layer.out_features, layer.in_features)
        self.hrf = nn.ModuleList()
        for index, value in enumerate(draw(layer.weight, inner, n_factors, init)):
            last = index == n_factors - 1
            has_bias = bias if not last else layer.bias is not None
            step = nn.Linear(value.shape[1], value.shape[0], has_bias, device=value.device, dtype=value.dtype)
            with torch.no_grad():
                step.weight.copy_(value)
                if step.bias is not None:
                    step.bias.copy_(layer.bias) if last else step.bias.zero_()
            step.weight.requires_grad_(layer.weight.requires_grad)
            self.hrf.append(step)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` -> ``(..., out)``."""
        for step in self.hrf:
            x = step(x)
        return x

    @property
    def steps(self) -> list[nn.Linear]:
        """The layers in the order of application."""
        return [step for step in self.hrf if isinstance(step, nn.Linear)]

    @property
    def weight(self) -> Tensor:
        return multiply([step.weight for step in self.steps])

    @property
    def bias(self) -> Tensor | None:
        *head, last = self.steps
        if not head or head[0].bias is None:
            return last.bias
        return merge_bias(last.bias, [step.bias for step in head], [step.weight for step in self.steps])


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place where ``model`` holds ``old`` (a shared module stands in several)."""
    for parent in list(model.modules()):
        for key, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, key, new)
    new.train(old.training)
