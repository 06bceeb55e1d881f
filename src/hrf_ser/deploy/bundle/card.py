"""The model card of a bundle: scores, costs, intended use and limits.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

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
        record: of the run, as ``metrics.json`` has it, with ``recall`` by class and ``sexes``.
        labels: class names.
        licence: of the corpus.
        size: bytes of the weights.
        latency_ms: median from 3 s of waveform to logits, in PyTorch on one thread of this machine, as busy as it is.
        selection: how the checkpoint was selected, where that is not the usual procedure.
        warning: of the protocol, if it has one.
    """
    test, scored = record["test"], record["scored"]["test"]
    hrf = f"with HRF of rank {record['rank']:g}, merged" if record["hrf"] else "without HRF"
    unit = "participants" if record["evaluation_unit"] == "participant" else "utterances"
    lines = [
        f"# {record['model']} on {record['corpus']}",
        "",
        f"Classifies speech into {len(labels)} classes: {', '.join(labels)}. Trained {hrf}.",
        "",
        *_warnings(record, warning),
        "## How good it is",
        "",
        f"On {scored:,} {unit} of speakers that were not in training (fold {record['fold']}, seed {record['seed']}, protocol "
        f"{record['protocol']}):",
        "",
        f"UA **{_number(test['ua'])}**, WA {_number(test['wa'])}, weighted F1 {_number(test['wf1'])}, macro F1 "
        f"{_number(test['f1'])}; chance UA {1 / len(labels):.3f}.",
        "",
        "| class | recall |",
        "|---|---|",
        *(f"| {label} | {_number(record['recall'].get(label))} |" for label in labels),
        "",
        *_sexes(record["sexes"], unit),
        *([selection, ""] if selection else []),
        "One fold and one seed: another fold differs by several points. Compare recipes with `python -m hrf_ser.report`, not "
        "with cards.",
        "",
        "## What it costs",
        "",
        f"{record['parameters']['deployed']:,} parameters, {size / 1000:,.0f} kB of weights, "
        f"{record['macs_per_second_of_audio'] / 1e6:.1f} M multiply-adds for a second of audio. 3 s of audio take "
        f"{latency_ms:.1f} ms from waveform to decision (median, PyTorch, one thread, {platform.machine()} {platform.system()}"
        ", as busy as it was when training ended). `python -m hrf_ser.export` makes a faster file.",
        "",
        "## What it is for",
        "",
        "Research on speech emotion recognition, and devices whose users know of it and can turn it off: as one hint among "
        "others.",
        "",
        "## What it is not for",
        "",
        "- Decisions about a person: hiring, schooling, policing, insurance, diagnosis. In the EU, recognising emotions at "
        "work and in schools is prohibited (Regulation 2024/1689, Article 5).",
        f"- Speech unlike {record['corpus'].replace('>', ' and ')}: other languages, ages, rooms, microphones. What speakers "
        "of a corpus show is often acted, and nobody's inner state.",
        "- Listening to people who have not agreed to it.",
        "",
        "## Where it comes from",
        "",
        f"Corpus: {licence or 'licence not stated'}. The licence of the corpus may bind the model as well.",
        "",
        f"Made with {', '.join(f'{name} {version}' for name, version in record['versions'].items())}.",
    ]
    return "\n".join(lines) + "\n"


def _warnings(record: Mapping[str, Any], warning: str) -> list[str]:
    warnings = [warning] if warning else []
    warnings += [f"Leaking: {sentence}." for sentence in record["leaks"]]
    return [line for text in warnings for line in (f"**{text}**", "")]


def _sexes(sexes: Mapping[str, Mapping[str, Any]], unit: str) -> list[str]:
    if not sexes:
        return ["The corpus does not state the sex of its speakers, so there are no scores by sex.", ""]
    rows = [f"| {sex} | {_number(entry['ua'])} | {entry['scored']:,} |" for sex, entry in sexes.items()]
    few = [sex for sex, entry in sexes.items() if entry["scored"] < _SMALL]
    warning = [f"Under {_SMALL} {unit} ({', '.join(few)}) say little.", ""] if few else []
    return [f"| speakers | UA | {unit} |", "|---|---|---|", *rows, "", *warning]


def _number(value: float | None) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.3f}"
