import pytest
import torch

from hrf_ser.models.subsampling import SUBSAMPLINGS, create_subsampling


@pytest.mark.parametrize("name", SUBSAMPLINGS)
def test_a_token_every_four_frames(name: str) -> None:
    subsampling = create_subsampling(name, 5, 8, dropout=0.1)
    for frames in (1, 2, 4, 5, 8, 9, 215):
        tokens, mask = subsampling(torch.randn(2, frames, 5), torch.tensor([frames, 1]))
        assert mask is not None
        assert tokens.shape == (2, -(-frames // 4), 8)
        assert mask.sum(1).tolist() == [-(-frames // 4), 1]


def test_unknown_subsampling_is_named() -> None:
    with pytest.raises(ValueError, match="no subsampling 'conv2d'; there are: plain, residual"):
        create_subsampling("conv2d", 5, 8, 0.0)
