import itertools

import pytest
import torch
from torch import nn

from hrf_ser.hrf import factors_of, insert_hrf, merge_hrf
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer, build_schedule, parameter_groups


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)).double()


def decays(net: nn.Module, **options) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    groups = parameter_groups(net, OptimizerConfig(weight_decay=0.1, **options))
    return {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}


def test_matrices_decay_and_vectors_do_not():
    assert decays(model()) == {"0.weight": 0.1, "2.weight": 0.1, "0.bias": 0, "1.weight": 0, "1.bias": 0, "2.bias": 0}


@pytest.mark.parametrize(("rule", "expected"), [("product", 0.05), ("factors", 0.1), ("none", 0.0)])
@pytest.mark.parametrize("mode", ["parametrized", "inserted"])
def test_factors_decay_by_the_rule(rule, expected, mode):
    net = model()
    insert_hrf(net, targets=["0"], mode=mode)
    found = decays(net, factor_decay=rule)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert [found[names[id(factor)]] for factor in factors_of(net[0])] == [expected, expected]
    assert found["2.weight"] == 0.1


class Gated(nn.Linear):
    """A linear layer with another matrix of its own."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.gate = nn.Parameter(torch.eye(width))


def test_another_matrix_of_a_factorised_layer_is_no_factor():
    net = nn.Sequential(Gated(6))
    insert_hrf(net, targets=["0"])
    found = decays(net)
    assert found.pop("0.gate") == 0.1
    assert {value for name, value in found.items() if "weight" in name} == {0.05}


@pytest.mark.parametrize("mode", ["parametrized", "inserted"])
def test_factors_of_a_convolution_share_its_decay(mode):
    net = nn.Sequential(nn.Conv1d(4, 6, 3), nn.Conv1d(6, 4, 3))
    insert_hrf(net, targets=["0"], mode=mode, factors=2)
    found = decays(net)
    assert sorted(found.values()) == [0, 0, 0.05, 0.05, 0.1]
    assert found["1.weight"] == 0.1


def test_product_rule_shrinks_the_product_as_the_plain_weight():
    plain, factorised = model(), model()
    insert_hrf(factorised, targets=["0"], factors=3)
    config = OptimizerConfig(lr=0.01, weight_decay=0.1)
    for net in (plain, factorised):
        optimizer = build_optimizer(net, config)
        for _ in range(50):
            for parameter in net.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
    torch.testing.assert_close(merge_hrf(factorised)[0].weight, plain[0].weight, rtol=1e-4, atol=0)


def test_schedule_rises_then_falls_to_the_final_rate():
    optimizer = build_optimizer(model(), OptimizerConfig(lr=1.0))
    schedule = build_schedule(optimizer, OptimizerConfig(warmup_epochs=2, final_lr=0.1), steps=100, steps_per_epoch=10)
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 20
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[20:]))


@pytest.mark.parametrize("options", [{"name": "adam"}, {"schedule": "step"}, {"factor_decay": "some"}])
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        OptimizerConfig(**options)
