"""What ``metrics.json`` must hold for a report, whoever wrote it."""

from __future__ import annotations

import json
from typing import Any

from hrf_ser.evaluation.run import Counts
from hrf_ser.evaluation.scores import SCORES, scores
from hrf_ser.run_folder import METRICS

# What a record may also have, and its kind. Numbers in tables are finite or null.
_OPTIONAL: dict[str, Any] = {
    "val": dict, "parameters": dict, "seconds": dict, "versions": dict, "leaks": list, "overrides": list, "classes": int,
    "best_epoch": int, "epochs": int, "macs_per_second_of_audio": (int, float),
}  # fmt: skip


def loads(text: str) -> Any:
    """JSON that can be written again.

    Raises:
        ValueError: no JSON, or half a character or a number in it that JSON does not have.
    """
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def checked(record: Any) -> dict[str, Any]:
    """A record that has what the report needs.

    Raises:
        ValueError: names what is missing or of the wrong kind.
    """
    if not isinstance(record, dict) or record.get("status") != "finished":
        raise ValueError("it is not the record of a finished run")
    for key in ("corpus", "protocol", "model", "hrf", "fold", "seed", "test"):
        if record.get(key) is None:
            raise ValueError(f"it has no {key}")
    for key in ("corpus", "protocol", "model"):
        if not isinstance(record[key], str):
            raise ValueError(f"its {key} is no name")
    if record["hrf"] and not (_is_number(record.get("rank")) and record["rank"] > 0):
        raise ValueError("its rank is no number")
    if not isinstance(record["fold"], str | int):
        raise ValueError("its fold is no name")
    if not isinstance(record["seed"], int) or not abs(record["seed"]) < 1 << 64 or not isinstance(record["test"], dict):
        raise ValueError("its seed or test has the wrong kind")
    for name in SCORES:
        if not _is_number(record["test"].get(name)):
            raise ValueError(f"its test {name} is no number")
        if not 0 <= record["test"][name] <= 1 + 1e-6:  # a device's rounding
            raise ValueError(f"its test {name} is not between 0 and 1")
    return {key: value for key, value in record.items() if key not in _OPTIONAL or _is_usable(key, value)}


def agreeing(record: dict[str, Any], counts: Counts) -> None:
    """See that confusion by speaker has the record's UA, to a float32's precision: older records were scored on a device.

    Raises:
        ValueError: it has not.
    """
    if abs(float(scores(counts.sum(0))["ua"]) - record["test"]["ua"]) > 1e-5:
        raise ValueError(f"its UA is not that of {METRICS}")


def _is_usable(key: str, value: Any) -> bool:
    """Whether an entry that a record may have or not can be used; null is none.

    Raises:
        ValueError: it has the wrong kind.
    """
    if value is None:
        return False
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    if key in ("versions", "leaks", "overrides"):
        right = all(isinstance(one, str) for one in inside)
    else:
        right = all(one is None or _is_number(one) for one in inside)
    if not isinstance(value, _OPTIONAL[key]) or not right:
        raise ValueError(f"its {key} has the wrong kind")
    return True


def _is_number(value: Any) -> bool:
    # A whole number beyond every float is none that a run wrote; NaN is less than nothing.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def damage(error: Exception) -> str:
    """What is wrong, in a line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
