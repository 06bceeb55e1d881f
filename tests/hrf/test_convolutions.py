"""Convolutions: what their factors are, which are refused, and those of our own models. test_properties.py has the rest."""

import copy
import itertools

import pytest
import torch
from hrf_cases import MODES, assert_near, is_plain, load, scramble, structure
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from hrf_ser.hrf import describe_hrf, factorised_layers, factors_of, insert_hrf, merge_hrf, merge_state_dict
from hrf_ser.models import create_model
from hrf_ser.models.convolution import TimeConv

CONFORMER = [r"subsampling\.convolutions\.\d", r"layers\.\d\.convolution\.(depthwise|pointwise[12])"]


def test_two_factors_are_a_kernel_and_a_pointwise_of_each_group():
    model = nn.Sequential(nn.Conv2d(6, 8, (3, 2), groups=2))
    plain = model[0].weight.detach().clone()
    insert_hrf(model, 2, ["0"])
    kernel, point = factors_of(model[0])
    assert (kernel.shape, point.shape) == ((16, 3, 3, 2), (8, 8, 1, 1))
    for group in range(2):
        w1, w2 = kernel[8 * group : 8 * group + 8].flatten(1), point[4 * group : 4 * group + 4].flatten(1)
        torch.testing.assert_close((w2 @ w1).view(4, 3, 3, 2), plain[4 * group : 4 * group + 4])


def test_three_factors_are_orthonormal_around_the_kernel():
    model = nn.Sequential(nn.Conv1d(6, 8, 5, groups=2)).double()
    plain = model[0].weight.detach().clone()
    insert_hrf(model, 3, ["0"], factors=3)
    first, kernel, last = (factor.detach() for factor in factors_of(model[0]))
    assert (first.shape, kernel.shape, last.shape) == ((24, 3, 1), (24, 12, 5), (8, 12, 1))
    for group in range(2):
        w1, w3 = first[12 * group : 12 * group + 12, :, 0], last[4 * group : 4 * group + 4, :, 0]
        torch.testing.assert_close(w1.T @ w1, torch.eye(3).double())
        torch.testing.assert_close(w3 @ w3.T, torch.eye(4).double())
        for position in range(5):
            product = w3 @ kernel[12 * group : 12 * group + 12, :, position] @ w1
            torch.testing.assert_close(product, plain[4 * group : 4 * group + 4, :, position])


@pytest.mark.parametrize(
    ("inputs", "outputs", "inner", "factors"),
    [(6, 1, 1, 2), (1, 6, 3, 2), (6, 1, 3, 3), (1, 6, 3, 3), (4, 5, 5, 3), (5, 4, 5, 3), (2, 2, 9, 3)],
)
def test_exact_start_at_widths_below_the_inputs_or_the_outputs(inputs, outputs, inner, factors):
    model = nn.Sequential(nn.Conv1d(2 * inputs, 2 * outputs, 3, groups=2)).double()
    plain = model[0].weight.detach().clone()
    insert_hrf(model, inner / outputs, ["0"], factors=factors)
    torch.testing.assert_close(model[0].weight, plain)


def test_pointwise_convolution_is_factorised_as_the_linear_layer_that_it_is():
    models = nn.Sequential(nn.Linear(6, 4)), nn.Sequential(nn.Conv1d(6, 4, 1))
    with torch.no_grad():
        models[1][0].weight.copy_(models[0][0].weight.unsqueeze(2))
    for factors in (2, 3):
        found = []
        for model in copy.deepcopy(models):
            torch.manual_seed(1)
            insert_hrf(model, 2, ["0"], factors=factors)
            found.append([factor.flatten(1) for factor in factors_of(model[0])])
        for linear, convolution in zip(*found, strict=True):
            torch.testing.assert_close(linear, convolution)


@pytest.mark.parametrize(
    ("make", "factors", "message"),
    [
        (lambda: nn.Conv1d(8, 6, 3), 2, r"below the minimum of 6: .*; use rank >= 1$"),
        (lambda: nn.Conv1d(8, 6, 3), 3, r"below the minimum of 8: .*; use rank >= 1.33333"),
        (lambda: nn.Conv2d(8, 8, (3, 2), groups=4), 2, r"below the minimum of 2: "),
    ],
)
def test_rank_that_cannot_reach_every_kernel_is_refused(make, factors, message):
    model = nn.Sequential(make())
    with pytest.raises(ValueError, match=rf"layer '0': rank=0.5 gives an inner dimension of \d, {message}"):
        insert_hrf(model, 0.5, ["0"], factors=factors)
    assert is_plain(model)


class OwnConvolution(nn.Conv1d):
    """Computes more where nn.Conv1d.forward calls it."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return 2 * super()._conv_forward(input, weight, bias)


@pytest.mark.parametrize("make", [lambda: TimeConv(4, 6, 3), lambda: OwnConvolution(4, 6, 3)])
def test_inserted_mode_refuses_a_convolution_that_computes_more_and_the_parametrized_one_takes_it(make):
    model = nn.Sequential(make())
    with pytest.raises(
        ValueError, match=r"layer '0' is a \w+, which may compute more than Conv1d; use mode='parametrized'"
    ):
        insert_hrf(model, targets=["0"], mode="inserted")
    x = torch.randn(2, 4, 4)
    expected = model(x)
    insert_hrf(model, targets=["0"])
    assert_near("convolution that computes more", model(x), expected)
    scramble(model)
    merged = merge_hrf(model)
    assert type(merged[0]) is type(make())
    assert_near("convolution that computes more", merged(x), model(x))


def test_inserted_layers_read_as_the_convolution_they_replace():
    model = nn.Sequential(nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), groups=2))
    plain = copy.deepcopy(model)
    insert_hrf(model, targets=["0"], mode="inserted")
    for name in (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    ):
        assert getattr(model[0], name) == getattr(plain[0], name)
    assert_near("inserted convolution", model[0].weight, plain[0].weight)
    assert torch.equal(model[0].bias, plain[0].bias)
    x = torch.randn(2, 4, 7, 6)
    assert_near("inserted convolution", model(x), plain(x))


@MODES
def test_shared_convolution_is_one_and_a_tied_one_is_refused(mode):
    model = nn.ModuleDict({"a": nn.Conv1d(4, 4, 3), "c": nn.Conv1d(4, 4, 3)})
    model["b"] = model["a"]
    model["c"].weight = model["a"].weight
    with pytest.raises(ValueError, match="layer 'a' shares its weight with 'c'"):
        insert_hrf(model, targets=["a"], mode=mode)
    del model["c"]
    assert insert_hrf(model, 2, ["b"], mode=mode) == ["a"]
    assert model["a"] is model["b"]
    scramble(model)
    merged = merge_hrf(model)
    assert merged["a"] is merged["b"]
    x = torch.randn(2, 4, 6)
    assert_near("shared convolution", merged["b"](x), model["a"](x))


@MODES
def test_lazy_convolution_is_factorised_once_it_has_a_shape(mode):
    model = nn.Sequential(nn.LazyConv2d(4, 3))
    x = torch.randn(2, 3, 5, 5)
    expected = model(x)
    insert_hrf(model, targets=["0"], mode=mode)
    assert_near("lazy convolution", merge_hrf(model)(x), expected)


def test_weight_assigned_to_a_factorised_convolution_is_factorised_exactly():
    model = nn.Sequential(nn.Conv1d(4, 6, 3))
    insert_hrf(model, 2, ["0"], factors=3, init="variance")
    weight = torch.randn(6, 4, 3)
    with torch.no_grad():
        model[0].weight = weight
    assert_near("assigned kernel", merge_hrf(model)[0].weight, weight)


def test_weight_of_another_shape_is_refused_by_the_name_of_its_layer():
    model, other = nn.Sequential(nn.Conv1d(4, 6, 3)), nn.Sequential(nn.Conv1d(4, 6, 5))
    insert_hrf(model, targets=["0"])
    with pytest.raises(
        ValueError, match=r"layer '0': a weight of shape \(6, 4, 5\) does not fit the model's, \(6, 4, 3\)"
    ):
        model.load_state_dict(other.state_dict())


@pytest.mark.parametrize(("kernel", "dim"), list(itertools.product([1, 3], [0, 1, 2, None])))
def test_weight_norm_of_a_convolution_is_not_taken_for_factors(kernel, dim):
    def make() -> nn.ModuleDict:
        norm = parametrizations.weight_norm(nn.Conv1d(4, 4, kernel), dim=dim)
        return nn.ModuleDict({"open": nn.Conv1d(4, 4, 3), "norm": norm})

    plain, model = make(), make()
    insert_hrf(model, 2, ["open"])
    scramble(model)
    load(plain, model)
    x = torch.randn(2, 4, 5)
    for key in ("open", "norm"):
        assert_near("convolutions beside weight norm", plain[key](x), model[key](x))
    assert set(merge_state_dict(model.state_dict(), describe_hrf(model))) == set(plain.state_dict())


def test_convolutions_of_the_model_that_are_called_hrf_are_left_alone():
    model = nn.ModuleDict({"hrf": nn.Sequential(nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3))})
    assert set(merge_state_dict(model.state_dict(), describe_hrf(model))) == set(model.state_dict())


@pytest.mark.parametrize("factors", [2, 3])
def test_conformer_with_factorised_convolutions_trains_and_merges_into_the_plain_one(factors):
    torch.manual_seed(0)
    plain = create_model("conformer", n_features=6, n_classes=3, width=8, layers=2, heads=2, ffn=12, kernel=5)
    model = copy.deepcopy(plain)
    features, lengths = torch.randn(3, 20, 6), torch.tensor([20, 13, 9])
    plain.eval()
    model.eval()
    names = insert_hrf(model, 4, CONFORMER, factors=factors)
    assert len(names) == 2 + 2 * 3
    assert_near("Conformer, factorised", model(features, lengths), plain(features, lengths), slack=4.0)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model(features, lengths).square().sum().backward()
    assert all(factor.grad.any() for layer in factorised_layers(model).values() for factor in factors_of(layer))
    optimizer.step()
    model.eval()
    merged = merge_hrf(model)
    assert structure(merged) == structure(plain)
    assert [type(m) for m in merged.modules()] == [type(m) for m in plain.modules()]
    assert_near("Conformer, merged", merged(features, lengths), model(features, lengths), slack=4.0)
    assert (merged(features, lengths) - plain(features, lengths)).abs().max() > 1e-3

    load(plain, model)
    programs = [torch.export.export(one, (features[:1], None)) for one in (plain, merged)]
    assert programs[0].graph_module.code == programs[1].graph_module.code
    assert_near("Conformer, exported", programs[1].module()(features[:1], None), model(features[:1], None), slack=4.0)
