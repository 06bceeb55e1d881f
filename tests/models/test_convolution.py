import pytest
import torch
from torch import nn

from hrf_ser.models.convolution import TimeConv


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 7, "padding": 3, "groups": 6, "bias": False},
        {"kernel_size": 3, "dilation": 2},
    ],
)
def test_tokens_are_convolved_as_channels_are(options: dict[str, int]) -> None:
    torch.manual_seed(0)
    ours, plain = TimeConv(6, 12, **options), nn.Conv1d(6, 12, **options)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 19, 6, requires_grad=True)
    got, expected = ours(x), plain(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(got, expected)
    weight = torch.randn_like(got)
    a = torch.autograd.grad((got * weight).sum(), [x, ours.weight])
    b = torch.autograd.grad((expected * weight).sum(), [x, plain.weight])
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other)
