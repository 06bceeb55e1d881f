"""Take each product once an optimizer step, however many forward passes the step has.

``parametrize.cached()`` shares a product within one forward pass, but its graph is freed by the first backward pass,
so gradient accumulation would have to take it anew for every micro-batch. Here the forward passes see a leaf that holds
the product; its gradient accumulates, and one backward pass at the end of the step carries it to the factors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import multiply
from hrf_ser.hrf.folded import is_folded, product_of
from hrf_ser.hrf.opened import factors_of


class StepProducts:
    """The products of a model's folded layers over one optimizer step.

    Call :meth:`hold` before the first forward pass of a step, and :meth:`release` after the last backward pass and
    before gradients are read (clipping, the optimizer). Under ``torch.no_grad`` it serves a whole evaluation.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [layer for layer in model.modules() if is_folded(layer)]
        self._held: list[tuple[Tensor, Tensor]] = []

    def hold(self) -> None:
        """Take every product, unless it is held already."""
        if self._held:
            return
        for layer in self._layers:
            weight = multiply(factors_of(layer))
            leaf = weight.detach().requires_grad_(weight.requires_grad)
            product_of(layer).held = leaf
            self._held.append((weight, leaf))

    def release(self) -> None:
        """Let the products go; gradients that they received flow into the factors."""
        reached = [(weight, leaf.grad) for weight, leaf in self._held if leaf.grad is not None]
        self._held.clear()
        for layer in self._layers:
            product_of(layer).held = None
        if reached:
            torch.autograd.backward([weight for weight, _ in reached], [grad for _, grad in reached])
