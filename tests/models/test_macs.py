import torch
from torch import Tensor, nn

from hrf_ser.models import count_macs, count_parameters, create_model
from hrf_ser.models.attention import SelfAttention


class Counted(nn.Module):
    """A convolution, a grouped convolution, attention and a linear, whose multiply-adds are counted by hand below."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(6, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv1d(8, 8, 5, padding=2, groups=8)
        self.attention = SelfAttention(8, 2)
        self.dropout = nn.Dropout(0.5)
        self.tied = nn.Linear(8, 3)
        self.again = self.tied

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        x = self.depthwise(self.convolution(features.transpose(1, 2))).transpose(1, 2)
        x = self.attention(x, torch.ones(1, 1, 1, x.shape[1], dtype=torch.bool))
        logits: Tensor = self.tied(self.dropout(x).mean(1))
        return logits


def test_macs_are_those_counted_by_hand() -> None:
    model = Counted()
    model.dropout.eval()
    tokens = 10
    convolutions = tokens * (6 * 8 * 3) + tokens * (8 * 5)
    attention = tokens * (8 * 24 + 8 * 8) + 2 * tokens * tokens * 8
    assert count_macs(model, frames=20, n_features=6) == convolutions + attention + 8 * 3
    assert model.training
    assert not model.dropout.training


def test_windowed_attention_is_counted_and_grows_with_time_only() -> None:
    model = create_model("speechformer", n_features=16, n_classes=3, width=16, heads=2, layers=[2, 0, 0, 0])
    per_block = 2 * 2 * 16 * (16 + 4) * 16  # layers, products, queries, keys, width
    linears = 2 * (4 * 16 * 16 + 2 * 16 * 8)
    one, two = (count_macs(model, frames, 16) for frames in (800, 1600))
    assert two - one == 50 * per_block + 800 * linears + 16 * 16 * (160 + 32 + 8)


def test_shared_parameters_are_counted_once() -> None:
    assert count_parameters(Counted()) == (6 * 8 * 3 + 8) + (8 * 5 + 8) + (8 * 24 + 24 + 8 * 8 + 8) + (8 * 3 + 3)
