"""A run of Weights & Biases that cannot hold up or end a training: begun, ended and given up within a bound of time."""

from __future__ import annotations

import contextlib
import os
import shlex
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A server that is there answers within a fraction of a second; this is what a dead one costs.
_PROBE_SECONDS = 3.0


def open_run(options: dict[str, Any], offline: bool, patience: float) -> Any:
    """Begin a run; offline, with a sentence that says why, where W&B cannot be reached.

    Args:
        options: of ``wandb.init``.
        offline: record on this disk only.
        patience: seconds that W&B may take to begin the run, and again to end it.

    Returns:
        The ``wandb.Run``.
    """
    # W&B's process would report on itself, from offline runs too, and keep a program from ending until somebody took it.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    # The bounds are W&B's own: its service process keeps them and goes on writing to the disk.
    settings = wandb.Settings(init_timeout=patience, finish_timeout=patience, finish_timeout_raises=True)
    mode = os.environ.get("WANDB_MODE", "online")
    if mode == "disabled":
        return wandb.init(**options, mode="disabled")
    if offline or mode in ("offline", "dryrun"):
        return wandb.init(**options, mode="offline", settings=settings)
    obstacle = _obstacle(patience)
    if obstacle is None:
        try:
            run = wandb.init(**options, mode="online", settings=settings)
            print(f"W&B: {run.url}", flush=True)
            return run
        except Exception as error:
            obstacle = f"the run could not be begun there ({reason(error)})"
            stop_service()
    run = wandb.init(**options, mode="offline", settings=settings)
    say(f"{obstacle}, so this run is recorded offline; send it later with {sync_command(Path(run.settings.sync_dir))}")
    return run


def close_run(run: Any, exit_code: int, patience: float) -> None:
    """End a run; what W&B has not taken by then stays on the disk, as after an offline run."""
    online = not run.disabled and not run.offline
    try:
        run.finish(exit_code=exit_code)
    except Exception as error:
        slow = isinstance(error, TimeoutError)
        stop_service()
        if online:
            cause = (
                f"not everything was taken within {patience:g} s" if slow else f"the upload broke off ({reason(error)})"
            )
            say(f"{cause}; send the rest later with {sync_command(_mark_offline(Path(run.settings.sync_dir)))}")
        else:
            say(f"its offline copy may lack the end ({reason(error)})")


def within(seconds: float, action: Callable[[], Any]) -> None:
    """Do what may wait for W&B's answer, for a bounded time.

    Raises:
        TimeoutError: it is not done yet; it may go on in a thread that ends with the program.
        Exception: what ``action`` raised.
    """
    raised: list[Exception] = []

    def run() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")


def stop_service() -> None:
    """End W&B's service process, which would otherwise keep a failed run and complain at the end of the program."""
    import wandb

    with contextlib.suppress(Exception):
        wandb.teardown()
    # What a service that died left behind would be taken for a live one.
    os.environ.pop("WANDB_SERVICE", None)


def say(sentence: str) -> None:
    """Tell of W&B on the screen, where the training goes on."""
    print(f"W&B: {sentence}", file=sys.stderr, flush=True)


def reason(error: BaseException) -> str:
    """An error in a line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__


def sync_command(folder: Path) -> str:
    """The command that sends a run."""
    with contextlib.suppress(ValueError):
        folder = folder.relative_to(Path.cwd())
    return f"wandb sync {shlex.quote(str(folder))}"


def answers(url: str, seconds: float) -> bool:
    """Whether anything speaks HTTP at ``url`` within ``seconds``, name look-up included."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(f"{url.rstrip('/')}/healthz", timeout=seconds).close()
        except urllib.error.HTTPError:
            pass
        except urllib.error.URLError as error:
            # Certificates are W&B's business: it may know others than Python does.
            if not isinstance(error.reason, ssl.SSLError):
                return
        except (OSError, ValueError):
            return
        answered.set()

    # A thread, because looking up a name knows no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def _obstacle(patience: float) -> str | None:
    """What stands in the way of an online run; None where nothing does."""
    import wandb

    try:
        if not wandb.login(prompt=False, verify=False):
            return "no key is set (run `wandb login`, or set WANDB_API_KEY)"
        url = str(wandb.setup().settings.base_url)
    except Exception as error:
        return f"its settings cannot be used ({reason(error)})"
    seconds = min(_PROBE_SECONDS, patience)
    return None if answers(url, seconds) else f"{url} gave no answer within {seconds:g} s"


def _mark_offline(folder: Path) -> Path:
    """Give the folder of an online run that was not sent whole the name of an offline one: one command sends them all."""
    target = folder.with_name(f"offline-{folder.name}")
    try:
        folder.rename(target)
    except OSError:
        return folder
    latest = folder.parent / "latest-run"
    with contextlib.suppress(OSError):
        latest.unlink()
        latest.symlink_to(target.name)
    return target
