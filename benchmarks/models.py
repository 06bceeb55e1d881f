"""Models of conf/, their training steps and their inference, as functions to measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from torch import Tensor, nn

from hrf_ser.entry import conf_dir
from hrf_ser.hrf import insert_hrf
from hrf_ser.models import create_model
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer

CLASSES, BANDS = 8, 64
VARIANTS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    **{f"{mode} x{rank}": {"rank": rank, "mode": mode} for mode in ("parametrized", "inserted") for rank in (2, 4, 8)},
}


def options_of(label: str) -> tuple[str, dict[str, Any]]:
    """Registered name and keywords of conf/model/<label>.yaml."""
    config = OmegaConf.load(conf_dir() / "model" / f"{label}.yaml")
    options = OmegaConf.to_container(config.options)
    assert isinstance(options, dict)
    return config.name, {str(key): value for key, value in options.items()}


def model_of(
    label: str, hrf: dict[str, Any] | None = None, *, n_features: int = BANDS, n_classes: int = CLASSES, **changed: Any
) -> nn.Module:
    """The model of conf/model/<label>.yaml, factorised where ``hrf`` has the keywords of ``insert_hrf``."""
    name, options = options_of(label)
    torch.manual_seed(0)
    model = create_model(name, n_features=n_features, n_classes=n_classes, **{**options, **changed})
    if hrf is not None:
        insert_hrf(model, **hrf)
    return model


def utterances(
    batch: int, frames: int, n_features: int = BANDS, shortest: float = 0.7
) -> tuple[Tensor, Tensor, Tensor]:
    """Random features ``(batch, frames, n_features)``, lengths from ``shortest`` of the frames to all of them, labels."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, frames, n_features, generator=generator)
    lengths = torch.linspace(shortest * frames, frames, batch).round().long() if batch > 1 else torch.tensor([frames])
    return features, lengths, torch.arange(batch) % CLASSES


def pass_of(model: nn.Module) -> Callable[..., None]:
    """``pass(*inputs, labels)``: forward, cross-entropy and backward, no optimizer."""

    def run(*inputs: Tensor) -> None:
        model.zero_grad(set_to_none=True)
        loss: Tensor = F.cross_entropy(model(*inputs[:-1]), inputs[-1])
        loss.backward()

    return run


def step_of(model: nn.Module) -> Callable[[Tensor, Tensor, Tensor], None]:
    """``step(features, lengths, labels)``: forward, loss, backward, clipping and AdamW, as the main job takes them."""
    optimizer = build_optimizer(model, OptimizerConfig())

    def step(features: Tensor, lengths: Tensor, labels: Tensor) -> None:
        loss = F.cross_entropy(model(features, lengths), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def inference_of(model: nn.Module) -> Callable[..., None]:
    """``infer(*inputs)`` without gradients, in evaluation."""
    model.eval()

    def infer(*inputs: Tensor) -> None:
        with torch.inference_mode():
            model(*inputs)

    return infer
