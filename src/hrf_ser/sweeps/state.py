"""The state of a run's folder: finished, failed, started or new; its lock, its failure record and its crash count."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hrf_ser.errors import UserError
from hrf_ser.files import write_text
from hrf_ser.run_folder import CHECKPOINTS, FAILED, METRICS

LAST = Path(CHECKPOINTS) / "last.ckpt"
LOCK, CRASHES = ".lock", ".crashes.json"
MAX_CRASHES = 3


def state(folder: Path) -> str:
    """``finished``, ``failed``, ``started`` (there is a checkpoint) or ``new``."""
    files: dict[str, str | Path] = {"finished": METRICS, "failed": FAILED, "started": LAST}
    return next((name for name, file in files.items() if (folder / file).exists()), "new")


@contextmanager
def run_lock(folder: Path, timeout: float = 0) -> Iterator[bool]:
    """Lock a run's folder for the block and yield whether that worked.

    The operating system releases the lock when its process ends, however it ends. A shared file system has to support locks
    (NFS 4, Lustre with flock).

    Args:
        folder: of the run.
        timeout: seconds to wait for another process that holds the lock; -1 waits until it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=timeout)
    except Timeout:
        yield False
        return
    with lock:
        yield True


def crash_count(folder: Path) -> int:
    """How many attempts in a row died without an exception and without a new checkpoint. Lock the folder first."""
    try:
        count, checkpoint = json.loads((folder / CRASHES).read_text(encoding="utf-8"))
        return int(count) if checkpoint == _last_checkpoint(folder) else 1
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return 1


@contextmanager
def count_crashes(folder: Path) -> Iterator[None]:
    """Count the block as a crash until it ends, with or without an exception.

    Raises:
        UserError: the last attempts all crashed; the next one counts from 0.
    """
    crashes = crash_count(folder)
    try:
        if crashes >= MAX_CRASHES:
            raise UserError(
                f"The system killed its process {crashes} times without a new checkpoint in between, most likely because "
                "memory ran out (see dmesg or the scheduler's log): set a smaller batch_size or fewer parallel runs "
                "(hydra.launcher.n_jobs), then try again with sweep.retry_failed=true."
            )
        write_text(folder / CRASHES, json.dumps([crashes + 1, _last_checkpoint(folder)]) + "\n")
        yield
    finally:
        (folder / CRASHES).unlink(missing_ok=True)


def record_failure(folder: Path, error: BaseException, sentence: str | None, overrides: Sequence[str]) -> str:
    """Write ``failed.json`` and return the reason in a sentence.

    On a full disk there is no file afterwards: the run counts as not done, and the same command tries it again.
    """
    reason = sentence or f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
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


def _last_checkpoint(folder: Path) -> int | None:
    """When the last checkpoint was written. Times are compared for equality only, as clocks jump."""
    return (folder / LAST).stat().st_mtime_ns if (folder / LAST).exists() else None
