"""Layers that are shared, tied, wrapped or computed from other tensors: the right answer, or a refusal that names them."""

import copy

import pytest
import torch
from hrf_cases import MODES, assert_near, factorised, feed_forward, is_plain, load, scramble, structure
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from hrf_ser.hrf import describe_hrf, factorised_layers, insert_hrf, merge_hrf, merge_state_dict


class Two(nn.Module):
    """Two parents that hold one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.ModuleDict({"proj": nn.Linear(6, 6), "out": nn.Linear(6, 4)})
        self.right = nn.ModuleDict({"proj": self.left["proj"], "out": nn.Linear(6, 4)})

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.left, self.right
        return a["out"](a["proj"](x).relu()) + b["out"](b["proj"](x).tanh())


@MODES
@pytest.mark.parametrize("target", ["left.proj", r"right\.proj", "proj"])
def test_layer_of_two_parents_is_one_layer_by_any_of_its_names(mode, target):
    model = Two()
    plain = copy.deepcopy(model)
    assert insert_hrf(model, 2, [target], mode=mode) == ["left.proj"]
    assert model.left["proj"] is model.right["proj"]
    scramble(model)
    merged = merge_hrf(model)
    assert merged.left["proj"] is merged.right["proj"]
    assert structure(merged) == structure(plain)
    assert len(list(merged.parameters())) == len(list(plain.parameters()))
    x = torch.randn(7, 6)
    assert_near("one layer, two parents", merged(x), model(x))
    for target_model in (plain, model):
        loaded = copy.deepcopy(target_model)
        for source in (model, merged):
            load(loaded, source)
            assert_near("one layer, two parents: loaded", loaded(x), model(x))


def test_embedding_tied_to_a_decoder_is_refused_and_the_rest_is_factorised():
    model = nn.ModuleDict({"embed": nn.Embedding(9, 5), "hidden": nn.Linear(5, 5), "decoder": nn.Linear(5, 9)})
    model["decoder"].weight = model["embed"].weight
    with pytest.raises(ValueError, match="layer 'decoder' shares its weight with 'embed'"):
        insert_hrf(model, targets=["hidden", "decoder"])
    assert is_plain(model)
    insert_hrf(model, targets=["hidden"])
    merged = merge_hrf(model)
    assert merged["decoder"].weight is merged["embed"].weight
    assert model["decoder"].weight is model["embed"].weight


def test_weight_that_the_model_itself_holds_too_is_refused_by_the_name_of_the_parameter():
    model = nn.ModuleDict({"a": nn.Linear(4, 4)})
    model.alias = model["a"].weight
    with pytest.raises(ValueError, match="'a' shares its weight with 'alias'"):
        insert_hrf(model, targets=["a"])
    layer = nn.Linear(4, 4)
    assert insert_hrf(layer, targets=[""]) == [""]


@MODES
def test_tied_biases_stay_tied(mode):
    model = nn.ModuleDict({"a": nn.Linear(4, 6), "b": nn.Linear(3, 6)})
    model["b"].bias = model["a"].bias
    plain = copy.deepcopy(model)
    insert_hrf(model, targets=["a"], mode=mode)
    assert model["a"].bias is model["b"].bias
    merged = merge_hrf(model)
    assert merged["a"].bias is merged["b"].bias
    assert merged["a"].bias is not model["a"].bias
    assert structure(merged) == structure(plain)


@MODES
def test_frozen_parameters_stay_frozen(mode):
    model = feed_forward()
    model[0].bias.requires_grad_(False)
    model[2].requires_grad_(False)
    insert_hrf(model, 2, ["0", "2"], mode=mode)
    before = copy.deepcopy(merge_hrf(model).state_dict())
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert len(trainable) == 2  # the factors of "0"
    optimizer = torch.optim.SGD(trainable, lr=0.1)
    model(torch.randn(4, 5)).square().sum().backward()
    optimizer.step()
    merged = merge_hrf(model)
    moved = {key for key, value in merged.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"0.weight"}
    assert [p.requires_grad for p in merged.parameters()] == [True, False, False, False]


def pruned() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5)


def old_weight_norm() -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(nn.Linear(4, 4))


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)))[0]


@MODES
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parametrizations.weight_norm(nn.Linear(4, 4)), "layer 'x' has another parametrization"),
        (lambda: parametrizations.spectral_norm(nn.Linear(4, 4)), "layer 'x' has another parametrization"),
        (lambda: parametrizations.orthogonal(nn.Linear(4, 4)), "layer 'x' has another parametrization"),
        (pruned, r"layer 'x' computes its weight from other tensors \(pruning"),
        (old_weight_norm, "layer 'x' computes its weight from other tensors"),
        (lambda: nn.utils.spectral_norm(nn.Linear(4, 4)), "layer 'x' computes its weight from other tensors"),
        (quantised, r"'x' matches no linear layer or convolution \('x' is a torch.ao.nn.quantized.*Linear\)"),
        (lambda: nn.LazyLinear(4), "layer 'x' has no shape yet"),
        (lambda: nn.Linear(4, 4, dtype=torch.complex64), "layer 'x' has torch.complex64 weights; factors can be float"),
        (lambda: nn.Linear(4, 4).to(torch.float8_e4m3fn), "layer 'x' has torch.float8_e4m3fn weights"),
        (lambda: nn.Linear(4, 4, device="meta"), "layer 'x' is on the meta device"),
        (lambda: parametrizations.weight_norm(nn.Conv1d(4, 4, 3)), "layer 'x' has another parametrization"),
        (lambda: nn.LazyConv2d(4, 3), "layer 'x' has no shape yet"),
        (lambda: nn.ConvTranspose1d(4, 4, 1), r"'x' is a torch.nn.modules.conv.ConvTranspose1d"),
        (lambda: nn.Conv3d(4, 4, 1), r"'x' is a torch.nn.modules.conv.Conv3d"),
        (
            lambda: nn.MultiheadAttention(4, 2).requires_grad_(),
            r"'x' is a .*MultiheadAttention\); the model has: ok, x\.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.ao", "ignore:torch.quantize_per", "ignore:Lazy modules are")
def test_layer_that_cannot_be_factorised_is_refused_by_name_and_nothing_changes(make, message, mode):
    model = nn.ModuleDict({"ok": nn.Linear(4, 4), "x": make()})
    with pytest.raises(ValueError, match=message):
        insert_hrf(model, targets=["ok", "x"], mode=mode)
    assert not factorised_layers(model)
    assert type(model["ok"]) is nn.Linear


@MODES
def test_lazy_layer_is_factorised_once_it_has_a_shape(mode):
    model = nn.Sequential(nn.LazyLinear(4))
    x = torch.randn(2, 3)
    expected = model(x)
    insert_hrf(model, targets=["0"], mode=mode)
    assert_near("lazy layer", merge_hrf(model)(x), expected)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("wide", [4, 6])
def test_weight_norm_elsewhere_in_the_model_is_not_taken_for_factors(dim, wide):
    def make() -> nn.ModuleDict:
        conv = parametrizations.weight_norm(nn.Conv1d(4, 4, 3), dim=2)
        norm = parametrizations.weight_norm(nn.Linear(4, wide), dim=dim)
        return nn.ModuleDict({"open": nn.Linear(4, 4), "conv": conv, "norm": norm})

    plain, model = make(), make()
    insert_hrf(model, targets=["open"])
    scramble(model)
    load(plain, model)
    x = torch.randn(3, 4)
    for key in ("open", "norm"):
        assert_near("beside weight norm", plain[key](x), model[key](x))
    assert torch.equal(plain["conv"].weight, model["conv"].weight)
    again = make()
    insert_hrf(again, 2, targets=["open"], factors=3)
    load(again, plain)
    assert_near("beside weight norm", again["open"](x), model["open"](x))
    assert set(merge_state_dict(model.state_dict(), describe_hrf(model))) == set(plain.state_dict())


@pytest.mark.parametrize("names", [("0", "2"), ("0", "1")])
def test_layers_of_the_model_that_are_called_hrf_are_not_taken_for_factors(names):
    def make() -> nn.ModuleDict:
        own = nn.Module()
        for name in names:
            own.add_module(name, nn.Linear(4, 4))
        return nn.ModuleDict({"hrf": own, "open": nn.Linear(4, 4)})

    plain, model = make(), make()
    insert_hrf(model, targets=["open"])
    load(plain, model)
    for name in names:
        assert torch.equal(plain["hrf"].get_submodule(name).weight, model["hrf"].get_submodule(name).weight)


class Halve(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2

    def right_inverse(self, weight: Tensor) -> Tensor | tuple[Tensor, ...]:
        return weight


@pytest.mark.parametrize("what", ["weight", "bias"])
def test_parametrization_put_on_top_of_factors_is_not_dropped_by_the_merge(what):
    model = factorised()
    parametrize.register_parametrization(model[0], what, Halve())
    with pytest.raises(ValueError, match="layer '0' has another parametrization on top of its factors"):
        merge_hrf(model)


class Scaled(nn.Linear):
    """Computes more than a linear layer, and its constructor is its own."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.scale = nn.Parameter(torch.full((width,), 2.0))
        self.register_buffer("shift", torch.ones(width))
        self.norm = nn.LayerNorm(width)

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(super().forward(input) * self.scale + self.shift)


class Renamed(nn.Linear):
    """Only a linear layer, with a constructor and an attribute of its own."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.note = {"made by": "hand"}


def test_subclass_keeps_all_that_it_has():
    model = nn.Sequential(Scaled(5))
    plain = copy.deepcopy(model)
    insert_hrf(model, targets=["0"])
    x = torch.randn(3, 5)
    assert_near("subclass", model(x), plain(x))
    scramble(model)
    merged = merge_hrf(model)
    assert type(merged[0]) is Scaled
    assert structure(merged) == structure(plain)
    assert_near("subclass", merged(x), model(x))


class Doubled(nn.Linear):
    """Computes more with nothing but its own method."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def patched() -> nn.Linear:
    layer = nn.Linear(5, 5)
    layer.forward = lambda x: x
    return layer


@pytest.mark.parametrize("make", [lambda: Scaled(5), lambda: Doubled(5, 5), patched])
def test_inserted_mode_refuses_a_layer_that_may_compute_more(make):
    layer = make()
    model = nn.Sequential(layer)
    with pytest.raises(
        ValueError,
        match=rf"layer '0' is a {type(layer).__name__}, which may compute more than Linear; use mode='parametrized'",
    ):
        insert_hrf(model, targets=["0"], mode="inserted")
    assert model[0] is layer


def test_inserted_mode_keeps_a_subclass_that_computes_no_more():
    model = nn.Sequential(Renamed(5))
    model[0].register_buffer("scale", torch.ones(5))  # what a wrapper would read beside the weight
    plain = copy.deepcopy(model)
    insert_hrf(model, targets=["0"], mode="inserted")
    merged = merge_hrf(model)
    assert type(merged[0]) is Renamed
    assert merged[0].note == {"made by": "hand"}
    assert structure(merged) == structure(plain)
    assert "forward" not in vars(merged[0])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["liner1"], "'liner1' matches no linear layer or convolution; similar names: linear1"),
        (["encoder.0.liner1"], "similar names: encoder.0.linear1"),
        ([r"linear\d"], r"'linear\\\\d' matches no linear layer or convolution; similar names: linear"),
        (["encoder"], r"'encoder' is a torch.nn.modules.container.ModuleList\); the model has: encoder.0.linear1"),
        (["encoder.("], r"target 'encoder\.\(' is not a regular expression: "),
        ([], "targets is empty"),
    ],
)
def test_wrong_targets_are_refused_with_what_may_have_been_meant(targets, message):
    block = nn.ModuleDict({"linear1": nn.Linear(4, 4), "linear2": nn.Linear(4, 4)})
    model = nn.ModuleDict({"encoder": nn.ModuleList([block]), "head": nn.Linear(4, 2)})
    with pytest.raises(ValueError, match=message):
        insert_hrf(model, targets=targets)
    assert is_plain(model)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("linear1", ["encoder.0.linear1", "encoder.1.linear1"]),
        (["0.linear1", "head"], ["encoder.0.linear1", "head"]),
        (r"encoder\.1\..*", ["encoder.1.linear1", "encoder.1.prelinear1"]),
        ([r"encoder\.\d\.prelinear1", "head"], ["encoder.0.prelinear1", "encoder.1.prelinear1", "head"]),
        ("encoder.0.linear1", ["encoder.0.linear1"]),
        (
            "all-linear",
            ["encoder.0.linear1", "encoder.0.prelinear1", "encoder.1.linear1", "encoder.1.prelinear1"],
        ),
    ],
    ids=str,
)
def test_targets_select_layers_as_in_peft(targets, expected):
    blocks = [nn.ModuleDict({"linear1": nn.Linear(4, 4), "prelinear1": nn.Linear(4, 4)}) for _ in range(2)]
    model = nn.ModuleDict({"encoder": nn.ModuleList(blocks), "conv": nn.Conv1d(4, 4, 3), "head": nn.Linear(4, 2)})
    assert insert_hrf(model, targets=targets, dry_run=True) == expected
    assert is_plain(model)
    assert insert_hrf(model, targets=targets) == expected


def test_all_linear_layers_of_a_torch_encoder_but_the_last_are_factorised():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False)
    assert insert_hrf(model, targets="all-linear") == ["layers.0.self_attn.out_proj", "layers.0.linear1"]
    with pytest.raises(ValueError, match="targets='all-linear': the model has no linear layer but its last"):
        insert_hrf(nn.Sequential(nn.Linear(4, 4)), targets="all-linear")


@pytest.mark.parametrize("rank", [0, -1, float("nan"), float("inf")])
def test_rank_that_is_no_positive_number_is_refused(rank):
    with pytest.raises(ValueError, match=f"layer '0': rank={rank} is not a positive number"):
        insert_hrf(feed_forward(), rank, ["0"])
