"""A Whisper model with random weights, as Hugging Face writes it."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from hrf_ser.encoders.whisper import WhisperEncoder

CONFIG = {
    "d_model": 16,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "encoder_layers": 2,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}


def write_tiny_whisper(folder: Path) -> Path:
    """Write it, and return the folder."""
    torch.manual_seed(0)
    encoder = WhisperEncoder(CONFIG, layers=2)
    weights = {key: value for key, value in encoder.state_dict().items() if not key.startswith("mel.")}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({f"model.encoder.{key}": value.half() for key, value in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": "whisper"}))
    return folder
