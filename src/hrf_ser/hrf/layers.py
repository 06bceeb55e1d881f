"""The kinds of layers that can be opened: linear layers and convolutions, their subclasses included."""

from __future__ import annotations

from typing import Any, TypeGuard

from torch import nn

from hrf_ser.hrf.form import Form, form_at

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
KINDS: tuple[type[Layer], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d)


def is_layer(module: nn.Module) -> TypeGuard[Layer]:
    """Whether ``module`` is of a kind that can be opened."""
    return isinstance(module, KINDS)


def kind_of(layer: Layer) -> type[Layer]:
    """The kind of ``layer``, whatever its subclass."""
    return next(kind for kind in KINDS if isinstance(layer, kind))


def form_for(layer: Layer, rank: float, n_factors: int) -> Form:
    """What ``layer`` opens into.

    Raises:
        ValueError: as :func:`~hrf_ser.hrf.form.form_at`.
    """
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    return form_at(rank, layer.weight.shape, groups, n_factors)


def layer_for_factor(layer: Layer, form: Form, index: int) -> Layer:
    """A layer without bias that can hold factor ``index`` of ``layer``, on the meta device.

    The kernel's factor has the stride, the padding and the dilation.
    """
    rows, columns, *kernel = form.shapes[index]
    # On the meta device a layer draws no start of its own: the random numbers are those of the folded mode.
    if isinstance(layer, nn.Linear):
        return nn.Linear(columns, rows, bias=False, device="meta")
    placement: dict[str, Any] = {}
    if index == form.kernel_at:
        placement = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "padding_mode")}
    kind: Any = kind_of(layer)
    step: Layer = kind(
        columns * form.groups, rows, tuple(kernel), groups=form.groups, bias=False, device="meta", **placement
    )
    return step


def pads_behind_a_bias(layer: Layer, form: Form) -> bool:
    """Whether zeros stand, at the edges, where a kernel behind the first inner bias would see that bias.

    What repeats or mirrors the input repeats the bias too, and is exact.
    """
    if isinstance(layer, nn.Linear) or layer.padding_mode != "zeros" or form.kernel_at == 0:
        return False
    if isinstance(layer.padding, str):
        return layer.padding == "same" and form.positions > 1
    return any(layer.padding)


def computes_more(layer: Layer) -> bool:
    """Whether ``layer`` may compute more than its kind does, which real layers in its place would leave out."""
    kind = kind_of(layer)
    return (
        any(
            method in layer.__dict__ or getattr(type(layer), method, None) is not getattr(kind, method, None)
            for method in ("forward", "_conv_forward")
        )
        or set(layer._parameters) != {"weight", "bias"}
        or bool(layer._modules)
        or bool(layer._buffers)
    )
