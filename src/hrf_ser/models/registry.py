"""Models by name."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from hrf_ser.models.ensemble import Ensemble

_MODELS: dict[str, type[nn.Module]] = {}
# Given by the data and the front end, not chosen with the model.
_GIVEN = ("n_features", "n_classes", "hop_ms")

Model = TypeVar("Model", bound=type[nn.Module])


def register(name: str) -> Callable[[Model], Model]:
    """Class decorator that makes a model known to :func:`create_model`.

    The class takes ``n_features`` and ``n_classes`` (and ``hop_ms`` where its structure depends on it) and its options
    by name, and its ``forward(features, lengths)`` maps ``(B, T, n_features)`` and ``(B,)`` to ``(B, n_classes)``. Its
    attribute ``hrf_targets`` holds the names of its feed-forward linears, as ``targets`` of ``insert_hrf``.

    Raises:
        ValueError: the name is taken.
    """

    def add(model: Model) -> Model:
        if name in _MODELS:
            raise ValueError(f"A model named {name!r} is registered already ({_MODELS[name].__qualname__}).")
        _MODELS[name] = model
        return model

    return add


def model_names() -> list[str]:
    """Names that :func:`create_model` knows, sorted."""
    return sorted(_MODELS)


def create_model(
    name: str, *, n_features: int, n_classes: int, hop_ms: float = 10.0, ensemble_size: int = 1, **options: Any
) -> nn.Module:
    """Create a backbone, or an ensemble of several.

    Args:
        name: one of :func:`model_names`.
        n_features: features a frame, for instance mel bands.
        n_classes: logits an utterance gets.
        hop_ms: milliseconds from one frame to the next; only models whose structure is given in milliseconds use it.
        ensemble_size: more than 1 makes an :class:`Ensemble` of as many.
        **options: keyword arguments of the model's class.

    Raises:
        ValueError: no model has that name, the model has no such option, or an option's value is impossible.
    """
    if name not in _MODELS:
        raise ValueError(f"There is no model {name!r}; the models are: {', '.join(model_names())}.")
    model = _MODELS[name]
    accepted = [parameter for parameter in inspect.signature(model).parameters if parameter not in _GIVEN]
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"{name} has no option {option!r}; its options are: {', '.join((*accepted, 'ensemble_size'))}."
            )
    if isinstance(ensemble_size, bool) or not isinstance(ensemble_size, int) or ensemble_size < 1:
        raise ValueError(f"ensemble_size={ensemble_size} is not a whole number of at least 1.")
    given = {"n_features": n_features, "n_classes": n_classes, "hop_ms": hop_ms}
    for key, value in given.items():
        if value <= 0:
            raise ValueError(f"{key} must be greater than 0 to create {name}, not {value}.")
    if "hop_ms" not in inspect.signature(model).parameters:
        del given["hop_ms"]
    return (
        model(**given, **options) if ensemble_size == 1 else Ensemble(lambda: model(**given, **options), ensemble_size)
    )
