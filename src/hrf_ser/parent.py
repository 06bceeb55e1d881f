"""Workers of a sweep on this machine end with the process that started the sweep, whatever ended it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

# Environment variable with the number of the sweep's process; processes of a launcher inherit it.
SWEEP_PROCESS = "HRF_SER_SWEEP_PROCESS"
# Launchers whose workers are of this machine and stop with the sweep. A job of SLURM outlives the command that submitted it.
LOCAL = ("joblib", "submitit_launcher.LocalLauncher")
_PR_SET_PDEATHSIG = 1
_POLL, _GRACE = 0.5, 3.0  # seconds
_watched = threading.Event()


def end_with_sweep(launcher: str) -> None:
    """End this worker when the sweep's process has ended: SIGTERM, which writes a checkpoint, then SIGKILL.

    Args:
        launcher: class of Hydra's launcher, which decides whether there is such a process.
    """
    text = os.environ.get(SWEEP_PROCESS, "")
    if os.name != "posix" or not text.isdigit() or int(text) == os.getpid() or _watched.is_set():
        return
    if not any(name in launcher for name in LOCAL):
        return
    _watched.set()
    sweep = int(text)
    # Ctrl-C reaches every process of a terminal; the sweep's own process reports it, and its end is what counts here.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = os.getppid() == sweep
    if child and sys.platform == "linux":
        # At once, also where a library holds Python's lock for long; the thread below is for other systems.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(sweep, child), daemon=True).start()


def _watch(sweep: int, child: bool) -> None:
    while _exists(sweep, child):
        time.sleep(_POLL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _exists(sweep: int, child: bool) -> bool:
    if child:
        return os.getppid() == sweep  # An orphan has another parent.
    try:
        os.kill(sweep, 0)
    except ProcessLookupError:
        return False
    return True
