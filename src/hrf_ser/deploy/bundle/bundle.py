"""Writes and reads bundles.

``model.safetensors`` holds weights and normalisation, ``bundle.json`` the architecture's name and options, the front end, class
names, scores and the weights' checksum. Nothing in it is code or names code: the architecture is looked up in the registry.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hrf_ser.audio.front_end import FrontEndConfig, LogMel, Normaliser
from hrf_ser.deploy.bundle.card import CARD
from hrf_ser.errors import UserError
from hrf_ser.files import new_folder
from hrf_ser.models import create_model
from hrf_ser.models.ensemble import can_embed
from hrf_ser.run_folder import DESCRIPTION, METRICS

FORMAT = "hrf_ser bundle"
VERSION = 1
WEIGHTS = "model.safetensors"
# Smallest and largest plausible options of a front end: memory for the filters grows with the first three.
_FRONT_END = {
    "n_mels": (1, 4096),
    "window_ms": (1, 10_000),
    "hop_ms": (1, 10_000),
    "f_min": (0, 96_000),
    "f_max": (0, 96_000),
    "floor_db": (0, 1000),
    "trim_db": (0, 1000),
}


@dataclass(frozen=True)
class BundleDescription:
    """The content of ``bundle.json``."""

    model: str  # registered name of the backbone
    options: dict[str, Any]
    labels: tuple[str, ...]
    front_end: FrontEndConfig
    normalisation: Any  # train, utterance or none
    card: dict[str, Any]  # for readers: corpus, protocol, scores, versions
    temperature: float = 1.0  # divides the logits, so that probabilities are calibrated


class SpeechClassifier(nn.Module):
    """Front end, normalisation and backbone: 16 kHz waveform -> logits."""

    def __init__(self, description: BundleDescription) -> None:
        super().__init__()
        self.description = description
        self.front_end = LogMel(description.front_end)
        self.normaliser = Normaliser(description.normalisation, description.front_end.n_mels)
        self.model = _backbone(description)

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, samples)`` at 16 kHz and lengths ``(batch,)`` in samples -> logits ``(batch, classes)``."""
        features, frames = self.front_end(waveform, lengths)
        logits: Tensor = self.model(self.normaliser(features, frames), frames)
        return self.calibrated(logits)

    def calibrated(self, logits: Tensor) -> Tensor:
        """Logits of ``model``, ``(batch, classes)``, at the temperature of the bundle."""
        temperature = self.description.temperature
        return logits if temperature == 1.0 else logits / temperature

    def embed(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """As :meth:`forward`, to the pooled vector before the classifier, ``(batch, width)``."""
        if not can_embed(self.model):
            raise UserError(f"model={self.description.model}: has no pooled vector; it is no Backbone.")
        features, frames = self.front_end(waveform, lengths)
        vector: Tensor = self.model.embed(self.normaliser(features, frames), frames)  # type: ignore[operator]
        return vector


def save_bundle(
    path: Path, description: BundleDescription, model: nn.Module, normaliser: Normaliser, card: str = ""
) -> None:
    """Write the folder of a merged model whole or not at all; without a card for readers if ``card`` is empty."""
    state = _state(model, normaliser)
    with new_folder(path) as folder:
        (folder / WEIGHTS).write_bytes(save({key: value.detach().cpu().contiguous() for key, value in state.items()}))
        text = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "model": {"name": description.model, "options": description.options},
                "labels": list(description.labels),
                "front_end": description.front_end.as_dict(),
                "normalisation": description.normalisation,
                "temperature": description.temperature,
                "weights": {"file": WEIGHTS, "sha256": _sha256(folder / WEIGHTS)},
                "card": description.card,
            },
            indent=2,
        )
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        if card:
            (folder / CARD).write_text(card, encoding="utf-8")


def load_bundle(path: Path | str) -> SpeechClassifier:
    """The classifier of a bundle, in evaluation mode.

    Raises:
        UserError: no bundle there, one of a newer version, or files that are damaged or do not fit together.
    """
    path = find_bundle(Path(path).expanduser())
    description, sha256 = read_description(path)
    weights = path / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights}: is missing; write the bundle again.")
    try:
        if _sha256(weights) != sha256:
            raise UserError(f"{weights}: is not the file that {DESCRIPTION} describes; write the bundle again.")
        state = load_file(weights)
        # First without memory, so that options that ask for more than the weights hold are refused before it is allocated.
        with torch.device("meta"), _at_most(len(state)):
            model = _backbone(description)
            normaliser = Normaliser(description.normalisation, description.front_end.n_mels)
        if _layout(_state(model, normaliser)) != _layout(state):
            raise ValueError("its weights do not fit its architecture")
        if not all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point()):
            raise ValueError("its weights are not finite")
        classifier = SpeechClassifier(description)
    except UserError:
        raise
    except Exception as error:  # models raise anything for impossible options
        raise UserError(
            f"{path / DESCRIPTION}: cannot be used ({_first_line(error)}); write the bundle again."
        ) from error
    classifier.load_state_dict(state, strict=False)
    return classifier.eval()


def _backbone(description: BundleDescription) -> nn.Module:
    return create_model(
        description.model,
        n_features=description.front_end.n_mels,
        n_classes=len(description.labels),
        hop_ms=description.front_end.hop_ms,
        **description.options,
    )


def _state(model: nn.Module, normaliser: nn.Module) -> dict[str, Tensor]:
    """The content of the weights file."""
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    return state | {f"normaliser.{key}": value for key, value in normaliser.state_dict().items()}


def _layout(state: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {key: (value.shape, value.dtype) for key, value in state.items()}


@contextmanager
def _at_most(parameters: int) -> Iterator[None]:
    """Raise ``ValueError`` where modules that this thread makes in the block have more parameters together."""
    made, this_thread = 0, threading.get_ident()

    def count(*_: Any) -> None:
        nonlocal made
        if threading.get_ident() == this_thread:
            made += 1
            if made > parameters:
                raise ValueError("its weights do not fit its architecture")

    hook = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def find_bundle(path: Path) -> Path:
    """The bundle that a run's folder, a file of the bundle or of the run, or the bundle itself names."""
    places = [path, path / "bundle"]
    if path.is_file():
        places = [path.parent, path.parent / "bundle", path.parent.parent / "bundle"]
    return next((place for place in places if (place / DESCRIPTION).is_file()), path)


def _runs_below(path: Path) -> str:
    """``, such as ...`` for a folder of runs."""
    found = sorted(path.glob("*/bundle")) if path.is_dir() else []
    return f", such as {found[0]}" if found else ""


def _has_encoder(path: Path) -> bool:
    """Whether the run of this folder, or of this bundle of it, has a frozen encoder."""
    for file in (path / METRICS, path.parent / METRICS):
        with suppress(OSError, ValueError, AttributeError):
            return json.loads(file.read_text(encoding="utf-8")).get("encoder") is not None
    return False


def read_description(path: Path) -> tuple[BundleDescription, str]:
    """The content of ``bundle.json``, and the checksum of the weights; errors as of :func:`load_bundle`."""
    file = find_bundle(path) / DESCRIPTION
    if not file.is_file():
        if _has_encoder(path):
            raise UserError(
                f"{path}: is a run with a frozen encoder, of which no bundle is written; its predictions are in "
                "predictions.csv, and teacher=whisper_base distils the encoder into a model to deploy."
            )
        raise UserError(
            f"{path}: holds no {DESCRIPTION}; give the bundle/ folder of a finished run{_runs_below(path)}."
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        version = int(content["version"])
        if version > VERSION:
            raise UserError(
                f"{file}: was written by a newer hrf_ser (version {version}, this one reads {VERSION}); upgrade hrf_ser."
            )
        labels = content["labels"]
        if not (isinstance(labels, list) and len(labels) > 1 and all(isinstance(label, str) for label in labels)):
            raise ValueError("its labels are not a list of names")
        front_end = FrontEndConfig(**content["front_end"])
        _check_front_end(front_end)
        sha256 = content["weights"]["sha256"]
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError("its checksum is not one")
        description = BundleDescription(
            model=str(content["model"]["name"]),
            options=dict(content["model"]["options"]),
            labels=tuple(labels),
            front_end=front_end,
            normalisation=content["normalisation"],
            card=dict(content["card"]),
            temperature=float(content.get("temperature", 1.0)),
        )
        if not 0.01 <= description.temperature <= 100:
            raise ValueError(f"its temperature is {description.temperature}")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{file}: is damaged ({_first_line(error)}); write the bundle again.") from error
    return description, sha256


def _check_front_end(front_end: FrontEndConfig) -> None:
    for key, value in front_end.as_dict().items():
        if value is None and key == "trim_db":
            continue
        least, most = _FRONT_END[key]
        allowed = (int,) if key == "n_mels" else (int, float)
        if type(value) not in allowed or not least <= value <= most:
            raise ValueError(f"its front end has {key}={str(value)[:20]}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _first_line(error: Exception) -> str:
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
