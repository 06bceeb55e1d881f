"""The method holds for any layer, option, dtype and input that it accepts; what is drawn is in hrf_cases.py."""

import copy
import math

import pytest
import torch
from hrf_cases import (
    Case,
    Plain,
    assert_near,
    cases,
    convolutions,
    for_all,
    is_plain,
    linears,
    load,
    scramble,
    structure,
)
from hypothesis import strategies as st
from torch import nn

from hrf_ser.hrf import describe_hrf, factors_of, insert_hrf, merge_hrf, merge_state_dict

DOUBLE = (torch.float64,)
WIDE = (torch.float64, torch.float32)


ANY = st.one_of(linears(32), convolutions())


@for_all(600, case=cases())
def test_merged_equals_unmerged(case: Case):
    model = case.factorised()
    x = case.input()
    merged = merge_hrf(model)
    assert_near(f"merged = unmerged, {case.options['mode']}", merged(x), model(x))


@for_all(300, case=cases())
def test_merged_model_has_the_structure_of_the_untouched_one(case: Case):
    untouched, model = case.plain(), case.factorised()
    for one in (untouched, model):
        one.train(not case.train)
    merged = merge_hrf(model)
    assert structure(merged) == structure(untouched)
    assert [type(m) for m in merged.modules()] == [type(m) for m in untouched.modules()]
    assert [m.training for m in merged.modules()] == [m.training for m in untouched.modules()]
    assert str(merged) == str(untouched)
    assert is_plain(merged)
    assert not is_plain(model)


@for_all(200, case=cases())
def test_merge_leaves_the_model_and_the_random_numbers_alone(case: Case):
    model = case.factorised()
    state = copy.deepcopy(model.state_dict())
    kinds, parameters = [type(m) for m in model.modules()], list(model.parameters())
    random = torch.get_rng_state()
    merged = merge_hrf(model)
    assert torch.equal(torch.get_rng_state(), random)
    with torch.no_grad():
        for parameter in merged.parameters():
            parameter.zero_()
    assert [type(m) for m in model.modules()] == kinds
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@for_all(400, case=cases(init=st.just("exact")))
def test_exact_start_keeps_the_function_of_a_trained_model(case: Case):
    trained = case.plain()
    scramble(trained)
    x = case.input()
    expected = trained(x)
    insert_hrf(trained, case.rank, ["0"], **case.options)
    # In half precision the factors are rounded as well as their product.
    assert_near(f"factorised = plain, {case.options['mode']}", trained(x), expected, slack=2.0)


@st.composite
def two_cases(draw: st.DrawFn) -> tuple[Case, Case]:
    layer = draw(ANY)
    return draw(cases(WIDE, layer)), draw(cases(DOUBLE, layer))


@for_all(300, pair=two_cases(), plain=st.sampled_from([(False, False), (True, False), (False, True)]))
def test_every_state_loads_into_every_model(pair: tuple[Case, Case], plain: tuple[bool, bool]):
    one, other = pair
    source = one.plain() if plain[0] else one.factorised()
    target = other.plain() if plain[1] else other.factorised()
    load(target, source)
    x = one.input()
    way = f"{'plain' if plain[0] else 'factors'} into {'plain' if plain[1] else 'factors'}"
    assert_near(f"loaded = saved, {way}", target(x.double()).to(one.dtype), source(x))


@for_all(200, case=cases())
def test_the_same_factorisation_is_loaded_bit_for_bit(case: Case):
    source, target = case.factorised(), case.factorised(trained=False)
    load(target, source)
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)


@for_all(250, case=cases())
def test_merged_state_dict_is_that_of_the_merged_model(case: Case):
    model = case.factorised()
    expected = merge_hrf(model).state_dict()
    found = merge_state_dict(model.state_dict(), describe_hrf(model))
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@for_all(250, case=cases(), where=st.integers(0, 2**16), value=st.sampled_from(["nan", "inf", "-inf"]))
def test_merge_refuses_any_value_that_is_not_finite_by_the_name_of_its_layer(case: Case, where: int, value: str):
    model = case.factorised()
    tensors = factors_of(model[0])
    spoilt = tensors[where % len(tensors)].data.view(-1)
    spoilt[where % len(spoilt)] = float(value)
    with pytest.raises(ValueError, match="layer '0' has weights that are not finite"):
        merge_hrf(model)
    with pytest.raises(ValueError, match="layer '0' has weights that are not finite"):
        merge_state_dict(model.state_dict(), describe_hrf(model))


def parts(model: nn.Module) -> list[nn.Parameter]:
    """Factors and bias of layer "0", in the same order for both modes."""
    layer = model.get_submodule("0")
    return [*factors_of(layer), *([] if layer.bias is None else [layer.bias])]


@for_all(300, case=cases(WIDE, mode=st.just("parametrized")))
def test_both_modes_start_at_the_same_factors_and_have_the_same_gradients(case: Case):
    parametrized = case.factorised(trained=False)
    case.options["mode"] = "inserted"
    inserted = case.factorised(trained=False)
    x = case.input()
    with torch.no_grad():
        for a, b in zip(parts(parametrized), parts(inserted), strict=True):
            assert torch.equal(a, b)
            a.add_(torch.randn_like(a) * 0.1)
            b.copy_(a)
    for model in (parametrized, inserted):
        model(x).square().sum().backward()
    for a, b in zip(parts(parametrized), parts(inserted), strict=True):
        assert a.requires_grad == b.requires_grad
        assert (a.grad is None) == (b.grad is None) == (not a.requires_grad)
        if a.grad is not None:
            assert_near("gradients, parametrized = inserted", a.grad, b.grad)


@for_all(200, case=cases(WIDE))
def test_optimizer_sees_every_parameter_once_and_every_one_moves(case: Case):
    case.batch = (3,)
    model = case.factorised()
    parameters = list(model.parameters())
    assert len({id(p) for p in parameters}) == len(parameters)
    layer, r, positions = case.layer, case.inner, math.prod(case.layer.kernel)
    if case.options["factors"] == 2:
        factors = r * (layer.inputs * positions + layer.outputs)
    else:
        factors = r * (layer.inputs + r * positions + layer.outputs)
    own = layer.groups * (factors + layer.outputs * layer.bias)
    assert sum(p.numel() for p in parameters) == own + 3 * layer.groups * layer.outputs + 3
    model(case.input()).square().sum().backward()
    for parameter in parameters:
        assert (parameter.grad is not None) == parameter.requires_grad


@for_all(200, layer=ANY, rank=st.floats(1e-3, 8), factors=st.sampled_from([2, 3]))
def test_rank_is_accepted_or_the_least_that_would_be_is_named(layer: Plain, rank: float, factors: int):
    model = nn.Sequential(layer.make())
    inner = round(rank * layer.outputs)
    least = layer.shapes(inner, factors).min_inner_dim
    try:
        insert_hrf(model, rank, ["0"], factors=factors)
    except ValueError as error:
        assert is_plain(model)
        assert inner < least
        rank, inner = float(str(error).rsplit(">=", 1)[1]), least
        insert_hrf(model, rank, ["0"], factors=factors)
    assert inner >= least
    assert [factor.shape for factor in factors_of(model[0])] == layer.shapes(inner, factors).factors


@for_all(200, layer=ANY, factors=st.sampled_from([2, 3]))
def test_factors_below_the_least_inner_dimension_cannot_reach_a_weight(layer: Plain, factors: int):
    shapes = layer.shapes(0, factors)
    weights = torch.randn(layer.groups, layer.outputs, layer.inputs, shapes.positions, dtype=torch.float64)
    # Every factor but the kernel's bounds the rank of one of these by r.
    ranks = [torch.linalg.matrix_rank(weights.flatten(2))]
    if factors == 3:
        ranks.append(torch.linalg.matrix_rank(weights.transpose(1, 2).flatten(2)))
    assert shapes.min_inner_dim == max(int(rank.max()) for rank in ranks)
