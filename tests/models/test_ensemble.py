"""An ensemble: members that start apart and are evaluated together."""

import pytest
import torch

from hrf_ser.hrf import factorised_layers, insert_hrf, merge_hrf
from hrf_ser.models import create_model
from hrf_ser.models.conv_transformer import ConvTransformer
from hrf_ser.models.ensemble import Ensemble, can_embed

SIZES = {"n_features": 6, "n_classes": 3, "width": 16, "layers": 1, "heads": 2, "ffn": 32, "dropout": 0.0}
LENGTHS = torch.tensor([40, 23])


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(0))


def test_probabilities_are_the_mean_of_the_members(features: torch.Tensor) -> None:
    model = create_model("conv_transformer", ensemble_size=3, **SIZES).eval()
    each = torch.stack([member(features, LENGTHS).softmax(-1) for member in model.members])
    torch.testing.assert_close(model(features, LENGTHS).softmax(-1), each.mean(0))
    assert (each[0] - each[1]).abs().max() > 1e-3, "members start apart"


def test_logits_are_finite_where_every_member_is_sure(features: torch.Tensor) -> None:
    model = create_model("conv_transformer", ensemble_size=2, **SIZES).eval()
    for member in model.members:
        torch.nn.init.constant_(member.classifier.weight, 0.0)
        member.classifier.bias.data = torch.tensor([500.0, 0.0, -500.0])
    torch.testing.assert_close(model(features, LENGTHS)[0], torch.tensor([0.0, -500.0, -1000.0]))


def test_a_model_without_targets_makes_an_ensemble_without_them() -> None:
    assert not hasattr(Ensemble(lambda: torch.nn.Linear(2, 2), 2), "hrf_targets")


def test_every_member_is_factorised_and_merged(features: torch.Tensor) -> None:
    model = create_model("conv_transformer", ensemble_size=2, **SIZES).eval()
    before = model(features, LENGTHS)
    insert_hrf(model, 2)
    assert len(factorised_layers(model)) == 4
    torch.testing.assert_close(model(features, LENGTHS), before)
    merged = merge_hrf(model)
    assert not factorised_layers(merged)
    torch.testing.assert_close(merged(features, LENGTHS), before)


def test_one_member_is_the_model_itself() -> None:
    assert type(create_model("conv_transformer", ensemble_size=1, **SIZES)) is ConvTransformer


@pytest.mark.parametrize("members", [0, 1.5, True, "2"])
def test_other_numbers_are_refused(members: object) -> None:
    with pytest.raises(ValueError, match=r"ensemble_size=.*: Input should be"):
        create_model("conv_transformer", ensemble_size=members, **SIZES)


def test_embeddings_of_members_stand_side_by_side_and_classify_to_the_same() -> None:
    torch.manual_seed(0)
    options = {"width": 16, "layers": 1, "heads": 2, "ffn": 32, "ensemble_size": 3}
    model = create_model("conv_transformer", n_features=20, n_classes=3, **options).eval()
    features, lengths = torch.randn(2, 40, 20), torch.tensor([40, 25])
    with torch.inference_mode():
        embedding = model.embed(features, lengths)
        assert embedding.shape == (2, 3 * model.members[0].pooling.out_width)
        torch.testing.assert_close(model.classify(embedding), model(features, lengths), atol=0, rtol=0)
    assert can_embed(model)
    assert not can_embed(torch.nn.Identity())
