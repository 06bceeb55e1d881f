"""The model card of a bundle, from ``card.md``: scores, costs, intended use and limits.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

CARD = "README.md"
_SMALL = 20  # utterances or participants below which a score is little more than a guess


def render_card(
    record: Mapping[str, Any],
    labels: tuple[str, ...],
    licence: str,
    size: int,
    latency_ms: float,
    selection: str = "",
    warning: str = "",
) -> str:
    """The card as Markdown.

    Args:
        record: of the run, as ``metrics.json`` has it.
        labels: class names.
        licence: of the corpus.
        size: bytes of the weights.
        latency_ms: median for 3 s of audio in PyTorch on one thread of this machine.
        selection: how the checkpoint was selected, where that is not the usual procedure.
        warning: of the protocol, if it has one.
    """
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701  # Markdown, not HTML
    environment.filters["score"] = _score
    template = environment.from_string(Path(__file__).with_name("card.md").read_text(encoding="utf-8"))
    return template.render(
        record,
        labels=labels,
        licence=licence,
        size=size,
        latency_ms=latency_ms,
        selection=selection,
        warnings=[*([warning] if warning else []), *(f"Leaking: {sentence}." for sentence in record["leaks"])],
        unit="participants" if record["evaluation_unit"] == "participant" else "utterances",
        few=[sex for sex, entry in record["sexes"].items() if entry["scored"] < _SMALL],
        small=_SMALL,
        machine=f"{platform.machine()} {platform.system()}",
    )


def _score(value: float | None) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.3f}"
