"""The Whisper encoder gives the hidden states of transformers', for audio of any length."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny_whisper import CONFIG, write_tiny_whisper

from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.encoders.whisper import load_whisper
from hrf_ser.errors import UserError


def noise(seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(round(16_000 * seconds), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [1, 2])
def test_hidden_states_are_those_of_transformers(tmp_path, layer):
    torchaudio()  # before transformers, which imports it without the protection that it needs beside a CPU torch
    transformers = pytest.importorskip("transformers")
    settings = transformers.WhisperConfig(
        **CONFIG, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=8, pad_token_id=0
    )
    settings.bos_token_id = settings.eos_token_id = settings.decoder_start_token_id = 1
    torch.manual_seed(0)
    model = transformers.WhisperModel(settings).eval()
    model.save_pretrained(tmp_path)
    audio = noise(30)  # what transformers' encoder asks for
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    features = extractor(audio.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = model.encoder(features, output_hidden_states=True).hidden_states[layer][0]
    torch.testing.assert_close(load_whisper(tmp_path, layer)(audio), expected, atol=2e-4, rtol=1e-3)


def test_audio_of_any_length_has_a_state_every_20_ms(tmp_path):
    encoder = load_whisper(write_tiny_whisper(tmp_path), 2)
    assert len(encoder(noise(0.002))) == 1
    assert len(encoder(noise(1.0))) == 50
    long = encoder(noise(45.0))
    assert len(long) == 2250
    torch.testing.assert_close(long[1500:], encoder(noise(45.0)[480_000:]))


def test_all_hidden_states_come_from_one_pass(tmp_path):
    encoder = load_whisper(write_tiny_whisper(tmp_path))
    states = encoder.hidden_states(noise(1.0))
    assert states.shape == (encoder.states, 50, encoder.width) == (3, 50, 16)
    for layer in (1, 2):
        expected = load_whisper(tmp_path, layer)(noise(1.0))
        torch.testing.assert_close(states[layer], expected)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"nothing"), "does not hold a Whisper model"),
        (lambda folder: (folder / "config.json").write_text("{}"), "does not hold a Whisper model"),
        (lambda folder: (folder / "config.json").write_text("[]"), "does not hold a Whisper model"),
        (
            lambda folder: (folder / "config.json").write_text(json.dumps({**CONFIG, "d_model": 18})),
            "does not hold a Whisper model",
        ),
        (
            lambda folder: save_file({"model.encoder.conv1.weight": torch.zeros(1)}, folder / "model.safetensors"),
            "does not hold a Whisper model",
        ),
    ],
)
def test_files_of_something_else_are_refused(tmp_path, change, sentence):
    change(write_tiny_whisper(tmp_path))
    with pytest.raises(UserError, match=rf"teacher\.path=.*{sentence}"):
        load_whisper(tmp_path, 1)


def test_a_layer_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"teacher\.layer=3: the encoder in .* has 2 layers"):
        load_whisper(write_tiny_whisper(tmp_path), 3)
