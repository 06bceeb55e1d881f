import pytest
import torch
from torch import nn

from hrf_ser.models import create_model
from hrf_ser.models.conformer import ConvolutionModule


def test_feed_forwards_are_half_steps() -> None:
    torch.manual_seed(0)
    layer = create_model("conformer", n_features=6, n_classes=3, width=16, dropout=0.0).eval().layers[0]
    for branch in (layer.attention.out, layer.convolution.pointwise2, layer.ffn1.linear2):
        nn.init.zeros_(branch.weight)
        nn.init.zeros_(branch.bias)
    x, mask = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    expected = layer.norm(x + 0.5 * layer.ffn2(layer.ffn2_norm(x)))
    torch.testing.assert_close(layer(x, mask, mask[:, None, None]), expected)


def test_convolution_module_is_the_papers_with_pointwise_convolutions() -> None:
    torch.manual_seed(0)
    module = ConvolutionModule(6, kernel=3, dropout=0.0).eval()
    x = torch.randn(2, 9, 6)
    y = module.norm(x).transpose(1, 2)
    y = nn.functional.conv1d(y, module.pointwise1.weight.unsqueeze(-1), module.pointwise1.bias)
    y = y[:, :6] * torch.sigmoid(y[:, 6:])
    y = nn.functional.conv1d(y, module.depthwise.weight, padding=1, groups=6)
    y = y / (1 + module.batch_norm.eps) ** 0.5
    y = nn.functional.conv1d(y * torch.sigmoid(y), module.pointwise2.weight.unsqueeze(-1), module.pointwise2.bias)
    torch.testing.assert_close(module(x, torch.ones(2, 9, dtype=torch.bool)), y.transpose(1, 2))


def test_positions_are_relative_sinusoidal_or_none() -> None:
    parameters = {
        positions: dict(create_model("conformer", n_features=6, n_classes=3, positions=positions).named_parameters())
        for positions in ("relative", "sinusoidal", "none")
    }
    assert parameters["relative"].keys() - parameters["none"].keys() == {"relative.table.weight"}
    assert parameters["sinusoidal"].keys() == parameters["none"].keys()
    x, lengths = torch.randn(1, 60, 6), torch.tensor([60])
    logits = []
    for positions in ("sinusoidal", "none"):
        torch.manual_seed(0)
        logits.append(create_model("conformer", n_features=6, n_classes=3, positions=positions).eval()(x, lengths))
    assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_impossible_options_are_named() -> None:
    with pytest.raises(ValueError, match="positions='absolute': Input should be 'relative', 'sinusoidal' or 'none'"):
        create_model("conformer", n_features=6, n_classes=3, positions="absolute")
    with pytest.raises(ValueError, match="kernel=4 must be odd"):
        create_model("conformer", n_features=6, n_classes=3, kernel=4)
