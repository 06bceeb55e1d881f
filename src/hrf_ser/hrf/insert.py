"""HRF: factorise linear layers and convolutions in place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from types import MethodType
from typing import get_args

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from hrf_ser.hrf.init import Init
from hrf_ser.hrf.parametrization import Mode, factorise_layer, is_factorised
from hrf_ser.hrf.shapes import LAYERS, factor_shapes

ALL_LINEAR = "all-linear"
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
        mode: ``parametrized`` multiplies weights; ``inserted`` applies the factors to activations, as layers in a row.
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
    for key, value, choices in (("init", init, get_args(Init)), ("mode", mode, get_args(Mode))):
        if value not in choices:
            raise ValueError(f"{key}={value!r} is unknown; use one of {', '.join(choices)}")
    names = _select(model, targets)
    layers = [model.get_submodule(name) for name in names]
    shapes = []
    for name, layer in zip(names, layers, strict=True):
        if reason := next(_refusals(model, layer, mode), None):
            raise ValueError(f"layer {name!r} {reason}")
        try:
            shapes.append(factor_shapes(layer, rank, factors))
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from None
    if not dry_run:
        for layer, shape in zip(layers, shapes, strict=True):
            factorise_layer(layer, shape, init, mode)
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
    if targets == [ALL_LINEAR]:
        linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        if len(linear) < 2:
            raise ValueError(f"targets={ALL_LINEAR!r}: the model has no linear layer but its last")
        return linear[:-1]
    modules = dict(model.named_modules(remove_duplicate=False))
    layers = [name for name, module in modules.items() if isinstance(module, LAYERS)]
    selected: set[nn.Module] = set()
    for target in targets:
        try:
            matches = [name for name in layers if _matches(target, name)]
        except re.error as error:
            raise ValueError(f"target {target!r} is not a regular expression: {error}") from None
        if not matches:
            raise ValueError(_no_match(target, layers, modules))
        selected.update(modules[name] for name in matches)
    return [name for name, module in model.named_modules() if module in selected]


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


def _refusals(model: nn.Module, layer: nn.Module, mode: Mode) -> Iterator[str]:
    """Why factors cannot replace the weight of a layer; each check relies on those before it."""
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
    if not weight.dtype.is_floating_point or weight.dtype.itemsize < 2:
        yield f"has {weight.dtype} weights; factors can be float64, float32, bfloat16 or float16"
    if weight.is_meta:
        yield "is on the meta device and has no weights; load them first"
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner, _, key = name.rpartition(".")
        if parameter is weight and model.get_submodule(owner) is not layer:
            yield f"shares its weight with {owner or key!r}: factors would untie them; exclude both"
    kind = next(kind for kind in LAYERS if isinstance(layer, kind))
    methods = [name for name in ("forward", "_conv_forward") if hasattr(kind, name)]
    if mode == "inserted" and any(getattr(layer, name) != MethodType(getattr(kind, name), layer) for name in methods):
        own = type(layer).__name__
        yield f"is a {own}, which may compute more than {kind.__name__}; use mode='parametrized', which keeps that"
