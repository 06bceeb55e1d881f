import pytest
import torch

from hrf_ser.models.subsampling import STRIDES, ConvSubsampling


@pytest.mark.parametrize("per_token", STRIDES)
def test_a_token_every_few_frames(per_token: int) -> None:
    subsampling = ConvSubsampling(5, 8, per_token)
    for frames in (1, 2, 4, 5, 8, 9, 215):
        tokens, mask = subsampling(torch.randn(2, frames, 5), torch.tensor([frames, 1]))
        assert mask is not None
        assert tokens.shape == (2, -(-frames // per_token), 8)
        assert mask.sum(1).tolist() == [-(-frames // per_token), 1]


def test_other_numbers_of_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="subsampling=3 is unknown: use one of 4, 2, 1"):
        ConvSubsampling(5, 8, 3)
