"""Open factorised layers anew while they train: the same function, fresh factors, the same parameters."""

from __future__ import annotations

import torch
from torch import nn

from hrf_ser.hrf.merge import merge_hrf
from hrf_ser.hrf.opened import factorised_layers
from hrf_ser.hrf.state import adapt_state_dict


def reopen_hrf(model: nn.Module, seed: int) -> list[nn.Parameter]:
    """Multiply the factors of every layer out and open it again by the exact start, in place.

    The model's function is kept to rounding, and inner biases are zero again. Parameters are the objects that they were, so
    the groups of an optimizer stay. Call it between optimizer steps.

    From one seed models of one form get the same orthonormal factors, whatever their weights and their devices: a moving
    average of factors that is opened along goes on in the same basis.

    Args:
        model: in either mode of :func:`insert_hrf`; one without factors is left as it is.
        seed: of the fresh factors. torch's own random numbers go on as if none had been drawn.

    Returns:
        The parameters with other values than before: factors, inner biases, and outer biases that have taken inner ones up.
        What an optimizer remembers of them is out of date.

    Raises:
        ValueError: as :func:`merge_hrf`; nothing is changed then.
    """
    if not factorised_layers(model):
        return []
    # Every kind of device has random numbers of its own.
    merged = {key: value.cpu() for key, value in merge_hrf(model).state_dict().items()}
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        fresh = adapt_state_dict(merged, model)
    changed = [
        parameter
        for name, parameter in model.named_parameters()
        if not torch.equal(parameter, fresh[name].to(parameter.device))
    ]
    model.load_state_dict(fresh)
    return changed
