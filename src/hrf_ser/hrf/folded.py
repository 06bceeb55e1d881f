"""Folded mode: the factors live in a ``torch.nn.utils.parametrize`` parametrization of the layer's own weight.

The layer stays what it is, its ``forward`` its own; reading its ``weight`` gives the product of the factors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.factors import Init, draw, merge_bias, multiply
from hrf_ser.hrf.form import Form
from hrf_ser.hrf.layers import Layer, is_layer


class Product(nn.Module):
    """Parametrization of a weight by factors: ``forward`` multiplies, ``right_inverse`` draws factors.

    ``held`` stands for the product while :class:`~hrf_ser.hrf.step.StepProducts` holds it.
    """

    def __init__(self, form: Form, init: Init) -> None:
        super().__init__()
        self.form = form
        self.init = init
        self.held: Tensor | None = None

    def forward(self, *factors: Tensor) -> Tensor:
        return multiply(factors) if self.held is None else self.held

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        return tuple(draw(weight, self.form, self.init))

    def extra_repr(self) -> str:
        return f"inner={self.form.inner}, n_factors={self.form.n_factors}"

    def __getstate__(self) -> dict[str, Any]:
        # A copy must follow its own factors, not the product that this layer holds for the running step.
        return {**self.__dict__, "held": None}


class CarriedBias(nn.Module):
    """Parametrization of a bias ``(out,)``: the outer bias plus what the inner biases become behind the factors."""

    def __init__(self, factors: parametrize.ParametrizationList, inner: list[nn.Parameter]) -> None:
        super().__init__()
        self.inner = nn.ParameterList(inner)
        # In a tuple so that the factors are not registered, and saved, a second time.
        self._factors = (factors,)

    def forward(self, bias: Tensor) -> Tensor:
        return merge_bias(bias, list(self.inner), originals(self._factors[0]))

    def right_inverse(self, bias: Tensor) -> Tensor:
        with torch.no_grad():
            for inner in self.inner:
                inner.zero_()
        return bias


def fold(layer: Layer, form: Form, init: Init, bias: bool) -> None:
    """Give ``layer`` factors in place of its weight."""
    inner_biases = [
        # A frozen bias stays frozen: its inner biases are then zero for good.
        nn.Parameter(layer.weight.new_zeros(shape[0]), layer.bias.requires_grad)
        for shape in form.shapes[:-1]
        if bias and layer.bias is not None
    ]
    product = Product(form, init)
    parametrize.register_parametrization(layer, "weight", product)
    # From now on a weight that is assigned to the layer is opened exactly.
    product.init = "exact"
    if inner_biases:
        stack = parametrizations(layer, "weight")
        parametrize.register_parametrization(layer, "bias", CarriedBias(stack, inner_biases))


def close(layer: nn.Module) -> Layer:
    """Make ``layer`` the class it was, without its factors; its weight and bias are for the caller to set.

    ``parametrize.remove_parametrizations`` would delete properties from the parametrized class, which a deep copy
    shares with its original: merging a copy would break the model that is still training.
    """
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    assert is_layer(layer)
    return layer


def is_folded(module: nn.Module) -> bool:
    """Whether ``module`` is a layer that :func:`fold` has opened."""
    return parametrize.is_parametrized(module, "weight") and isinstance(parametrizations(module, "weight")[0], Product)


def has_other_parametrizations(layer: nn.Module) -> bool:
    """Whether a folded layer has parametrizations beside the ones that :func:`fold` gave it."""
    stacks = layer.parametrizations
    assert isinstance(stacks, nn.ModuleDict)
    ours = {"weight": Product, "bias": CarriedBias}
    return any(
        name not in ours
        or len(parametrizations(layer, name)) > 1
        or not isinstance(parametrizations(layer, name)[0], ours[name])
        for name in stacks
    )


def parametrizations(module: nn.Module, name: str) -> parametrize.ParametrizationList:
    """The parametrizations of ``module.<name>``."""
    stack = module.parametrizations[name]  # type: ignore[index]
    assert isinstance(stack, parametrize.ParametrizationList)
    return stack


def product_of(layer: nn.Module) -> Product:
    """The parametrization that multiplies the factors of a folded layer."""
    product = parametrizations(layer, "weight")[0]
    assert isinstance(product, Product)
    return product


def originals(stack: parametrize.ParametrizationList) -> list[nn.Parameter]:
    """The factors behind a weight, in the order of application."""
    product = stack[0]
    assert isinstance(product, Product)
    return [getattr(stack, f"original{index}") for index in range(product.form.n_factors)]
