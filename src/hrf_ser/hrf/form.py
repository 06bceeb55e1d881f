"""Shapes: what factors a weight opens into, and how wide they must be to reach every weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """The shapes of a weight ``(groups * outputs, inputs, *kernel)`` and of its factors.

    Every factor has the shape of a weight of the same kind of layer, and one of them holds the kernel; the others look at
    one position. With two factors that is the first, as in DO-Conv (Cao et al., IEEE TIP 2022); with three the middle one,
    as in ExpandNet-CL (Guo, Alvarez and Salzmann, NeurIPS 2020). Each group has factors of its own.

    Attributes:
        inputs: channels that a group takes; of a linear layer, its features.
        outputs: channels that a group gives.
        kernel: extents of the kernel; empty for a linear layer.
        groups: groups of channels; 1 for a linear layer.
        inner: r, the channels of a group between two factors.
        n_factors: 2 or 3.
    """

    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    groups: int
    inner: int
    n_factors: int

    @property
    def positions(self) -> int:
        """Positions under the kernel; 1 for a linear layer."""
        return math.prod(self.kernel)

    @property
    def kernel_at(self) -> int:
        """Which factor holds the kernel."""
        return self.n_factors - 2

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.groups * self.outputs, self.inputs, *self.kernel)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the factors, in the order of application."""
        widths = [self.inputs, *[self.inner] * (self.n_factors - 1), self.outputs]
        point = (1,) * len(self.kernel)
        return [
            (self.groups * rows, columns, *(self.kernel if index == self.kernel_at else point))
            for index, (columns, rows) in enumerate(itertools.pairwise(widths))
        ]

    @property
    def least_inner(self) -> int:
        """The least r with which the product reaches every weight.

        What follows the kernel's factor must span the outputs of all positions together, which are at most
        ``min(outputs, inputs * positions)`` directions; what precedes it, of three factors, the inputs of all positions,
        ``min(inputs, outputs * positions)``. Both are ``min(in, out)`` for a linear layer.
        """
        behind = min(self.outputs, self.inputs * self.positions)
        before = min(self.inputs, self.outputs * self.positions)
        return behind if self.n_factors == 2 else max(behind, before)

    def __str__(self) -> str:
        text = f"a layer {self.inputs} -> {self.outputs}"
        if self.kernel:
            text += f" with a kernel of {' x '.join(map(str, self.kernel))}"
        return text + (f" in each of {self.groups} groups" if self.groups > 1 else "")


def form_at(rank: float, shape: Sequence[int], groups: int, n_factors: int) -> Form:
    """The form of a weight for a rank given as a multiple of the outputs of a group.

    Args:
        rank: r / outputs of a group; the paper uses 2, 4 and 8.
        shape: of the weight, ``(out, in / groups, *kernel)``.
        groups: of the layer.
        n_factors: 2 or 3.

    Raises:
        ValueError: a rank that is not a positive number, or one for which the product could not reach every weight of the
            plain layer: a low-rank model, which is another method.
    """
    if not (math.isfinite(rank) and rank > 0):
        raise ValueError(f"rank={rank} is not a positive number; the paper uses 2, 4 and 8")
    outputs, inputs, kernel = shape[0] // groups, shape[1], tuple(shape[2:])
    form = Form(inputs, outputs, kernel, groups, round(rank * outputs), n_factors)
    if form.inner < form.least_inner:
        raise ValueError(
            f"rank={rank:g} gives an inner dimension of {form.inner} for {form}, below {form.least_inner}, the least that "
            f"reaches every weight: that is a low-rank layer; use rank >= {form.least_inner / outputs:g}"
        )
    return form


def form_of_shapes(shapes: Sequence[Sequence[int]]) -> Form | None:
    """The form whose factors have ``shapes``, in the order of application; None where there is none."""
    dimensions = {len(shape) for shape in shapes}
    if len(shapes) not in (2, 3) or dimensions not in ({2}, {3}, {4}):
        return None
    first, last = shapes[0], shapes[-1]
    inner = last[1]
    groups = 1 if dimensions == {2} else first[0] // max(inner, 1)
    outputs = last[0] // max(groups, 1)
    form = Form(first[1], outputs, tuple(shapes[-2][2:]), groups, inner, len(shapes))
    return form if form.shapes == [tuple(shape) for shape in shapes] else None
