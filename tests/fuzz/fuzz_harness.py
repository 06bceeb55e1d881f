"""Fuzz file readers: each must return a valid result or raise a one-sentence ``UserError`` that names the file.

Target, seed and number determine an input, so they reproduce a failure.
"""

from __future__ import annotations

import base64
import json
import os
import random
import resource
import signal
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hrf_ser
from hrf_ser.errors import UserError

LIMIT_S = 10.0  # for one input
MEMORY = 1 << 30  # additional bytes that a reader may allocate
_SHOWN = 3_000  # bytes of a packed input shown in a failure message


@dataclass(frozen=True)
class Target:
    """A reader and valid inputs for it.

    Attributes:
        name: of the reader and its file.
        prepare: sets up an empty folder and returns three: ``draw(rng)`` generates an input, ``read(data)`` writes it
            to the file, reads it and asserts that the result is valid, and the name that an error message must contain.
        heavy: processes only tens of inputs per second, so fewer are run.
    """

    name: str
    prepare: Callable[[Path], tuple[Callable[[random.Random], bytes], Callable[[bytes], None], str]]
    heavy: bool = False


@dataclass
class Outcome:
    """Results of the inputs of one target."""

    name: str
    inputs: int = 0
    refused: int = 0
    read: int = 0
    slowest_s: float = 0.0
    slowest: int = -1
    peak_mb: float = 0.0
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)  # kind -> count, the first input and its traceback

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class TooSlowError(BaseException):
    """The time limit of one input. Not an Exception, so that no reader treats it as a damaged file."""


def draw(target: Target, folder: Path, seed: int, number: int) -> bytes:
    """Reproduce one input."""
    make, _, _ = target.prepare(folder)
    return make(_generator(target, seed, number))


def attempt(target: Target, folder: Path, seed: int, numbers: range, mark: Callable[[int], None]) -> Outcome:
    """Run inputs in this process.

    Args:
        target: the reader.
        folder: an empty folder.
        seed: of the inputs.
        numbers: of the inputs.
        mark: called with each number before it is run, so that a crashed process leaves the number of its input.
    """
    make, read, name = target.prepare(folder)
    outcome = Outcome(target.name)
    with _memory_limit():
        before = _reset_peak()
        for number in numbers:
            data = make(_generator(target, seed, number))
            mark(number)
            started = time.monotonic()
            try:
                with _time_limit(LIMIT_S):
                    read(data)
                outcome.read += 1
            except UserError as error:
                outcome.refused += 1
                if fault := _wrong_sentence(str(error), name):
                    _record(outcome, fault, str(error)[:500], seed, number, data)
            except (Exception, TooSlowError) as error:  # any other exception is a fault
                _record(outcome, _kind(error), traceback.format_exc(limit=-6), seed, number, data)
            took = time.monotonic() - started
            outcome.inputs += 1
            if took > outcome.slowest_s:
                outcome.slowest_s, outcome.slowest = took, number
        outcome.peak_mb = max(_peak() - before, 0) / 1e6
    return outcome


def _generator(target: Target, seed: int, number: int) -> random.Random:
    return random.Random(f"{seed}/{target.name}/{number}")


def _wrong_sentence(text: str, name: str) -> str | None:
    if "\n" in text.strip() or "Traceback" in text:
        return "an error of several lines"
    return None if name in text else f"an error that does not name {name}"


def _kind(error: BaseException) -> str:
    """Exception and the innermost line of this package, so that each fault is reported once."""
    package = f"{Path(hrf_ser.__file__).parent}{os.sep}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside"
    return f"{type(error).__name__} in {place}"


def _record(outcome: Outcome, kind: str, message: str, seed: int, number: int, data: bytes) -> None:
    entry = outcome.faults.setdefault(
        kind, {"count": 0, "seed": seed, "number": number, "message": message, "input": pack(data)}
    )
    entry["count"] += 1


def pack(data: bytes) -> str:
    """Encode an input for a message: base64 of zlib, truncated where long."""
    packed = base64.b64encode(zlib.compress(data, 9)).decode()
    return packed if len(packed) <= _SHOWN else f"{packed[:200]}... ({len(data):,} bytes)"


def describe(outcome: Outcome) -> str:
    """Describe every fault of a target and how to reproduce it."""
    return "\n".join(
        f"{outcome.name}: {kind} ({fault['count']} of {outcome.inputs} inputs)\n"
        f"  reproduce: python -m benchmarks.fuzz --target {outcome.name} --seed {fault['seed']} --number {fault['number']}\n"
        f"  input: {fault['input']}\n  {fault['message']}"
        for kind, fault in outcome.faults.items()
    )


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError(f"over {seconds:g} s")

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def _memory_limit() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _reset_peak() -> int:
    """Reset the peak memory where the kernel allows it; returns the current memory in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return _peak()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_outcome(outcome: Outcome) -> str:
    return json.dumps(outcome.as_dict())
