"""The opened layers of a model, and their parts, alike in both modes."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize

from hrf_ser.hrf.folded import CarriedBias, is_folded, originals, parametrizations, product_of
from hrf_ser.hrf.form import Form
from hrf_ser.hrf.literal import LiteralLayer


def is_factorised(module: nn.Module) -> bool:
    """Whether ``module`` is a layer that :func:`~hrf_ser.hrf.insert_hrf` has opened, in either mode."""
    return isinstance(module, LiteralLayer) or is_folded(module)


def factorised_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that :func:`~hrf_ser.hrf.insert_hrf` has opened, by name; a shared one by its first."""
    return {name: module for name, module in model.named_modules() if is_factorised(module)}


def form_of(layer: nn.Module) -> Form:
    """The shapes of a factorised layer."""
    return layer.form if isinstance(layer, LiteralLayer) else product_of(layer).form


def factors_of(layer: nn.Module) -> list[nn.Parameter]:
    """The factors of a factorised layer, in the order of application."""
    if isinstance(layer, LiteralLayer):
        return [step.get_parameter("weight") for step in layer.steps]
    return originals(parametrizations(layer, "weight"))


def inner_biases_of(layer: nn.Module) -> list[nn.Parameter]:
    """The inner biases of a factorised layer; empty without ``bias=True``."""
    if isinstance(layer, LiteralLayer):
        return [step.get_parameter("bias") for step in layer.steps[:-1] if step.bias is not None]
    if not parametrize.is_parametrized(layer, "bias"):
        return []
    carried = parametrizations(layer, "bias")[0]
    assert isinstance(carried, CarriedBias)
    return list(carried.inner)


def outer_bias_of(layer: nn.Module) -> nn.Parameter | None:
    """The bias that a factorised layer had before, or None."""
    if isinstance(layer, LiteralLayer):
        last = layer.steps[-1]
        return None if last.bias is None else last.get_parameter("bias")
    bias = parametrizations(layer, "bias").original if parametrize.is_parametrized(layer, "bias") else layer.bias
    assert bias is None or isinstance(bias, nn.Parameter)
    return bias
