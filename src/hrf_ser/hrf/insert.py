"""HRF: factorise linear layers and convolutions in place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from hrf_ser.hrf.init import INITS, Init
from hrf_ser.hrf.inserted import InsertedLayers, computes_more, kind_of, replace_module
from hrf_ser.hrf.parametrization import is_factorised, parametrize_layer
from hrf_ser.hrf.shapes import LAYERS, factor_shapes

Mode = Literal["parametrized", "inserted"]
MODES: tuple[Mode, ...] = ("parametrized", "inserted")
ALL_LINEAR = "all-linear"
_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_REGEX = re.compile(r"[\\^$*+?{}()|\[\]]")


def insert_hrf(
    model: nn.Module,
    rank: float = 4,
    targets: Sequence[str] | None = None,
    *,
    factors: int = 2,
    init: Init = "exact",
    mode: Mode = "parametrized",
    dry_run: bool = False,
) -> list[str]:
    r"""Factorise the linear layers and convolutions of ``model`` that ``targets`` select, in place.

    Call it before the optimizer is built: the factors are new parameters. Where an error is raised, the model is unchanged.
    With the same seed, both modes get the same factors.

    Args:
        model: any torch model.
        rank: inner dimension divided by each layer's output dimension (of a convolution, by that of a group); the paper
            uses 2, 4 and 8.
        targets: names of layers, as PEFT's ``target_modules``. A name selects every layer whose dotted name is or ends with
            it (``["linear1", "linear2"]``); with regex characters it must match the whole dotted name
            (``r"encoder\.\d+\.linear[12]"``). ``"all-linear"`` selects every linear layer but the model's last, the
            classifier. None takes the model's attribute ``hrf_targets``.
        factors: 2, or 3 as in ExpandNets (NeurIPS 2020).
        init: ``exact`` keeps the model's function, ``variance`` the variance of the weights; ``default`` is torch's
            initialisation of each factor.
        mode: ``parametrized`` multiplies weights; ``inserted`` inserts layers.
        dry_run: check everything and return the names, but change nothing.

    Returns:
        Names of the factorised layers, in the model's order; of a shared layer, its first name.

    Raises:
        ValueError: a target without a layer, a rank too low for some weights, a layer that is factorised already, whose weight
            is shared with another layer or computed from other tensors (parametrized, pruned), or an unknown option.

    >>> from torch import nn
    >>> model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
    >>> insert_hrf(model, rank=4, targets=["linear1", "linear2"])
    ['layers.0.linear1', 'layers.0.linear2']
    """
    if factors not in (2, 3):
        raise ValueError(f"factors={factors} is not supported; use 2 or 3")
    for key, value, choices in (("init", init, INITS), ("mode", mode, MODES)):
        if value not in choices:
            raise ValueError(f"{key}={value!r} is unknown; use one of {', '.join(choices)}")
    names = _select(model, targets)
    if mode == "inserted" and "" in names:
        raise ValueError("mode='inserted' cannot replace the model itself; put the layer into a module")
    for name in names:
        if reason := next(_refusals(model, name, mode), None):
            raise ValueError(f"layer {name!r} {reason}")
        try:
            factor_shapes(model.get_submodule(name), rank, factors)
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from None
    for layer in [] if dry_run else [model.get_submodule(name) for name in names]:
        shapes = factor_shapes(layer, rank, factors)
        if mode == "parametrized":
            parametrize_layer(layer, shapes, init)
        else:
            replace_module(model, layer, InsertedLayers(layer, shapes, init))
    return names


def _select(model: nn.Module, targets: Sequence[str] | None) -> list[str]:
    """First names of the layers that ``targets`` select by any of their names, in the model's order."""
    if targets is None:
        targets = getattr(model, "hrf_targets", None)
        if targets is None:
            raise ValueError(f"{type(model).__name__} has no hrf_targets; pass targets=[names of layers]")
    targets = [targets] if isinstance(targets, str) else list(targets)
    if not targets:
        raise ValueError("targets is empty: no layer would be factorised; name at least one layer, or leave HRF out")
    modules = dict(model.named_modules(remove_duplicate=False))
    inside = tuple(f"{name}." for name, module in modules.items() if isinstance(module, InsertedLayers))
    # Layers that are factorised are selected too, and refused later with the reason.
    layers = [
        name
        for name, module in modules.items()
        if isinstance(module, (*LAYERS, InsertedLayers)) and not (inside and name.startswith(inside))
    ]
    if targets == [ALL_LINEAR]:
        linear = [name for name, module in model.named_modules() if name in layers and isinstance(module, nn.Linear)]
        if len(linear) < 2:
            raise ValueError(f"targets={ALL_LINEAR!r}: the model has no linear layer but its last")
        return linear[:-1]
    selected: set[int] = set()
    for target in targets:
        try:
            matches = [name for name in layers if _matches(target, name)]
        except re.error as error:
            raise ValueError(f"target {target!r} is not a regular expression: {error}") from None
        if not matches:
            raise ValueError(_no_match(target, layers, modules))
        selected |= {id(modules[name]) for name in matches}
    return [name for name, module in model.named_modules() if name in layers and id(module) in selected]


def _matches(target: str, name: str) -> bool:
    if _REGEX.search(target):
        return re.fullmatch(target, name) is not None
    return name == target or name.endswith(f".{target}")


def _no_match(target: str, layers: list[str], modules: dict[str, nn.Module]) -> str:
    """The error for a target that selects no layer: the module that it matches instead, or similar names."""
    message = f"target {target!r} matches no linear layer or convolution"
    other = next((name for name in modules if name and _matches(target, name)), None)
    depth = target.count(".") + 1
    suffixes = dict.fromkeys([*(".".join(name.split(".")[-depth:]) for name in layers), *layers])
    if other is not None:
        # With its module: a quantised layer is called Linear too.
        kind = type(modules[other])
        message += f" ({other!r} is a {kind.__module__}.{kind.__qualname__})"
    elif near := difflib.get_close_matches(target.replace("\\", ""), suffixes, n=3):
        return f"{message}; similar names: {', '.join(near)}"
    return f"{message}; the model has: {', '.join(layers[:8]) or 'none'}" + (", ..." if len(layers) > 8 else "")


def _refusals(model: nn.Module, name: str, mode: Mode) -> Iterator[str]:
    """Why factors cannot replace the weight of a layer; each check relies on those before it."""
    layer = model.get_submodule(name)
    if is_factorised(layer):
        yield "is factorised already; merge it first"
    if parametrize.is_parametrized(layer):
        yield "has another parametrization; remove it first"
    if isinstance(layer, LazyModuleMixin):
        yield "has no shape yet; run the model once first"
    weight = layer._parameters.get("weight")
    if weight is None:
        yield "computes its weight from other tensors (pruning, or weight norm by hooks); make that permanent first"
        return
    if weight.dtype not in _DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        yield f"has {weight.dtype} weights; factors can be {known}"
    if weight.is_meta:
        yield "is on the meta device and has no weights; load them first"
    for owner, module in model.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is weight and owner != name:
                # The model itself has no name: its parameter has.
                yield f"shares its weight with {owner or key!r}: factors would untie them; exclude both"
    if mode == "inserted" and computes_more(layer):
        kind, torch_class = type(layer).__name__, kind_of(layer).__name__
        yield f"is a {kind}, which may compute more than {torch_class}; use mode='parametrized', which keeps that"
