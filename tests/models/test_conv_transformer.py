import torch

from hrf_ser.models import create_model
from hrf_ser.models.positions import sinusoidal_positions


def test_encoder_gets_sinusoidal_positions() -> None:
    model = create_model("conv_transformer", n_features=6, n_classes=3).eval()
    tokens: list[torch.Tensor] = []
    model.layers[0].register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0]))
    model(torch.ones(1, 80, 6), torch.tensor([80]))
    # Frames that are all alike give tokens that are all alike, but for the two at the ends.
    inner = (tokens[0] - sinusoidal_positions(tokens[0]))[0, 1:-1]
    torch.testing.assert_close(inner, inner[:1].expand_as(inner))


def test_dropout_acts_in_training_only() -> None:
    model = create_model("conv_transformer", n_features=6, n_classes=3, dropout=0.5, attention_dropout=0.2)
    x, lengths = torch.randn(2, 40, 6), torch.tensor([40, 40])
    assert not torch.equal(model(x, lengths), model(x, lengths))
    model.eval()
    assert torch.equal(model(x, lengths), model(x, lengths))
