"""The report as tables: CSV for programs, Markdown and LaTeX (booktabs) for papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from hrf_ser.evaluation.scores import SCORES
from hrf_ser.evaluation.text import bounds, sentence, signed

_CONFIGURATION = (
    "key", "label", "corpus", "protocol", "model", "family", "size", "hrf", "rank", "variant", "runs", "folds", "seeds",
    *(f"{name}_{statistic}" for name in SCORES for statistic in ("mean", "sd", "low", "high", "pooled")),
    "parameters_training", "parameters_deployed", "macs_per_second_of_audio", "latency_p50_ms", "latency_p95_ms",
    "seconds", "command",
)  # fmt: skip
_COMPARISON = (
    "key", "label", "kind", "corpus", "protocol", "a", "b", "metric", "pairs", "unit", "units", "difference", "low", "high",
    "interval_over", "p", "p_holm", "smallest_p", "verdict", "power_difference", "power_power",
)  # fmt: skip
_RUN = (
    "configuration", "fold", "seed", *SCORES, "val_ua", "best_epoch", "epochs", "seconds", "folder", "command",
)  # fmt: skip
Cell = tuple[str, bool]  # text, and whether it is the best of its column


def configurations_csv(report: dict[str, Any]) -> str:
    """One row per configuration."""
    rows = [
        {**entry, "folds": " ".join(entry["folds"]), "seeds": " ".join(map(str, entry["seeds"]))}
        for entry in report["configurations"]
    ]
    return _csv(rows, _CONFIGURATION)


def comparisons_csv(report: dict[str, Any]) -> str:
    """One row per comparison."""
    return _csv(report["comparisons"], _COMPARISON, power_power="power")


def runs_csv(report: dict[str, Any]) -> str:
    """One row per run."""
    rows = [{"configuration": entry["key"], **run} for entry in report["configurations"] for run in entry["detail"]]
    return _csv(rows, _RUN)


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str], **renamed: str) -> str:
    """Nested values become columns such as ``scores_ua_mean``, of which ``columns`` names the last parts."""
    flat = [_flat(row) for row in rows]
    # Columns of whole numbers with gaps would become floats.
    table = pd.DataFrame(flat, columns=list(columns), dtype="object")
    return str(table.rename(columns=renamed).to_csv(index=False, lineterminator="\n"))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """One level of keys: ``scores.ua.mean`` as ``ua_mean``, ``parameters.deployed`` as ``parameters_deployed``."""
    flat = dict(row)
    for name, statistics in (row.get("scores") or {}).items():
        flat |= {f"{name}_{statistic}": value for statistic, value in statistics.items()}
    for name in ("parameters", "power"):
        flat |= {f"{name}_{key}": value for key, value in (row.get(name) or {}).items()}
    return flat | {f"latency_{key}_ms": value for key, value in (row.get("latency_ms") or {}).items()}


def markdown(report: dict[str, Any]) -> str:
    """The answer, both tables and the warnings, for a README or an issue."""
    parts = [f"# {_md(report['title'])}", _md(report["answer"])]
    for corpus, protocol, entries in sections(report["configurations"]):
        parts.append(f"## {_md(_heading(corpus, protocol))}")
        header = ["model", "HRF", "parameters", "multiply-adds / s", "UA [95 %]", "sd", "WA", "WF1", "F1", "runs"]
        rows = [[f"**{_md(text)}**" if best else _md(text) for text, best in row] for row in _rows(entries, "×")]
        parts.append(_pipes(header, rows))
    if report["comparisons"]:
        header = ["corpus", "comparison", "pairs", "UA difference [95 %]", "p", "p (Holm)", "smallest p"]
        rows = [[_md(text) for text in row] for row in _difference_rows(report)]
        parts += ["## Paired differences", _pipes(header, rows)]
    if report["warnings"]:
        parts += ["## Warnings", "\n".join(f"- {_md(text)}" for text in report["warnings"])]
    return "\n\n".join(parts) + "\n"


def latex(report: dict[str, Any]) -> str:
    """One table per corpus and one of paired differences; the preamble needs ``booktabs`` only."""
    parts = ["% \\usepackage{booktabs}"]
    for number, (corpus, protocol, entries) in enumerate(sections(report["configurations"]), start=1):
        rows: list[str] = []
        for _, members in groupby(zip(entries, _rows(entries, "x"), strict=True), key=lambda pair: pair[0]["family"]):
            rows += ["\\addlinespace"] if rows else []
            for _, row in members:
                cells = [f"\\textbf{{{_tex(text)}}}" if best else _tex(text) for text, best in row]
                rows.append(" & ".join(cells) + r" \\")
        caption = f"{_heading(corpus, protocol)}: mean over folds, 95 % interval in brackets, best in bold."
        header = ["Model", "HRF", "Parameters", "MACs/s", "UA", "SD", "WA", "WF1", "F1", "Runs"]
        parts.append(_table(header, "llrrlrrrrr", rows, caption, f"tab:scores-{number}"))
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
        scores = {name: entry["scores"][name]["mean"] for name in SCORES}
        marked = {name: round(scores[name], 3) == best[name] for name in SCORES}
        ua = entry["scores"]["ua"]
        name = entry["label"].split(", ")[0]
        rows.append(
            [
                (f"{name} ({entry['variant']})" if entry["variant"] else name, False),
                (f"{times}{entry['rank']:g}" if entry["hrf"] else "-", False),
                (number((entry["parameters"] or {}).get("deployed")), False),
                (number(entry["macs_per_second_of_audio"]), False),
                (f"{score(scores['ua'])} {score_bounds(ua)}".rstrip(), marked["ua"]),
                (score(ua["sd"]), False),
                *((score(scores[key]), marked[key]) for key in ("wa", "wf1", "f1")),
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
            f"{signed(entry['difference'])} {bounds(entry)}".rstrip(),
            *(f"{entry[key]:.3f}" for key in ("p", "p_holm", "smallest_p")),
        ]
        for entry in report["comparisons"]
    ]


def score(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def score_bounds(entry: dict[str, Any]) -> str:
    """``[0.512, 0.589]``, or nothing where there is no interval."""
    return "" if entry["low"] is None else f"[{entry['low']:.3f}, {entry['high']:.3f}]"


def number(value: float | None) -> str:
    """``0.16 M``: three digits, as in tables of light models."""
    if value is None:
        return "-"
    return f"{value / 1e6:.2f} M" if value < 1e8 else f"{value / 1e6:.0f} M"


def _heading(corpus: str, protocol: str) -> str:
    if protocol == "validation":
        return corpus
    return f"{corpus} ({sentence('oracle') if protocol == 'test_oracle' else f'protocol {protocol}'})"


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


# File -> its text.
WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "configurations.csv": configurations_csv,
    "comparisons.csv": comparisons_csv,
    "runs.csv": runs_csv,
    "tables.md": markdown,
    "tables.tex": latex,
}
