import copy
import itertools

import pytest
import torch
from torch import nn

from hrf_ser.hrf import adapt_state_dict, insert_hrf, merge_hrf, merge_state_dict

FORMS = {
    "plain": None,
    "parametrized": {"rank": 2},
    "folded3": {"rank": 2, "factors": 3},
    "folded_bias": {"rank": 4, "bias": True},
    "inserted": {"rank": 2, "mode": "inserted"},
    "literal_bias": {"rank": 4, "mode": "inserted", "bias": True, "factors": 3},
}


def build(form: str) -> nn.Module:
    torch.manual_seed(FORMS[form] is None)
    model = nn.ModuleDict({"ffn": nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 5)), "norm": nn.LayerNorm(5)})
    model.double()
    if FORMS[form] is not None:
        insert_hrf(model, targets=[r"ffn\.\d"], init="default", **FORMS[form])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def output(model: nn.Module) -> torch.Tensor:
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).view(3, 5)
    return model["norm"](model["ffn"](x))


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMS, FORMS)))
def test_every_form_loads_into_every_form(source, target):
    trained, fresh = build(source), build(target)
    fresh.load_state_dict(adapt_state_dict(trained.state_dict(), fresh), strict=True)
    torch.testing.assert_close(output(fresh), output(trained))


@pytest.mark.parametrize("form", FORMS)
def test_merged_state_dict_is_that_of_the_merged_model(form):
    model = build(form)
    merged = merge_hrf(model).state_dict()
    state = merge_state_dict(model.state_dict())
    assert set(state) == set(merged)
    for key, value in state.items():
        assert torch.equal(value, merged[key])


@pytest.mark.parametrize("form", FORMS)
def test_same_form_is_taken_over_bit_for_bit(form):
    model, twin = build(form), build(form)
    state = copy.deepcopy(model.state_dict())
    adapted = adapt_state_dict(state, twin)
    assert all(torch.equal(adapted[key], state[key]) for key in state)


def test_prefix_of_a_wrapping_module_is_kept():
    wrapped = nn.ModuleDict({"model": build("folded_bias")})
    assert "model.ffn.0.weight" in merge_state_dict(wrapped.state_dict())


def test_factors_that_do_not_chain_are_refused_by_name():
    state = build("parametrized").state_dict()
    state["ffn.0.parametrizations.weight.original1"] = torch.zeros(8, 3)
    with pytest.raises(ValueError, match=r"'ffn\.0'.* do not chain"):
        merge_state_dict(state)
