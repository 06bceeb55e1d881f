"""Models of other packages, under a name of the group ``hrf_ser.models`` of their entry points, or added by their class."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, create_model

from hrf_ser.models.options import ModelOptions
from hrf_ser.plugins import MODELS, installed

# Arguments that every model gets; a model's other arguments are its options.
_GIVEN = ("self", "n_features", "n_classes", "hop_ms")


def load_installed(name: str) -> bool:
    """Register the model that an installed package has under this name; False where none has."""
    point = installed(MODELS).get(name)
    if point is None:
        return False
    add_model(name, point.load())
    return True


def add_model(name: str, model: Any) -> type[ModelOptions]:
    """Register a class or function that makes a ``torch.nn.Module``, and return the schema of its options.

    A class that :func:`hrf_ser.models.register` decorates keeps its own schema. Any other is called as
    ``model(n_features, n_classes, **options)``, with ``hop_ms`` where it has that argument; its other arguments are its
    options, and their annotations are checked.

    Raises:
        TypeError: it cannot be called.
    """
    from hrf_ser.models.registry import registered, set_model

    if not callable(model):
        raise TypeError(f"{name} is no class or function that makes a model")
    found = registered(model)
    if found is not None:
        ModelOptions.known[name] = found
        set_model(name, found, model)
        return found
    schema = _options(name, model)
    set_model(name, schema, _with_options(model, "hop_ms" in inspect.signature(model).parameters))
    return schema


def _options(name: str, model: Callable[..., Any]) -> type[ModelOptions]:
    """The schema that the arguments of ``model`` describe."""
    parameters = inspect.signature(model).parameters
    try:
        hints = typing.get_type_hints(model.__init__ if inspect.isclass(model) else model)
    except NameError:  # annotations that are imported for type checkers only
        hints = {}
    fields: dict[str, Any] = {}
    for argument in parameters.values():
        if argument.name not in _GIVEN and argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
            default = ... if argument.default is argument.empty else argument.default
            kind = _checkable(hints.get(argument.name, Any))
            fields[argument.name] = (kind, Field(default, description=f"Argument of {name}."))
    free = any(argument.kind is argument.VAR_KEYWORD for argument in parameters.values())
    base = type("Options", (ModelOptions,), {"model_config": ConfigDict(extra="allow" if free else "forbid")})
    schema: type[ModelOptions] = create_model("Options", __base__=base, **fields)
    schema.name = name
    ModelOptions.known[name] = schema
    return schema


def _checkable(hint: Any) -> Any:
    """The annotation, or Any where a configuration cannot describe its values."""
    try:
        TypeAdapter(hint).json_schema()
    except Exception:  # pydantic raises several kinds for classes that it does not know
        return Any
    return hint


def _with_options(model: Callable[..., Any], takes_hop: bool) -> Callable[..., Any]:
    def build(n_features: int, n_classes: int, hop_ms: float, options: ModelOptions) -> Any:
        values = {key: value for key, value in options if key != "ensemble_size"}
        return model(n_features, n_classes, **({"hop_ms": hop_ms} if takes_hop else {}), **values)

    return build
