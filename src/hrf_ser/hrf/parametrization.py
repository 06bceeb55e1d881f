"""Parametrized mode: the weight of a layer is the product of its factors, by ``torch.nn.utils.parametrize``."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.init import Init, factorise_entry, init_factors
from hrf_ser.hrf.inserted import InsertedLayers
from hrf_ser.hrf.shapes import FactorShapes, merge_weight


class Product(nn.Module):
    """Parametrization of a weight by its factors; a weight that the layer is given later is factorised exactly."""

    mode = "parametrized"

    def __init__(self, shapes: FactorShapes, init: Init) -> None:
        super().__init__()
        self.shapes = shapes
        self.init = init
        self.load_hook: int | None = None

    def forward(self, *factors: Tensor) -> Tensor:
        return merge_weight(factors)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        return tuple(init_factors(weight, self.shapes, self.init if self.load_hook is None else "exact"))


def parametrize_layer(layer: nn.Module, shapes: FactorShapes, init: Init) -> None:
    """Parametrize the weight of ``layer`` by factors, in place."""
    product = Product(shapes, init)
    parametrize.register_parametrization(layer, "weight", product)
    product.load_hook = layer.register_load_state_dict_pre_hook(_factorise_loaded).id


def _factorise_loaded(layer: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Hook: a plain weight that a parametrized layer loads is factorised exactly."""
    product = factorisation_of(layer)
    assert product is not None
    factorise_entry(state, prefix, "parametrizations.weight.original{}", product.shapes)


def restore_layer(layer: nn.Module) -> nn.Module:
    """Give ``layer`` its class back, without factors; the caller sets its weight.

    ``parametrize.remove_parametrizations`` would delete properties from the parametrized class, which a deep copy
    shares with its original: merging a copy would break the model that is still training.
    """
    product = factorisation_of(layer)
    assert isinstance(product, Product)
    layer._load_state_dict_pre_hooks.pop(cast(int, product.load_hook))
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    return layer


def factorisation_of(module: nn.Module) -> Product | InsertedLayers | None:
    """What holds ``shapes``, ``init`` and ``mode`` of a factorised layer; None for any other module."""
    if isinstance(module, InsertedLayers):
        return module
    if not parametrize.is_parametrized(module, "weight"):
        return None
    first = module.get_submodule("parametrizations.weight.0")
    return first if isinstance(first, Product) else None


def factorised_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The factorised layers of ``model`` by name; a shared layer by its first name."""
    return {name: module for name, module in model.named_modules() if factorisation_of(module) is not None}


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
    if isinstance(layer, InsertedLayers):
        return [step.get_parameter("weight") for step in layer]
    stack = layer.get_submodule("parametrizations.weight")
    return [parameter for name, parameter in stack.named_parameters() if name.startswith("original")]


def describe_hrf(model: nn.Module) -> dict[str, dict[str, Any]]:
    """How each layer of ``model`` is factorised, as plain data for a checkpoint; empty for a plain model.

    By name in the state dict, which has a shared layer under each of its names: ``rank`` (inner dimension / outputs of a
    group), ``factors``, ``init`` and ``mode``.
    """
    layers = {name: factorisation_of(module) for name, module in model.named_modules(remove_duplicate=False)}
    return {
        name: {
            "rank": layer.shapes.inner / layer.shapes.outputs,
            "factors": layer.shapes.n_factors,
            "init": layer.init,
            "mode": layer.mode,
        }
        for name, layer in layers.items()
        if layer is not None
    }
