"""Numbers as text, and the sentences of a report, which come from ``sentences.txt``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from hrf_ser.evaluation.statistics import LEVEL, units_needed

Entry = dict[str, Any]


def signed(value: float) -> str:
    return f"{value:+.3f}"


def bounds(entry: Entry, digits: str = "+.3f") -> str:
    """``[-0.010, +0.031]``, or nothing where one unit gives no interval."""
    return "" if entry["low"] is None else f"[{entry['low']:{digits}}, {entry['high']:{digits}}]"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def design(entry: Entry) -> str:
    """``6 folds (p = 0.0312 at best)``."""
    return f"{many(entry['units'], entry['unit'])} (p = {entry['smallest_p']:.3g} at best)"


def decidable(entry: Entry) -> bool:
    """Whether the design could have given a p value of at most 0.05 after Holm's correction."""
    return bool(entry["smallest_p"] * entry["tests"] <= LEVEL)


def sentence(name: str, *arguments: Any) -> str:
    """The sentence that a macro of ``sentences.txt`` makes."""
    return " ".join(str(getattr(_macros(), name)(*arguments)).split())


def answer(configurations: Sequence[Entry], comparisons: Sequence[Entry]) -> str:
    """Whether light with HRF is better than light, how far light is from large, and how reliable that is.

    Each protocol has its own answer: they train on different speakers, so a mean over them has no meaning.
    """
    protocols = list(dict.fromkeys(entry["protocol"] for entry in configurations))
    if len(protocols) > 1:
        sides = (configurations, comparisons)
        by_protocol = {p: [[entry for entry in side if entry["protocol"] == p] for side in sides] for p in protocols}
        return " ".join(f"Protocol {protocol}: {answer(*found)}" for protocol, found in by_protocol.items())
    kinds = {
        kind: [c for c in comparisons if c["kind"] == kind] for kind in ("pooled", "hrf", "size", "setting", "added")
    }
    hrf = [entry for entry in kinds["hrf"] if not entry["model"].endswith("_large")]
    pooled = {entry["corpus"] for entry in kinds["pooled"]}
    leads = kinds["pooled"] + [entry for entry in hrf if entry["corpus"] not in pooled]
    best = max(configurations, key=lambda entry: entry["scores"]["ua"]["mean"])
    # Of the comparisons with each other system the one with the best model of ours.
    added = {entry["b"]: entry for entry in sorted(kinds["added"], key=lambda entry: float(entry["difference"]))}
    return sentence("answer", leads, hrf, kinds["size"], kinds["setting"], list(added.values()), best)


@functools.cache
def _macros() -> Any:
    # Files that are not HTML are not escaped: the page and the tables escape each in their own way.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters |= {f.__name__: f for f in (signed, bounds, many, design, units_needed)}
    environment.tests["decidable"] = decidable
    environment.globals["level"] = LEVEL
    return environment.get_template("sentences.txt").module
