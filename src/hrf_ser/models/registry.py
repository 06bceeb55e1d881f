"""Models by name."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from torch import nn

from hrf_ser.models.ensemble import Ensemble
from hrf_ser.models.options import ModelOptions
from hrf_ser.models.plugins import load_installed
from hrf_ser.plugins import MODELS

_MODELS: dict[str, tuple[type[ModelOptions], Callable[..., nn.Module]]] = {}

Model = TypeVar("Model", bound=type[nn.Module])


def register(options: type[ModelOptions]) -> Callable[[Model], Model]:
    """Class decorator that makes a model known to :func:`create_model` by the name of its ``options``.

    The class is called with ``(n_features, n_classes, hop_ms, options)``. Its ``forward(features, lengths)`` maps
    ``(B, T, n_features)`` and ``(B,)`` to logits ``(B, n_classes)``; lengths are in frames, 1 <= length <= T, or None where
    all are T, and padding may hold anything. Its attribute ``hrf_targets`` names its feed-forward linear layers.
    """

    def add(model: Model) -> Model:
        if options.name in _MODELS:
            raise ValueError(f"A model named {options.name!r} is registered already.")
        _MODELS[options.name] = options, model
        return model

    return add


def registered(model: Any) -> type[ModelOptions] | None:
    """The options that :func:`register` gave a class; None for any other."""
    return next((options for options, known in _MODELS.values() if known is model), None)


def set_model(name: str, options: type[ModelOptions], model: Callable[..., nn.Module]) -> None:
    """Make what takes the arguments of a registered class known under ``name``."""
    _MODELS[name] = options, model


def model_names() -> list[str]:
    """Names that :func:`create_model` knows, sorted."""
    return sorted(_MODELS)


def create_model(name: str, *, n_features: int, n_classes: int, hop_ms: float = 10.0, **options: Any) -> nn.Module:
    """Create a backbone, or an ensemble of several.

    Args:
        name: one of :func:`model_names`.
        n_features: features a frame, for instance mel bands.
        n_classes: logits.
        hop_ms: milliseconds from one frame to the next; only models whose structure is given in milliseconds use it.
        **options: fields of the model's options, such as :class:`hrf_ser.models.options.ConformerOptions`;
            ``ensemble_size`` greater than 1 makes an :class:`Ensemble`.

    Raises:
        ValueError: no model has that name, the model has no such option, or an option's value is impossible.
    """
    if name not in _MODELS and not load_installed(name):
        raise ValueError(
            f"There is no model {name!r}; the models are: {', '.join(model_names())}. "
            f"A model of another package needs an entry point of the group {MODELS}."
        )
    for key, value in (("n_features", n_features), ("n_classes", n_classes), ("hop_ms", hop_ms)):
        if value <= 0:
            raise ValueError(f"{key} must be greater than 0 to create {name}, not {value}.")
    schema, model = _MODELS[name]
    try:
        chosen = schema(**options)
    except ValidationError as error:
        raise ValueError(_sentence(error, schema)) from error
    if chosen.ensemble_size == 1:
        return model(n_features, n_classes, hop_ms, chosen)
    return Ensemble(lambda: model(n_features, n_classes, hop_ms, chosen), chosen.ensemble_size)


def _sentence(error: ValidationError, schema: type[ModelOptions]) -> str:
    problem = error.errors(include_url=False)[0]
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    option = problem["loc"][0]
    if problem["type"] == "extra_forbidden":
        return f"{schema.name} has no option {option!r}; its options are: {', '.join(schema.model_fields)}."
    return f"{option}={problem['input']!r}: {problem['msg']}."
