"""A fork server: commands run in children of one process that has already imported torch.

A child can be killed before a given operation on files below its folder, or run with a clock that jumps. Between two
operations only the file being written changes on disk, which a truncation simulates.
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
import tempfile
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
        status: exit status; negative for a signal.
        output: standard output and error.
        operations: number of operations on files below its folder; 0 if it was killed.
        seconds: its duration.
    """

    status: int
    output: str
    operations: int
    seconds: float


class Forks:
    """A server process that forks one child per run; a context manager."""

    def __enter__(self) -> Forks:
        line = [sys.executable, __file__]
        # Not in the folder of the command: that may be on a full disk.
        self._logs = tempfile.TemporaryDirectory()
        self._server = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._logs.cleanup()

    def run(self, folder: Path, verb: str, *overrides: str, **fault: Any) -> Ended:
        """Run ``python -m hrf_ser.<verb> <overrides>`` in ``folder``.

        Args:
            folder: working directory of the child.
            verb: ``train``, ``prepare``, ...
            overrides: arguments of the command.
            fault: ``kill_after`` (seconds after which its process group is killed), ``kill_at`` (number of the file
                operation before which it is killed), ``cut`` (fraction of the file being written that is kept),
                ``clock`` (seed of jumps of the wall clock), ``memory`` (additional MiB of address space), ``setup``
                (Python code to run first).
        """
        folder.mkdir(parents=True, exist_ok=True)
        log = Path(self._logs.name) / "output.log"
        order = {"verb": verb, "overrides": overrides, "folder": str(folder), "log": str(log), **fault}
        started = time.monotonic()
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        status, operations = json.loads(self._server.stdout.readline())
        return Ended(status, log.read_text(), operations, time.monotonic() - started)


def serve() -> None:
    """The server process: one child per line of input."""
    import importlib

    import torch

    torch.set_num_threads(1)
    for name in WARM.split():
        # Extras may be missing.
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
            # The child holds the other end until it exits.
            if "kill_after" in order and not select.select([pipe], [], [], order["kill_after"])[0]:
                with contextlib.suppress(ProcessLookupError):  # not a process group yet
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
    sys.argv = [f"hrf_ser.{order['verb']}", *order["overrides"]]
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
    """An audit hook that counts file operations below a folder and kills the process before one of them.

    Args:
        folder: operations elsewhere are not counted.
        kill_at: number of the operation, from 1; None never kills.
        cut: fraction that is kept of a file that is about to be renamed, as if the kill came while it was
            written.
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
    """Make every call of the wall clock up to a year wrong, forwards or backwards."""
    now = time.time

    def jumping() -> float:
        return now() + generator.uniform(-3e7, 3e7)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    localtime, strftime = time.localtime, time.strftime
    time.localtime = lambda seconds=None: localtime(jumping() if seconds is None else seconds)
    time.strftime = lambda text, when=None: strftime(text, time.localtime() if when is None else when)


def limit_memory(mebibytes: int) -> None:
    """Limit the additional address space of this process."""
    import resource

    (pages, *_) = Path("/proc/self/statm").read_text().split()
    limit = int(pages) * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    serve()
