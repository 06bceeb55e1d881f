"""Open layers are opened anew: same function, same parameters, fresh factors."""

import copy

import pytest
import torch
from hrf_cases import MODES, assert_near, feed_forward, scramble
from torch import nn

from hrf_ser.hrf import factorised_layers, insert_hrf, merge_hrf, reopen_hrf

FACTORS = pytest.mark.parametrize("factors", [2, 3])


def trained(mode: str = "parametrized", factors: int = 2, bias: bool = False, seed: int = 0) -> nn.Sequential:
    """A feed-forward block whose two layers have factors that training has moved; r < in in the second."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).double()
    insert_hrf(model, 2, ["0", "2"], factors=factors, mode=mode, bias=bias, init="default")
    scramble(model)
    return model.eval()


def factors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """The matrices of the open layers, by name."""
    names = tuple(f"{name}." for name in factorised_layers(model))
    return {name: p.detach().clone() for name, p in model.named_parameters() if name.startswith(names) and p.ndim == 2}


@MODES
@FACTORS
@pytest.mark.parametrize("bias", [False, True])
def test_function_and_parameters_stay_and_factors_are_fresh(mode, factors, bias):
    model = trained(mode, factors, bias)
    x = torch.randn(6, 5, dtype=torch.float64)
    expected, merged = model(x), merge_hrf(model)
    before, parameters = factors_of(model), list(model.parameters())
    reopen_hrf(model, seed=1)
    assert_near("reopened", model(x), expected)
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    after = factors_of(model)
    assert len(after) == 2 * factors
    assert all(not torch.equal(after[name], before[name]) for name in before)
    first = next(value for name, value in after.items() if name.startswith("0."))
    torch.testing.assert_close(first.T @ first, torch.eye(5, dtype=torch.float64))
    again = merge_hrf(model).state_dict()
    for key, value in merged.state_dict().items():
        torch.testing.assert_close(again[key], value)


@MODES
def test_what_is_no_factor_keeps_its_bits(mode):
    model = trained(mode)
    untouched = {name: value.clone() for name, value in model[1].state_dict().items()}
    biases = [name for name, _ in model.named_parameters() if name.endswith("bias")]
    before = {name: model.get_parameter(name).detach().clone() for name in biases}
    reopen_hrf(model, seed=1)
    assert all(torch.equal(value, untouched[name]) for name, value in model[1].state_dict().items())
    assert all(torch.equal(model.get_parameter(name), before[name]) for name in biases)


@MODES
@FACTORS
@pytest.mark.parametrize("bias", [False, True])
def test_the_parameters_that_changed_are_named(mode, factors, bias):
    model = trained(mode, factors, bias)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    changed = {id(parameter) for parameter in reopen_hrf(model, seed=1)}
    assert changed == {id(p) for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    # Factors; with inner biases those too, and the outer ones that took them up.
    assert len(changed) == 2 * (factors + (factors if bias else 0))


def test_the_seed_decides_and_other_random_numbers_go_on():
    one, twin, other = trained(), trained(), trained()
    random = torch.get_rng_state()
    reopen_hrf(one, seed=1)
    assert torch.equal(torch.get_rng_state(), random)
    torch.manual_seed(9)
    reopen_hrf(twin, seed=1)
    reopen_hrf(other, seed=2)
    first, second, third = factors_of(one), factors_of(twin), factors_of(other)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(not torch.equal(first[name], third[name]) for name in first)


@MODES
@FACTORS
def test_models_that_are_opened_with_one_seed_share_a_basis(mode, factors):
    model, other = trained(mode, factors), trained(mode, factors, seed=3)
    for one in (model, other):
        reopen_hrf(one, seed=1)
    average = copy.deepcopy(model)
    with torch.no_grad():
        for mean, parameter in zip(average.parameters(), other.parameters(), strict=True):
            mean.lerp_(parameter, 0.5)
    # The mean of the factors is the mean of the weights, as all factors of a layer but one are equal.
    ours, theirs, means = (merge_hrf(one) for one in (model, other, average))
    for name in ("0", "2"):
        mean = (ours.get_submodule(name).weight + theirs.get_submodule(name).weight) / 2
        torch.testing.assert_close(means.get_submodule(name).weight, mean)


def test_a_plain_model_is_left_as_it_is():
    model = feed_forward()
    before = copy.deepcopy(model.state_dict())
    assert reopen_hrf(model, seed=1) == []
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@MODES
def test_weights_that_are_not_finite_are_refused_and_nothing_changes(mode):
    model = trained(mode)
    with torch.no_grad():
        next(iter(factorised_layers(model)["2"].parameters())).fill_(float("inf"))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="layer '2' has weights that are not finite"):
        reopen_hrf(model, seed=1)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@MODES
@FACTORS
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_are_opened_anew_as_linear_layers_are(mode, factors, groups):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=groups), nn.Tanh(), nn.Conv1d(6, 6, 1)
    ).double()
    insert_hrf(model, 8, ["0"], factors=factors, mode=mode, init="variance")
    scramble(model)
    x = torch.randn(3, 4, 9, dtype=torch.float64)
    expected = model(x)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    changed = {id(parameter) for parameter in reopen_hrf(model, seed=1)}
    assert_near("reopened", model(x), expected)
    assert changed == {id(p) for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert len(changed) == factors
