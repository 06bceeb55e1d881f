"""Statistics of an encoder's layers, of Whisper and of transformers' encoders with random weights."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_whisper import write_tiny_whisper

from helpers import REPOSITORY
from hrf_ser.encoders.huggingface import transformers
from hrf_ser.encoders.statistics import LayerStatistics, find_encoder
from hrf_ser.encoders.whisper import load_whisper
from hrf_ser.errors import UserError

KINDS = {"wavlm": "WavLM", "hubert": "Hubert", "wav2vec2": "Wav2Vec2"}
KEY = "model.options.name_or_path"


def noise(seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(round(16_000 * seconds), generator=torch.Generator().manual_seed(0))


def test_an_embedding_is_the_mean_and_the_standard_deviation_over_time(tmp_path):
    embeddings = LayerStatistics(write_tiny_whisper(tmp_path), 1)
    states = load_whisper(tmp_path, 1)(noise(1.0)).numpy()
    expected = np.concatenate([states.mean(0), states.std(0)])
    assert embeddings.width == 32
    np.testing.assert_allclose(embeddings.extractor()(noise(1.0)), expected[None], atol=1e-5)


def test_the_weights_and_the_layer_name_the_store(tmp_path):
    first, second = (write_tiny_whisper(tmp_path / name) for name in ("a", "b"))
    assert LayerStatistics(first, 1).as_dict() == LayerStatistics(second, 1).as_dict()
    assert LayerStatistics(first, 1).as_dict() != LayerStatistics(first, 2).as_dict()
    save_file({"model.encoder.conv1.weight": torch.zeros(1)}, second / "model.safetensors")
    assert LayerStatistics(first, 1).as_dict() != LayerStatistics(second, 1).as_dict()


def test_statistics_of_all_states_stand_one_behind_the_other(tmp_path):
    statistics = LayerStatistics(write_tiny_whisper(tmp_path))
    states = load_whisper(tmp_path).hidden_states(noise(1.0)).numpy()
    found = statistics.extractor()(noise(1.0))
    assert found.shape == (1, statistics.width) == (1, 3 * 32)
    np.testing.assert_allclose(found.reshape(3, 2, 16), np.stack([states.mean(1), states.std(1)], 1), atol=1e-5)
    assert statistics.as_dict()["layers"] == "all"
    costs = statistics.costs(1.0)
    assert costs["parameters"] == sum(one.numel() for one in load_whisper(tmp_path).parameters())
    # The convolution over mel frames alone: 50 outputs of stride 2, 100 of stride 1.
    assert costs["macs_per_second_of_audio"] > 100 * 3 * 80 * 16 + 50 * 3 * 16 * 16


@pytest.fixture
def huggingface(tmp_path):
    """Writes an encoder of transformers with random weights: ``huggingface(kind)`` -> its folder."""
    pytest.importorskip("transformers", reason="transformers is not installed: hrf_ser[encoders]")

    def write(kind: str):
        library = transformers()
        config = getattr(library, f"{KINDS[kind]}Config")(
            **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
            **{"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_conv_pos_embeddings": 4},
            **{"num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 2},
        )
        torch.manual_seed(0)
        getattr(library, f"{KINDS[kind]}Model")(config).save_pretrained(tmp_path / kind)
        return tmp_path / kind

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_of_transformers_have_statistics_too(huggingface, kind):
    statistics = LayerStatistics(huggingface(kind), key=KEY)
    assert (statistics.kind, statistics.states, statistics.width) == (kind, 3, 96)
    model = transformers().AutoModel.from_pretrained(tmp := str(statistics.path)).eval()
    assert tmp
    audio = noise(1.0)
    with torch.no_grad():
        normalised = (audio - audio.mean()) / (audio.var(correction=0) + 1e-7).sqrt()
        expected = model(normalised[None], output_hidden_states=True).hidden_states[1][0]
    found = statistics.extractor()(audio).reshape(3, 2, 16)
    np.testing.assert_allclose(found[1], np.stack([expected.mean(0), expected.std(0, correction=0)]), atol=1e-4)
    assert statistics.extractor()(noise(0.001)).shape == (1, 96)


def test_transformers_is_imported_behind_torchaudio_alone():
    """Beside a CPU torch, its audio functions fail on torchaudio's extension unless that was prepared."""
    pytest.importorskip("transformers", reason="transformers is not installed: hrf_ser[encoders]")
    for path in (REPOSITORY / "src").rglob("*.py"):
        text = path.read_text()
        assert "import transformers" not in text, path
        assert "from transformers" not in text, path
        assert 'need("transformers"' not in text or path.name == "huggingface.py", path
    program = "from hrf_ser.encoders.huggingface import transformers; transformers(); import transformers.audio_utils"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_folders_without_an_encoder_end_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match=rf"{KEY}=/nowhere does not exist"):
        find_encoder("/nowhere", KEY)
    assert find_encoder(str(tmp_path), KEY) == tmp_path
    with pytest.raises(UserError, match=rf"{KEY}=.*config\.json is missing"):
        _ = LayerStatistics(tmp_path, key=KEY).states
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=rf"{KEY}=.*model\.safetensors is missing"):
        LayerStatistics(tmp_path, key=KEY).as_dict()
    pytest.importorskip("transformers", reason="transformers is not installed: hrf_ser[encoders]")
    with pytest.raises(UserError, match=rf"{KEY}=.*does not hold a speech encoder"):
        _ = LayerStatistics(tmp_path, key=KEY).states
