"""Run targets in a worker process: an input that crashes it is reported, and the remaining targets still run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fuzz_harness import LIMIT_S, Outcome, draw, pack
from fuzz_worker import all_targets

_START_S = 180  # imports and valid inputs, on a slow machine


def try_targets(names: Sequence[str], inputs: int, seed: int, first: int = 0) -> Iterator[Outcome]:
    """Run inputs on each target.

    Args:
        names: of targets.
        inputs: number for each target.
        seed: of all inputs.
        first: number of the first input.

    Raises:
        ModuleNotFoundError: a target needs a package that is not installed.
    """
    remaining = list(names)
    while remaining:
        with tempfile.TemporaryDirectory() as folder:
            process = _Worker(remaining, inputs, seed, first, Path(folder))
            for outcome in process.outcomes():
                remaining.remove(outcome.name)
                yield outcome
            if remaining:
                # The next target crashed the process.
                yield _crashed(remaining.pop(0), process.end, seed, Path(folder))


class _Worker:
    """A worker process for some targets.

    Attributes:
        end: why it ended.
    """

    def __init__(self, names: Sequence[str], inputs: int, seed: int, first: int, folder: Path) -> None:
        self.arguments = [",".join(names), str(inputs), str(seed), str(first), str(folder)]
        self.limit = _START_S + len(names) * (LIMIT_S + inputs)
        self.end = ""

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes, one by one."""
        worker = [sys.executable, str(Path(__file__).with_name("fuzz_worker.py")), *self.arguments]
        with subprocess.Popen(worker, stdout=subprocess.PIPE, text=True) as process:
            # Native code that hangs does not handle the alarm signal.
            guard = threading.Timer(self.limit, process.kill)
            guard.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    content = json.loads(line)
                    if "broken" not in content:
                        yield Outcome(**content)
                    elif "ModuleNotFoundError" in content["broken"]:
                        raise ModuleNotFoundError(f"{content['name']}: {content['broken']}")
                    else:
                        self.end = content["broken"]
            finally:
                guard.cancel()
                process.kill()
        self.end = self.end or f"the process ended with status {process.returncode}"


def _crashed(name: str, reason: str, seed: int, folder: Path) -> Outcome:
    at = (folder / "at").read_text().split() if (folder / "at").exists() else []
    outcome = Outcome(name)
    number = int(at[1]) if at and at[0] == name else -1
    fault = {"count": 1, "seed": seed, "number": number, "message": reason, "input": ""}
    if number >= 0:
        outcome.inputs = number + 1
        with tempfile.TemporaryDirectory() as place:
            fault["input"] = pack(draw(all_targets()[name], Path(place), seed, number))
    outcome.faults[reason] = fault
    return outcome
