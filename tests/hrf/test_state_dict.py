import itertools

import pytest
import torch
from hrf_cases import load
from torch import nn

from hrf_ser.hrf import describe_hrf, insert_hrf, merge_hrf, merge_state_dict

VARIANTS = {
    "plain": None,
    "parametrized": {"rank": 2},
    "parametrized3": {"rank": 2, "factors": 3},
    "parametrized4": {"rank": 4},
    "inserted": {"rank": 2, "mode": "inserted"},
    "inserted3": {"rank": 4, "mode": "inserted", "factors": 3},
}


def build(variant: str) -> nn.Module:
    torch.manual_seed(VARIANTS[variant] is None)
    model = nn.ModuleDict({"ffn": nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 5)), "norm": nn.LayerNorm(5)})
    model.double()
    if VARIANTS[variant] is not None:
        insert_hrf(model, targets=[r"ffn\.\d"], init="default", **VARIANTS[variant])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def output(model: nn.Module) -> torch.Tensor:
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).view(3, 5)
    return model["norm"](model["ffn"](x))


@pytest.mark.parametrize(("source", "target"), list(itertools.product(VARIANTS, VARIANTS)))
def test_every_state_loads_into_every_variant(source, target):
    trained, fresh = build(source), build(target)
    load(fresh, trained)
    torch.testing.assert_close(output(fresh), output(trained))


@pytest.mark.parametrize("variant", VARIANTS)
def test_merged_state_dict_is_that_of_the_merged_model(variant):
    model = build(variant)
    merged = merge_hrf(model).state_dict()
    state = merge_state_dict(model.state_dict(), describe_hrf(model))
    assert set(state) == set(merged)
    for key, value in state.items():
        assert torch.equal(value, merged[key])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_factorisation_is_loaded_bit_for_bit(variant):
    model, other = build(variant), build(variant)
    load(other, model)
    state = other.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_prefix_of_a_wrapping_module_is_kept():
    wrapped = nn.ModuleDict({"model": build("parametrized")})
    assert "model.ffn.0.weight" in merge_state_dict(wrapped.state_dict(), describe_hrf(wrapped))


def test_factors_that_do_not_chain_are_refused_by_name():
    model = build("parametrized")
    state, reparam = model.state_dict(), describe_hrf(model)
    state["ffn.0.parametrizations.weight.original1"] = torch.zeros(8, 3)
    with pytest.raises(ValueError, match=r"'ffn\.0'.* do not chain"):
        merge_state_dict(state, reparam)
    del state["ffn.0.parametrizations.weight.original1"]
    with pytest.raises(ValueError, match=r"layer 'ffn\.0': the state dict has no 'ffn\.0\..*original1'"):
        merge_state_dict(state, reparam)
