import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.hrf import compare, factorised_layers, factors_of, insert_hrf, merge_hrf
from hrf_ser.hrf.init import init_factors
from hrf_ser.hrf.shapes import factor_shapes, merge_weight

OPTIONS = [{"mode": mode, "factors": factors} for mode in ("parametrized", "inserted") for factors in (2, 3)]


def feed_forward(width: int = 6, hidden: int = 10, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden, bias), nn.ReLU(), nn.Linear(hidden, width, bias))


def scramble(model: nn.Module) -> None:
    """Move every parameter away from its start."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)


@pytest.mark.parametrize("options", OPTIONS)
def test_merged_model_equals_factorised_model(options):
    model = feed_forward()
    insert_hrf(model, rank=2, targets=["0", "2"], init="default", **options)
    scramble(model)
    report = compare(model, merge_hrf(model), [(torch.randn(64, 6),)])
    assert report.max_abs_diff < 1e-5
    assert report.argmax_changes == 0
    assert report.compared == 64


@settings(max_examples=40, deadline=None)
@given(
    d_in=st.integers(1, 24),
    d_out=st.integers(1, 24),
    rank=st.integers(1, 5),
    factors=st.sampled_from([2, 3]),
    mode=st.sampled_from(["parametrized", "inserted"]),
    seed=st.integers(0, 2**16),
)
def test_exact_start_and_merge_keep_the_function_for_any_shape(d_in, d_out, rank, factors, mode, seed):
    torch.manual_seed(seed)
    model = nn.ModuleDict({"layer": nn.Linear(d_in, d_out)}).double()
    before = copy.deepcopy(model)
    insert_hrf(model, rank=rank, targets=["layer"], factors=factors, mode=mode)
    x = torch.randn(5, d_in, dtype=torch.float64)
    torch.testing.assert_close(model["layer"](x), before["layer"](x))
    merged = merge_hrf(model)
    torch.testing.assert_close(merged["layer"](x), before["layer"](x))
    assert list(merged.state_dict()) == list(before.state_dict())


@pytest.mark.parametrize("options", OPTIONS)
def test_merged_model_has_the_keys_types_and_dtypes_of_the_untouched_model(options):
    model = feed_forward().to(torch.bfloat16)
    untouched = copy.deepcopy(model)
    insert_hrf(model, targets=["0", "2"], **options)
    merged = merge_hrf(model)
    assert [type(m) for m in merged.modules()] == [type(m) for m in untouched.modules()]
    expected = {key: (value.shape, value.dtype) for key, value in untouched.state_dict().items()}
    assert list(merged.state_dict()) == list(expected)
    assert {key: (value.shape, value.dtype) for key, value in merged.state_dict().items()} == expected


@pytest.mark.parametrize("mode", ["parametrized", "inserted"])
def test_merge_leaves_the_training_model_alone(mode):
    model = feed_forward().train()
    insert_hrf(model, targets=["0"], mode=mode)
    state = copy.deepcopy(model.state_dict())
    merged = merge_hrf(model)
    for parameter in merged.parameters():
        parameter.data.zero_()
    assert model.training
    assert list(factorised_layers(model)) == ["0"]
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_both_modes_give_the_same_gradients_of_every_factor():
    torch.manual_seed(0)
    parametrized = feed_forward().double()
    insert_hrf(parametrized, rank=2, targets=["0", "2"], init="default")
    scramble(parametrized)
    inserted = feed_forward().double()
    insert_hrf(inserted, rank=2, targets=["0", "2"], init="default", mode="inserted")
    for name in ("0", "2"):
        a, b = parametrized.get_submodule(name), inserted.get_submodule(name)
        with torch.no_grad():
            for factor, other in zip(factors_of(a), factors_of(b), strict=True):
                other.copy_(factor)
            b.bias.copy_(a.bias)
    x = torch.randn(7, 6, dtype=torch.float64)
    for model in (parametrized, inserted):
        model(x).square().sum().backward()
    for name in ("0", "2"):
        a, b = parametrized.get_submodule(name), inserted.get_submodule(name)
        for factor, other in zip(factors_of(a), factors_of(b), strict=True):
            torch.testing.assert_close(factor.grad, other.grad)
        torch.testing.assert_close(a.bias.grad, b.bias.grad)


@pytest.mark.parametrize("factors", [2, 3])
@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(128, 256), lambda: nn.Conv1d(64, 96, 3), lambda: nn.Conv2d(64, 128, (3, 2), groups=2)]
)
def test_variance_init_keeps_the_scale_that_default_init_shrinks(factors, make):
    torch.manual_seed(0)
    layer = make()
    shapes = factor_shapes(layer, 2, factors)
    plain = layer.weight.detach().std()
    matched = merge_weight(init_factors(layer.weight, shapes, "variance")).std()
    shrunk = merge_weight(init_factors(layer.weight, shapes, "default")).std()
    assert math.isclose(matched, plain, rel_tol=0.1)
    assert shrunk < 0.7 * plain


class Attention(nn.Module):
    """Reads weights instead of calling layers, as torch's own modules do in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x).mean(1)


@pytest.mark.parametrize("mode", ["parametrized", "inserted"])
def test_foreign_transformer_layer_works_in_training_and_evaluation(mode):
    model = Attention()
    names = insert_hrf(model, targets=[r"block\.linear[12]", r"block\.self_attn\.out_proj"], mode=mode)
    assert names == ["block.self_attn.out_proj", "block.linear1", "block.linear2"]
    x = torch.randn(3, 5, 8)
    merged = merge_hrf(model)
    for training in (True, False):
        torch.testing.assert_close(model.train(training)(x), merged.train(training)(x), atol=1e-5, rtol=1e-5)


def test_shared_module_is_factorised_once_and_stays_shared():
    shared = nn.Linear(4, 4)
    for mode in ("parametrized", "inserted"):
        model = nn.Sequential(shared, nn.ReLU(), shared) if mode == "parametrized" else nn.ModuleList([shared, shared])
        model = copy.deepcopy(model)
        names = insert_hrf(model, targets=["0"], mode=mode)
        merged = merge_hrf(model)
        children = list(merged._modules.values())
        assert names == ["0"]
        assert children[0] is children[-1]
        assert type(children[0]) is nn.Linear


def test_tied_weights_are_refused():
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    model["b"].weight = model["a"].weight
    with pytest.raises(ValueError, match="'a' shares its weight with 'b'"):
        insert_hrf(model, targets=["a"])
    assert not factorised_layers(model)


def test_merge_of_a_float32_model_differs_by_less_than_a_millionth():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    insert_hrf(model, 4, targets=["linear1", "linear2"])
    scramble(model)
    x = torch.randn(4, 9, 32)
    with torch.no_grad():
        before, after = model(x), merge_hrf(model)(x)
    assert (before - after).abs().max() <= 1e-6 * before.abs().max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": ["0", "nothing"]}, "'nothing' matches no linear layer or convolution; the model has: 0, 2"),
        ({"targets": ["0"], "rank": 0.5}, r"layer '0': rank=0.5 .* low-rank layer; use rank >= 0.6"),
        ({"targets": ["0"], "factors": 4}, "use 2 or 3"),
        ({"targets": ["0"], "init": "zeros"}, "use one of exact, variance, default"),
        ({"targets": ["0"], "mode": "fast"}, "use one of parametrized, inserted"),
        ({}, "has no hrf_targets"),
    ],
)
def test_wrong_insertions_say_what_to_do_and_change_nothing(arguments, message):
    model = feed_forward()
    with pytest.raises(ValueError, match=message):
        insert_hrf(model, **arguments)
    assert not factorised_layers(model)


def test_second_insertion_and_foreign_parametrization_are_refused():
    model = feed_forward()
    insert_hrf(model, targets=["0"])
    with pytest.raises(ValueError, match="factorised already"):
        insert_hrf(model, targets=["0"])
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    with pytest.raises(ValueError, match="another parametrization"):
        insert_hrf(normed, targets=["0"])


@pytest.mark.parametrize("mode", ["parametrized", "inserted"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_merge_refuses_weights_that_are_not_finite(mode, value):
    model = feed_forward()
    insert_hrf(model, targets=["2"], mode=mode)
    next(iter(factorised_layers(model)["2"].parameters())).data.fill_(value)
    with pytest.raises(ValueError, match="layer '2' has weights that are not finite"):
        merge_hrf(model)


def test_merge_is_taken_in_float64():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64)).half()
    insert_hrf(model, rank=8, targets=["0"], init="variance")
    first, second = (factor.double() for factor in factors_of(model[0]))
    assert torch.equal(merge_hrf(model)[0].weight, (second @ first).half())


def test_product_is_taken_once_a_forward_pass_and_once_while_cached(monkeypatch):
    model = feed_forward()
    insert_hrf(model, rank=2, targets=["0", "2"])
    taken = []
    monkeypatch.setattr(
        "hrf_ser.hrf.parametrization.merge_weight", lambda factors: taken.append(1) or merge_weight(factors)
    )
    x = torch.randn(5, 6)
    model(x)
    assert len(taken) == 2
    with torch.no_grad(), parametrize.cached():
        first, second = model(x), model(x)
    assert len(taken) == 4
    assert torch.equal(first, second)
    with torch.no_grad():
        factors_of(model[0])[0].zero_()
    assert not torch.equal(model(x), first)


def test_inserted_mode_multiplies_activations_and_never_weights(monkeypatch):
    model = nn.Sequential(nn.Linear(6, 10), nn.Conv1d(5, 4, 3))
    insert_hrf(model, rank=2, targets=["0", "1"], mode="inserted", factors=3)
    monkeypatch.setattr("hrf_ser.hrf.parametrization.merge_weight", None)
    assert model(torch.randn(2, 5, 6)).shape == (2, 4, 8)


@pytest.mark.parametrize("make", [lambda: nn.Linear(16, 16), lambda: nn.Conv1d(16, 16, 1, groups=2)])
def test_autocast_does_not_reach_the_product(make):
    torch.manual_seed(0)
    model = nn.Sequential(make())
    insert_hrf(model, rank=4, targets=["0"])
    exact = model[0].weight
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model[0].weight, exact)
        assert model(torch.randn(16, 16)).dtype == torch.bfloat16


def test_frozen_layer_stays_frozen():
    model = feed_forward()
    model[0].weight.requires_grad_(False)
    insert_hrf(model, targets=["0"])
    assert not any(factor.requires_grad for factor in factors_of(model[0]))
    assert not merge_hrf(model)[0].weight.requires_grad
