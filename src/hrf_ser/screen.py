"""The last screen of a run: its scores and costs, where it lies, what to type next."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Column, Table

from hrf_ser.data.protocols import PROTOCOLS

# Of a classifier on a frozen encoder.
NO_BUNDLE = "no bundle     the encoder is not ours to copy; teacher=whisper_base distils it into a model to deploy"


def show_result(record: dict[str, Any], folder: Path, example: Path, console: Console | None = None) -> None:
    """Print a finished run with a command that tries it on the audio file ``example``."""
    console = console or Console()
    protocol, test, val = PROTOCOLS[record["protocol"]], record["test"], record["val"]
    hrf = f"HRF rank {record['rank']:g}" if record["hrf"] else "no HRF"
    warnings = [protocol.warning] if protocol.warning else []
    warnings += [f"leaking: {sentence}" for sentence in record["leaks"]]
    lines = [
        f"[bold]test UA {_score(test['ua'])}[/] over {record['classes']} classes (chance {1 / record['classes']:.3f})",
        f"protocol {protocol.name}: epoch {record['best_epoch'] + 1} of {record['epochs']}, {protocol.selection}",
        *(_teacher(record) if record["teacher"] else []),
        _calibration(record["calibration"]),
        *(f"[bold red]{warning}[/]" for warning in warnings),
    ]
    title = f"{record['model']}  {hrf}  on {record['corpus']}, fold {record['fold']}, seed {record['seed']}"
    console.print()
    console.print(Panel.fit("\n".join(lines), title=escape(title), title_align="left"))
    scores = _table("", "UA", "WA", "WF1", "F1")
    for name, values, style in (("test", test, "bold"), *([("validation", val, "dim")] if val else [])):
        scores.add_row(name, *(_score(values[key]) for key in ("ua", "wa", "wf1", "f1")), style=style)
    costs = _table("", "training", "deployed")
    costs.add_row("parameters", *(f"{record['parameters'][key]:,}" for key in ("training", "deployed")))
    macs = (record["macs_per_second_of_audio_training"], record["macs_per_second_of_audio"])
    costs.add_row("multiply-adds / s of audio", *(f"{value / 1e6:,.1f} M" for value in macs))
    console.print(scores, "", costs, sep="\n")
    if record["hrf"]:
        merge = record["merge"]
        console.print(
            f"\nmerged: largest logit difference {merge['max_abs_diff']:.1e}, "
            f"{merge['argmax_changes']} of {merge['compared']} predictions changed"
        )
    shown = _short(folder)
    if record.get("encoder") is not None:
        console.print(f"\nthe run       {escape(str(shown))}", NO_BUNDLE, sep="\n", highlight=False, soft_wrap=True)
        return
    arguments = (f"bundle={shown}/bundle", f"audio={_short(example)}")
    console.print(
        f"\nthe run       {escape(str(shown))}",
        f"the model     {escape(str(shown))}/bundle",
        f"the picture   {escape(str(shown))}/confusion.png",
        f"\ntry it        [bold]{escape(f'{_python()} -m hrf_ser.predict {shlex.join(arguments)}')}[/]",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )


def _calibration(calibration: dict[str, Any]) -> str:
    """How far probabilities are from accuracies, and what temperature scaling did about it."""
    after, before = _score(calibration["ece"]), _score(calibration["ece_uncalibrated"])
    if calibration["temperature"] is None:
        return f"calibration error {after}; no speakers to calibrate on"
    return f"calibration error {after}, {before} before temperature scaling by {calibration['temperature']:.2f}"


def _teacher(record: dict[str, Any]) -> list[str]:
    """What the teacher scores, and the model that it taught, on the speakers that selected the checkpoint if there are any."""
    teacher = record["teacher"]
    shown = [(name, key) for name, key in (("validation", "val"), ("test", "test")) if teacher[key] and record[key]][:1]
    return [
        f"teacher {teacher['name']}: {name} UA {_score(teacher[key]['ua'])}; this model {_score(record[key]['ua'])}"
        for name, key in shown
    ]


def _table(*titles: str) -> Table:
    return Table(*(Column(title, justify="right" if title else "left") for title in titles), box=None, pad_edge=False)


def _score(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _python() -> str:
    """The interpreter as one types it: the environment's own where it lies below, as after ``make demo``."""
    here = Path(sys.executable)
    return str(_short(here)) if here.is_relative_to(Path.cwd()) else "python"


def _short(path: Path) -> Path:
    """The path from here, or from the home folder, where it lies below."""
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd())
    return Path("~") / path.relative_to(Path.home()) if path.is_relative_to(Path.home()) else path
