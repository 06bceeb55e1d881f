"""The method holds for any layer, option, dtype and input that it accepts; what is drawn is in hrf_cases.py."""

import copy
import math

import pytest
import torch
from hrf_cases import Case, Plain, assert_near, cases, convolutions, for_all, form, is_plain, linears, scramble
from hypothesis import strategies as st
from torch import nn

from hrf_ser.hrf import StepProducts, adapt_state_dict, factorised_layers, insert_hrf, merge_hrf, merge_state_dict
from hrf_ser.hrf.opened import factors_of, inner_biases_of, outer_bias_of

DOUBLE = (torch.float64,)
WIDE = (torch.float64, torch.float32)


ANY = st.one_of(linears(32), convolutions())


def may_be_weight_norm(case: Case) -> bool:
    """A state dict alone cannot tell a pointwise 1 -> n layer of rank 1 or width 1 from torch's weight norm: it is refused."""
    if case.options["factors"] == 3 or case.options["mode"] == "inserted":
        return False
    layer = case.layer
    pointwise = math.prod(layer.kernel) == 1 and layer.inputs == 1
    return pointwise and (case.inner == layer.outputs or case.inner == layer.groups == 1)


@for_all(600, case=cases())
def test_merged_equals_unmerged(case: Case):
    model = case.opened()
    x = case.input()
    merged = merge_hrf(model)
    assert_near(f"merged = unmerged, {case.options['mode']}", merged(x), model(x))


@for_all(300, case=cases())
def test_merged_model_has_the_form_of_the_untouched_one(case: Case):
    untouched, model = case.plain(), case.opened()
    for one in (untouched, model):
        one.train(not case.train)
    merged = merge_hrf(model)
    assert form(merged) == form(untouched)
    assert [type(m) for m in merged.modules()] == [type(m) for m in untouched.modules()]
    assert [m.training for m in merged.modules()] == [m.training for m in untouched.modules()]
    assert str(merged) == str(untouched)
    assert is_plain(merged)
    assert not is_plain(model)


@for_all(200, case=cases())
def test_merge_leaves_the_model_and_the_random_numbers_alone(case: Case):
    model = case.opened()
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
    assert_near(f"re-opened = plain, {case.options['mode']}", trained(x), expected, slack=2.0)


@st.composite
def two_forms(draw: st.DrawFn) -> tuple[Case, Case]:
    layer = draw(ANY)
    return draw(cases(WIDE, layer)), draw(cases(DOUBLE, layer))


@for_all(300, forms=two_forms(), plain=st.sampled_from([(False, False), (True, False), (False, True)]))
def test_every_state_loads_into_every_form(forms: tuple[Case, Case], plain: tuple[bool, bool]):
    one, other = forms
    source = one.plain() if plain[0] else one.opened()
    target = other.plain() if plain[1] else other.opened()
    state = adapt_state_dict(source.state_dict(), target)
    target.load_state_dict(state, strict=True)
    x = one.input()
    way = f"{'plain' if plain[0] else 'factors'} into {'plain' if plain[1] else 'factors'}"
    assert_near(f"loaded = saved, {way}", target(x.double()).to(one.dtype), source(x))


@for_all(200, case=cases())
def test_same_form_is_loaded_bit_for_bit(case: Case):
    source, target = case.opened(), case.opened(trained=False)
    target.load_state_dict(adapt_state_dict(source.state_dict(), target))
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)


@for_all(250, case=cases())
def test_merged_state_dict_is_that_of_the_merged_model(case: Case):
    model = case.opened()
    expected = merge_hrf(model).state_dict()
    if may_be_weight_norm(case):
        with pytest.raises(ValueError, match=r"'0': .* may be factors or weight norm"):
            merge_state_dict(model.state_dict())
        found = adapt_state_dict(model.state_dict(), case.plain())
    else:
        found = merge_state_dict(model.state_dict())
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@for_all(250, case=cases(), where=st.integers(0, 2**16), value=st.sampled_from(["nan", "inf", "-inf"]))
def test_merge_refuses_any_value_that_is_not_finite_by_the_name_of_its_layer(case: Case, where: int, value: str):
    model = case.opened()
    tensors = list(factorised_layers(model)["0"].parameters())
    spoilt = tensors[where % len(tensors)].data.view(-1)
    spoilt[where % len(spoilt)] = float(value)
    with pytest.raises(ValueError, match="layer '0' has weights that are not finite"):
        merge_hrf(model)
    if not may_be_weight_norm(case):
        with pytest.raises(ValueError, match="layer '0' has weights that are not finite"):
            merge_state_dict(model.state_dict())


def parts(model: nn.Module) -> list[nn.Parameter]:
    """Factors, inner biases and outer bias of layer "0", in the same order for both modes."""
    layer = model.get_submodule("0")
    outer = outer_bias_of(layer)
    return [*factors_of(layer), *inner_biases_of(layer), *([] if outer is None else [outer])]


@for_all(300, case=cases(WIDE, mode=st.just("parametrized")))
def test_both_modes_start_at_the_same_factors_and_have_the_same_gradients(case: Case):
    folded = case.opened(trained=False)
    case.options["mode"] = "inserted"
    literal = case.opened(trained=False)
    x = case.input()
    with torch.no_grad():
        for a, b in zip(parts(folded), parts(literal), strict=True):
            assert torch.equal(a, b)
            a.add_(torch.randn_like(a) * 0.1)
            b.copy_(a)
    for model in (folded, literal):
        model(x).square().sum().backward()
    for a, b in zip(parts(folded), parts(literal), strict=True):
        assert a.requires_grad == b.requires_grad
        assert (a.grad is None) == (b.grad is None) == (not a.requires_grad)
        if a.grad is not None:
            assert_near("gradients, folded = literal", a.grad, b.grad)


@for_all(200, case=cases(WIDE, mode=st.just("parametrized")), micro=st.integers(1, 4))
def test_gradients_through_held_products_are_those_of_products_taken_anew(case: Case, micro: int):
    model = case.opened()
    twin = copy.deepcopy(model)
    products = StepProducts(model)
    for _ in range(micro):
        products.hold()
        model(case.input()).square().sum().backward()
        twin(case.input()).square().sum().backward()
    products.release()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert_near("gradients, held = anew", a.grad, b.grad, slack=4.0)


@for_all(200, case=cases(WIDE))
def test_optimizer_sees_every_parameter_once_and_every_one_moves(case: Case):
    case.batch = (3,)
    model = case.opened()
    parameters = list(model.parameters())
    assert len({id(p) for p in parameters}) == len(parameters)
    layer, r, positions = case.layer, case.inner, math.prod(case.layer.kernel)
    if case.options["factors"] == 2:
        factors = r * (layer.inputs * positions + layer.outputs)
    else:
        factors = r * (layer.inputs + r * positions + layer.outputs)
    inner = r * (case.options["factors"] - 1) if case.options["bias"] else 0
    own = layer.groups * (factors + inner + layer.outputs * layer.bias)
    assert sum(p.numel() for p in parameters) == own + 3 * layer.groups * layer.outputs + 3
    model(case.input()).square().sum().backward()
    for parameter in parameters:
        assert (parameter.grad is not None) == parameter.requires_grad


@for_all(200, layer=ANY, rank=st.floats(1e-3, 8), factors=st.sampled_from([2, 3]))
def test_rank_is_accepted_or_the_least_that_would_be_is_named(layer: Plain, rank: float, factors: int):
    model = nn.Sequential(layer.make())
    inner = round(rank * layer.outputs)
    least = layer.form(inner, factors).least_inner
    try:
        insert_hrf(model, rank, ["0"], factors=factors)
    except ValueError as error:
        assert is_plain(model)
        assert inner < least
        rank, inner = float(str(error).rsplit(">=", 1)[1]), least
        insert_hrf(model, rank, ["0"], factors=factors)
    assert inner >= least
    assert [factor.shape for factor in factors_of(model[0])] == layer.form(inner, factors).shapes


@for_all(200, layer=ANY, factors=st.sampled_from([2, 3]))
def test_factors_below_the_least_inner_dimension_cannot_reach_a_weight(layer: Plain, factors: int):
    form = layer.form(0, factors)
    weights = torch.randn(layer.groups, layer.outputs, layer.inputs, form.positions, dtype=torch.float64)
    # Every factor but the kernel's bounds the rank of one of these by r.
    ranks = [torch.linalg.matrix_rank(weights.flatten(2))]
    if factors == 3:
        ranks.append(torch.linalg.matrix_rank(weights.transpose(1, 2).flatten(2)))
    assert form.least_inner == max(int(rank.max()) for rank in ranks)
