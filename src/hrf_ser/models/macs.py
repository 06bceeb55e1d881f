"""What a model costs: multiply-adds and parameters."""

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_macs(model: nn.Module, frames: int, n_features: int) -> int:
    """Multiply-adds of the linears, convolutions and attention products for one utterance, in evaluation.

    Counted by torch's ``FlopCounterMode`` in a forward pass: windowed attention counts the keys that it multiplies, masked
    ones included. Merge a factorised model first: the products of its factors would count.
    """
    reference = next(model.parameters())
    features = torch.zeros(1, frames, n_features, device=reference.device, dtype=reference.dtype)
    lengths = torch.tensor([frames], device=reference.device)
    modes = {module: module.training for module in model.modules()}
    counter = FlopCounterMode(display=False)
    model.eval()
    try:
        # The counter does not know the fused CPU kernel, and would count its attention as nothing.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(features, lengths)
    finally:
        for module, training in modes.items():
            module.training = training
    return int(counter.get_total_flops()) // 2


def count_parameters(model: nn.Module) -> int:
    """Parameters, each counted once however often it is shared."""
    return sum(parameter.numel() for parameter in model.parameters())
