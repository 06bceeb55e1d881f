"""Names of what a run leaves in its folder: for those that write it, and those that find it."""

import json
from pathlib import Path

METRICS = "metrics.json"  # written last: where it stands, the run is finished
PREDICTIONS, SEGMENTS = "predictions.csv", "segments.csv"
HISTORY, CONFUSION, RELIABILITY, CONFIG = "history.csv", "confusion.png", "reliability.png", "config.yaml"
CHECKPOINTS, BUNDLE = "checkpoints", "bundle"
DESCRIPTION = "bundle.json"  # in the bundle
FAILED = "failed.json"  # of a run of a sweep


def failure_reason(folder: Path) -> str:
    """The reason in ``failed.json``, in one line without control characters, as it is printed."""
    try:
        reason = str(json.loads((folder / FAILED).read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"{folder / FAILED} is damaged"
    return " ".join("".join(sign if sign.isprintable() else " " for sign in reason).split())
