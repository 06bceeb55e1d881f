import pytest
import torch
from torch import nn

from hrf_ser.models.masking import masked_mean, padding_mask
from hrf_ser.models.pooling import POOLINGS, AttentivePooling, StatisticsPooling, create_pooling


def test_attentive_pooling_starts_as_the_mean_and_then_weighs() -> None:
    torch.manual_seed(0)
    pooling, x, mask = AttentivePooling(4), torch.randn(3, 7, 4), padding_mask(torch.tensor([7, 3, 1]), 7)
    torch.testing.assert_close(pooling(x, mask), masked_mean(x, mask))
    nn.init.normal_(pooling.score.weight)
    weights = torch.softmax(x[1, :3] @ pooling.score.weight[0], dim=0)
    torch.testing.assert_close(pooling(x, mask)[1], weights @ x[1, :3])


def test_statistics_pooling_gives_weighted_means_and_deviations_of_each_channel() -> None:
    torch.manual_seed(0)
    pooling, x, mask = StatisticsPooling(4, hidden=3), torch.randn(3, 7, 4), padding_mask(torch.tensor([7, 3, 1]), 7)
    weights = torch.softmax(pooling.scores(x[1, :3]), dim=0)
    mean = (weights * x[1, :3]).sum(0)
    deviation = (weights * (x[1, :3] - mean) ** 2).sum(0).sqrt()
    torch.testing.assert_close(pooling(x, mask)[1], torch.cat((mean, deviation)))
    assert pooling.out_width == 8


def test_statistics_pooling_has_finite_gradients_where_all_tokens_are_alike() -> None:
    x = torch.ones(2, 5, 4, requires_grad=True)
    StatisticsPooling(4)(x, None).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", list(POOLINGS))
def test_pooling_leaves_padding_out(name: str) -> None:
    pooling, x, mask = create_pooling(name, 4), torch.randn(3, 7, 4), padding_mask(torch.tensor([7, 3, 1]), 7)
    junk = x.masked_fill(~mask.unsqueeze(-1), float("nan"))
    assert torch.equal(pooling(junk, mask), pooling(x, mask))


def test_unknown_pooling_is_named() -> None:
    with pytest.raises(ValueError, match="no pooling 'max'; there are: mean, attentive, statistics"):
        create_pooling("max", 4)
