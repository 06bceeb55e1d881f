"""All parts of the performance suite in one command, and the page that shows what they found.

    python -m benchmarks.suite --data ravdess --root /path/to/RAVDESS --out runs/bench
    python -m benchmarks.suite --from runs/bench/results.json --write-docs

Writes ``results.json``, ``results.md`` and ``growth.svg`` into ``--out``, after every part, so that what was measured stays
when the next part fails. ``--write-docs`` puts the same tables between the marks of docs/explanation/performance.md, the plot
into docs/images and the figures into docs/results/performance.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import (
    distillation,
    epoch,
    features,
    growth,
    inference,
    memory,
    products,
    profiles,
    references,
    startup,
    training_step,
    vectorised,
)
from benchmarks.part import Part, Result, add_settings, machine, settings_of
from hrf_ser.files import write_text

PARTS: dict[str, Part] = {
    module.PART.name: module.PART
    for module in (
        references,
        products,
        training_step,
        distillation,
        epoch,
        features,
        startup,
        inference,
        memory,
        growth,
        vectorised,
        profiles,
    )
}
DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- figures: written by `make bench-docs` -->", "<!-- end of figures -->"
PLOT = "growth.svg"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__.splitlines()[0])
    add_settings(parser)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results.json and results.md")
    parser.add_argument("--from", dest="source", type=Path, help="a results.json to show again; nothing is measured")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/explanation/performance.md")
    arguments = parser.parse_args()
    if arguments.source:
        results: Result = json.loads(arguments.source.read_text(encoding="utf-8"))
    else:
        results = measure(arguments)
    print(markdown(results))
    if arguments.write_docs:
        write_docs(results, DOCS)


def measure(arguments: argparse.Namespace) -> Result:
    """Measure the chosen parts; those of an earlier results.json in ``--out`` that are not chosen stay."""
    settings = settings_of(arguments)
    path = arguments.out / "results.json"
    results: Result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    results["machine"] = machine(settings)
    for name in arguments.parts:
        started = time.perf_counter()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        found = PARTS[name].measure(settings)
        seconds = time.perf_counter() - started
        print(f"{seconds:.0f} s", file=sys.stderr)
        results["parts"][name] = {"seconds": round(seconds, 1), "machine": machine(settings), "result": found}
        # Keys become text, as they are when the file is read again.
        results = json.loads(json.dumps(results))
        write_text(path, json.dumps(results, indent=1) + "\n")
        write_text(arguments.out / "results.md", markdown(results) + "\n")
    if "growth" in results["parts"]:
        growth.plot(results["parts"]["growth"]["result"], arguments.out / PLOT)
    return results


def markdown(results: Result, level: int = 2) -> str:
    """The tables of all parts that were measured, each with its command."""
    card = results["machine"]
    pieces = [
        f"{card['processor']}, {card['cores']} cores, {card['capability']}, {card['system']}; Python {card['python']}, "
        f"torch {card['torch']}, hrf_ser {card['hrf_ser']}; {card['threads']} thread(s), {card['clock']} clock, "
        f"corpus {card['corpus']}."
    ]
    for name, part in PARTS.items():
        if name in results["parts"]:
            entry = results["parts"][name]
            quick = " --quick" if entry["machine"]["quick"] else ""
            pieces.append(f"{'#' * level} {part.title}")
            pieces.append(
                f"`python -m benchmarks.{name}{quick}`, {entry['seconds']:.0f} s\n\n{part.markdown(entry['result'])}"
            )
            if name == "growth":
                pieces.append(f"![cost against batch, length, width and rank, log-log](../images/{PLOT})")
    return "\n\n".join(pieces)


def write_docs(results: Result, docs: Path) -> None:
    """Replace the figures of explanation/performance.md, its plot and its data."""
    page = docs / "explanation" / "performance.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page} lacks the marks {BEGIN} and {END}: put them where the figures belong.")
    write_text(page, f"{before}{BEGIN}\n\n{markdown(results, 3)}\n\n{END}{after}")
    write_text(docs / "results" / "performance.json", json.dumps(results, indent=1) + "\n")
    if "growth" in results["parts"]:
        (docs / "images").mkdir(exist_ok=True)
        growth.plot(results["parts"]["growth"]["result"], docs / "images" / PLOT)


if __name__ == "__main__":
    main()
