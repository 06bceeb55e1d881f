"""A meter in the terminal that moves with what is heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hrf_ser.deploy.runtime import Listener, Posterior
from hrf_ser.deploy.runtime.answer import top
from hrf_ser.deploy.runtime.windows import Windows

Chunk = tuple[NDArray[Any], int]


def listen(
    listener: Listener, source: Iterable[Chunk], windows: Windows, seconds: float | None = None
) -> Iterator[Posterior]:
    """Posteriors of a source that may never end.

    Args:
        listener: what hears.
        source: chunks ``(samples,)`` or ``(samples, channels)`` with their rate.
        windows: length, hop and smoothing.
        seconds: of audio after which to stop; None goes on as long as the source.

    Raises:
        UserError: a chunk that is no audio.
    """
    stream = listener.stream(windows)
    heard = 0.0
    for chunk, rate in source:
        yield from stream.push(chunk, rate)
        heard += len(chunk) / rate
        if seconds is not None and heard >= seconds:
            break
    yield from stream.finish()


class Meter:
    """One bar a class in a terminal; elsewhere a line a posterior, so that it can be read by a program.

    Args:
        labels: class names.
        console: where to; None is the standard output.
    """

    def __init__(self, labels: Sequence[str], console: Console | None = None) -> None:
        self.labels = tuple(labels)
        self.console = console or Console()
        self.live: Live | None = None

    def __enter__(self) -> Meter:
        if self.console.is_terminal:
            self.live = Live(Text("listening ..."), console=self.console, auto_refresh=False).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def show(self, posterior: Posterior) -> None:
        """Move to a posterior."""
        smoothed = posterior.smoothed
        label = "silence" if posterior.silent or smoothed is None else top(smoothed)
        if self.live is None:
            probability = "" if posterior.silent or smoothed is None else f"  {smoothed[label]:.2f}"
            print(f"{posterior.end:.2f} s  {label}{probability}", file=self.console.file, flush=True)
            return
        bars = Table.grid(padding=(0, 1))
        for name in self.labels:
            value = 0.0 if smoothed is None else smoothed[name]
            bars.add_row(Text(name), ProgressBar(total=1.0, completed=value, width=40), Text(f"{value:.2f}"))
        self.live.update(Group(Text(f"{posterior.end:8.1f} s  {label}", style="bold"), bars), refresh=True)
