"""What a run's folder says: finished, failed, begun or nothing yet; and the claim of whoever works in it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hrf_ser.files import write_text
from hrf_ser.run_folder import FAILED, METRICS
from hrf_ser.sweeps.attempts import LAST

CLAIM = ".claim"


def state(folder: Path) -> str:
    """``finished``, ``failed``, ``begun`` (a checkpoint lies there) or ``new``."""
    if (folder / METRICS).exists():
        return "finished"
    if (folder / FAILED).exists():
        return "failed"
    return "begun" if (folder / LAST).exists() else "new"


@contextmanager
def claim(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Whether this process is the one that works in ``folder``, for as long as the block lasts.

    The claim is a lock that the operating system holds for the process and gives up with it, however it ends: a killed owner
    leaves no claim behind. On a shared file system it needs locks there (NFS 4, Lustre with flock). With ``wait`` it is waited
    for until its owner gives it up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / CLAIM)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def record_failure(folder: Path, error: BaseException, sentence: str | None, overrides: Sequence[str]) -> str:
    """Write ``failed.json`` and return the reason in a sentence.

    On a full disk the file is missing afterwards: the run counts as not done, and the same command tries it again.
    """
    reason = sentence or f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    content = {
        "status": "failed",
        "reason": reason,
        "overrides": list(overrides),
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "traceback": "".join(traceback.format_exception(error)),
    }
    with suppress(OSError):
        write_text(folder / FAILED, json.dumps(content, indent=2) + "\n")
    return reason


def failure(folder: Path) -> str:
    """The reason that ``failed.json`` gives."""
    try:
        content: dict[str, Any] = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        return str(content["reason"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "its failed.json cannot be read"


def ua_of(folder: Path) -> float:
    """Test UA of a finished run; NaN where the record does not say."""
    try:
        content = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        return float(content["test"]["ua"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("nan")
