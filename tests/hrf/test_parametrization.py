"""A factorised model can be copied, saved, converted, called, factorised further, merged, compared and exported."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from hrf_cases import MODES, assert_near, factorised, feed_forward, scramble, structure
from torch import nn
from torch.nn.utils import parametrizations

from hrf_ser.hrf import compare, factorised_layers, factors_of, insert_hrf, merge_hrf


@pytest.mark.parametrize("init", ["exact", "variance", "default"])
@pytest.mark.parametrize("factors", [2, 3])
def test_from_one_seed_both_modes_draw_the_same_factors_in_every_layer(init, factors):
    parametrized = feed_forward()
    inserted = copy.deepcopy(parametrized)
    for model, mode in ((parametrized, "parametrized"), (inserted, "inserted")):
        torch.manual_seed(1)
        insert_hrf(model, 2, ["0", "2"], factors=factors, init=init, mode=mode)
    for name in ("0", "2"):
        layers = parametrized.get_submodule(name), inserted.get_submodule(name)
        for a, b in zip(*map(factors_of, layers), strict=True):
            assert torch.equal(a, b)


def test_weight_assigned_to_a_factorised_layer_is_factorised_exactly():
    model = feed_forward()
    insert_hrf(model, 2, ["0"], init="variance")
    scramble(model)
    weight, offset = torch.randn(8, 5), torch.randn(8)
    with torch.no_grad():
        model[0].weight = weight
        model[0].bias.copy_(offset)
    merged = merge_hrf(model)
    assert_near("assigned weight", merged[0].weight, weight)
    assert torch.equal(merged[0].bias, offset)


@MODES
def test_hooks_run_on_the_factorised_layer_and_on_the_merged_one(mode):
    seen: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_: seen.append(what)

    model = feed_forward()
    handle = model[0].register_forward_hook(note("forward"))
    model[0].register_forward_pre_hook(note("before"))
    model[0].register_full_backward_hook(note("backward"))
    insert_hrf(model, targets=["0"], mode=mode)
    for one in (model, merge_hrf(model)):
        seen.clear()
        one(torch.randn(2, 5, requires_grad=True)).sum().backward()
        assert seen == ["before", "forward", "backward"]
    handle.remove()
    seen.clear()
    model(torch.randn(2, 5))
    assert seen == ["before"]


@MODES
def test_deep_copy_of_a_factorised_model_is_a_model_of_its_own(mode):
    model = factorised(mode)
    copied = copy.deepcopy(model)
    x = torch.randn(3, 5)
    expected = model(x)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert torch.equal(model(x), expected)
    assert not copied(x).any()
    merge_hrf(copied)
    merge_hrf(merge_hrf(model))
    assert torch.equal(model(x), expected)


@MODES
def test_saved_state_dict_loads_without_running_code(mode):
    model = factorised(mode)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    fresh = factorised(mode)
    fresh.load_state_dict(state)
    x = torch.randn(3, 5)
    assert torch.equal(fresh(x), model(x))


def test_pickling_a_whole_factorised_model_is_refused_by_torch_and_the_merged_one_goes():
    model = factorised()
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        torch.save(model, io.BytesIO())
    torch.save(merge_hrf(model), io.BytesIO())


@MODES
def test_conversion_after_the_insertion_and_assigned_states_reach_the_factors(mode):
    model = factorised(mode).double()
    x = torch.randn(3, 5, dtype=torch.float64)
    assert_near("converted", merge_hrf(model)(x), model(x))
    fresh = factorised(mode)
    fresh.load_state_dict(model.state_dict(), assign=True)
    assert_near("converted", merge_hrf(fresh)(x), model(x))


@MODES
def test_functional_call_sees_the_parameters_that_it_is_given(mode):
    model, other = factorised(mode), factorised(mode)
    x = torch.randn(3, 5)
    given = dict(other.named_parameters())
    assert torch.equal(torch.func.functional_call(model, given, x), other(x))
    grads = torch.func.grad(lambda p: torch.func.functional_call(model, p, x).square().sum())(given)
    other(x).square().sum().backward()
    for name, parameter in other.named_parameters():
        assert_near("gradients by torch.func", grads[name], parameter.grad)


@MODES
def test_merged_model_exports(mode):
    model = factorised(mode).eval()
    merged = merge_hrf(model)
    x = torch.randn(3, 5)
    program = torch.export.export(merged, (x,))
    assert set(program.state_dict) == set(feed_forward().state_dict())
    assert_near("exported", program.module()(x), model(x))


def test_merge_of_a_model_without_factors_is_a_copy():
    model = nn.Sequential(feed_forward(), nn.BatchNorm1d(5), parametrizations.weight_norm(nn.Linear(5, 5))).eval()
    merged = merge_hrf(model)
    assert structure(merged) == structure(model)
    assert not {id(p) for p in merged.parameters()} & {id(p) for p in model.parameters()}
    x = torch.randn(3, 5)
    assert torch.equal(merged(x), model(x))


@MODES
def test_second_insertion_factorises_other_layers_and_refuses_the_same(mode):
    model = factorised(mode)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="layer '0' is factorised already"):
        insert_hrf(model, targets=["2", "0"])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    x = torch.randn(3, 5)
    expected = model(x)
    assert insert_hrf(model, targets=["2"]) == ["2"]
    assert list(factorised_layers(model)) == ["0", "2"]
    assert_near("inserted twice", model(x), expected)
    assert_near("inserted twice", merge_hrf(model)(x), expected)


def test_product_that_half_precision_cannot_hold_is_refused():
    model = feed_forward().half()
    insert_hrf(model, 2, ["0"])
    for factor in factorised_layers(model)["0"].parameters():
        factor.data.fill_(300.0)
    with pytest.raises(ValueError, match="layer '0' has weights that are not finite"):
        merge_hrf(model)


def test_comparison_does_not_pass_over_outputs_that_are_not_numbers():
    model = factorised()
    good, bad = torch.randn(4, 5), torch.full((4, 5), float("nan"))
    for batches in ([(bad,)], [(good,), (bad,)], [(bad,), (good,)]):
        report = compare(model, merge_hrf(model), batches)
        assert report.max_abs_diff != report.max_abs_diff
    report = compare(model, merge_hrf(model), [(good[:0],), (good,)])
    assert report.compared == 4
    assert report.max_abs_diff < 1e-5


def test_comparison_gives_every_module_its_own_mode_back():
    model = factorised().train()
    model[1].eval()
    compare(model, merge_hrf(model), [(torch.randn(2, 5),)])
    assert [m.training for m in model.children()] == [True, False, True]
