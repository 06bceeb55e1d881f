import pytest
import torch
from torch import nn

from hrf_ser.models.masking import MaskedBatchNorm, masked_mean, padding_mask, strided_lengths


def test_padding_mask_is_true_on_valid_frames() -> None:
    assert padding_mask(torch.tensor([1, 3]), 4).tolist() == [[True, False, False, False], [True, True, True, False]]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (3, 3), (7, 4)])
def test_strided_lengths_are_those_of_a_convolution(kernel: int, stride: int) -> None:
    convolution = nn.Conv1d(1, 1, kernel, stride, padding=kernel // 2)
    for length in range(1, 30):
        frames = convolution(torch.zeros(1, 1, length)).shape[-1]
        assert strided_lengths(torch.tensor([length]), stride).tolist() == [frames]


def test_masked_mean_leaves_padding_out() -> None:
    x = torch.tensor([[[1.0], [3.0], [float("inf")]], [[2.0], [2.0], [5.0]]])
    assert masked_mean(x, padding_mask(torch.tensor([2, 3]), 3)).tolist() == [[2.0], [3.0]]


def test_masked_batch_norm_is_batch_norm_of_the_valid_frames() -> None:
    torch.manual_seed(0)
    masked, plain = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    nn.init.normal_(masked.weight)
    nn.init.normal_(masked.bias)
    plain.load_state_dict(masked.state_dict())
    for _ in range(3):
        x = 3 + 2 * torch.randn(4, 9, 5)
        mask = padding_mask(torch.tensor([9, 1, 4, 6]), 9)
        valid = x[mask]
        a, b = valid.clone().requires_grad_(), x.clone().requires_grad_()
        expected, got = plain(a), masked(b, mask)[mask]
        torch.testing.assert_close(got, expected)
        expected.pow(3).sum().backward()
        got.pow(3).sum().backward()
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(b.grad[mask], a.grad, atol=1e-4, rtol=1e-4)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(masked.get_buffer(name), buffer, msg=lambda text, name=name: name + text)
    torch.testing.assert_close(masked.eval()(x, mask)[mask], plain.eval()(x[mask]))


def test_masked_batch_norm_without_a_mask_is_batch_norm() -> None:
    masked, plain, x = MaskedBatchNorm(5), nn.BatchNorm1d(5), torch.randn(4, 9, 5)
    expected = plain(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(masked(x), expected)
    torch.testing.assert_close(masked(x, torch.ones(4, 9, dtype=torch.bool)), expected)


def test_single_valid_frame_normalises_to_the_bias() -> None:
    norm = MaskedBatchNorm(5)
    nn.init.normal_(norm.bias)
    out = norm(torch.randn(1, 3, 5), padding_mask(torch.tensor([1]), 3))
    torch.testing.assert_close(out[0, 0], norm.bias)
    assert torch.isfinite(norm.running_var).all()
