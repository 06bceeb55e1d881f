"""``python -m hrf_ser.<verb>`` in a fork of this process: a new one takes seconds to import torch."""

import atexit
import logging
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import reload
from pathlib import Path


def run_forked(
    verb: str,
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    given: str = "",
    setup: Callable[[], object] | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess:
    """Run a command in a child with its own streams, environment, folder and exit status.

    Args:
        verb: of ``python -m hrf_ser.<verb>``.
        arguments: of the command.
        cwd: working directory.
        environment: all variables.
        given: standard input.
        setup: called in the child before the command.
        timeout: seconds.
    """
    line = [f"hrf_ser.{verb}", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        for path, text in zip(paths, (given, "", ""), strict=True):
            path.write_text(text)
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=_child, args=(line, paths, cwd, environment, setup))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(line, timeout)
        _, stdout, stderr = (path.read_text() for path in paths)
        return subprocess.CompletedProcess(line, process.exitcode, stdout, stderr)


def _child(
    line: list[str],
    paths: list[Path],
    cwd: Path,
    environment: Mapping[str, str],
    setup: Callable[[], object] | None,
) -> None:
    from hydra.core.global_hydra import GlobalHydra

    for number, (path, mode) in enumerate(zip(paths, "rww", strict=True)):
        os.dup2(os.open(path, os.O_RDWR), number)
        stream = os.fdopen(number, mode, closefd=False, buffering=1)
        setattr(sys, path.name, stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    # What pytest and the tests have set up in this process.
    atexit._clear()
    GlobalHydra.instance().clear()
    logging.getLogger().handlers.clear()
    reload(warnings)
    module, *arguments = line
    sys.modules.pop(module, None)
    sys.path.insert(0, str(cwd))
    sys.argv = [module, *arguments]
    if setup is not None:
        setup()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
