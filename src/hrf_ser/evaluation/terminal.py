"""A report in the terminal: the answer, the configurations, the comparisons, the warnings and the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from hrf_ser.evaluation.read import RUNS
from hrf_ser.evaluation.statistics import LEVEL
from hrf_ser.evaluation.tables import number, score, score_bounds, sections
from hrf_ser.evaluation.text import bounds, many, signed

_ROWS = 40  # the page and the CSV files have all


def show_report(report: dict[str, Any], folder: Path, console: Console | None = None) -> None:
    """Print a report, whose files lie in ``folder``."""
    console = console or Console()
    console.print()
    console.print(Panel(f"[bold]{escape(report['answer'])}[/]", title=escape(report["title"]), title_align="left"))
    left = _ROWS
    for corpus, protocol, entries in sections(report["configurations"]):
        if left > 0:
            console.print(_configurations(corpus, protocol, entries[:left]))
        left -= len(entries)
    if report["comparisons"]:
        console.print(_comparisons(report["comparisons"][:_ROWS]))
    more = [max(0, -left), max(0, len(report["comparisons"]) - _ROWS)]
    if any(more):
        console.print(f"[dim]{more[0]} more configurations, {more[1]} more comparisons: see the page.[/]")
    for sentence in report["warnings"]:
        console.print(f"[yellow]![/] {escape(sentence)}", highlight=False)
    console.print()
    page = folder / "index.html"
    for line in (
        *([f"the page      [bold]{escape(str(page))}[/]"] if page.exists() else []),
        f"the tables    {escape(str(folder / 'tables.md'))}, .tex, .csv",
        f"the records   {escape(str(folder / RUNS))}, from which a report can be made again",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _configurations(corpus: str, protocol: str, entries: list[dict[str, Any]]) -> Table:
    table = _table(
        f"{escape(corpus)}, protocol {escape(protocol)}",
        ("configuration", "UA", "95 %", "sd", "WA", "F1", "runs", "deployed", "ms"),
        style="bold red" if protocol == "test_oracle" else "italic",
    )
    best = max(entry["scores"]["ua"]["mean"] for entry in entries)
    for entry in entries:
        ua = entry["scores"]["ua"]
        table.add_row(
            escape(entry["label"]),
            f"[bold]{score(ua['mean'])}[/]" if ua["mean"] == best else score(ua["mean"]),
            escape(score_bounds(ua)),
            score(ua["sd"]),
            score(entry["scores"]["wa"]["mean"]),
            score(entry["scores"]["f1"]["mean"]),
            f"{entry['runs']:,}",
            number((entry["parameters"] or {}).get("deployed")),
            f"{entry['latency_ms']['p50']:.1f}" if entry["latency_ms"] else "-",
        )
    return table


def _comparisons(entries: list[dict[str, Any]]) -> Table:
    table = _table("paired differences in UA", ("comparison", "difference", "95 %", "units", "p", "Holm p", "best p"))
    several = len({(entry["corpus"], entry["protocol"]) for entry in entries}) > 1
    for entry in entries:
        protocol = "" if entry["protocol"] == "validation" else f"{entry['protocol']}, "
        corrected = f"{entry['p_holm']:.3f}"
        table.add_row(
            escape((f"{entry['corpus']}, {protocol}" if several else "") + entry["label"]),
            signed(entry["difference"]),
            escape(bounds(entry)),
            many(entry["units"], entry["unit"]),
            f"{entry['p']:.3f}",
            f"[bold]{corrected}[/]" if entry["p_holm"] <= LEVEL else corrected,
            f"[dim]{entry['smallest_p']:.3f}[/]",
        )
    return table


def _table(title: str, columns: Sequence[str], style: str = "italic") -> Table:
    table = Table(title=title, title_justify="left", title_style=style, box=None, padding=(0, 1, 0, 0))
    table.add_column(columns[0], overflow="fold", ratio=1, min_width=15)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table
