"""Errors of torch and Lightning that the user can fix, as one sentence."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.exceptions import MisconfigurationException

from hrf_ser.errors import UserError

# On the CPU, on accelerators, and of workers that the system killed.
_NO_ACCELERATOR = re.compile("backend found|can not run on your system since the accelerator is not available")
_NO_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory|DataLoader worker .* signal: Killed")


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise a UserError in place of torch's or Lightning's error where memory ran out or a setting was refused."""
    try:
        yield
    except Exception as error:
        if sentence := _out_of_memory(error) or _refused_setting(error):
            raise UserError(sentence) from error
        raise


def _out_of_memory(error: Exception) -> str | None:
    # torch reports a killed data worker as one that exited; only the cause has the signal.
    text = str(error.__cause__ or "") if "exited unexpectedly" in str(error) else str(error)
    system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if not (isinstance(error, MemoryError) or system or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text))):
        return None
    reason = f" ({text.strip().splitlines()[0]})" if text.strip() else ""
    return f"Memory ran out{reason}: set a smaller batch_size, or run fewer jobs in parallel (hydra.launcher.n_jobs)."


def _refused_setting(error: Exception) -> str | None:
    text = next(iter(str(error).strip().splitlines()), "").removesuffix(".")
    if isinstance(error, MisconfigurationException) and _NO_ACCELERATOR.search(text):
        return (
            "trainer.accelerator: this computer has no such device that its torch can use; leave it at auto, set cpu, or "
            "install the build of torch for the device."
        )
    if isinstance(error, MisconfigurationException):
        return f"trainer: {text}."
    if isinstance(error, RuntimeError) and text.startswith("Early stopping conditioned on metric"):
        return f"callbacks: {text.partition('. ')[0]}; monitor another one, or train until an epoch is validated."
    return None
