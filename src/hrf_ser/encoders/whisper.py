"""The encoder of Whisper (Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023).

It reads the files of Hugging Face, computes no more layers than are asked for, and takes audio of any length: without padding
to 30 s it costs a tenth for an utterance of 3 s, and its mean is one over speech.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.audio.torchaudio_import import torchaudio
from hrf_ser.errors import UserError

# Of a whole model, and of one without a language model's head.
_PREFIXES = ("model.encoder.", "encoder.")
_HOP = 160


class WhisperLayer(nn.Module):
    """Pre-norm Transformer layer; the names of its parts are those of the files."""

    def __init__(self, width: int, heads: int, ffn: int) -> None:
        super().__init__()
        self.heads = heads
        self.self_attn = nn.ModuleDict(
            {
                name: nn.Linear(width, width, bias=name != "k_proj")
                for name in ("q_proj", "k_proj", "v_proj", "out_proj")
            }
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(T, width)`` -> ``(T, width)``."""
        y = self.self_attn_layer_norm(x)
        query, key, value = (
            self.self_attn[name](y).unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)
        x = x + self.self_attn["out_proj"](attended)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return out


class WhisperEncoder(nn.Module):
    """The first layers of an encoder, with random weights; see :func:`load_whisper`.

    Args:
        config: ``d_model``, ``encoder_attention_heads``, ``encoder_ffn_dim``, ``encoder_layers``, ``num_mel_bins`` and
            ``max_source_positions`` of the ``config.json``.
        layers: how many are computed. The encoder's final normalisation belongs to its last layer.
    """

    def __init__(self, config: dict[str, int], layers: int) -> None:
        super().__init__()
        width, bins = config["d_model"], config["num_mel_bins"]
        self.longest = config["max_source_positions"]
        self.mel = torchaudio().transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=400, hop_length=_HOP, n_mels=bins, norm="slaney", mel_scale="slaney"
        )
        self.conv1 = nn.Conv1d(bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(self.longest, width)
        self.layers = nn.ModuleList(
            WhisperLayer(width, config["encoder_attention_heads"], config["encoder_ffn_dim"]) for _ in range(layers)
        )
        self.layer_norm = nn.LayerNorm(width) if layers == config["encoder_layers"] else nn.Identity()

    @property
    def states(self) -> int:
        """Hidden states: the input of the first layer and the output of every layer."""
        return len(self.layers) + 1

    @property
    def width(self) -> int:
        """Of a hidden state."""
        return self.embed_positions.embedding_dim

    def forward(self, waveform: Tensor) -> Tensor:
        """Audio at 16 kHz, ``(samples,)``, -> the last hidden state ``(T, width)``, one frame every 20 ms."""
        return torch.cat([states[-1] for states in self._pieces(waveform)])

    def hidden_states(self, waveform: Tensor) -> Tensor:
        """Audio at 16 kHz, ``(samples,)``, -> ``(states, T, width)``."""
        return torch.cat([torch.stack(states) for states in self._pieces(waveform)], 1)

    def _pieces(self, waveform: Tensor) -> Iterator[list[Tensor]]:
        """Audio longer than 30 s is encoded in pieces."""
        return map(self._encode, waveform.split(2 * _HOP * self.longest))

    def _encode(self, waveform: Tensor) -> list[Tensor]:
        # Reflection at both ends needs more samples than half a window.
        waveform = F.pad(waveform, (0, max(0, 2 * _HOP - len(waveform))))
        # The frame centred on the end is dropped, as in the published front end.
        energy = self.mel(waveform)[:, :-1].clamp(min=1e-10).log10()
        energy = (torch.maximum(energy, energy.max() - 8.0) + 4.0) / 4.0
        x = F.gelu(self.conv2(F.gelu(self.conv1(energy[None]))))[0].T
        states = [x + self.embed_positions.weight[: len(x)]]
        for layer in self.layers:
            states.append(layer(states[-1]))
        states[-1] = self.layer_norm(states[-1])
        return states


def load_whisper(folder: Path, layers: int | None = None, key: str = "teacher.path") -> WhisperEncoder:
    """The first ``layers`` layers of the encoder in ``folder``, in evaluation mode; all of them where it is None.

    Args:
        folder: holds ``config.json`` and ``model.safetensors`` as Hugging Face has them; a decoder is ignored.
        layers: from 1 to the encoder's own number.
        key: setting that names the folder, for errors.

    Raises:
        UserError: the files are missing or not those of a Whisper model, or it has fewer layers.
    """
    settings, weights = _files(folder, key)
    try:
        config = json.loads(settings.read_text(encoding="utf-8"))
        number = int(config["encoder_layers"])
        layers = number if layers is None else layers
        if not 1 <= layers <= number:
            raise UserError(f"teacher.layer={layers}: the encoder in {folder} has {number} layers.")
        encoder = WhisperEncoder(config, layers)
        own = [key for key in encoder.state_dict() if not key.startswith("mel.")]
        with safe_open(weights, framework="pt") as file:
            names = list(file.keys())
            prefix = next((one for one in _PREFIXES if any(name.startswith(one) for name in names)), "")
            encoder.load_state_dict({key: file.get_tensor(prefix + key) for key in own}, strict=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{key}={folder}: does not hold a Whisper model ({reason}).") from error
    return encoder.float().eval().requires_grad_(False)


def _files(folder: Path, key: str) -> tuple[Path, Path]:
    settings, weights = folder / "config.json", folder / "model.safetensors"
    for file in (settings, weights):
        if not file.is_file():
            raise UserError(
                f"{key}={folder}: {file.name} is missing; give the folder of a Whisper model as Hugging Face has it."
            )
    return settings, weights
