"""Checks of ``data.options`` that the readers share. Each raises a UserError that names the key."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hrf_ser.errors import UserError


def check_choice(key: str, value: object, choices: Iterable[str]) -> None:
    choices = tuple(choices)
    if value not in choices:
        raise UserError(f"data.options.{key}={value} is unknown: use one of {', '.join(choices)}.")


def check_flag(key: str, value: object) -> None:
    if not isinstance(value, bool):
        raise UserError(f"data.options.{key}={value} must be true or false.")


def check_seconds(key: str, value: object, at_least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value < math.inf:
        raise UserError(f"data.options.{key}={value} is no length in seconds: write {at_least:g} or more.")
