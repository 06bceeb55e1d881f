"""Verbs in forked children of one warm process: a run costs what it does, not what importing torch costs.

A child can be killed, or have its clock jump, at a chosen moment. Moments are operations on files below the child's folder:
between two of them nothing on disk changes but the bytes of a file that is being written, which a cut stands for.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM = (
    "lightning matplotlib.figure soundfile torchmetrics hrf_ser.training.run hrf_ser.data.store hrf_ser.deploy.bundle "
    "hrf_ser.evaluation.build hrf_ser.evaluation.page hrf_ser.deploy.runtime torch.onnx onnxscript onnxruntime"
)


@dataclass(frozen=True)
class Ended:
    """A child's end.

    Attributes:
        status: of exit; negative for a signal.
        output: what it printed, standard error included.
        operations: on files below its folder; 0 where it was killed.
        seconds: that it took.
    """

    status: int
    output: str
    operations: int
    seconds: float


class Forks:
    """A warm process that forks a child for each run, one at a time; a context manager."""

    def __enter__(self) -> Forks:
        line = [sys.executable, __file__]
        self._server = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stdin.close()
        self._server.wait()

    def run(self, folder: Path, verb: str, *words: str, **fault: Any) -> Ended:
        """Run ``python -m hrf_ser.<verb> words`` in ``folder``.

        Args:
            folder: where the child works.
            verb: ``train``, ``prepare``, ...
            words: of its command line.
            fault: ``kill_after`` (seconds after which its process group is killed), ``kill_at`` (number of the operation on
                files before which it is killed), ``cut`` (share of the file in work that stays then), ``clock`` (seed of jumps
                of the wall clock), ``memory`` (MiB of address space it may take beyond what it has), ``setup`` (Python that it
                runs first).
        """
        folder.mkdir(parents=True, exist_ok=True)
        log = folder.parent / f"{folder.name}.log"
        order = {"verb": verb, "words": words, "folder": str(folder), "log": str(log), **fault}
        started = time.monotonic()
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        status, operations = json.loads(self._server.stdout.readline())
        return Ended(status, log.read_text(), operations, time.monotonic() - started)


def serve() -> None:
    """The warm process: an order a line, a child each."""
    import importlib

    import torch

    torch.set_num_threads(1)
    for name in WARM.split():
        # Extras that are not installed are missed by those who need them.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(order, writer)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            # The child holds the other end for as long as it lives.
            if "kill_after" in order and not select.select([pipe], [], [], order["kill_after"])[0]:
                with contextlib.suppress(ProcessLookupError):  # not a group of its own yet
                    os.killpg(child, signal.SIGKILL)
            operations = int(pipe.read() or 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, operations]), flush=True)


def _child(order: dict[str, Any], writer: int) -> None:
    os.setsid()
    os.chdir(order["folder"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDONLY) if stream == 0 else log, stream)
    operations = Operations(Path(order["folder"]), order.get("kill_at"), order.get("cut", 1.0))
    sys.addaudithook(operations)
    if "clock" in order:
        jump_clock(random.Random(order["clock"]))
    if "memory" in order:
        limit_memory(order["memory"])
    exec(order.get("setup", ""), {})
    sys.argv = [f"hrf_ser.{order['verb']}", *order["words"]]
    status = 0
    try:
        import importlib

        importlib.import_module(f"hrf_ser.{order['verb']}").main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(writer, str(operations.count).encode())
    os._exit(status)


class Operations:
    """An audit hook that counts what changes files below a folder, and kills its process before one of them.

    Args:
        folder: what lies elsewhere does not count.
        kill_at: number of the operation, from 1; None lets the process live.
        cut: where the file has just been written and is about to get its name, the share of it that stays: the kill came while
            it was written.
    """

    KINDS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"})

    def __init__(self, folder: Path, kill_at: int | None, cut: float) -> None:
        self.folder, self.kill_at, self.cut = str(folder), kill_at, cut
        self.count, self._busy = 0, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in self.KINDS or self._busy or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not path.startswith(self.folder + "/"):
            return
        self.count += 1
        if self.count != self.kill_at:
            return
        self._busy = True
        if event == "os.chmod" and self.cut < 1 and os.path.isfile(path):
            os.truncate(path, int(self.cut * os.path.getsize(path)))
        os.kill(os.getpid(), signal.SIGKILL)


def jump_clock(generator: random.Random) -> None:
    """Every look at the wall clock finds it up to a year off, forwards or backwards."""
    now = time.time

    def jumping() -> float:
        return now() + generator.uniform(-3e7, 3e7)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    localtime, strftime = time.localtime, time.strftime
    time.localtime = lambda seconds=None: localtime(jumping() if seconds is None else seconds)
    time.strftime = lambda text, when=None: strftime(text, time.localtime() if when is None else when)


def limit_memory(mebibytes: int) -> None:
    """Let this process take so much address space more than it has."""
    import resource

    (pages, *_) = Path("/proc/self/statm").read_text().split()
    limit = int(pages) * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    serve()
