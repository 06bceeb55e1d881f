"""A finished run of ours as a teacher, a large model for instance: its bundle's probabilities and embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hrf_ser.deploy.bundle import SpeechClassifier, load_bundle
from hrf_ser.models import Backbone, members_of
from hrf_ser.run_folder import DESCRIPTION


@dataclass(frozen=True)
class BundleOutputs:
    """Log-probabilities and embeddings of a bundle: a front end whose utterances have one frame.

    Attributes:
        path: the bundle's folder.
    """

    path: Path

    title = "Teacher's outputs"

    @cached_property
    def _classifier(self) -> SpeechClassifier:
        return load_bundle(self.path)

    @property
    def _members(self) -> list[Backbone]:
        return [member for member in members_of(self._classifier.model) if isinstance(member, Backbone)]

    @property
    def classes(self) -> int:
        """Log-probabilities come first."""
        return len(self._classifier.description.labels)

    @property
    def width(self) -> int:
        """Classes, and the embeddings of all members of an ensemble."""
        return self.classes + sum(member.pooling.out_width for member in self._members)

    def as_dict(self) -> dict[str, Any]:
        """The description, which has the checksum of the weights, stands for the bundle's place."""
        return {"bundle": hashlib.sha256((self.path / DESCRIPTION).read_bytes()).hexdigest()}

    def extractor(self) -> Callable[[Tensor], NDArray[np.float32]]:
        """A function from audio at 16 kHz, ``(samples,)``, to ``(1, width)``."""

        def compute(waveform: Tensor) -> NDArray[np.float32]:
            features, frames = self._classifier.front_end(waveform[None], torch.tensor([len(waveform)]))
            features = self._classifier.normaliser(features, frames)
            logits = self._classifier.calibrated(self._classifier.model(features, frames))
            embeddings = [member.embed(features, frames) for member in self._members]
            return torch.cat([logits.log_softmax(-1), *embeddings], dim=1).numpy()

        return compute
