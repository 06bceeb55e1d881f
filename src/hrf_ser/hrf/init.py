"""Initial values of factors."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hrf_ser.hrf.shapes import FactorShapes

Init = Literal["exact", "variance", "default"]


def init_factors(weight: Tensor, shapes: FactorShapes, init: Init) -> list[Tensor]:
    """Initial factors for a layer that holds ``weight``, on its device and in its dtype.

    ``exact``: the product is ``weight``. ``variance``: random factors whose product has the root mean square of ``weight`` in
    expectation. ``default``: torch's initialisation of each factor, which shrinks the product.
    """
    if init == "exact":
        return init_exact(weight, shapes)
    factors = [torch.empty(shape, device=weight.device) for shape in shapes.factors]
    if init == "default":
        for factor in factors:
            nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
    else:
        # Each factor but the last keeps the variance of its input: Var(product) = r / (inputs * positions) * Var(last).
        for factor in factors[:-1]:
            nn.init.normal_(factor, std=factor[0].numel() ** -0.5)
        gain = (shapes.inner / (shapes.inputs * shapes.positions)) ** 0.5
        nn.init.normal_(factors[-1], std=float(weight.detach().float().square().mean().sqrt()) / gain)
    return [factor.to(weight.dtype) for factor in factors]


def init_exact(weight: Tensor, shapes: FactorShapes) -> list[Tensor]:
    """Factors whose product is ``weight``: the model's function stays the same.

    Every factor that can have orthonormal columns or rows gets random ones. The remaining factor holds the weight: of two
    factors the last, ``W W1^T``, where r is large enough, and of three the kernel's.
    """
    # The groups first and the positions last: (g, outputs, inputs, positions).
    target = to_float64(weight.detach()).reshape(shapes.groups, shapes.outputs, shapes.inputs, shapes.positions)
    if shapes.n_factors == 2:
        last, kernel = _split_last(target, shapes.inner)
        factors = [kernel, last]
    else:
        if shapes.inner >= min(shapes.outputs, shapes.inner * shapes.positions):
            rest, first = _split_first(target, shapes.inner)
            last, kernel = _split_last(rest, shapes.inner)
        else:  # without its first factor, this weight could not be split again
            last, rest = _split_last(target, shapes.inner)
            kernel, first = _split_first(rest, shapes.inner)
        factors = [first, kernel, last]
    return [
        factor.reshape(shape).to(weight.device, weight.dtype).contiguous()
        for factor, shape in zip(factors, shapes.factors, strict=True)
    ]


def to_float64(tensor: Tensor) -> Tensor:
    """``tensor`` in float64; on the CPU where its device has no float64 (Apple's GPUs)."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def _split_last(weight: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, o, i, p)`` -> the last factor ``(g, o, r)`` and the rest ``(g, r, i, p)``."""
    outer, rest = _split(weight.flatten(2), inner)
    return outer, rest.reshape(len(rest), inner, *weight.shape[2:])


def _split_first(weight: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, o, i, p)`` -> the rest ``(g, o, r, p)`` and the first factor ``(g, r, i)``."""
    groups, outputs, _, positions = weight.shape
    outer, first = _split(weight.transpose(2, 3).flatten(1, 2), inner)
    return outer.view(groups, outputs, positions, inner).transpose(2, 3), first


def _split(matrices: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, a, b)`` -> ``(g, a, r)`` and ``(g, r, b)`` with that product; r >= min(a, b)."""
    groups, rows, columns = matrices.shape
    if inner >= columns:
        basis = _orthonormal(groups, inner, columns, matrices.device)
        return matrices @ basis.mT, basis
    basis = _orthonormal(groups, inner, rows, matrices.device)
    return basis.mT, basis @ matrices


def _orthonormal(groups: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """Random matrices ``(groups, rows, columns)`` with orthonormal columns, in float64; rows >= columns."""
    basis, triangle = torch.linalg.qr(torch.randn(groups, rows, columns, dtype=torch.float64, device=device))
    # These signs make them uniform over all such matrices, as in nn.init.orthogonal_.
    oriented: Tensor = basis * triangle.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return oriented
