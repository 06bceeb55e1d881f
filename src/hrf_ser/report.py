"""``python -m hrf_ser.report runs=runs/``: compare runs, with tables and a page."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError
from hrf_ser.run_folder import METRICS

if TYPE_CHECKING:
    from hrf_ser.config.schema import AddedSystem


@entry_point("report", paths=("runs", "add", "out"), lists=("runs", "add"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "report")
    systems = systems_of(config.add)
    if systems and config.split != "test":
        raise UserError("add=... has predictions of test speakers: leave split=validation out.")
    from hrf_ser.evaluation.find import find_runs

    paths = split_paths(config.runs)
    found = find_runs(paths)
    out = Path(config.out).expanduser() if config.out is not None else default_out(found.roots)
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file; give a folder.")

    # pandas and scipy are imported after every check of the command line.
    from hrf_ser.evaluation.build import build_report, write_report
    from hrf_ser.evaluation.read import read_runs

    runs, damaged = read_runs(found)
    if runs.empty:
        raise UserError(damaged[0])
    if systems:
        from hrf_ser.evaluation.added import add_systems

        runs, left_out = add_systems(runs, systems)
        damaged += left_out
    report = build_report(found, runs, damaged, config.title, config.latency, config.split)
    write_report(report, runs, out)
    print_report(report, out)


def split_paths(runs: object, key: str = "runs") -> list[str]:
    """``a,b`` or ``[a,b]`` as paths; an existing name or pattern is one path even if it contains commas.

    Raises:
        UserError: none given.
    """
    if not isinstance(runs, str) and hasattr(runs, "__iter__"):
        paths = [str(path) for path in runs]
    else:
        text = str(runs)
        whole = Path(text).expanduser().exists() or glob.glob(os.path.expanduser(text), recursive=True)
        paths = [text] if whole else text.split(",")
    paths = [path.strip() for path in paths if path.strip()]
    if not paths:
        kind = "a folder of runs, a pattern or a .jsonl of records" if key == "runs" else "CSV files"
        raise UserError(f"{key} is empty: give {kind}.")
    return paths


def systems_of(add: Any) -> list[AddedSystem]:
    """The systems of ``add``: a path, several, or entries with ``path`` and what is known of the system.

    Raises:
        UserError: an entry has an unknown key or a wrong value.
    """
    from hrf_ser.config import check
    from hrf_ser.config.schema import AddedSystem

    if add is None:
        return []
    container = OmegaConf.to_container(add, resolve=True) if OmegaConf.is_config(add) else split_paths(add, "add")
    entries = container if isinstance(container, list) else [container]
    systems = [entry if isinstance(entry, dict) else {"path": str(entry)} for entry in entries]
    for system in systems:
        check(AddedSystem, system, "report", "add.")
    return [AddedSystem.model_validate(system) for system in systems]


def default_out(roots: list[Path]) -> Path:
    """``report/`` inside the first folder of several runs; in the working directory for a single run or a file of records."""
    first = roots[0]
    return first / "report" if first.is_dir() and not (first / METRICS).exists() else Path("report")


def print_report(report: dict[str, Any], folder: Path) -> None:
    """Print the answer, the warnings and where the tables are."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    console.print(f"\n{report['title']}\n\n{report['answer']}\n")
    for warning in report["warnings"]:
        console.print(f"! {warning}")
    files = (
        f"the page      {folder / 'index.html'}",
        f"the tables    {folder / 'tables.md'}, .tex, .csv",
        f"the records   {folder / 'runs.jsonl'}, from which a report can be made again",
    )
    console.print("", *files, sep="\n", soft_wrap=True)


if __name__ == "__main__":
    main()
