"""Progress of a sweep: a file lists its runs, and every job prints how many of them have ended, wherever it runs."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hrf_ser.files import write_text
from hrf_ser.sweeps.state import state

# Environment variable with the path of that file; processes of a launcher inherit it.
SWEEP_FILE = "HRF_SER_SWEEP_FILE"


@contextmanager
def sweep_file(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """List the runs that the block does, for their jobs to count.

    Args:
        folder: of the sweep.
        names: of the runs' folders below it.
    """
    path = folder.absolute() / f".sweep-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json"
    write_text(path, json.dumps({"started": time.time(), "runs": list(names)}) + "\n")
    os.environ[SWEEP_FILE] = str(path)
    try:
        yield
    finally:
        del os.environ[SWEEP_FILE]
        path.unlink(missing_ok=True)


def print_progress(text: str, seconds: float = 0.0) -> None:
    """Print how a run ended, and where its sweep is known, how far that is.

    Args:
        text: of the run.
        seconds: that it took.
    """
    line = text
    # Without the file, or with a damaged one, the text alone will do.
    with suppress(KeyError, OSError, ValueError, TypeError, OverflowError, RecursionError):
        file = Path(os.environ[SWEEP_FILE])
        content = json.loads(file.read_text(encoding="utf-8"))
        states = Counter(state(file.parent / name) for name in content["runs"])
        total, ended = states.total(), states["finished"] + states["failed"]
        line = f"[{ended:>{len(str(total))}}/{total}] {text}"
        if 0 < ended < total:
            # A clock that was set back would give less than one run took.
            elapsed = max(time.time() - content["started"], seconds)
            line += f"; about {duration(elapsed / ended * (total - ended))} left"
        if states["failed"]:
            line += f"; {states['failed']} failed"
    print(line, flush=True)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
