"""Bundles of models so small that exporting one takes seconds."""

import torch

from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.deploy.bundle import BundleDescription, SpeechClassifier, save_bundle
from hrf_ser.models.masking import MaskedBatchNorm

LABELS = ("angry", "happy", "sad")
CARD = {"corpus": "ravdess", "protocol": "validation", "test": {"ua": 0.371}, "licence": "CC BY-NC-SA 4.0"}
OPTIONS = {
    "conv_transformer": {"width": 16, "layers": 1, "heads": 2, "ffn": 32},
    "conformer": {
        **{"width": 16, "layers": 1, "heads": 2, "ffn": 32, "kernel": 3},
        **{"pooling": "statistics", "token_ms": 10, "ensemble_size": 2},
    },
    "speechformer": {"width": 16, "layers": [1, 1, 1, 1], "heads": 2, "deepnorm": True},
}


def write_bundle(folder, model="conv_transformer", labels=LABELS, card=None, **front_end):
    """A bundle whose every parameter is random, so that each matters."""
    torch.manual_seed(0)
    description = BundleDescription(
        model,
        OPTIONS[model],
        labels,
        FrontEndConfig(**({"n_mels": 20} | front_end)),
        "train",
        card or {"corpus": "demo"},
        temperature=1.5,
    )
    classifier = SpeechClassifier(description)
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for module in classifier.model.modules():
            if isinstance(module, MaskedBatchNorm):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 2)
        classifier.normaliser.mean.normal_(-5, 1)
        classifier.normaliser.std.fill_(3)
    save_bundle(folder, description, classifier.model, classifier.normaliser)
    return folder
