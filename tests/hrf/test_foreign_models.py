"""Whole models that know nothing of the method: merging and loading keep their outputs on every path."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hrf_cases import assert_near, is_plain, load, scramble, structure
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.hrf import factorised_layers, insert_hrf, merge_hrf

OPTIONS = pytest.mark.parametrize(
    "options",
    [{"mode": "parametrized"}, {"mode": "parametrized", "factors": 3}, {"mode": "inserted"}],
    ids=["parametrized", "parametrized-3", "inserted"],
)


class Block(nn.Module):
    """A block of a vision Transformer, as torchvision writes it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Dropout(0.0), nn.Linear(3 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.self_attention(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Vision(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 4, 16))
        self.layers = nn.Sequential(*(Block(16, 4) for _ in range(3)))
        self.head = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.position
        return self.head(self.layers(tokens).mean(1))


def check(plain: nn.Module, model: nn.Module, outputs: Callable[[nn.Module], Tensor], subject: str) -> None:
    """``model`` is ``plain`` factorised and trained: merge, load both ways, compare in training and in evaluation."""
    merged = merge_hrf(model)
    assert is_plain(merged)
    assert structure(merged) == structure(plain)
    again = {name: type(layer) for name, layer in factorised_layers(model).items()}
    load(plain, model)
    for training in (True, False):
        for gradients in (True, False):
            with torch.set_grad_enabled(gradients):
                expected = outputs(model.train(training))
                assert_near(f"merged = unmerged, {subject}", outputs(merged.train(training)), expected, slack=4.0)
                assert_near(f"loaded = saved, {subject}", outputs(plain.train(training)), expected, slack=4.0)
    assert again.keys() == factorised_layers(model).keys()
    scramble(model)
    load(model, merged)
    assert_near(f"factorised again = merged, {subject}", outputs(model.eval()), outputs(merged.eval()), slack=4.0)


@OPTIONS
@pytest.mark.parametrize(
    "targets",
    [[r"layers\.\d\.mlp\.[03]"], [r".*\.mlp\.[03]", r".*out_proj", "head", "patches"]],
    ids=["mlp", "everything"],
)
def test_vision_transformer(options, targets):
    torch.manual_seed(0)
    plain, model = Vision(), Vision()
    names = insert_hrf(model, 2, targets, **options)
    assert len(names) in (6, 11)
    scramble(model)
    images = torch.randn(3, 1, 8, 8)
    check(plain, model, lambda m: m(images), "ViT")


def test_input_projection_of_attention_is_no_layer_and_is_refused():
    model = Vision()
    with pytest.raises(ValueError, match=r"'.*in_proj_weight' matches no linear layer or convolution"):
        insert_hrf(model, targets=[r".*in_proj_weight"])


def encoder(norm_first: bool, activation: str) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        16, 4, 24, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first
    )
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first)


@OPTIONS
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("norm_first", "activation"), [(False, "relu"), (True, "gelu")])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_torch_encoder_on_its_slow_and_its_fast_path(options, masked, norm_first, activation, monkeypatch):
    torch.manual_seed(0)
    plain, model = encoder(norm_first, activation), encoder(norm_first, activation)
    names = insert_hrf(model, 2, [r"layers\.\d\.linear[12]", r".*out_proj"], **options)
    assert len(names) == 6
    scramble(model)
    x = torch.randn(3, 7, 16)
    padding = torch.arange(7)[None] >= torch.tensor([7, 4, 2])[:, None] if masked else None

    def outputs(m: nn.Module) -> Tensor:
        y = m(x, src_key_padding_mask=padding)
        return y if padding is None else y.masked_fill(padding[..., None], 0)

    fast: list[tuple[Any, ...]] = []
    kernel = torch._transformer_encoder_layer_fwd
    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", lambda *a: fast.append(a) or kernel(*a))
    check(plain, model, outputs, "nn.TransformerEncoder")
    # model, merged and plain, two layers each, in evaluation without gradients.
    assert len(fast) == 6
    fast.clear()
    with torch.no_grad(), parametrize.cached():
        cached = outputs(model.eval())
    assert_near("merged = unmerged, nn.TransformerEncoder", cached, outputs(merge_hrf(model)), slack=4.0)


def hugging_face(name: str) -> tuple[Callable[[], nn.Module], Callable[[nn.Module], Tensor], list[str]]:
    """Makes a tiny model with random weights from its configuration; its output; its feed-forward layers."""
    torchaudio()  # transformers imports it where it is installed
    transformers = pytest.importorskip("transformers", reason="Hugging Face's transformers is not installed")
    size: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    if name == "Bert":
        config = transformers.BertConfig(vocab_size=30, max_position_embeddings=16, **size)
        tokens = torch.arange(10).view(2, 5)
        targets = [r"bert\.encoder\.layer\.\d\.(intermediate|output)\.dense"]
        return lambda: transformers.BertForMaskedLM(config), lambda m: m(input_ids=tokens).logits, targets
    speech = {
        **{key: value for key, value in size.items() if not key.endswith("dropout_prob")},
        "conv_dim": (8, 8),
        "conv_kernel": (10, 3),
        "conv_stride": (5, 2),
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        **{f"{part}_dropout": 0.0 for part in ("hidden", "attention", "activation", "final")},
        "feat_proj_dropout": 0.0,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
    }
    config = getattr(transformers, f"{name}Config")(**speech)
    wave = torch.randn(2, 400)
    targets = [r"encoder\.layers\.\d\.feed_forward\.(intermediate|output)_dense"]
    return lambda: getattr(transformers, f"{name}Model")(config), lambda m: m(wave).last_hidden_state, targets


@OPTIONS
@pytest.mark.parametrize("name", ["Wav2Vec2", "Hubert", "Bert"])
def test_hugging_face_model(options, name):
    torch.manual_seed(0)
    make, outputs, targets = hugging_face(name)
    plain, model = make(), make()
    assert len(insert_hrf(model, 2, targets, **options)) == 4
    scramble(model)
    check(plain, model, outputs, f"Hugging Face {name}")


@pytest.mark.parametrize(
    "options", [{"mode": "parametrized"}, {"mode": "inserted", "factors": 3}], ids=["parametrized", "inserted-3"]
)
def test_hugging_face_front_of_convolutions(options):
    torch.manual_seed(0)
    make, outputs, _ = hugging_face("Wav2Vec2")
    plain, model = make(), make()
    with pytest.raises(ValueError, match=r"layer 'encoder.pos_conv_embed.conv' has another parametrization"):
        insert_hrf(model, 2, [r"encoder\.pos_conv_embed\.conv"])
    assert len(insert_hrf(model, 2, [r"feature_extractor\.conv_layers\.\d\.conv"], **options)) == 2
    scramble(model)
    check(plain, model, outputs, "Hugging Face Wav2Vec2")


def test_hugging_face_decoder_that_is_tied_to_its_embedding_is_refused():
    model = hugging_face("Bert")[0]()
    with pytest.raises(ValueError, match=r"layer 'cls.predictions.decoder' shares its weight with 'bert.embeddings"):
        insert_hrf(model, targets=[r"cls\.predictions\.decoder"])


def test_merged_hugging_face_model_is_saved_and_loaded_by_its_own_means(tmp_path):
    torch.manual_seed(0)
    make, outputs, targets = hugging_face("Wav2Vec2")
    model = make().eval()
    insert_hrf(model, 2, targets)
    scramble(model)
    merged = merge_hrf(model)
    merged.save_pretrained(tmp_path)
    assert_near(
        "saved by Hugging Face", outputs(type(merged).from_pretrained(tmp_path).eval()), outputs(model), slack=4.0
    )
