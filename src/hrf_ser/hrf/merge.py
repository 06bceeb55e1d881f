"""deHRF: merge factors into plain weights, in a model or in a state dict, and compare the two models."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.init import to_float64
from hrf_ser.hrf.parametrization import FACTOR, factorised_layers, factors_of, restore_layer
from hrf_ser.hrf.shapes import merge_weight

M = TypeVar("M", bound=nn.Module)


def merge_hrf(model: M) -> M:
    """A plain copy of ``model``, in which every factorised layer is one layer again.

    The product is taken in float64 and stored in the layer's dtype. The copy's state dict has the keys, in the order, of
    the model before :func:`insert_hrf`. ``model`` is unchanged and can go on training; no random number is drawn.

    Raises:
        ValueError: a factor or a product that is not finite, or another parametrization on top of the factors.

    >>> from hrf_ser.hrf import insert_hrf
    >>> model = nn.Sequential(nn.Linear(8, 16))
    >>> names = insert_hrf(model, rank=4, targets=["0"])
    >>> merge_hrf(model)[0]
    Linear(in_features=8, out_features=16, bias=True)
    """
    merged = copy.deepcopy(model)
    for name, layer in factorised_layers(merged).items():
        if len(list(layer.get_submodule("parametrizations").modules())) > 3:  # the dictionary, the list, the product
            raise ValueError(f"layer {name!r} has another parametrization on top of its factors; remove it first")
        factors = factors_of(layer)
        weight = _merge_factors(name, factors, layer._parameters.get("bias"))
        restore_layer(layer, nn.Parameter(weight, requires_grad=factors[0].requires_grad))
    return merged


def merge_state_dict(state: Mapping[str, Tensor], reparam: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """The state dict of the merged model, from that of a factorised one; works without the model.

    The result loads into the plain model, and into a factorised one, whose factors are then initialised exactly.

    Args:
        state: of the factorised model.
        reparam: what :func:`describe_hrf` returns for that model; a checkpoint has both, ``state_dict`` and ``reparam``.
            Layers that are not in it stay as they are.

    Raises:
        ValueError: factors that are missing, not finite or do not chain; names the layer.

    >>> from hrf_ser.hrf import describe_hrf, insert_hrf
    >>> model = nn.Sequential(nn.Linear(4, 8))
    >>> names = insert_hrf(model, rank=4, targets=["0"])
    >>> sorted(model.state_dict())
    ['0.bias', '0.parametrizations.weight.original0', '0.parametrizations.weight.original1']
    >>> describe_hrf(model)
    {'0': {'rank': 4.0, 'factors': 2, 'init': 'exact', 'mode': 'parametrized'}}
    >>> sorted(merge_state_dict(model.state_dict(), describe_hrf(model)))
    ['0.bias', '0.weight']
    """
    merged = dict(state)
    for layer, options in reparam.items():
        prefix = f"{layer}." if layer else ""
        try:
            factors = [merged.pop(prefix + FACTOR.format(index)) for index in range(options["factors"])]
        except KeyError as error:
            raise ValueError(
                f"layer {layer!r}: the state dict has no {error}; use the reparam of its checkpoint"
            ) from None
        merged[f"{prefix}weight"] = _merge_factors(layer, factors, merged.get(f"{prefix}bias"))
    return merged


@dataclass(frozen=True)
class MergeReport:
    """Differences between a factorised model and the merged one on given inputs."""

    max_abs_diff: float  # not finite where an output is not
    argmax_changes: int
    compared: int


def compare(model: nn.Module, merged: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> MergeReport:
    """Run copies of a factorised and the merged model in evaluation mode on the same inputs.

    ``batches`` holds the positional arguments of ``forward``, a tuple each; the output is ``(batch, classes)``.
    """
    model, merged = copy.deepcopy(model).eval(), copy.deepcopy(merged).eval()
    with torch.no_grad(), parametrize.cached():
        pairs = [(model(*batch), merged(*batch)) for batch in batches]
    before, after = (torch.cat(outputs) for outputs in zip(*pairs, strict=True))
    changes = int((before.argmax(-1) != after.argmax(-1)).sum())
    return MergeReport(float((before - after).abs().max()), changes, len(before))


def _merge_factors(name: str, factors: Sequence[Tensor], bias: Tensor | None) -> Tensor:
    """The product of ``factors``, taken in float64, in their dtype; everything must be finite."""
    with torch.no_grad():
        try:
            weight = merge_weight([to_float64(factor) for factor in factors]).to(factors[0].device, factors[0].dtype)
        except (RuntimeError, IndexError) as error:
            shapes = ", ".join(str(tuple(factor.shape)) for factor in factors)
            raise ValueError(f"layer {name!r}: factors of shapes {shapes} do not chain") from error
        tensors = [*factors, weight, *([] if bias is None else [bias])]
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
            raise ValueError(f"layer {name!r} has weights that are not finite and cannot be merged")
    return weight
