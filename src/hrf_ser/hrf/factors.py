"""The algebra: factors of a weight, how they start, and their product.

Factors are ordered as they are applied and have the shapes of a :class:`~hrf_ser.hrf.form.Form`: of a linear layer,
``factors[0]`` is W1, ``(r, in)``, and the last ``(out, r)``; of a convolution they are kernels, all but one of them of one
position. The shapes say all: a product can be taken from a state dict without its model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from hrf_ser.hrf.form import Form

Init = Literal["exact", "variance", "default"]
INITS: tuple[Init, ...] = ("exact", "variance", "default")


def multiply(factors: Sequence[Tensor]) -> Tensor:
    """The weight ``(out, in / groups, *kernel)`` of the one layer that does what its factors do in a row.

    Taken in at least float32, outside autocast: a product in bfloat16 moves logits by 7e-3, one in float32 by 1e-6.
    """
    dtype = factors[0].dtype
    wide = torch.promote_types(dtype, torch.float32)
    with torch.autocast(factors[0].device.type, enabled=False):
        # From the output side: the running product keeps the small (out) dimension.
        product = factors[-1].to(wide)
        for factor in reversed(factors[:-1]):
            product = _behind(product, factor.to(wide))
    return product.to(dtype)


def _behind(outer: Tensor, inner: Tensor) -> Tensor:
    """The weight of ``outer`` applied behind ``inner``; one of the two looks at one position."""
    if outer.ndim == 2:
        return outer @ inner
    groups = inner.shape[0] // outer.shape[1]
    kernel = map(max, outer.shape[2:], inner.shape[2:])
    product = torch.einsum("gorp,griq->goipq", _grouped(outer.flatten(2), groups), _grouped(inner.flatten(2), groups))
    return product.reshape(outer.shape[0], inner.shape[1], *kernel)


def _grouped(tensor: Tensor, groups: int) -> Tensor:
    """``(g * n, ...)`` -> ``(g, n, ...)``."""
    return tensor.reshape(groups, len(tensor) // groups, *tensor.shape[1:])


def merge_bias(bias: Tensor, inner: Sequence[Tensor], factors: Sequence[Tensor]) -> Tensor:
    """The bias of the merged layer, ``b_k + W_k (b_{k-1} + W_{k-1} (... b_1))``, shape ``(out,)``.

    Behind a bias a kernel sees the same value at every position, so its positions are summed; zeros that it pads with are
    not that value (:func:`~hrf_ser.hrf.layers.pads_behind_a_bias`). Taken in at least float32, as the product is.
    """
    wide = torch.promote_types(bias.dtype, torch.float32)
    with torch.autocast(bias.device.type, enabled=False):
        carried = inner[0].to(wide)
        for factor, offset in zip(factors[1:], [*inner[1:], bias], strict=True):
            matrices = factor.to(wide).unsqueeze(-1).flatten(2).sum(2)
            groups = len(carried) // matrices.shape[1]
            each = torch.bmm(_grouped(matrices, groups), _grouped(carried, groups).unsqueeze(2))
            carried = each.flatten() + offset.to(wide)
    return carried.to(bias.dtype)


def in_float64(tensor: Tensor) -> Tensor:
    """``tensor`` in float64; on the CPU where its device has no float64 (Apple's GPUs)."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def draw(weight: Tensor, form: Form, init: Init) -> list[Tensor]:
    """Starting factors for a layer that holds ``weight``, on its device and in its dtype.

    Args:
        weight: the plain layer's weight.
        form: what it opens into.
        init: ``exact``: the product is ``weight``. ``variance``: random factors whose product has the root mean square
            of ``weight`` in expectation. ``default``: every factor as torch starts a layer, which shrinks the product.
    """
    if init == "exact":
        return open_exactly(weight, form)
    factors = [torch.empty(shape, device=weight.device) for shape in form.shapes]
    if init == "default":
        for factor in factors:
            nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
    else:
        # Each factor but the last keeps the variance of its input, so
        # Var(product) = r / (inputs * positions) * Var(last factor).
        for factor in factors[:-1]:
            nn.init.normal_(factor, std=factor[0].numel() ** -0.5)
        gain = (form.inner / (form.inputs * form.positions)) ** 0.5
        nn.init.normal_(factors[-1], std=float(weight.detach().float().square().mean().sqrt()) / gain)
    return [factor.to(weight.dtype) for factor in factors]


def open_exactly(weight: Tensor, form: Form) -> list[Tensor]:
    """Factors whose product is ``weight``: the function does not jump when a trained layer is opened.

    A factor that can have orthonormal columns or rows has them, at random; what is left of the weight is in the other: of two
    factors, in the last, ``W W1^T``, where r allows it, and of three in the kernel's.
    """
    target = in_float64(weight.detach())
    # The groups in front and the positions behind: (g, outputs, inputs, positions).
    target = target.reshape(form.groups, form.outputs, form.inputs, form.positions)
    if form.n_factors == 2:
        last, kernel = _split_last(target, form.inner)
        factors = [kernel, last]
    elif form.inner >= min(form.outputs, form.inner * form.positions):
        rest, first = _split_first(target, form.inner)
        last, kernel = _split_last(rest, form.inner)
        factors = [first, kernel, last]
    else:
        # Without its first factor this weight has outputs and inputs above r: it could not be split again.
        last, rest = _split_last(target, form.inner)
        kernel, first = _split_first(rest, form.inner)
        factors = [first, kernel, last]
    return [
        factor.reshape(shape).to(weight.device, weight.dtype).contiguous()
        for factor, shape in zip(factors, form.shapes, strict=True)
    ]


def _split_last(weight: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, o, i, p)`` -> ``(g, o, r)`` behind ``(g, r, i, p)``."""
    outer, rest = _split(weight.flatten(2), inner)
    return outer, rest.reshape(len(rest), inner, *weight.shape[2:])


def _split_first(weight: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, o, i, p)`` -> ``(g, o, r, p)`` behind ``(g, r, i)``."""
    groups, outputs, _, positions = weight.shape
    outer, first = _split(weight.transpose(2, 3).flatten(1, 2), inner)
    return outer.view(groups, outputs, positions, inner).transpose(2, 3), first


def _split(matrices: Tensor, inner: int) -> tuple[Tensor, Tensor]:
    """``(g, a, b)`` -> ``(g, a, r)`` and ``(g, r, b)`` whose product it is; r >= min(a, b)."""
    groups, rows, columns = matrices.shape
    if inner >= columns:
        basis = _orthonormal(groups, inner, columns, matrices.device)
        return matrices @ basis.mT, basis
    basis = _orthonormal(groups, inner, rows, matrices.device)
    return basis.mT, basis @ matrices


def _orthonormal(groups: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """Random matrices ``(groups, rows, columns)`` with orthonormal columns, in float64; rows >= columns."""
    basis, triangle = torch.linalg.qr(torch.randn(groups, rows, columns, dtype=torch.float64, device=device))
    # Signs make them uniform over all such matrices, as in nn.init.orthogonal_.
    oriented: Tensor = basis * triangle.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return oriented
