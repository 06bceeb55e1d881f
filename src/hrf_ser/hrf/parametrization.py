"""Factorised layers: their weight is the product of their factors, by ``torch.nn.utils.parametrize``.

Both modes hold the same parameters under the same names. The inserted mode replaces the layer's ``forward`` too: it applies
the factors to activations, one layer after another.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.init import Init, init_exact, init_factors
from hrf_ser.hrf.shapes import FactorShapes, merge_weight

Mode = Literal["parametrized", "inserted"]
FACTOR = "parametrizations.weight.original{}"


class Product(nn.Module):
    """Parametrization of a weight by its factors; a weight that the layer is given later is factorised exactly."""

    def __init__(self, shapes: FactorShapes, init: Init, mode: Mode) -> None:
        super().__init__()
        self.shapes, self.init, self.mode = shapes, init, mode
        self.load_hook: int | None = None

    def forward(self, *factors: Tensor) -> Tensor:
        return merge_weight(factors)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        return tuple(init_factors(weight, self.shapes, self.init if self.load_hook is None else "exact"))


def factorise_layer(layer: nn.Module, shapes: FactorShapes, init: Init, mode: Mode) -> None:
    """Replace the weight of ``layer`` by factors, in place."""
    product = Product(shapes, init, mode)
    parametrize.register_parametrization(layer, "weight", product)
    product.load_hook = layer.register_load_state_dict_pre_hook(_factorise_loaded).id
    if mode == "inserted":
        # A bound method: a deep copy of the layer gets one of its own.
        vars(layer)["forward"] = MethodType(_forward_inserted, layer)


def _forward_inserted(layer: Any, x: Tensor) -> Tensor:
    """Apply the factors as layers; that of the kernel has the stride, the padding and the dilation."""
    *first, last = factors_of(layer)
    for index, factor in enumerate(first):
        has_kernel = factor.ndim > 2 and index == len(first) - 1
        x = layer._conv_forward(x, factor, None) if has_kernel else _pointwise(layer, x, factor)
    return _pointwise(layer, x, last, layer.bias)


def _pointwise(layer: Any, x: Tensor, factor: Tensor, bias: Tensor | None = None) -> Tensor:
    if factor.ndim == 2:
        return F.linear(x, factor, bias)
    return (F.conv1d if factor.ndim == 3 else F.conv2d)(x, factor, bias, groups=layer.groups)


def _factorise_loaded(layer: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Hook: a plain weight that a factorised layer loads is factorised exactly."""
    product, weight = product_of(layer), state.get(f"{prefix}weight")
    if product is None or weight is None:
        return
    if tuple(weight.shape) != product.shapes.weight:
        raise ValueError(
            f"layer {prefix[:-1]!r}: a weight of shape {tuple(weight.shape)} does not fit the model's, "
            f"{product.shapes.weight}; create the model with the options that it was saved with"
        )
    del state[f"{prefix}weight"]
    factors = init_exact(weight, product.shapes)
    state.update({prefix + FACTOR.format(index): factor for index, factor in enumerate(factors)})


def restore_layer(layer: nn.Module, weight: nn.Parameter) -> None:
    """Make ``layer`` what it was before :func:`factorise_layer`, with another weight.

    ``parametrize.remove_parametrizations`` would delete properties from the parametrized class, which a deep copy
    shares with its original: merging a copy would break the model that is still training.
    """
    product = product_of(layer)
    assert product is not None
    layer._load_state_dict_pre_hooks.pop(cast(int, product.load_hook))
    if product.mode == "inserted":
        del vars(layer)["forward"]
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    # The weight first, as torch registers it: a state dict lists its keys in that order.
    layer._parameters = {"weight": weight, **layer._parameters}


def product_of(module: nn.Module) -> Product | None:
    """The parametrization of a factorised layer, which knows its shapes; None for any other module."""
    if not parametrize.is_parametrized(module, "weight"):
        return None
    first = module.get_submodule("parametrizations.weight.0")
    return first if isinstance(first, Product) else None


def factorised_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The factorised layers of ``model`` by name; a shared layer by its first name."""
    return {name: module for name, module in model.named_modules() if product_of(module) is not None}


def is_factorised(model: nn.Module) -> bool:
    """Whether any layer of ``model`` is factorised, in either mode.

    >>> from hrf_ser.hrf import insert_hrf
    >>> model = nn.Sequential(nn.Linear(4, 4))
    >>> names = insert_hrf(model, targets=["0"])
    >>> is_factorised(model)
    True
    """
    return bool(factorised_layers(model))


def factors_of(layer: nn.Module) -> list[nn.Parameter]:
    """The factors of a factorised layer, in the order of application."""
    stack = layer.get_submodule("parametrizations.weight")
    return [factor for name, factor in stack._parameters.items() if name.startswith("original") and factor is not None]


def describe_hrf(model: nn.Module) -> dict[str, dict[str, Any]]:
    """How each layer of ``model`` is factorised, as plain data for a checkpoint; empty for a plain model.

    By name in the state dict, which has a shared layer under each of its names.
    """
    described = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if (product := product_of(module)) is not None:
            rank = product.shapes.inner / product.shapes.outputs
            options = {"rank": rank, "factors": product.shapes.n_factors, "init": product.init, "mode": product.mode}
            described[name] = options
    return described
