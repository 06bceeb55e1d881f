"""The bundle: the merged model of a run as safetensors and JSON, with a model card."""

from hrf_ser.deploy.bundle.bundle import (
    BundleDescription,
    SpeechClassifier,
    find_bundle,
    load_bundle,
    read_description,
    save_bundle,
)
from hrf_ser.deploy.bundle.card import render_card
from hrf_ser.deploy.bundle.predictor import BundlePredictor, torch_latency

__all__ = [
    "BundleDescription",
    "BundlePredictor",
    "SpeechClassifier",
    "find_bundle",
    "load_bundle",
    "read_description",
    "render_card",
    "save_bundle",
    "torch_latency",
]
