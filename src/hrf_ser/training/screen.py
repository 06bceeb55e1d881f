"""The last screen of a run: what happened, where it lies, what to type next."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table


def show_result(record: dict[str, Any], folder: Path, example: Path, console: Console | None = None) -> None:
    """Print a finished run.

    Args:
        record: what ``metrics.json`` holds.
        folder: the run's folder.
        example: an audio file to try the model on.
        console: where to print.
    """
    console = console or Console()
    test, val = record["test"], record["val"]
    chance = 1 / record["classes"]
    scores = Table(box=None, pad_edge=False)
    for title in ("", "UA", "WA", "WF1", "F1"):
        scores.add_column(title, justify="left" if not title else "right")
    for name, part, style in (("test", test, "bold"), *([("validation", val, "dim")] if val else [])):
        scores.add_row(name, *(_score(part[key]) for key in ("ua", "wa", "wf1", "f1")), style=style)
    cost = Table(box=None, pad_edge=False)
    for title in ("", "training", "deployed"):
        cost.add_column(title, justify="left" if not title else "right")
    cost.add_row("parameters", *(f"{record['parameters'][key]:,}" for key in ("training", "deployed")))
    macs = (record["macs_per_second_of_audio_training"], record["macs_per_second_of_audio"])
    cost.add_row("multiply-adds / s of audio", *(f"{value / 1e6:,.1f} M" for value in macs))
    hrf = f"HRF rank {record['rank']:g}" if record["hrf"] else "no HRF"
    paper = (
        "\n[bold red]protocol test_oracle: epoch chosen on the test part[/]"
        if record["protocol"] == "test_oracle"
        else ""
    )
    choosers = {"test_oracle": "on the test part", "out_of_fold": "by members on speakers they go without"}
    chosen = f"epoch {record['best_epoch']} chosen {choosers.get(record['protocol'], 'on the validation part')}"
    fixed = f"protocol last_epoch: nothing chosen, epoch {record['best_epoch']} is the last"
    leaks = "".join(f"\n[bold red]leaking: {sentence}[/]" for sentence in record.get("leaks", []))
    title = f"{record['model']}  {hrf}  on {record['corpus']}, fold {record['fold']}, seed {record['seed']}"
    console.print()
    console.print(
        Panel.fit(
            f"[bold]test UA {_score(test['ua'])}[/] over {record['classes']} classes (chance {chance:.3f}), "
            f"{chosen if val else fixed}{paper}{leaks}",
            title=title,
            title_align="left",
        )
    )
    console.print(scores)
    console.print()
    console.print(cost)
    merge = record["merge"]
    if record["hrf"]:
        console.print(
            f"\nmerged: largest logit difference {merge['max_abs_diff']:.1e}, "
            f"{merge['argmax_changes']} of {merge['compared']} decisions changed"
        )
    shown = _short(folder)
    console.print(f"\nthe run       {shown}", highlight=False, soft_wrap=True)
    console.print(f"the model     {shown}/bundle", highlight=False, soft_wrap=True)
    console.print(f"the picture   {shown}/confusion.png", highlight=False, soft_wrap=True)
    words = (f"bundle={shown}/bundle", f"audio={_short(example)}")
    command = f"{_python()} -m hrf_ser.predict {shlex.join(words)}"
    console.print(f"\ntry it        [bold]{command}[/]", highlight=False, soft_wrap=True)


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
