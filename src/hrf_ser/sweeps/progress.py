"""How far a sweep is: a journal that its jobs write, wherever they run, and what the screen says of it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from hrf_ser.files import write_text
from hrf_ser.sweeps.plan import Planned
from hrf_ser.sweeps.state import failure, state, ua_of

# Names the journal in the environment, which processes of a launcher inherit.
JOURNAL = "HRF_SER_SWEEP_JOURNAL"
# What a line may raise that is no entry: numbers beyond all bounds and lists without end among it.
_DAMAGED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


def begin(folder: Path, total: int) -> Path:
    """Start the journal of a sweep of ``total`` runs that are yet to be done."""
    path = folder / ".sweeps" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.jsonl"
    write_text(path, json.dumps({"total": total, "started": time.time()}) + "\n")
    return path


def tell(outcome: str, run: str, label: str, seconds: float) -> None:
    """Note a job's end, and print a line that says how far the sweep is.

    Args:
        outcome: ``finished``, ``failed`` or ``elsewhere``.
        run: name of its folder.
        label: what the line says of the run.
        seconds: that the job took.
    """
    path = os.environ.get(JOURNAL)
    if not path:
        print(f"{label}, {outcome}", flush=True)
        return
    try:
        begun, done = _note(Path(path), {"outcome": outcome, "run": run, "seconds": round(seconds, 2)})
        line = _line(label, begun, done)
    except (OSError, *_DAMAGED):
        # A full disk, or a journal that somebody damaged: the run is as good as without it.
        line = f"{label}, {outcome}"
    print(line, flush=True)


def _line(label: str, begun: dict[str, Any], done: list[dict[str, Any]]) -> str:
    """How far the sweep is, and how long it will take."""
    total = int(begun["total"])
    counts = Counter(one["outcome"] for one in done)
    line = f"[{len(done):>{len(str(total))}}/{total}] {label}"
    worked = counts["finished"] + counts["failed"]
    if (rest := total - len(done)) > 0 and worked:
        # Clocks jump: no less has gone by than the longest run took.
        gone = max(time.time() - float(begun["started"]), *(float(one["seconds"]) for one in done))
        line += f"; about {duration(gone / worked * rest)} left"
    if counts["failed"]:
        line += f"; {counts['failed']} failed"
    return line


def ended(journal: Path) -> set[str]:
    """Names of the runs whose end a journal notes."""
    with suppress(OSError, ValueError):
        return {str(one["run"]) for one in _entries(journal.read_text(encoding="utf-8"))}
    return set()


def _note(journal: Path, entry: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Add a line to a journal; its head, and all its entries."""
    whole = journal.read_bytes().endswith(b"\n")
    # One write of a short line: lines of several processes do not mix. What a kill or a full disk cut off stands alone.
    with open(journal, "a", encoding="utf-8") as file:
        file.write(("" if whole else "\n") + json.dumps(entry) + "\n")
    text = journal.read_text(encoding="utf-8")
    return json.loads(text.partition("\n")[0]), _entries(text)


def _entries(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines()[1:]:
        with suppress(*_DAMAGED):
            entry = json.loads(line)
            found.append({"outcome": str(entry["outcome"]), "run": entry["run"], "seconds": float(entry["seconds"])})
    return found


def summary(folder: Path, planned: Sequence[Planned], console: Console) -> int:
    """Print what the runs of a sweep have come to; return how many are not finished."""
    states = {one: state(folder / one.name) for one in planned}
    counts = Counter(states.values())
    failed: dict[str, list[str]] = {}
    for one in planned:
        if states[one] == "failed":
            failed.setdefault(failure(folder / one.name), []).append(one.name)
    for reason, names in failed.items():
        runs = f"{names[0]} and {len(names) - 1} more" if names[1:] else names[0]
        console.print(
            f"[bold red]failed[/]        {escape(reason)}\n              {runs}", highlight=False, soft_wrap=True
        )
    unfinished = counts["begun"] + counts["new"]
    rest = f", {unfinished} not finished (another sweep has them, or was stopped)" if unfinished else ""
    console.print(f"\n[bold]{counts['finished']} of {len(planned)} runs finished[/]{rest}", highlight=False)
    scores = [ua_of(folder / one.name) for one, is_state in states.items() if is_state == "finished"]
    if scores:
        console.print(f"test UA       {min(scores):.3f} to {max(scores):.3f}", highlight=False)
    console.print(f"the runs      {folder}", highlight=False, soft_wrap=True)
    if failed:
        console.print("try again     the same command with sweep.retry_failed=true", highlight=False)
    console.print(f"compare       [bold]python -m hrf_ser.report runs={folder}[/]", highlight=False, soft_wrap=True)
    return len(planned) - counts["finished"]


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
