"""Checks ``data.options`` against the annotations of a corpus's reader."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, validate_call

from hrf_ser.errors import UserError

if TYPE_CHECKING:
    from hrf_ser.data.corpora.utterance import Corpus

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_RULES = {
    "bool_type": "must be true or false",
    "greater_than_equal": "must be {ge:g} or more",
    "finite_number": "must be finite",
}


def reader(read: Callable[..., Corpus]) -> Callable[..., Corpus]:
    """Decorator for ``read(root, *, option=default, ...)``: a wrong option is a UserError that names its key."""
    checked = validate_call(config=ConfigDict(strict=True, arbitrary_types_allowed=True))(read)

    @functools.wraps(read)
    def wrapper(root: Path, **options: Any) -> Corpus:
        try:
            return checked(root, **options)
        except ValidationError as error:
            raise UserError(_sentence(error, read)) from None

    return wrapper


def _sentence(error: ValidationError, read: Callable[..., Corpus]) -> str:
    problem = error.errors(include_url=False)[-1]  # of several types, the last
    key, value, limits = f"data.options.{problem['loc'][0]}", problem["input"], problem.get("ctx", {})
    if problem["type"] == "unexpected_keyword_argument":
        known = [option for option in inspect.signature(read).parameters if option != "root"]
        corpus = read.__module__.rpartition(".")[2]
        return f"{key} is not an option of the corpus {corpus}: it has {', '.join(known) or 'none'}."
    if problem["type"] == "literal_error":
        choices = limits["expected"].replace("'", "").replace(" or ", ", ")
        return f"{key}={value} is unknown: use one of {choices}."
    rule = _RULES.get(problem["type"], problem["msg"][0].lower() + problem["msg"][1:])
    return f"{key}={value}: {rule.format(**limits)}."
