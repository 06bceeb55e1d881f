"""Where the runs are: finished, failed and unfinished run folders below the paths that the user names."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hrf_ser.errors import UserError
from hrf_ser.run_folder import CHECKPOINTS, CONFIG, FAILED, METRICS

_LONGEST_REASON = 1_000


@dataclass
class Found:
    """What lies below the user's paths, sorted.

    Attributes:
        roots: the paths that exist.
        finished: folders with ``metrics.json``.
        records: ``.jsonl`` files with a record a line.
        failed: folder and reason.
        unfinished: folders of runs that began and did not end.
    """

    roots: list[Path] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    records: list[Path] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def find_runs(paths: Sequence[str]) -> Found:
    """All runs below the paths.

    Args:
        paths: folders, patterns such as ``runs/2026-*``, or ``.jsonl`` files of records.

    Raises:
        UserError: a path at which nothing lies, or no finished run below any.
    """
    found = Found()
    for path in paths:
        expanded = os.path.expanduser(path.strip())
        matches = [expanded] if os.path.exists(expanded) else sorted(glob.glob(expanded, recursive=True))
        if not matches:
            raise UserError(f"runs={path}: nothing is there; give a folder of runs, a pattern or a .jsonl of records.")
        found.roots.extend(Path(match) for match in matches)
    seen: set[str] = set()
    for root in found.roots:
        if root.is_file() and root.suffix == ".jsonl":
            if (real := os.path.realpath(root)) not in seen:
                seen.add(real)
                found.records.append(root)
        elif root.is_dir():
            for folder, names in _run_folders(str(root)):
                if (real := os.path.realpath(folder)) not in seen:
                    seen.add(real)
                    _enter(found, folder, names)
    if not found.finished and not found.records:
        others = f" ({len(found.failed)} failed, {len(found.unfinished)} unfinished)"
        told = others if found.failed or found.unfinished else ""
        raise UserError(
            f"runs={','.join(paths)}: holds no finished run{told}; a finished run is a folder with {METRICS}."
        )
    found.finished.sort()
    found.failed.sort()
    found.unfinished.sort()
    return found


def _run_folders(root: str) -> Iterator[tuple[str, set[str]]]:
    """Folders of runs and the names in them. A run's own folders are not searched, nor are hidden ones."""
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder) as entries:
                inside = [(entry.name, entry.is_dir()) for entry in entries]
        except OSError:
            continue
        names = {name for name, _ in inside}
        if names & {METRICS, FAILED, CONFIG, CHECKPOINTS}:
            yield folder, names
        else:
            stack.extend(f"{folder}/{name}" for name, is_dir in inside if is_dir and not name.startswith("."))


def _enter(found: Found, folder: str, names: set[str]) -> None:
    if METRICS in names:
        found.finished.append(folder)
    elif FAILED in names:
        found.failed.append((folder, _reason(f"{folder}/{FAILED}")))
    else:
        found.unfinished.append(folder)


def _reason(path: str) -> str:
    try:
        reason = json.loads(Path(path).read_text(encoding="utf-8"))["reason"]
        # What cannot be shown, half characters and the terminal's own commands among it, becomes a space.
        shown = "".join(sign if sign.isprintable() else " " for sign in str(reason))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"{path} is damaged"
    words = " ".join(shown.split())
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]} ..."
