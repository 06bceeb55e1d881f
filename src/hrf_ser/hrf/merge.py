"""deHRF: multiply the factors out into a plain copy, and compare the two."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from hrf_ser.hrf.factors import in_float64, merge_bias, multiply
from hrf_ser.hrf.folded import close, has_other_parametrizations, is_folded
from hrf_ser.hrf.literal import LiteralLayer, replace_module
from hrf_ser.hrf.opened import factorised_layers, factors_of, inner_biases_of, outer_bias_of

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class MergeReport:
    """What merging changed on given inputs."""

    max_abs_diff: float  # NaN where an output is NaN or infinite: then nothing is known
    argmax_changes: int
    compared: int


def merge_hrf(model: M) -> M:
    """A plain copy of ``model``: every factorised layer is the one layer that it was again.

    The product is taken in float64 and stored in the layer's own dtype. The copy's state dict has the keys, in the
    order, of the model before :func:`insert_hrf`. ``model`` is left as it is, so it can go on training; no random
    number is drawn.

    Raises:
        ValueError: a factor or a product that is not finite, or a factorised layer that was parametrized once more; names
            the layer.
    """
    merged = copy.deepcopy(model)
    if isinstance(merged, LiteralLayer):
        raise ValueError("merge_hrf takes the model that holds the factorised layer, not the layer itself")
    for name, layer in factorised_layers(merged).items():
        if is_folded(layer) and has_other_parametrizations(layer):
            raise ValueError(f"layer {name!r} has another parametrization on top of its factors; remove it first")
        weights, inner, bias = factors_of(layer), inner_biases_of(layer), outer_bias_of(layer)
        weight, carried = merged_layer(name, weights, inner, bias)
        if isinstance(layer, LiteralLayer):
            plain = layer.shell
            replace_module(merged, layer, plain)
        else:
            plain = close(layer)
        # In the order in which torch registers them: a state dict lists its keys in that order.
        others = {key: value for key, value in plain._parameters.items() if key not in ("weight", "bias")}
        plain._parameters.clear()
        plain.weight = nn.Parameter(weight, requires_grad=weights[0].requires_grad)
        if carried is not None and bias is not None and inner:
            bias = nn.Parameter(carried, requires_grad=bias.requires_grad)
        # Without inner biases it is the same parameter: another layer may share it.
        plain.register_parameter("bias", bias)
        plain._parameters.update(others)
    return merged


def merged_layer(
    name: str, weights: Sequence[Tensor], inner: Sequence[Tensor], bias: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Weight ``(out, in / groups, *kernel)`` and bias ``(out,)`` of the merged layer: taken in float64, in the factors' dtype.

    Raises:
        ValueError: a factor, a bias or a product that is not finite.
    """
    with torch.no_grad():
        wide = [in_float64(factor) for factor in weights]
        weight = multiply(wide).to(weights[0].device, weights[0].dtype)
        carried = bias
        if bias is not None and inner:
            carried = merge_bias(in_float64(bias), [in_float64(offset) for offset in inner], wide)
            carried = carried.to(bias.device, bias.dtype)
        for tensor in (*weights, *inner, weight, carried):
            if tensor is not None and not torch.isfinite(tensor).all():
                raise ValueError(f"layer {name!r} has weights that are not finite and cannot be merged")
    return weight.detach(), None if carried is None else carried.detach().clone()


def compare(model: nn.Module, merged: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> MergeReport:
    """Run both models in evaluation mode on the same inputs.

    Args:
        model: the factorised model. The training mode of every module is restored.
        merged: what :func:`merge_hrf` made of it.
        batches: positional arguments of ``forward``, a tuple each; the output is ``(batch, classes)``.
    """
    largest, changes, compared = 0.0, 0, 0
    # Of every module: a frozen part may be in evaluation mode while the rest trains.
    modes = [(module, module.training) for whole in (model, merged) for module in whole.modules()]
    try:
        model.eval()
        merged.eval()
        with torch.no_grad():
            for batch in batches:
                before, after = model(*batch), merged(*batch)
                if before.numel():
                    difference = float((before - after).abs().max())
                    # max() would pass over a NaN.
                    largest = max(largest, difference) if math.isfinite(largest + difference) else math.nan
                changes += int((before.argmax(-1) != after.argmax(-1)).sum())
                compared += before.shape[0]
    finally:
        for module, mode in modes:
            module.training = mode
    return MergeReport(largest, changes, compared)
