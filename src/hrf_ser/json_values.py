"""What JSON has no number for."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> Any:
    """The same with null in place of NaN and infinities, lists and dictionaries through; tuples become lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
