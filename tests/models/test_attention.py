import pytest
import torch

from hrf_ser.models.attention import SelfAttention, WindowedSelfAttention, window_mask
from hrf_ser.models.masking import padding_mask


@pytest.mark.parametrize("window", [1, 3, 9, 41])
@pytest.mark.parametrize("frames", [1, 5, 16, 17, 50])
def test_windowed_attention_is_attention_under_a_band_mask(window: int, frames: int) -> None:
    torch.manual_seed(0)
    windowed, dense = WindowedSelfAttention(8, 2, window), SelfAttention(8, 2)
    dense.load_state_dict(windowed.state_dict())
    lengths = torch.tensor([frames, (frames + 1) // 2, 1])
    x = torch.randn(3, frames, 8)
    valid = padding_mask(lengths, frames)
    token = torch.arange(frames)
    band = (token.unsqueeze(1) - token).abs() <= window // 2
    expected = dense(x, (band & valid.unsqueeze(1) | torch.eye(frames, dtype=torch.bool)).unsqueeze(1))
    got = windowed(x, window_mask(lengths, frames, window))
    torch.testing.assert_close(got[valid], expected[valid], atol=1e-5, rtol=1e-5)
    assert torch.isfinite(got).all()


def test_windowed_attention_is_the_formula_written_out() -> None:
    """Against loops that share no code with the module, so that both forms cannot be wrong alike."""
    torch.manual_seed(0)
    attention = WindowedSelfAttention(8, 2, window=5)
    x, length = torch.randn(1, 20, 8), 18
    query, key, value = attention.qkv(x)[0].chunk(3, dim=-1)
    expected = torch.empty(length, 8)
    for t in range(length):
        near = slice(max(0, t - 2), min(length, t + 3))
        for head in (slice(0, 4), slice(4, 8)):
            weights = torch.softmax(key[near, head] @ query[t, head] / 2.0, dim=0)
            expected[t, head] = weights @ value[near, head]
    got = attention(x, window_mask(torch.tensor([length]), 20, 5))
    torch.testing.assert_close(got[0, :length], attention.out(expected), atol=1e-5, rtol=1e-5)


def test_every_query_sees_a_key_so_that_no_kernel_can_give_nan() -> None:
    assert window_mask(torch.tensor([40, 1]), 40, 5).any(-1).all()


def test_attention_dropout_acts_in_training_only() -> None:
    attention = SelfAttention(8, 2, dropout=0.5)
    x, mask = torch.randn(1, 30, 8), torch.ones(1, 1, 1, 30, dtype=torch.bool)
    assert not torch.equal(attention(x, mask), attention(x, mask))
    attention.eval()
    assert torch.equal(attention(x, mask), attention(x, mask))


def test_impossible_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="10 is no multiple of 4"):
        SelfAttention(10, 4)
    with pytest.raises(ValueError, match=r"odd .* not 4"):
        WindowedSelfAttention(8, 2, window=4)
