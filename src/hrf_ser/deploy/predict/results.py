"""What was heard as rows of a CSV, as JSON, or as a table on the screen."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hrf_ser.deploy.runtime import Answer, Posterior
from hrf_ser.files import write_text

SCREEN = "-"


@dataclass(frozen=True)
class Heard:
    """One file: its answer, or the sentence that says why there is none.

    Attributes:
        file: as the user named it.
        answer: what was heard.
        error: why nothing was heard.
    """

    file: str
    answer: Answer | None = None
    error: str = ""


def write(out: str, labels: Sequence[str], heard: Sequence[Heard], by_window: bool) -> None:
    """Write a file, whole or not at all; or CSV to the standard output.

    Args:
        out: a path, or ``-``.
        labels: class names.
        heard: one a file.
        by_window: a row a window instead of one a file.
    """
    if out == SCREEN:
        print(as_csv(labels, heard, by_window), end="")
        return
    path = Path(out).expanduser()
    if path.suffix.lower() == ".json":
        text = json.dumps([_content(one, by_window) for one in heard], indent=2) + "\n"
    else:
        text = as_csv(labels, heard, by_window)
    write_text(path, text)


def write_windows(out: str, file: str, labels: Sequence[str], windows: Sequence[Posterior]) -> None:
    """Write the posteriors of a stream, a row each, whole or not at all."""
    path = Path(out).expanduser()
    if path.suffix.lower() == ".json":
        write_text(path, json.dumps([{"file": file, **one.as_dict()} for one in windows], indent=2) + "\n")
        return
    text, table = _table(labels)
    table.writerows(_window_row(file, labels, one) for one in windows)
    write_text(path, text.getvalue())


def as_csv(labels: Sequence[str], heard: Iterable[Heard], by_window: bool) -> str:
    """``file,start,end,emotion,probability``, a column a class, ``error``. Seconds; silence has no emotion."""
    text, table = _table(labels)
    for one in heard:
        if one.answer is None:
            table.writerow([one.file, "", "", "", "", *[""] * len(labels), one.error])
        elif by_window:
            for window in one.answer.windows:
                table.writerow(_window_row(one.file, labels, window))
        else:
            answer = one.answer
            table.writerow([one.file, *_cells(labels, 0.0, answer.seconds, answer.label, answer.probabilities), ""])
    return text.getvalue()


def show(heard: Sequence[Heard], console: Console | None = None) -> None:
    """Print the good files as a table, named from the folder that they share."""
    good = [one for one in heard if one.answer is not None]
    if not good:
        return
    folder = Path(os.path.commonpath([Path(one.file).absolute().parent for one in good]))
    shared = os.path.commonpath([Path(one.file).parent for one in good]) if _alike(good) else str(folder)
    table = Table(title=escape(f"{Path(shared)}/"), title_justify="left", box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for title in ("emotion", "probability", "next"):
        table.add_column(title, no_wrap=True)
    for one in good:
        assert one.answer is not None
        name = Path(one.file).absolute().relative_to(folder)
        ranked = sorted(one.answer.probabilities.items(), key=lambda item: -item[1])
        then = ", ".join(f"{label} {probability:.2f}" for label, probability in ranked[1:3])
        first, probability = ranked[0]
        table.add_row(escape(str(name)), f"[bold]{escape(first)}[/]", f"{probability:.2f}", f"[dim]{escape(then)}[/]")
    (console or Console()).print(table)


def _table(labels: Sequence[str]) -> tuple[io.StringIO, Any]:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "start", "end", "emotion", "probability", *labels, "error"])
    return text, table


def _window_row(file: str, labels: Sequence[str], window: Posterior) -> list[str]:
    return [file, *_cells(labels, window.start, window.end, window.label, window.probabilities), ""]


def _alike(heard: Sequence[Heard]) -> bool:
    return len({Path(one.file).is_absolute() for one in heard}) == 1


def _cells(
    labels: Sequence[str], start: float, end: float, label: str | None, probabilities: dict[str, float] | None
) -> list[str]:
    times = [f"{start:.3f}", f"{end:.3f}"]
    if label is None or probabilities is None:
        return [*times, "", "", *[""] * len(labels)]
    return [*times, label, f"{probabilities[label]:.6f}", *(f"{probabilities[name]:.6f}" for name in labels)]


def _content(one: Heard, by_window: bool) -> dict[str, Any]:
    if one.answer is None:
        return {"file": one.file, "error": one.error}
    return {"file": one.file, **one.answer.as_dict(windows=by_window)}
