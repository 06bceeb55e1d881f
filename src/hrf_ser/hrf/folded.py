"""Folded mode: the factors live in a ``torch.nn.utils.parametrize`` parametrization of the layer's own weight.

The layer stays an ``nn.Linear``; reading its ``weight`` gives the product of the factors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.factors import Init, draw, inner_dimension, merge_bias, multiply


class Product(nn.Module):
    """Parametrization of a weight ``(out, in)`` by factors: ``forward`` multiplies, ``right_inverse`` draws factors.

    ``held`` stands for the product while :class:`~hrf_ser.hrf.step.StepProducts` holds it.
    """

    def __init__(self, inner: int, n_factors: int, init: Init) -> None:
        super().__init__()
        self.inner = inner
        self.n_factors = n_factors
        self.init = init
        self.held: Tensor | None = None

    def forward(self, *factors: Tensor) -> Tensor:
        return multiply(factors) if self.held is None else self.held

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        return tuple(draw(weight, self.inner, self.n_factors, self.init))

    def extra_repr(self) -> str:
        return f"inner={self.inner}, n_factors={self.n_factors}"

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


def fold(layer: nn.Linear, rank: float, n_factors: int, init: Init, bias: bool) -> None:
    """Give ``layer`` factors in place of its weight."""
    inner = inner_dimension(rank, layer.out_features, layer.in_features)
    # A frozen bias stays frozen: its inner biases are then zero for good.
    inner_biases = [
        nn.Parameter(layer.weight.new_zeros(inner), layer.bias.requires_grad) for _ in range(n_factors - 1) if bias
    ]
    product = Product(inner, n_factors, init)
    parametrize.register_parametrization(layer, "weight", product)
    # From now on a weight that is assigned to the layer is opened exactly.
    product.init = "exact"
    if inner_biases:
        stack = parametrizations(layer, "weight")
        parametrize.register_parametrization(layer, "bias", CarriedBias(stack, inner_biases))


def close(layer: nn.Module) -> nn.Linear:
    """Make ``layer`` the class it was, without its factors; its weight and bias are for the caller to set.

    ``parametrize.remove_parametrizations`` would delete properties from the parametrized class, which a deep copy
    shares with its original: merging a copy would break the model that is still training.
    """
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer._modules["parametrizations"]
    assert isinstance(layer, nn.Linear)
    return layer


def is_folded(module: nn.Module) -> bool:
    """Whether ``module`` is a linear layer that :func:`fold` has opened."""
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


def originals(stack: parametrize.ParametrizationList) -> list[nn.Parameter]:
    """The factors behind a weight, in the order of application."""
    product = stack[0]
    assert isinstance(product, Product)
    return [getattr(stack, f"original{index}") for index in range(product.n_factors)]


def factors_of(layer: nn.Module) -> list[nn.Parameter]:
    """The factors of a folded layer, in the order of application."""
    return originals(parametrizations(layer, "weight"))


def inner_biases_of(layer: nn.Module) -> list[nn.Parameter]:
    """The inner biases of a folded layer; empty without ``bias=True``."""
    if not parametrize.is_parametrized(layer, "bias"):
        return []
    carried = parametrizations(layer, "bias")[0]
    assert isinstance(carried, CarriedBias)
    return list(carried.inner)


def plain_bias_of(layer: nn.Module) -> nn.Parameter | None:
    """The outer bias of a folded layer, or None."""
    bias = parametrizations(layer, "bias").original if parametrize.is_parametrized(layer, "bias") else layer.bias
    assert bias is None or isinstance(bias, nn.Parameter)
    return bias
