"""Runs handed to a launcher until each has come to an end, though some take their process and others with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TypeVar

from hrf_ser.sweeps.attempts import deaths
from hrf_ser.sweeps.plan import Planned
from hrf_ser.sweeps.progress import ended
from hrf_ser.sweeps.state import claim

Result = TypeVar("Result")


def launch_all(
    launch: Callable[[Sequence[Planned], int], Result],
    runs: Sequence[Planned],
    folder: Path,
    journal: Path,
    size: int | None = None,
) -> list[Result]:
    """Launch runs, and again those that the death of a process kept from their end.

    A pool of processes does not outlive the death of one, and takes the runs beside it along. Whichever died is launched alone
    from then on, after all others, so that it harms none of them. It counts its deaths itself and gives up in the end.

    Args:
        launch: hands some runs, and the number of the first, to the launcher.
        runs: what is to be done.
        folder: the sweep's.
        journal: that its jobs write.
        size: runs that are launched at once; None launches all.

    Returns:
        What ``launch`` returned, for each time that it did.
    """
    returns: list[Result] = []
    waiting, alone = list(runs), set[str]()
    while waiting:
        together = [one for one in waiting if one.name not in alone]
        batch = together[: size or None] or waiting[:1]
        try:
            returns.append(launch(batch, len(runs) - len(waiting)))
            waiting = [one for one in waiting if one not in batch]
        except Exception as error:
            died = [one for one in batch if _died(folder / one.name)]
            if not died:
                raise
            if isinstance(error, BrokenExecutor):
                alone |= {one.name for one in died}
            done = ended(journal)
            waiting = [one for one in waiting if one not in batch or one.name not in done]
    return returns


def _died(folder: Path) -> bool:
    """Whether the last attempt at a run died. One that is still under way elsewhere is waited for."""
    with claim(folder, wait=True):
        return deaths(folder) > 0
