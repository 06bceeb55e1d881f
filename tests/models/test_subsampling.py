import pytest
import torch

from hrf_ser.models.subsampling import STRIDES, ConvSubsampling, frames_per_token


@pytest.mark.parametrize("per_token", STRIDES)
def test_a_token_every_few_frames(per_token: int) -> None:
    subsampling = ConvSubsampling(5, 8, hop_ms=40 / per_token)
    for frames in (1, 2, 4, 5, 8, 9, 215):
        tokens, mask = subsampling(torch.randn(2, frames, 5), torch.tensor([frames, 1]))
        assert mask is not None
        assert tokens.shape == (2, -(-frames // per_token), 8)
        assert mask.sum(1).tolist() == [-(-frames // per_token), 1]


@pytest.mark.parametrize(
    ("hop_ms", "token_ms", "frames"),
    [(10, 40, 4), (12.5, 40, 4), (16, 40, 2), (20, 40, 2), (40, 40, 1), (100, 40, 1), (10, 20, 2), (1, 1000, 4)],
)
def test_tokens_are_as_near_to_their_duration_as_frames_allow(hop_ms: float, token_ms: float, frames: int) -> None:
    assert frames_per_token(hop_ms, token_ms) == frames


def test_a_token_of_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="token_ms=0 is not greater than 0"):
        ConvSubsampling(5, 8, token_ms=0)
