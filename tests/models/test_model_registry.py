import re

import pytest
import torch
from torch import nn

from hrf_ser.hrf import insert_hrf
from hrf_ser.models import MODULES, PRETRAINED, create_model, model_names, register, registry
from hrf_ser.models.options import ModelOptions


def test_models_are_known_by_name() -> None:
    assert model_names() == sorted([*MODULES, *PRETRAINED])


def test_unknown_model_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=f"no model 'resnet'; the models are: {', '.join(model_names())}"):
        create_model("resnet", n_features=6, n_classes=3)


@pytest.mark.parametrize("name", MODULES)
def test_unknown_option_is_named_with_those_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no option 'depth'; its options are: ensemble_size, "):
        create_model(name, n_features=6, n_classes=3, depth=3)


def test_number_that_no_model_can_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"n_classes must be greater than 0 .* not 0"):
        create_model("conformer", n_features=6, n_classes=0)


def test_custom_model_can_be_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    monkeypatch.setattr(ModelOptions, "known", dict(ModelOptions.known))

    class OwnOptions(ModelOptions):
        name = "own"
        gain: float = 1.0

    @register(OwnOptions)
    class Own(nn.Module):
        def __init__(self, n_features: int, n_classes: int, hop_ms: float, options: OwnOptions) -> None:
            super().__init__()
            self.gain = options.gain

    model = create_model("own", n_features=6, n_classes=3, gain=2.0)
    assert isinstance(model, Own)
    assert model.gain == 2.0
    assert ModelOptions.known["own"] is OwnOptions
    with pytest.raises(ValueError, match="'own' is registered already"):
        register(OwnOptions)(Own)


def test_hrf_targets_are_both_linears_of_every_feed_forward(small_model: nn.Module) -> None:
    blocks = [name for name, module in small_model.named_modules() if type(module).__name__ == "FeedForward"]
    assert blocks
    expected = {f"{block}.{linear}" for block in blocks for linear in ("linear1", "linear2")}
    assert set(insert_hrf(small_model, dry_run=True)) == expected
    assert all(type(small_model.get_submodule(name)) is nn.Linear for name in expected)


# What selected the layers of the recorded runs.
PATTERNS = {
    "conv_transformer": r"layers\.\d+\.ffn\.linear[12]",
    "conformer": r"layers\.\d+\.ffn[12]\.linear[12]",
    "speechformer": r"stages\.\d+\.layers\.\d+\.ffn\.linear[12]",
}


@pytest.mark.parametrize("ensemble_size", [1, 3])
@pytest.mark.parametrize("name", PATTERNS)
def test_hrf_targets_are_the_layers_of_the_recorded_runs(name: str, ensemble_size: int) -> None:
    model = create_model(name, n_features=64, n_classes=4, ensemble_size=ensemble_size)
    prefix = r"members\.\d+\." if ensemble_size > 1 else ""
    expected = [layer for layer, _ in model.named_modules() if re.fullmatch(prefix + PATTERNS[name], layer)]
    assert insert_hrf(model, dry_run=True) == expected


def test_target_linears_can_be_replaced(small_model: nn.Module) -> None:
    class Doubled(nn.Module):
        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__()
            self.weight = weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, 2 * self.weight)

    inputs = (torch.randn(2, 50, 6), torch.tensor([50, 20]))
    small_model.eval()
    before = small_model(*inputs)
    for name in insert_hrf(small_model, dry_run=True):
        parent, _, child = name.rpartition(".")
        setattr(small_model.get_submodule(parent), child, Doubled(small_model.get_submodule(name).weight))
    assert (small_model(*inputs) - before).abs().max() > 1e-3
