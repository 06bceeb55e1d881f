"""The feed-forward block of a Transformer layer: where HRF acts."""

from torch import Tensor, nn

from hrf_ser.models.dropout import Dropout


class FeedForward(nn.Module):
    """Linear, activation, dropout, linear, dropout (Vaswani et al., NeurIPS 2017, section 3.3).

    ``linear1`` and ``linear2`` are called as modules, so that either may be re-parameterised or replaced.
    """

    def __init__(self, width: int, hidden: int, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.activation = activation
        self.dropout = Dropout(dropout)
        self.linear2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, width)`` -> ``(B, T, width)``."""
        x = self.dropout(self.activation(self.linear1(x)))
        out: Tensor = self.dropout(self.linear2(x))
        return out
