"""Backbones for speech emotion recognition, created by name. They need torch and pydantic.

    >>> model = create_model("conformer", n_features=64, n_classes=4)
    >>> logits = model(features, lengths)  # (B, T, F) and (B,) -> (B, n_classes)

Padding never changes an output: an utterance gives the same logits alone, in a batch and padded to any length, with
anything in the padding, in training (dropout aside) as in evaluation.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrf_ser.models.backbone import Backbone
    from hrf_ser.models.ensemble import members_of
    from hrf_ser.models.macs import count_macs, count_parameters
    from hrf_ser.models.registry import create_model, model_names, register

# Modules of this folder that register a model.
MODULES = ("conformer", "conv_transformer", "speechformer")
# Modules that register a classifier on a pretrained encoder.
PRETRAINED = ("pretrained",)

__all__ = ["Backbone", "create_model", "model_names", "register", "members_of", "count_macs", "count_parameters"]


def __getattr__(name: str) -> Any:
    """Import torch and the models at first use, so that :mod:`hrf_ser.models.options` needs neither."""
    if name in __all__:
        for module in (*MODULES, *PRETRAINED):
            import_module(f"{__name__}.{module}")
        for module in ("backbone", "registry", "ensemble", "macs"):
            if hasattr(found := import_module(f"{__name__}.{module}"), name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
