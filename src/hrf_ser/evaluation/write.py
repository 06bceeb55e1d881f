"""The report's files, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrf_ser.evaluation.records import RUNS, to_lines
from hrf_ser.evaluation.run import Run
from hrf_ser.evaluation.tables import WRITERS
from hrf_ser.files import write_text

REPORT, PAGE = "report.json", "index.html"


def write_report(report: dict[str, Any], runs: Sequence[Run], folder: Path) -> None:
    """Write ``report.json``, the tables, the runs themselves and the page.

    The page comes last: where it is new, so is everything that it shows.
    """
    from hrf_ser.evaluation.page import render

    write_text(folder / REPORT, json.dumps(report, indent=1, allow_nan=False) + "\n")
    for name, table in WRITERS.items():
        write_text(folder / name, table(report))
    write_text(folder / RUNS, to_lines(runs))
    write_text(folder / PAGE, render(report))
