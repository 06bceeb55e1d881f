"""The worker process in which readers are fuzzed. If an input crashes it, a file tells which one.

    python tests/fuzz/fuzz_worker.py target,target inputs seed first folder

Writes one line of JSON per target to standard output, and the number of the current input to ``<folder>/at``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
for place in (HERE, TESTS, TESTS / "data" / "corpora"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from fuzz_harness import Target, attempt, write_outcome  # noqa: E402


def all_targets() -> dict[str, Target]:
    """All targets by name, light ones first, so that torch is not loaded for them."""
    import fuzz_targets_data
    import fuzz_targets_models
    import fuzz_targets_runs

    modules: Iterable[list[Target]] = (
        fuzz_targets_data.TARGETS,
        fuzz_targets_runs.TARGETS,
        fuzz_targets_models.TARGETS,
    )
    return {target.name: target for targets in modules for target in targets}


def main() -> None:
    names, inputs, seed, first, folder = sys.argv[1].split(","), *map(int, sys.argv[2:5]), Path(sys.argv[5])
    targets = all_targets()
    at = os.open(folder / "at", os.O_CREAT | os.O_WRONLY)
    # native libraries print errors to stdout and stderr
    sys.stdout.flush()
    results = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    for name in names:
        place = folder / name
        place.mkdir()

        def mark(number: int, name: str = name) -> None:
            os.pwrite(at, f"{name} {number:12d}\n".encode().ljust(64), 0)

        with contextlib.chdir(place) if hasattr(contextlib, "chdir") else contextlib.nullcontext():
            try:
                results.write(
                    write_outcome(attempt(targets[name], place, seed, range(first, first + inputs), mark)) + "\n"
                )
            except Exception as error:
                results.write(json.dumps({"name": name, "broken": repr(error)}) + "\n")
                raise
        results.flush()


if __name__ == "__main__":
    main()
