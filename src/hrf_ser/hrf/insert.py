"""HRF: put factors in the place of linear layers and convolutions, in place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from hrf_ser.hrf.factors import INITS, Init
from hrf_ser.hrf.folded import fold
from hrf_ser.hrf.layers import Layer, computes_more, form_for, is_layer, kind_of, pads_behind_a_bias
from hrf_ser.hrf.literal import LiteralLayer, replace_module
from hrf_ser.hrf.opened import is_factorised

Mode = Literal["parametrized", "inserted"]
MODES: tuple[Mode, ...] = ("parametrized", "inserted")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def insert_hrf(
    model: nn.Module,
    rank: float = 4,
    targets: Sequence[str] | None = None,
    *,
    factors: int = 2,
    init: Init = "exact",
    mode: Mode = "parametrized",
    bias: bool = False,
) -> list[str]:
    """Factorise the linear layers and convolutions of ``model`` that ``targets`` name, in place.

    Insert before the optimizer is built: the factors are new parameters. Nothing is changed where an error is raised.
    From one seed, both modes start at the same factors.

    Args:
        model: any torch model.
        rank: inner dimension as a multiple of each layer's output dimension, of a convolution that of a group; the paper
            uses 2, 4 and 8.
        targets: regular expressions, each matched against the whole dotted name of a module
            (``r"encoder\\.\\d+\\.linear[12]"``). None takes the model's own ``hrf_targets``.
        factors: 2, or 3 as in ExpandNets (NeurIPS 2020).
        init: ``exact`` keeps the model's function, ``variance`` keeps the variance of the weights, ``default`` starts
            every factor as torch starts a layer.
        mode: ``parametrized`` multiplies weights once a step; ``inserted`` inserts layers.
        bias: give the inserted layers a bias. The layer must have one of its own to carry it after the merge.

    Returns:
        Names of the factorised layers, in the model's order; of a shared layer, its first name.

    Raises:
        ValueError: a pattern that matches no linear layer or convolution, a rank too low to reach every weight, a layer whose
            weight is shared with another, factorised already or computed from other tensors (parametrized, pruned), a bias
            that no merged layer could have, an unknown option.
    """
    names = plan_hrf(model, rank, targets, factors=factors, init=init, mode=mode, bias=bias)
    for layer in [model.get_submodule(name) for name in names]:
        assert is_layer(layer)
        form = form_for(layer, rank, factors)
        if mode == "parametrized":
            fold(layer, form, init, bias)
        else:
            replace_module(model, layer, LiteralLayer(layer, form, init, bias))
    return names


def plan_hrf(
    model: nn.Module,
    rank: float = 4,
    targets: Sequence[str] | None = None,
    *,
    factors: int = 2,
    init: Init = "exact",
    mode: Mode = "parametrized",
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
    if mode == "inserted" and "" in names:
        raise ValueError(
            "mode='inserted' cannot replace the model itself; put the layer into a module or use 'parametrized'"
        )
    owners = _owners(model)
    for name in names:
        layer = _plain_layer(name, model.get_submodule(name))
        _check_sharing(name, layer, bias, owners)
        if mode == "inserted" and computes_more(layer):
            raise ValueError(
                f"layer {name!r} is a {type(layer).__name__}, which may compute more than {kind_of(layer).__name__}: "
                "mode='inserted' would leave that out; use 'parametrized'"
            )
        if bias and layer.bias is None:
            raise ValueError(f"layer {name!r} has no bias to carry an inner bias after the merge; use bias=False")
        try:
            form = form_for(layer, rank, factors)
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from None
        if bias and pads_behind_a_bias(layer, form):
            raise ValueError(
                f"layer {name!r} pads with zeros behind its first inner bias, which no one bias stands for at the edges; use "
                "bias=False or factors=2"
            )
    return names


def _matching(model: nn.Module, targets: Sequence[str] | None) -> list[str]:
    """First names of the layers that ``targets`` name by any of their names, in the model's order."""
    if targets is None:
        targets = getattr(model, "hrf_targets", None)
        if targets is None:
            raise ValueError(f"{type(model).__name__} names no hrf_targets; pass targets=[patterns of layer names]")
    targets = [targets] if isinstance(targets, str) else list(targets)
    if not targets:
        raise ValueError("targets is empty: no layer would be factorised; name at least one pattern, or leave HRF out")
    modules = dict(model.named_modules(remove_duplicate=False))
    inside = tuple(f"{name}." for name, module in modules.items() if isinstance(module, LiteralLayer))
    # insert_hrf on a factorised model must find its layers again, to say so.
    layers = [
        name
        for name, module in modules.items()
        if (is_layer(module) or isinstance(module, LiteralLayer)) and not (inside and name.startswith(inside))
    ]
    found: set[int] = set()
    for pattern in targets:
        try:
            matches = [name for name in layers if re.fullmatch(pattern, name)]
        except re.error as error:
            raise ValueError(f"target {pattern!r} is no regular expression: {error}") from None
        if not matches:
            raise ValueError(_no_match(pattern, layers, modules))
        found |= {id(modules[name]) for name in matches}
    return [name for name, module in model.named_modules() if name in layers and id(module) in found]


def _no_match(pattern: str, layers: list[str], modules: dict[str, nn.Module]) -> str:
    """The sentence for a pattern that matches no such layer: what it does match, or what is near it."""
    message = f"target {pattern!r} matches no linear layer or convolution"
    other = next((name for name in modules if name and re.fullmatch(pattern, name)), None)
    if other is not None:
        # With its module: a quantised layer is called Linear too.
        kind = type(modules[other])
        message += f" ({other!r} is a {kind.__module__}.{kind.__qualname__})"
    part = [name for name in layers if re.search(pattern, name)]
    near = difflib.get_close_matches(pattern.replace("\\", ""), layers, n=3)
    if part and other is None:
        return f"{message}: patterns match whole names, such as {', '.join(part[:3])}"
    if near and other is None:
        return f"{message}; near it: {', '.join(near)}"
    return f"{message}; the model has: {', '.join(layers[:8]) or 'none'}" + (", ..." if len(layers) > 8 else "")


def _plain_layer(name: str, layer: nn.Module) -> Layer:
    """``layer``, if its weight is a parameter that factors can take the place of.

    Raises:
        ValueError: a layer that is factorised, parametrized, pruned, lazy, quantised or without data.
    """
    if is_factorised(layer):
        raise ValueError(f"layer {name!r} is factorised already; merge it first")
    if parametrize.is_parametrized(layer):
        raise ValueError(f"layer {name!r} has another parametrization; remove it first")
    if isinstance(layer, LazyModuleMixin):
        raise ValueError(f"layer {name!r} has no shape yet; run the model once first")
    assert is_layer(layer)
    if layer._parameters.get("weight") is None:
        raise ValueError(
            f"layer {name!r} computes its weight from other tensors (pruning, or weight norm by hooks); "
            "make that permanent first"
        )
    if layer.weight.dtype not in DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise ValueError(f"layer {name!r} has {layer.weight.dtype} weights; factors can be {known}")
    if layer.weight.is_meta:
        raise ValueError(f"layer {name!r} is on the meta device and has no weights; load them first")
    return layer


def _owners(model: nn.Module) -> dict[int, list[str]]:
    """Names of the modules that hold each parameter, by the parameter's identity."""
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                # The model itself has no name: its parameter has.
                owners.setdefault(id(parameter), []).append(name or key)
    return owners


def _check_sharing(name: str, layer: Layer, bias: bool, owners: dict[int, list[str]]) -> None:
    """Refuse a layer whose weight, or bias where it is to carry inner ones, another module holds as well."""
    for kind, parameter in (("weight", layer.weight), ("bias", layer.bias if bias else None)):
        shared = [] if parameter is None else [owner for owner in owners[id(parameter)] if owner != (name or kind)]
        if shared:
            remedy = "exclude both" if kind == "weight" else "use bias=False"
            raise ValueError(f"layer {name!r} shares its {kind} with {shared[0]!r}: factors would untie them; {remedy}")
