"""The bundle of a run: the merged model with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.config import to_dict
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.deploy.bundle import BundleDescription, SpeechClassifier, render_card, save_bundle, torch_latency
from hrf_ser.training.module import EmotionModule

# Of audio, for the model card; few rounds, as every run pays for them.
_SECONDS, _ROUNDS = 3.0, 15


def write_bundle(
    folder: Path, config: DictConfig, data: SpeechData, deployed: EmotionModule, record: dict[str, Any]
) -> None:
    """Write the deployable model of a run with a card of its ``record``."""
    assert isinstance(data.front_end, FrontEndConfig), "a run with an encoder has no bundle"
    description = BundleDescription(
        model=config.model.name,
        options=to_dict(config.model.options),
        labels=data.labels,
        front_end=data.front_end,
        normalisation=config.features.normalisation,
        temperature=record["calibration"]["temperature"] or 1.0,
        card={
            **record,
            # With these, the corpus can be read and split again as the run had it.
            "classes": data.dataset.classes,
            "folds": data.dataset.folds,
            "licence": data.corpus.licence,
        },
    )
    classifier = SpeechClassifier(description).eval()
    classifier.model.load_state_dict(deployed.model.state_dict())
    size = sum(value.numel() * value.element_size() for value in deployed.model.state_dict().values())
    latency = torch_latency({"deployed": classifier}, [_SECONDS], _ROUNDS)["deployed"][_SECONDS]["p50"]
    protocol, licence = data.protocol, data.corpus.licence
    card = render_card(record, data.labels, licence, size, latency, protocol.description, protocol.warning)
    save_bundle(folder, description, deployed.model, deployed.normaliser, card)
