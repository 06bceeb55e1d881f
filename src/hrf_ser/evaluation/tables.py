"""The report as tables: CSV for programs, Markdown and LaTeX (booktabs) for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from hrf_ser.evaluation.scores import SCORES
from hrf_ser.evaluation.sentences import PAPER, bounds, signed

_STATISTICS = ("mean", "sd", "low", "high", "pooled")
_COMPARISON = (
    "key", "label", "kind", "corpus", "protocol", "a", "b", "metric", "pairs", "unit", "units", "difference", "low", "high",
    "interval_over", "p", "p_holm", "smallest_p", "verdict",
)  # fmt: skip
_RUN = (
    "fold", "seed", "ua", "wa", "wf1", "f1", "val_ua", "best_epoch", "epochs", "seconds", "folder", "command",
)  # fmt: skip
Cell = tuple[str, bool]  # text, and whether it is the best of its column


def configurations_csv(report: dict[str, Any]) -> str:
    """One row a configuration."""
    plain = ("key", "label", "corpus", "protocol", "model", "family", "size", "hrf", "rank", "variant", "runs")
    header = [
        *plain,
        "folds",
        "seeds",
        *(f"{name}_{statistic}" for name in SCORES for statistic in _STATISTICS),
        "parameters_training",
        "parameters_deployed",
        "macs_per_second_of_audio",
        "latency_p50_ms",
        "latency_p95_ms",
        "seconds",
        "command",
    ]
    rows = [
        [
            *(entry[key] for key in plain),
            " ".join(entry["folds"]),
            " ".join(map(str, entry["seeds"])),
            *(entry["scores"][name][statistic] for name in SCORES for statistic in _STATISTICS),
            *((entry["parameters"] or {}).get(key) for key in ("training", "deployed")),
            entry["macs_per_second_of_audio"],
            *((entry["latency_ms"] or {}).get(key) for key in ("p50", "p95")),
            entry["seconds"],
            entry["command"],
        ]
        for entry in report["configurations"]
    ]
    return _csv(header, rows)


def comparisons_csv(report: dict[str, Any]) -> str:
    """One row a comparison."""
    header = [*_COMPARISON, "power_difference", "power"]
    rows = [
        [*(entry[key] for key in _COMPARISON), *((entry["power"] or {}).get(key) for key in ("difference", "power"))]
        for entry in report["comparisons"]
    ]
    return _csv(header, rows)


def runs_csv(report: dict[str, Any]) -> str:
    """One row a run."""
    rows = [
        [entry["key"], *(run[key] for key in _RUN)] for entry in report["configurations"] for run in entry["detail"]
    ]
    return _csv(["configuration", *_RUN], rows)


def markdown(report: dict[str, Any]) -> str:
    """Both tables and the answer, for a README or an issue."""
    parts = [f"# {_md(report['title'])}", _md(report["answer"])]
    for corpus, protocol, entries in sections(report["configurations"]):
        parts.append(f"## {_md(_heading(corpus, protocol))}")
        header = ["model", "HRF", "parameters", "multiply-adds / s", "UA [95 %]", "sd", "WA", "WF1", "F1", "runs"]
        rows = [[f"**{_md(text)}**" if best else _md(text) for text, best in row] for row in _rows(entries, "×")]
        parts.append(_pipes(header, rows))
    if report["comparisons"]:
        parts.append("## Paired differences")
        header = ["corpus", "comparison", "pairs", "UA difference [95 %]", "p", "p (Holm)", "smallest p"]
        rows = [[_md(text) for text in row] for row in _difference_rows(report)]
        parts.append(_pipes(header, rows))
    if report["warnings"]:
        parts.append("## To be known")
        parts.append("\n".join(f"- {_md(sentence)}" for sentence in report["warnings"]))
    return "\n\n".join(parts) + "\n"


def latex(report: dict[str, Any]) -> str:
    """A table a corpus and one of paired differences; the preamble needs ``booktabs`` only."""
    parts = ["% \\usepackage{booktabs}"]
    for number, (corpus, protocol, entries) in enumerate(sections(report["configurations"])):
        rows: list[str] = []
        for _, members in groupby(zip(entries, _rows(entries, "x"), strict=True), key=lambda pair: pair[0]["family"]):
            if rows:
                rows.append("\\addlinespace")
            for _, row in members:
                cells = [f"\\textbf{{{_tex(text)}}}" if best else _tex(text) for text, best in row]
                rows.append(" & ".join(cells) + r" \\")
        caption = f"{_heading(corpus, protocol)}: mean over folds, 95 % interval in brackets, best in bold."
        header = ["Model", "HRF", "Parameters", "MACs/s", "UA", "SD", "WA", "WF1", "F1", "Runs"]
        parts.append(_table(header, "llrrlrrrrr", rows, caption, f"tab:scores-{number + 1}"))
    if report["comparisons"]:
        rows = [" & ".join(map(_tex, row)) + r" \\" for row in _difference_rows(report)]
        header = ["Corpus", "Comparison", "Pairs", "UA difference", "$p$", "$p$ (Holm)", "smallest $p$"]
        caption = "Paired differences over the same folds and seeds, 95 % interval in brackets."
        parts.append(_table(header, "llrlrrr", rows, caption, "tab:differences"))
    return "\n\n".join(parts) + "\n"


def sections(entries: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Configurations by corpus and protocol: scores of different corpora do not belong in one column."""
    found = groupby(entries, key=lambda entry: (entry["corpus"], entry["protocol"]))
    return [(corpus, protocol, list(members)) for (corpus, protocol), members in found]


def _rows(entries: Sequence[dict[str, Any]], times: str) -> list[list[Cell]]:
    """Cells of a table of configurations; the best of every score is marked."""
    best = {name: max(round(entry["scores"][name]["mean"], 3) for entry in entries) for name in SCORES}
    rows = []
    for entry in entries:
        found = entry["scores"]
        marked = {name: round(found[name]["mean"], 3) == best[name] for name in SCORES}
        name, _, variant = entry["label"].partition(", ")
        variant = variant if not entry["hrf"] else variant.partition(", ")[2]
        rows.append(
            [
                (f"{name} ({variant})" if variant else name, False),
                (f"{times}{entry['rank']:g}" if entry["hrf"] else "-", False),
                (number((entry["parameters"] or {}).get("deployed")), False),
                (number(entry["macs_per_second_of_audio"]), False),
                (" ".join(filter(None, [score(found["ua"]["mean"]), plain_bounds(found["ua"])])), marked["ua"]),
                (score(found["ua"]["sd"]), False),
                *((score(found[key]["mean"]), marked[key]) for key in ("wa", "wf1", "f1")),
                (str(entry["runs"]), False),
            ]
        )
    return rows


def _difference_rows(report: dict[str, Any]) -> list[list[str]]:
    return [
        [
            _heading(entry["corpus"], entry["protocol"]),
            entry["label"],
            str(entry["pairs"]),
            " ".join(filter(None, [signed(entry["difference"]), bounds(entry)])),
            *(f"{entry[key]:.3f}" for key in ("p", "p_holm", "smallest_p")),
        ]
        for entry in report["comparisons"]
    ]


def score(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def plain_bounds(entry: dict[str, Any]) -> str:
    """``[0.512, 0.589]``, or nothing where there is no interval."""
    return "" if entry["low"] is None else f"[{entry['low']:.3f}, {entry['high']:.3f}]"


def number(value: float | None) -> str:
    """``0.16 M``: three digits, as tables of light models have it."""
    if value is None:
        return "-"
    return f"{value / 1e6:.2f} M" if value < 1e8 else f"{value / 1e6:.0f} M"


def _heading(corpus: str, protocol: str) -> str:
    if protocol == "validation":
        return corpus
    return f"{corpus} ({PAPER if protocol == 'test_oracle' else f'protocol {protocol}'})"


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _table(header: Sequence[str], columns: str, rows: Sequence[str], caption: str, label: str) -> str:
    body = "\n".join(f"    {row}" for row in rows)
    return (
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{_tex(caption)}}}\n  \\label{{{label}}}\n"
        f"  \\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n    \\toprule\n"
        f"    {' & '.join(header)} \\\\\n    \\midrule\n{body}\n    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}"
    )


_TEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(character, character) for character in text)
    # A minus sign and a dash are not a hyphen.
    for sign in "+-":
        escaped = escaped.replace(f" {sign}0", f" ${sign}$0").replace(f"[{sign}0", f"[${sign}$0")
        escaped = f"${sign}${escaped[1:]}" if escaped.startswith(f"{sign}0") else escaped
    return "--" if escaped == "-" else escaped.replace(" - ", " -- ")


def _md(text: str) -> str:
    return text.replace("|", "\\|")


# Name of the file -> its text.
WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "configurations.csv": configurations_csv,
    "comparisons.csv": comparisons_csv,
    "runs.csv": runs_csv,
    "tables.md": markdown,
    "tables.tex": latex,
}
