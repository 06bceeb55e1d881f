"""The report as tables: CSV for programs, Markdown and LaTeX (booktabs) for papers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from hrf_ser.evaluation.configurations import ADDED
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
    "interval_over", "p", "p_holm", "smallest_p", "verdict",
)  # fmt: skip
_TEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$",
}  # fmt: skip
_DIFFERENCES = "Paired differences"
Marker = Callable[[str], str]


def configurations_csv(report: dict[str, Any]) -> str:
    """One row per configuration."""
    rows = []
    for entry in report["configurations"]:
        row = {**entry, "folds": " ".join(entry["folds"]), "seeds": " ".join(map(str, entry["seeds"]))}
        row |= {f"{name}_{key}": value for name, found in entry["scores"].items() for key, value in found.items()}
        row |= {f"parameters_{key}": value for key, value in (entry["parameters"] or {}).items()}
        row |= {f"latency_{key}_ms": value for key, value in (entry["latency_ms"] or {}).items()}
        rows.append(row)
    return _csv(rows, _CONFIGURATION)


def comparisons_csv(report: dict[str, Any]) -> str:
    """One row per comparison."""
    return _csv(report["comparisons"], _COMPARISON)


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    # Columns of whole numbers with gaps would become floats.
    table = pd.DataFrame(rows, columns=list(columns), dtype="object")
    return str(table.to_csv(index=False, lineterminator="\n"))


def markdown(report: dict[str, Any]) -> str:
    """The answer, both tables and the warnings, for a README or an issue."""
    parts = [f"# {_md(report['title'])}", _md(report["answer"])]
    for heading, table in _tables(report, _md, "**{}**".format):
        lines = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
        parts += [f"## {_md(heading)}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    if report["warnings"]:
        parts += ["## Warnings", "\n".join(f"- {_md(text)}" for text in report["warnings"])]
    return "\n\n".join(parts) + "\n"


def latex(report: dict[str, Any]) -> str:
    """The same tables; the preamble needs ``booktabs`` only."""
    parts = ["% \\usepackage{booktabs}\n"]
    for number, (heading, table) in enumerate(_tables(report, _tex, r"\textbf{{{}}}".format), start=1):
        parts.append(
            table.rename(columns=_tex)
            .style.hide(axis="index")
            .to_latex(
                column_format="ll" + "r" * (len(table.columns) - 2),
                position_float="centering",
                hrules=True,
                caption=f"{_tex(heading)}: mean over folds, 95 \\% interval in brackets.",
                label="tab:differences" if heading == _DIFFERENCES else f"tab:scores-{number}",
            )
        )
    return "\n".join(parts)


def _tables(report: dict[str, Any], escape: Marker, bold: Marker) -> Iterator[tuple[str, pd.DataFrame]]:
    """Heading and cells of every table; ``bold`` marks the best of every score."""
    # Scores of different corpora do not belong in one column.
    of_place = groupby(report["configurations"], key=lambda entry: (entry["corpus"], entry["protocol"]))
    for place, entries in of_place:
        yield _heading(*place), _scores(list(entries), escape, bold)
    if report["comparisons"]:
        yield _DIFFERENCES, pd.DataFrame(map(_difference, report["comparisons"])).map(escape)


def _scores(entries: Sequence[dict[str, Any]], escape: Marker, bold: Marker) -> pd.DataFrame:
    table = pd.DataFrame(map(_configuration, entries)).map(escape)
    means = pd.DataFrame({name: [entry["scores"][name]["mean"] for entry in entries] for name in SCORES}).round(3)
    for name, column in zip(SCORES, ("UA [95 %]", "WA", "WF1", "F1"), strict=True):
        table[column] = table[column].map(bold).where(means[name] == means[name].max(), table[column])
    return table


def _configuration(entry: dict[str, Any]) -> dict[str, str]:
    name, scores = entry["label"] if entry["size"] == ADDED else entry["label"].split(", ")[0], entry["scores"]
    return {
        "model": f"{name} ({entry['variant']})" if entry["variant"] else name,
        "HRF": f"×{entry['rank']:g}" if entry["hrf"] else "-",
        "parameters": _millions((entry["parameters"] or {}).get("deployed")),
        "multiply-adds / s": _millions(entry["macs_per_second_of_audio"]),
        "UA [95 %]": f"{scores['ua']['mean']:.3f} {bounds(scores['ua'], '.3f')}".rstrip(),
        "sd": "-" if scores["ua"]["sd"] is None else f"{scores['ua']['sd']:.3f}",
        **{name.upper(): f"{scores[name]['mean']:.3f}" for name in SCORES[1:]},
        "runs": str(entry["runs"]),
    }


def _difference(entry: dict[str, Any]) -> dict[str, str]:
    return {
        "corpus": _heading(entry["corpus"], entry["protocol"]),
        "comparison": entry["label"],
        "pairs": str(entry["pairs"]),
        "UA difference [95 %]": f"{signed(entry['difference'])} {bounds(entry)}".rstrip(),
        "p": f"{entry['p']:.3f}",
        "p (Holm)": f"{entry['p_holm']:.3f}",
        "smallest p": f"{entry['smallest_p']:.3f}",
    }


def _millions(value: float | None) -> str:
    """``0.16 M``: three digits, as in tables of light models."""
    if value is None:
        return "-"
    return f"{value / 1e6:.2f} M" if value < 1e8 else f"{value / 1e6:.0f} M"


def _heading(corpus: str, protocol: str) -> str:
    if protocol == "validation":
        return corpus
    return f"{corpus} ({sentence('oracle') if protocol == 'test_oracle' else f'protocol {protocol}'})"


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(character, character) for character in text)
    escaped = re.sub(r"(?<![\w.])([+-])(?=0\.)", r"$\1$", escaped)  # a sign and a dash are not a hyphen
    return "--" if escaped == "-" else escaped.replace(" - ", " -- ")


def _md(text: str) -> str:
    return text.replace("|", "\\|")


# File -> its text.
WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "configurations.csv": configurations_csv,
    "comparisons.csv": comparisons_csv,
    "tables.md": markdown,
    "tables.tex": latex,
}
