import torch

from hrf_ser.models.subsampling import ConvSubsampling


def test_a_token_every_four_frames() -> None:
    subsampling = ConvSubsampling(5, 8)
    for frames in (1, 2, 4, 5, 8, 9, 215):
        tokens, mask = subsampling(torch.randn(2, frames, 5), torch.tensor([frames, 1]))
        assert tokens.shape == (2, -(-frames // 4), 8)
        assert mask.sum(1).tolist() == [-(-frames // 4), 1]
