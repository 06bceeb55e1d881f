"""Run folders and files of records below the paths that the user names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hrf_ser.errors import UserError
from hrf_ser.run_folder import CHECKPOINTS, CONFIG, FAILED, METRICS, failure_reason

TEST, VALIDATION = "test", "validation"


@dataclass
class Found:
    """What lies below the paths, sorted."""

    roots: list[Path] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)  # folders with metrics.json
    records: list[Path] = field(default_factory=list)  # .jsonl files with one record per line
    failed: list[tuple[str, str]] = field(default_factory=list)  # folder and reason
    unfinished: list[str] = field(default_factory=list)  # folders of runs with neither metrics.json nor failed.json


def find_runs(paths: Sequence[str]) -> Found:
    """Find all runs below folders, patterns such as ``runs/2026-*``, and in ``.jsonl`` files of records.

    Raises:
        UserError: a path does not exist, or no path holds a finished run.
    """
    found = Found()
    for path in paths:
        expanded = os.path.expanduser(path.strip())
        matches = [expanded] if os.path.exists(expanded) else sorted(glob.glob(expanded, recursive=True))
        if not matches:
            raise UserError(f"runs={path} does not exist; give a folder of runs, a pattern or a .jsonl of records.")
        found.roots.extend(Path(match) for match in matches)
    # The same folder may be reached by several paths.
    folders = {os.path.realpath(folder): (folder, names) for root in found.roots for folder, names in _walk(root)}
    for folder, names in sorted(folders.values(), key=lambda entry: entry[0]):
        if METRICS in names:
            found.finished.append(folder)
        elif FAILED in names:
            found.failed.append((folder, failure_reason(Path(folder))))
        else:
            found.unfinished.append(folder)
    files = {os.path.realpath(root): root for root in found.roots if root.is_file() and root.suffix == ".jsonl"}
    found.records = list(files.values())
    if not found.finished and not found.records:
        raise UserError(
            f"runs={','.join(paths)} holds no finished run ({len(found.failed)} failed, {len(found.unfinished)} unfinished); "
            f"a finished run is a folder with {METRICS}."
        )
    return found


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders of runs and the names in them, without hidden folders and without the folders inside a run."""
    for folder, inside, files in os.walk(root):
        names = [*inside, *files]
        if {METRICS, FAILED, CONFIG, CHECKPOINTS}.intersection(names):
            inside.clear()
            yield folder, names
        inside[:] = [name for name in inside if not name.startswith(".")]
