"""python -m benchmarks.fuzz --inputs 20000

Files made wrong in every way that transfers, spreadsheets, other versions and enemies know, on every reader of foreign files:
which were refused in one sentence, which were read, and whatever else happened. The inputs are shared out among the targets,
readers that take long getting a quarter of what the others get. The same seed gives the same inputs, and a fault prints the
command that tries its input again. The tests try fewer of them (tests/fuzz).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fuzz"))

from fuzz_harness import Outcome, describe, draw
from fuzz_run import try_targets
from fuzz_worker import all_targets

_HEAVY = 4


def table(outcomes: list[Outcome]) -> str:
    """Markdown, a row a target."""
    lines = ["| target | inputs | refused | read | faults | slowest ms | peak MB |", "|---|--:|--:|--:|--:|--:|--:|"]
    for one in outcomes:
        faults = sum(fault["count"] for fault in one.faults.values())
        numbers = (one.inputs, one.refused, one.read, faults, 1e3 * one.slowest_s, one.peak_mb)
        lines.append(f"| {one.name} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |")
    whole = [sum(getattr(one, key) for one in outcomes) for key in ("inputs", "refused", "read")]
    faults = sum(fault["count"] for one in outcomes for fault in one.faults.values())
    worst = (1e3 * max(one.slowest_s for one in outcomes), max(one.peak_mb for one in outcomes))
    lines.append("| all | " + " | ".join(f"{number:,.0f}" for number in (*whole, faults, *worst)) + " |")
    return "\n".join(lines)


def again(name: str, seed: int, number: int) -> None:
    """One input, in this process, with its traceback."""
    target = all_targets()[name]
    with tempfile.TemporaryDirectory() as folder:
        for place in ("drawn", "read"):
            (Path(folder) / place).mkdir()
        data = draw(target, Path(folder) / "drawn", seed, number)
        print(f"{len(data):,} bytes: {data[:2000]!r}")
        _, read, _ = target.prepare(Path(folder) / "read")
        try:
            read(data)
            print("was read")
        except Exception:
            traceback.print_exc()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", help="only these; may stand several times")
    parser.add_argument("--number", type=int, help="try this one input of --target")
    options = parser.parse_args()
    targets = all_targets()
    names = options.target or list(targets)
    for name in names:
        if name not in targets:
            parser.error(f"--target {name} is unknown: use one of {', '.join(targets)}")
    if options.number is not None:
        for name in names:
            again(name, options.seed, options.number)
        return
    shares = {name: 1 if targets[name].heavy else _HEAVY for name in names}
    outcomes: list[Outcome] = []
    for share in sorted(set(shares.values())):
        count = max(round(options.inputs * share / sum(shares.values())), 1)
        for outcome in try_targets([name for name in names if shares[name] == share], count, options.seed):
            outcomes.append(outcome)
            summary = f"{outcome.name}: {outcome.inputs:,} inputs, {len(outcome.faults)} kinds of faults"
            print("\n".join(filter(None, (summary, describe(outcome)))), file=sys.stderr, flush=True)
    print(table(sorted(outcomes, key=lambda one: names.index(one.name))))
    sys.exit(any(one.faults for one in outcomes))


if __name__ == "__main__":
    main()
