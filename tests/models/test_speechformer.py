import pytest
import torch

from hrf_ser.models import create_model
from hrf_ser.models.masking import padding_mask
from hrf_ser.models.speechformer import MergeBlock, stage_sizes


@pytest.mark.parametrize(
    ("hop_ms", "windows", "merges"),
    [
        (10.0, (5, 9, 9), (5, 5, 4)),  # the paper's
        (5.0, (11, 9, 9), (10, 5, 4)),
        (12.5, (5, 9, 9), (4, 5, 4)),
        (20.0, (3, 7, 9), (3, 4, 4)),
        (100.0, (1, 5, 7), (1, 3, 3)),
    ],
)
def test_windows_and_merges_follow_the_hop(hop_ms: float, windows: tuple[int, ...], merges: tuple[int, ...]) -> None:
    assert stage_sizes(hop_ms) == (windows, merges)


def test_tokens_of_each_stage_are_the_papers() -> None:
    model = create_model("speechformer", n_features=16, n_classes=3, width=16, heads=2).eval()
    tokens: list[int] = []
    for stage in model.stages:
        stage.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0].shape[1]))
    model(torch.randn(1, 651, 16), torch.tensor([651]))
    assert tokens == [651, 131, 27, 7]
    assert [len(stage.layers) for stage in model.stages] == [2, 2, 4, 4]
    assert [stage.window for stage in model.stages] == [5, 9, 9, None]
    assert [stage.positions for stage in model.stages] == [True, False, False, False]


def test_layer_is_post_norm_with_positions_in_the_attention_only() -> None:
    torch.manual_seed(0)
    model = create_model("speechformer", n_features=16, n_classes=3, width=16, heads=2).eval()
    layer, x, mask = model.stages[3].layers[0], torch.randn(2, 7, 16), torch.ones(2, 1, 1, 7, dtype=torch.bool)
    positions = torch.randn(7, 16)
    attended = layer.attention_norm(x + layer.attention(x + positions, mask))
    expected = layer.ffn_norm(attended + layer.ffn(attended))
    torch.testing.assert_close(layer(x, mask, positions), expected)


def test_merge_block_is_the_mean_of_valid_tokens() -> None:
    torch.manual_seed(0)
    block, x, lengths = MergeBlock(4, 6, merge=5), torch.randn(3, 13, 4), torch.tensor([13, 6, 1])
    merged, merged_lengths = block(x.masked_fill(~padding_mask(lengths, 13).unsqueeze(-1), 1e4), lengths)
    assert merged.shape == (3, 3, 6)
    assert merged_lengths.tolist() == [3, 2, 1]
    for utterance, length in enumerate(lengths.tolist()):
        for group, start in enumerate(range(0, length, 5)):
            mean = x[utterance, start : min(start + 5, length)].mean(0)
            torch.testing.assert_close(merged[utterance, group], block.norm(block.linear(mean)))


def test_hidden_width_of_a_feed_forward_is_half_its_width() -> None:
    model = create_model("speechformer", n_features=16, n_classes=3, width=32, heads=2, expand=[1, 1, 2])
    widths = [
        (stage.layers[0].ffn.linear1.in_features, stage.layers[0].ffn.linear1.out_features) for stage in model.stages
    ]
    assert widths == [(32, 16), (32, 16), (32, 16), (64, 32)]
    assert [layer.out_features for layer in (model.classifier[0], model.classifier[3])] == [32, 16]
    assert isinstance(model.projection, torch.nn.Linear)


def test_wrong_number_of_stages_is_named() -> None:
    with pytest.raises(ValueError, match=r"layers=\[2, 2\]: List should have at least 4 items"):
        create_model("speechformer", n_features=16, n_classes=3, layers=[2, 2])
