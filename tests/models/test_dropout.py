import pytest
import torch

from hrf_ser.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(101, 103), (7, 11, 13), (4_001,)])
def test_numbers_are_dropped_at_the_rate_and_the_mean_stays(p: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.ones(shape)
    many = torch.stack([Dropout(p)(x) for _ in range(40_000 // x.numel() + 20)])
    assert (many == 0).float().mean() == pytest.approx(p, abs=0.02)
    assert many[many > 0].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-4)
    # Neighbours share a draw of 64 bits, and must not share their fate.
    flat = (many.flatten(1) == 0).float()
    for distance in (1, 2, 3, 4):
        both = (flat[:, distance:] * flat[:, :-distance]).mean()
        assert both == pytest.approx(p * p, abs=0.02)


def test_gradient_goes_where_the_number_stayed() -> None:
    x = torch.randn(50, 20, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, out == 0)


def test_seed_decides_and_evaluation_drops_nothing() -> None:
    dropout, x = Dropout(0.5), torch.randn(3, 40)
    first, again, other = (torch.manual_seed(seed) and dropout(x) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()


def test_half_precision_and_turned_tensors_keep_type_and_shape() -> None:
    x = torch.randn(6, 5, 4, dtype=torch.bfloat16).transpose(0, 2)
    out = Dropout(0.5)(x)
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert torch.equal(out[out != 0], 2 * x[out != 0])
