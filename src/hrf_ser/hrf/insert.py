"""HRF: put factors in the place of linear layers, in place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from torch import nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.factors import INITS, Init, inner_dimension
from hrf_ser.hrf.folded import fold, is_folded
from hrf_ser.hrf.literal import LiteralLinear, replace_module

Mode = Literal["folded", "literal"]
MODES: tuple[Mode, ...] = ("folded", "literal")


def insert_hrf(
    model: nn.Module,
    rank: float = 4,
    targets: Sequence[str] | None = None,
    *,
    factors: int = 2,
    init: Init = "exact",
    mode: Mode = "folded",
    bias: bool = False,
) -> list[str]:
    """Factorise the linear layers of ``model`` that ``targets`` name, in place.

    Nothing is changed where an error is raised.

    Args:
        model: any torch model.
        rank: inner dimension as a multiple of each layer's output dimension; the paper uses 2, 4 and 8.
        targets: regular expressions, each matched against the whole dotted name of a module
            (``r"encoder\\.\\d+\\.linear[12]"``). None takes the model's own ``hrf_targets``.
        factors: 2, or 3 as in ExpandNets (NeurIPS 2020).
        init: ``exact`` keeps the model's function, ``variance`` keeps the variance of the weights, ``default`` starts
            every factor as ``nn.Linear`` does.
        mode: ``folded`` multiplies weights once a step; ``literal`` inserts layers.
        bias: give the inserted layers a bias. The layer must have one of its own to carry it after the merge.

    Returns:
        Names of the factorised layers, in the model's order.

    Raises:
        ValueError: a pattern that matches no linear layer, a rank below ``min(in, out)``, a layer that is factorised or
            otherwise parametrized already, a weight shared with another layer, an unknown option.
    """
    names = plan_hrf(model, rank, targets, factors=factors, init=init, mode=mode, bias=bias)
    for layer in [model.get_submodule(name) for name in names]:
        assert isinstance(layer, nn.Linear)
        if mode == "folded":
            fold(layer, rank, factors, init, bias)
        else:
            replace_module(model, layer, LiteralLinear(layer, rank, factors, init, bias))
    return names


def plan_hrf(
    model: nn.Module,
    rank: float = 4,
    targets: Sequence[str] | None = None,
    *,
    factors: int = 2,
    init: Init = "exact",
    mode: Mode = "folded",
    bias: bool = False,
) -> list[str]:
    """Names of the layers that :func:`insert_hrf` would factorise. Changes nothing and draws no random number.

    Raises:
        ValueError: as :func:`insert_hrf`.
    """
    if factors not in (2, 3):
        raise ValueError(f"factors={factors} is not supported; use 2 or 3")
    if init not in INITS:
        raise ValueError(f"init={init!r} is unknown; use one of {', '.join(INITS)}")
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}")
    names = _matching(model, targets)
    if mode == "literal" and "" in names:
        raise ValueError("mode='literal' cannot replace the model itself; put the layer into a module or use 'folded'")
    owners = _weight_owners(model)
    for name in names:
        _check(name, model.get_submodule(name), rank, bias, owners)
    return names


def factorised_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that :func:`insert_hrf` has opened, by name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LiteralLinear) or is_folded(m)}


def _matching(model: nn.Module, targets: Sequence[str] | None) -> list[str]:
    if targets is None:
        targets = getattr(model, "hrf_targets", None)
        if targets is None:
            raise ValueError(f"{type(model).__name__} names no hrf_targets; pass targets=[patterns of layer names]")
    inside = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, LiteralLinear))
    # insert_hrf on a factorised model must find its layers again, to say so.
    linears = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | LiteralLinear) and not (inside and name.startswith(inside))
    ]
    found: set[str] = set()
    for pattern in targets:
        matches = {name for name in linears if re.fullmatch(pattern, name)}
        if not matches:
            known = ", ".join(linears[:8]) + (", ..." if len(linears) > 8 else "")
            raise ValueError(f"target {pattern!r} matches no linear layer; the model has: {known or 'none'}")
        found |= matches
    return [name for name in linears if name in found]


def _weight_owners(model: nn.Module) -> dict[int, list[str]]:
    """Modules that hold each parameter, by the parameter's identity."""
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return owners


def _check(name: str, layer: nn.Module, rank: float, bias: bool, owners: dict[int, list[str]]) -> None:
    if isinstance(layer, LiteralLinear) or is_folded(layer):
        raise ValueError(f"layer {name!r} is factorised already; merge it first")
    if parametrize.is_parametrized(layer):
        raise ValueError(f"layer {name!r} has another parametrization; remove it first")
    if isinstance(layer, nn.LazyLinear):
        raise ValueError(f"layer {name!r} has no shape yet; run the model once first")
    assert isinstance(layer, nn.Linear)
    shared = [owner for owner in owners[id(layer.weight)] if owner != name]
    if shared:
        raise ValueError(f"layer {name!r} shares its weight with {shared[0]!r}: factors would untie them; exclude both")
    if bias and layer.bias is None:
        raise ValueError(f"layer {name!r} has no bias to carry an inner bias after the merge; use bias=False")
    try:
        inner_dimension(rank, layer.out_features, layer.in_features)
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None
