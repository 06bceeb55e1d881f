"""Settings that were renamed or removed, for the error that names the new one. To be deleted after the next release."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hrf_ser.errors import UserError

# Keys of `python -m hrf_ser.<verb>`.
KEYS = {
    ("train", "model.options.members"): "model.options.ensemble_size",
    ("train", "resident"): "cache_on_device",
    ("report", "part"): "split",
    ("export", "parity.part"): "parity.split",
    ("export", "limits.decisions"): "limits.changed_predictions",
}
PROTOCOLS = {"honest": "validation", "fixed": "last_epoch", "crossed": "out_of_fold", "paper": "test_oracle"}
VALUES = {
    "protocol": PROTOCOLS,
    "protocol.name": PROTOCOLS,
    "reparam.mode": {"folded": "parametrized", "literal": "inserted"},
    "experiment": {"hrf_screen": "hrf_pilot"},
}
REMOVED = {
    "reparam.reopen_every": "it improved no score",
    "reparam.bias": "no recorded run used it",
}


def renamed(verb: str, key: str, value: object = None) -> str | None:
    """The sentence for an old key or value; None for any other."""
    if verb == "train" and key in REMOVED:
        return f"{key} was removed, as {REMOVED[key]}: leave it out."
    if new_key := KEYS.get((verb, key)):
        return f"{key} was renamed: use {new_key}{'' if value is None else f'={value}'}."
    if new_value := VALUES.get(key, {}).get(str(value)):
        return f"{key}={value} was renamed: use {key}={new_value}."
    return None


def refuse_renamed(verb: str, overrides: Iterable[str]) -> None:
    """Look for old names in the words of a command line, before Hydra finds that there is no such group or key.

    Raises:
        UserError: gives the new name.
    """
    for override in overrides:
        key, _, values = override.lstrip("+~").partition("=")
        # A sweep has several values: a,b,c or choice(a,b,c).
        for value in (values, *re.findall(r"\w+", values)):
            if sentence := renamed(verb, key, value):
                raise UserError(sentence)
