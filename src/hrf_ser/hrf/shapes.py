"""Factors of a weight: their shapes, and their product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True)
class FactorShapes:
    """Shapes of a weight ``(groups * outputs, inputs, *kernel)`` and of its factors, in the order of application.

    Every factor has the shape of a weight of the same kind of layer. One of them holds the kernel, the others are pointwise:
    of two factors the first, as in DO-Conv (Cao et al., IEEE TIP 2022), of three the middle one, as in ExpandNet-CL (Guo,
    Alvarez and Salzmann, NeurIPS 2020). Each group has ``inner`` channels in between. A linear layer has no kernel.
    """

    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    groups: int
    inner: int
    n_factors: int

    @property
    def positions(self) -> int:
        return math.prod(self.kernel)

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.groups * self.outputs, self.inputs, *self.kernel)

    @property
    def factors(self) -> list[tuple[int, ...]]:
        widths = [self.inputs, *[self.inner] * (self.n_factors - 1), self.outputs]
        pointwise = (1,) * len(self.kernel)
        return [
            (self.groups * rows, columns, *(self.kernel if index == self.n_factors - 2 else pointwise))
            for index, (columns, rows) in enumerate(itertools.pairwise(widths))
        ]

    @property
    def min_inner_dim(self) -> int:
        """The smallest r for which the product can be any weight.

        The factor after the kernel must span the outputs, and of three factors the first must span the inputs.
        """
        after = min(self.outputs, self.inputs * self.positions)
        before = min(self.inputs, self.outputs * self.positions)
        return after if self.n_factors == 2 else max(after, before)


def factor_shapes(layer: nn.Module, rank: float, n_factors: int) -> FactorShapes:
    """Shapes of the factors of ``layer`` for an inner dimension of ``rank`` x the outputs of a group.

    Raises:
        ValueError: a rank for which the product could not be any weight: a low-rank model, which is another method.
    """
    if not (math.isfinite(rank) and rank > 0):
        raise ValueError(f"rank={rank} is not a positive number; the paper uses 2, 4 and 8")
    groups: int = getattr(layer, "groups", 1)
    rows, inputs, *kernel = layer.get_parameter("weight").shape
    outputs = rows // groups
    shapes = FactorShapes(inputs, outputs, tuple(kernel), groups, round(rank * outputs), n_factors)
    if shapes.inner < shapes.min_inner_dim:
        raise ValueError(
            f"rank={rank:g} gives an inner dimension of {shapes.inner}, below the minimum of {shapes.min_inner_dim}: "
            f"that is a low-rank layer; use rank >= {shapes.min_inner_dim / outputs:g}"
        )
    return shapes


def merge_weight(factors: Sequence[Tensor]) -> Tensor:
    """The product of factors in the order of application: a weight ``(out, in / groups, *kernel)``.

    Taken in at least float32, outside autocast: a product in bfloat16 moves logits by 7e-3, one in float32 by 1e-6.
    """
    dtype = factors[0].dtype
    precision = torch.promote_types(dtype, torch.float32)
    with torch.autocast(factors[0].device.type, enabled=False):
        # From the output side: the running product keeps the small (out) dimension.
        product = factors[-1].to(precision)
        for factor in reversed(factors[:-1]):
            product = _compose(product, factor.to(precision))
    return product.to(dtype)


def _compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The weight of ``inner`` followed by ``outer``; one of the two is pointwise."""
    if outer.ndim == 2:
        return outer @ inner
    groups = inner.shape[0] // outer.shape[1]
    kernel = map(max, outer.shape[2:], inner.shape[2:])
    outer_groups, inner_groups = (x.flatten(2).reshape(groups, -1, x.shape[1], x[0, 0].numel()) for x in (outer, inner))
    product = torch.einsum("gorp,griq->goipq", outer_groups, inner_groups)
    return product.reshape(outer.shape[0], inner.shape[1], *kernel)
