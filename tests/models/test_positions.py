import math

import torch
from torch import nn

from hrf_ser.models.positions import RelativePositionBias, sinusoidal_positions


def test_sinusoids_are_those_of_the_formula_at_any_length() -> None:
    positions = sinusoidal_positions(torch.empty(1, 5000, 6))
    assert positions.shape == (5000, 6)
    for t, i in ((0, 0), (1, 1), (4999, 2)):
        angle = t / 10_000 ** (2 * i / 6)
        assert math.isclose(positions[t, i], math.sin(angle), abs_tol=1e-3)
        assert math.isclose(positions[t, 3 + i], math.cos(angle), abs_tol=1e-3)


def test_relative_bias_depends_on_the_clipped_offset_and_the_head() -> None:
    bias = RelativePositionBias(heads=2, max_distance=3)
    assert not bias(6).any()
    nn.init.normal_(bias.table.weight)
    table = bias(10)
    assert table.shape == (1, 2, 10, 10)
    for query, key in ((0, 0), (4, 6), (6, 4), (0, 9), (9, 0)):
        offset = max(-3, min(3, key - query))
        assert torch.equal(table[0, :, query, key], bias.table.weight[offset + 3])
