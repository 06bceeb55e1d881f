"""The algebra: factors of a weight, how they start, and their product.

Factors are ordered as they are applied: ``factors[0]`` is W1, of shape ``(r, in)``; the last is ``(out, r)``; with
three factors the middle one is ``(r, r)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Init = Literal["exact", "variance", "default"]
INITS: tuple[Init, ...] = ("exact", "variance", "default")


def multiply(factors: Sequence[Tensor]) -> Tensor:
    """The product ``W_k ... W_1``, shape ``(out, in)``.

    Taken in at least float32, outside autocast: a product in bfloat16 moves logits by 7e-3, one in float32 by 1e-6.
    """
    dtype = factors[0].dtype
    wide = torch.promote_types(dtype, torch.float32)
    with torch.autocast(factors[0].device.type, enabled=False):
        # From the output side: the running product keeps the small (out) dimension.
        product = factors[-1].to(wide)
        for factor in reversed(factors[:-1]):
            product = product @ factor.to(wide)
    return product.to(dtype)


def merge_bias(bias: Tensor, inner: Sequence[Tensor], factors: Sequence[Tensor]) -> Tensor:
    """The bias of the merged layer, ``b_k + W_k (b_{k-1} + W_{k-1} (... b_1))``, shape ``(out,)``.

    Taken in at least float32, as the product is.
    """
    wide = torch.promote_types(bias.dtype, torch.float32)
    with torch.autocast(bias.device.type, enabled=False):
        carried = inner[0].to(wide)
        for factor, offset in zip(factors[1:], [*inner[1:], bias], strict=True):
            carried = torch.mv(factor.to(wide), carried) + offset.to(wide)
    return carried.to(bias.dtype)


def in_float64(tensor: Tensor) -> Tensor:
    """``tensor`` in float64; on the CPU where its device has no float64 (Apple's GPUs)."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def inner_dimension(rank: float, out_features: int, in_features: int) -> int:
    """Width r of the inserted layer for a rank given as a multiple of the output dimension.

    Raises:
        ValueError: a rank that is not a positive number, or one for which r would be below ``min(in, out)``: the product
            could then not reach every weight of the plain layer, a low-rank model, which is another method.
    """
    if not (math.isfinite(rank) and rank > 0):
        raise ValueError(f"rank={rank} is not a positive number; the paper uses 2, 4 and 8")
    inner = round(rank * out_features)
    if inner < min(in_features, out_features):
        least = min(in_features, out_features) / out_features
        raise ValueError(
            f"rank={rank:g} gives an inner dimension of {inner} for a layer {in_features} -> {out_features}, below "
            f"min(in, out) = {min(in_features, out_features)}: that is a low-rank layer; use rank >= {least:g}"
        )
    return inner


def shapes(in_features: int, out_features: int, inner: int, n_factors: int) -> list[tuple[int, int]]:
    """Shapes of the factors, in the order of application."""
    widths = [in_features, *[inner] * (n_factors - 1), out_features]
    return list(zip(widths[1:], widths[:-1], strict=True))


def open_exactly(weight: Tensor, inner: int, n_factors: int) -> list[Tensor]:
    """Factors whose product is ``weight``: the function does not jump when a trained layer is opened.

    W1 has orthonormal columns (r >= in), middle factors are orthogonal, and the last factor is
    ``W (W_{k-1} ... W_1)^T``. Where in > r >= out the same is done from the output side.
    """
    out_features, in_features = weight.shape
    target = in_float64(weight.detach())
    middle = [_orthonormal(inner, inner, target) for _ in range(n_factors - 2)]
    if inner >= in_features:
        head = [_orthonormal(inner, in_features, target), *middle]
        factors = [*head, target @ multiply(head).T]
    else:
        tail = [*middle, _orthonormal(inner, out_features, target).T]
        factors = [multiply(tail).T @ target, *tail]
    return [factor.to(weight.device, weight.dtype).contiguous() for factor in factors]


def draw(weight: Tensor, inner: int, n_factors: int, init: Init) -> list[Tensor]:
    """Starting factors for a layer that holds ``weight``, on its device and in its dtype.

    Args:
        weight: ``(out, in)``, the plain layer's weight.
        inner: r.
        n_factors: 2 or 3.
        init: ``exact``: the product is ``weight``. ``variance``: random factors whose product has the root mean square
            of ``weight`` in expectation. ``default``: every factor as ``nn.Linear`` starts, which shrinks the product.
    """
    if init == "exact":
        return open_exactly(weight, inner, n_factors)
    out_features, in_features = weight.shape
    factors = [
        torch.empty(shape, device=weight.device) for shape in shapes(in_features, out_features, inner, n_factors)
    ]
    if init == "default":
        for factor in factors:
            nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
    else:
        # Each factor but the last keeps the variance of its input, so Var(product) = r / in * Var(last factor).
        for factor in factors[:-1]:
            nn.init.normal_(factor, std=factor.shape[1] ** -0.5)
        gain = (inner / in_features) ** 0.5
        nn.init.normal_(factors[-1], std=float(weight.detach().float().square().mean().sqrt()) / gain)
    return [factor.to(weight.dtype) for factor in factors]


def _orthonormal(rows: int, columns: int, like: Tensor) -> Tensor:
    """A random matrix ``(rows, columns)`` with orthonormal columns; rows >= columns."""
    matrix = torch.empty(rows, columns, dtype=torch.float64, device=like.device)
    return nn.init.orthogonal_(matrix)
