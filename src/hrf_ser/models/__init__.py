"""Backbones for speech emotion recognition, created by name. They need torch and nothing else.

    >>> model = create_model("conformer", n_features=64, n_classes=4)
    >>> logits = model(features, lengths)  # (B, T, F) and (B,) -> (B, n_classes)

Padding never changes an output: an utterance gives the same logits alone, in a batch and padded to any length, with
anything in the padding, in training (dropout aside) as in evaluation.
"""

from hrf_ser.models import conformer, conv_transformer, speechformer  # noqa: F401  (importing registers them)
from hrf_ser.models.ensemble import members_of
from hrf_ser.models.macs import count_macs, count_parameters
from hrf_ser.models.registry import create_model, model_names, register

__all__ = ["create_model", "model_names", "register", "members_of", "count_macs", "count_parameters"]
