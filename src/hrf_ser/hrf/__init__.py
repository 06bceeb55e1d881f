"""High-Rank Factorization (HRF) of linear layers and convolutions for training, and its exact merge (deHRF) for deployment.

    plain            y = W x + b                      W: (out, in)

    training (HRF)   y = W2 W1 x + b                  W1: (r, in), W2: (out, r), r = rank * out

                       x --[ in -> r ]--[ r -> out ]-- y      no non-linearity in between

    deployment       W = W2 W1                        the plain layer again, same shape, same cost

Source: Zhang, Dong, Xu and Han, "Re-Parameterization of Lightweight Transformer for On-Device Speech Emotion
Recognition", IEEE Internet of Things Journal 2024, doi 10.1109/JIOT.2024.3483232, arXiv 2411.09339.

A convolution is a linear layer of every window: its kernel becomes a kernel ``in -> r`` and a pointwise ``r -> out``.

The parametrized mode (default) takes the product over weights, ``F.linear(x, W2 @ W1)``, at a cost that does not grow with the
number of tokens. The inserted mode applies one layer after the other, ``F.linear(F.linear(x, W1), W2)``: the same parameters,
function and gradients, and the reference to compare with.

    >>> from torch import nn
    >>> from hrf_ser.hrf import insert_hrf, merge_hrf
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
    >>> insert_hrf(model, rank=4, targets=["0", "2"])
    ['0', '2']
    >>> merge_hrf(model)[0]
    Linear(in_features=8, out_features=16, bias=True)
"""

from hrf_ser.hrf.insert import insert_hrf
from hrf_ser.hrf.merge import MergeReport, compare, merge_hrf, merge_state_dict
from hrf_ser.hrf.parametrization import describe_hrf, factorised_layers, factors_of, is_factorised

__all__ = [
    "insert_hrf",
    "merge_hrf",
    "merge_state_dict",
    "is_factorised",
    "compare",
    "MergeReport",
    "describe_hrf",
    "factorised_layers",
    "factors_of",
]
