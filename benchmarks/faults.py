"""Every verb killed again and again, at moments drawn from a seeded generator, and started again.

    python -m benchmarks.faults --kills 50
    python -m benchmarks.faults --kills 50 --verbs train sweep --seed 1

Half of the moments are points in time, half are operations on files: between the writing of a file and its renaming there are
microseconds that a clock hardly hits. Of the starts after a kill, half are killed too. Printed for each verb: kills, how many
starts afterwards came to the end, how many ends had the result of an undisturbed run, damaged files, and temporary ones that
stayed. The commands are those of tests/faults; a folder in which something was wrong is kept and named.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "faults")]

from forking import Ended, Forks  # noqa: E402
from verbs import VERBS, Verb, damaged, leftovers, make_given  # noqa: E402


def moment(generator: random.Random, whole: Ended) -> dict[str, Any]:
    """Where a child dies, as :meth:`Forks.run` takes it."""
    if generator.random() < 0.5:
        return {"kill_after": generator.uniform(0, whole.seconds)}
    return {"kill_at": generator.randint(1, whole.operations), "cut": generator.choice([1.0, generator.random()])}


def campaign(forks: Forks, given: Path, name: str, kills: int, seed: int, folder: Path) -> Counter[str]:
    """Kill a verb so often; what became of it."""
    verb, generator, counts = VERBS[name], random.Random(f"{seed}/{name}"), Counter[str]()
    whole = verb.run(forks, given, folder / "whole")
    assert whole.status == 0, whole.output
    outcome = verb.outcome(folder / "whole")
    number = 0
    while counts["kills"] < kills:
        number += 1
        place = folder / str(number)
        wrong = one(forks, given, verb, place, outcome, whole, generator, counts)
        print(f"\r{name}: {counts['kills']} of {kills} kills", end="", flush=True)
        if wrong:
            print(f"\n{name}: {wrong}, see {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    print()
    return counts


def one(
    forks: Forks,
    given: Path,
    verb: Verb,
    place: Path,
    outcome: dict[str, object],
    whole: Ended,
    generator: random.Random,
    counts: Counter[str],
) -> str:
    """Start, kill once or twice, start again; what was wrong afterwards, or nothing."""
    wrong = ""
    for restart in (False, True)[: generator.choice([1, 2])]:
        if is_done(verb, place):
            break
        killed = verb.run(forks, given, place, restart=restart, **moment(generator, whole))
        counts["kills"] += killed.status == -9
        if broken := damaged(place):
            counts["damaged"] += len(broken)
            wrong = f"damaged {broken[0]}"
    if not is_done(verb, place):
        again = verb.run(forks, given, place, restart=True)
        counts["started again"] += 1
        counts["completed"] += again.status == 0
        if again.status:
            wrong = "not completed"
    counts["ended"] += 1
    counts["same"] += verb.outcome(place) == outcome
    if verb.outcome(place) != outcome:
        wrong = "another result"
    counts["damaged"] += len(damaged(place))
    counts["left over"] += len(leftovers(place))
    return wrong


def is_done(verb: Verb, place: Path) -> bool:
    """Whether a command would refuse to do again what is done."""
    return verb.finished is not None and (place / verb.finished).exists()


def main() -> None:
    """Run the campaign and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each verb")
    parser.add_argument("--verbs", nargs="+", choices=list(VERBS), default=list(VERBS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts here too")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hrf_ser_faults_"))
    rows = {}
    with Forks() as forks:
        (folder / "cache").mkdir()
        given = make_given(folder / "given", folder / "cache", forks)
        for name in arguments.verbs:
            rows[name] = campaign(forks, given, name, arguments.kills, arguments.seed, folder / name)
    print(f"\n{platform.platform()}, seed {arguments.seed}\n")
    columns = ("kills", "started again", "completed", "ended", "same", "damaged", "left over")
    print(f"| verb | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, counts in rows.items():
        print(f"| {name} | {' | '.join(str(counts[column]) for column in columns)} |")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    good = all(one["completed"] == one["started again"] and not one["damaged"] for one in rows.values())
    good = good and all(one["same"] == one["ended"] for one in rows.values())
    if good:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
