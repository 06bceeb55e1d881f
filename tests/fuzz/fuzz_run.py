"""Tries targets in a process of their own: what an input kills is told, and the other targets are tried all the same."""

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

_START_S = 180  # to import everything and to make valid inputs, on a slow machine


def try_targets(names: Sequence[str], inputs: int, seed: int, first: int = 0) -> Iterator[Outcome]:
    """Try so many inputs on each target.

    Args:
        names: of targets.
        inputs: for each.
        seed: of all inputs.
        first: number of the first input.

    Raises:
        ModuleNotFoundError: a target needs a package that is not installed.
    """
    left = list(names)
    while left:
        with tempfile.TemporaryDirectory() as folder:
            process = _Worker(left, inputs, seed, first, Path(folder))
            for outcome in process.outcomes():
                left.remove(outcome.name)
                yield outcome
            if left:
                # The next one ended the process.
                yield _killed(left.pop(0), process.end, seed, Path(folder))


class _Worker:
    """One process for some targets.

    Attributes:
        end: how it ended.
    """

    def __init__(self, names: Sequence[str], inputs: int, seed: int, first: int, folder: Path) -> None:
        self.words = [",".join(names), str(inputs), str(seed), str(first), str(folder)]
        self.limit = _START_S + len(names) * (LIMIT_S + inputs)
        self.end = ""

    def outcomes(self) -> Iterator[Outcome]:
        """What it tells, as it tells it."""
        worker = [sys.executable, str(Path(__file__).with_name("fuzz_worker.py")), *self.words]
        with subprocess.Popen(worker, stdout=subprocess.PIPE, text=True) as process:
            # Code in C that never ends hears no alarm.
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


def _killed(name: str, how: str, seed: int, folder: Path) -> Outcome:
    at = (folder / "at").read_text().split() if (folder / "at").exists() else []
    outcome = Outcome(name)
    number = int(at[1]) if at and at[0] == name else -1
    told = {"count": 1, "seed": seed, "number": number, "told": how, "input": ""}
    if number >= 0:
        outcome.inputs = number + 1
        with tempfile.TemporaryDirectory() as place:
            told["input"] = pack(draw(all_targets()[name], Path(place), seed, number))
    outcome.faults[how] = told
    return outcome
