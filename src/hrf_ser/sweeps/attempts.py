"""How often a run took its process with it: a run that the system kills again and again is not tried for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hrf_ser.errors import UserError
from hrf_ser.files import write_text
from hrf_ser.run_folder import CHECKPOINTS

LAST = Path(CHECKPOINTS) / "last.ckpt"
# Stands in a run's folder while an attempt is under way; one that ends, however badly, takes it away.
ATTEMPT = ".attempt.json"
LIMIT = 3


def deaths(folder: Path) -> int:
    """Attempts in a row that died without a word and without a checkpoint more. For the holder of the claim on ``folder``."""
    try:
        content = json.loads((folder / ATTEMPT).read_text(encoding="utf-8"))
        before, checkpoint = int(content["deaths"]), content["checkpoint"]
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    return before + 1 if checkpoint == _checkpoint(folder) else 1


@contextmanager
def attempt(folder: Path) -> Iterator[None]:
    """Note that the block is under way, so that the next attempt knows if it dies.

    Raises:
        UserError: as many attempts as there may be have died; the next one begins to count anew.
    """
    died = deaths(folder)
    try:
        if died >= LIMIT:
            raise UserError(
                f"The system killed its process {died} times without a checkpoint more in between, most likely for want of "
                "memory (dmesg or the scheduler's log says so): set a smaller batch_size, or let fewer runs work side by side "
                "(hydra.launcher.n_jobs), then try again with sweep.retry_failed=true."
            )
        write_text(folder / ATTEMPT, json.dumps({"deaths": died, "checkpoint": _checkpoint(folder)}) + "\n")
        yield
    finally:
        (folder / ATTEMPT).unlink(missing_ok=True)


def _checkpoint(folder: Path) -> list[int] | None:
    """Differs for every checkpoint that is written; says nothing of their order, as clocks jump."""
    try:
        status = (folder / LAST).stat()
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]
