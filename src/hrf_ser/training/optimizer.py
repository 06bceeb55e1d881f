"""Parameter groups, the optimizer and its schedule."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from hrf_ser.hrf import factorised_layers, factors_of


@dataclass(frozen=True)
class OptimizerConfig:
    """Options under ``optimizer``, described in ``hrf_ser.config.schema``, and ``reparam.weight_decay`` as ``factor_decay``.

    Of k factors, ``product`` decays each by ``weight_decay / k``, so that with AdamW the product shrinks by the plain layer's
    rate, the matched baseline. ``factors`` decays each by ``weight_decay``, a nuclear-norm-like penalty on the product.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    factor_decay: Literal["product", "factors", "none"] = "product"
    momentum: float = 0.9
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: float = 3.0
    final_lr: float = 0.01


def build_optimizer(model: nn.Module, config: OptimizerConfig, fused: bool = True) -> torch.optim.Optimizer:
    """AdamW or SGD over a model whose layers may be factorised.

    ``fused`` AdamW takes one pass over all moments, which pays as factors have many times the parameters of the layer that they
    replace. Lightning refuses to clip gradients before a fused step under mixed precision.
    """
    groups = parameter_groups(model, config)
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused)


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, object]]:
    """Trainable parameters by their weight decay."""
    decay_of = {}
    for layer in factorised_layers(model).values():
        factors = factors_of(layer)
        share = {"product": 1 / len(factors), "factors": 1.0, "none": 0.0}[config.factor_decay]
        decay_of.update({id(factor): config.weight_decay * share for factor in factors})
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            own = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault(decay_of.get(id(parameter), own), []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]


def build_schedule(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, steps: int, steps_per_epoch: float
) -> LambdaLR:
    """Linear warm-up, then a cosine down to ``final_lr`` at the last step, or a constant rate."""
    warmup = min(config.warmup_epochs * steps_per_epoch, steps / 2)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if config.schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1.0, steps - warmup))
        return config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)
