"""The report of an export, as JSON beside the file and as the last screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hrf_ser.files import write_text


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the report, whole or not at all."""
    write_text(path, json.dumps(report, indent=2) + "\n")


def remarks(report: dict[str, Any]) -> list[str]:
    """What a reader of the numbers should know and might overlook."""
    found = []
    if report["parity"]["audio"] == "synthetic":
        found.append("compared on synthetic signals, not on real audio: give data= and data.root= for that")
    times = report["latency"]["milliseconds"]
    name = report["format"]
    if name in ("onnx-int8", "onnx-fp16"):
        ratio = times[name]["p50"] / times["onnx"]["p50"]
        speed = f"{name} takes {ratio:.2f} times as long as onnx here"
        found.append(f"slower: {speed}" if ratio > 1.05 else speed)
    return found


def show_report(report: dict[str, Any], out: Path, console: Console | None = None) -> None:
    """Print an export that was published."""
    console = console or Console()
    parity = report["parity"]
    console.print(f"\n[bold]{out}[/]  {report['bytes'] / 1e6:.2f} MB", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("compared on", f"{parity['utterances']:,} {parity['audio']} utterances")
    table.add_row("largest logit difference", f"{parity['max_logit_difference']:.1e}")
    table.add_row("decisions changed", str(parity["decisions_changed"]))
    if parity["ua_before"] is not None:
        table.add_row("UA of the bundle, the file", f"{parity['ua_before']:.4f}, {parity['ua_after']:.4f}")
    latency = report["latency"]
    for name, times in latency["milliseconds"].items():
        table.add_row(
            f"{latency['seconds_of_audio']:g} s of audio, 1 thread: {name}",
            f"p50 {times['p50']:.2f} ms, p95 {times['p95']:.2f} ms",
        )
    console.print(table)
    for sentence in remarks(report):
        console.print(f"[yellow]{sentence}[/]", highlight=False, soft_wrap=True)
