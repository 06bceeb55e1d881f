from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hrf_ser.models import create_model

SMALL: dict[str, dict[str, Any]] = {
    "conv_transformer": {"width": 16, "layers": 2, "heads": 2, "ffn": 32},
    "conformer": {"width": 16, "layers": 2, "heads": 2, "ffn": 24, "kernel": 5, "max_distance": 6},
    "speechformer": {"width": 16, "layers": [1, 1, 1, 1], "heads": 2},
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("conv_transformer", {}),
    ("conv_transformer", {"pooling": "attentive"}),
    ("conv_transformer", {"pooling": "statistics", "token_ms": 10}),
    ("conformer", {}),
    ("conformer", {"positions": "sinusoidal", "pooling": "statistics"}),
    ("conformer", {"positions": "none", "pooling": "attentive", "token_ms": 20}),
    ("speechformer", {}),
    ("speechformer", {"pooling": "attentive", "expand": [1, 1, 2]}),
    ("speechformer", {"pooling": "statistics"}),
    ("conv_transformer", {"ensemble_size": 2}),
]


def _name(variant: tuple[str, dict[str, Any]]) -> str:
    return "-".join([variant[0], *(str(value).replace(" ", "") for value in variant[1].values())])


@pytest.fixture(params=VARIANTS, ids=_name)
def small_model(request: pytest.FixtureRequest) -> nn.Module:
    """Every backbone with every choice of structure, 6 features and 3 classes, no dropout, every parameter random."""
    name, options = request.param
    torch.manual_seed(0)
    no_dropout = {"dropout": 0.0} | ({"head_dropout": 0.0} if name == "speechformer" else {})
    model = create_model(name, n_features=6, n_classes=3, **(SMALL[name] | no_dropout | options))
    with torch.no_grad():
        # What starts at zero or one (biases, norms, relative positions) must matter for a test to notice it.
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture
def padded() -> Callable[..., Tensor]:
    """Put utterances into one batch of ``frames`` frames whose padding holds large junk."""

    def pad(utterances: list[Tensor], frames: int) -> Tensor:
        batch = 1e4 * torch.randn(len(utterances), frames, utterances[0].shape[1])
        for row, utterance in zip(batch, utterances, strict=True):
            row[: len(utterance)] = utterance
        return batch

    return pad
