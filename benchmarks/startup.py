"""How long until ``python -m hrf_ser.train`` says something: its help, or what is wrong with the configuration.

    python -m benchmarks.startup

Commands are interleaved, each in a process of its own; ``python -c pass`` is the floor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.part import Part, Result, Settings, table
from benchmarks.rounds import compare, interleave

# Words after python -m hrf_ser.train -> seconds that they may take.
COMMANDS: dict[str, float] = {
    "--help": 1.5,
    "no_such_key=1": 3,
    "optimizer.name=nope": 3,
    "data=ravdess": 3,
    "data=ravdess data.root=/no/such/folder": 3,
    "model=nope": 3,
    "model.name=nope": 3,
    "model.options.heads=3": 3,
    "model.options.nope=1": 3,
}


def measure(settings: Settings) -> Result:
    """Seconds from the start of Python to its end."""
    with tempfile.TemporaryDirectory() as folder:

        def start(*words: str) -> None:
            line = [sys.executable, *words]
            subprocess.run(line, cwd=folder, env=os.environ, capture_output=True, check=False)

        candidates = {"python -c pass": lambda: start("-c", "pass")}
        for words in COMMANDS:
            candidates[words] = lambda words=words: start("-m", "hrf_ser.train", *words.split())  # type: ignore[misc]
        # Children's time is not this process's: it is always the wall's.
        times = interleave(candidates, 1 if settings.quick else 9, 0 if settings.quick else 1)
    return {"commands": compare(times)}


def markdown(result: Result) -> str:
    rows = []
    for words, entry in result["commands"].items():
        goal = COMMANDS.get(words)
        seconds = {key: value / 1000 for key, value in entry["ms"].items()}
        verdict = "" if goal is None else "yes" if seconds["median"] <= goal else "no"
        shown = f"{seconds['median']:.2f} ({seconds['low']:.2f}-{seconds['high']:.2f})"
        rows.append((f"`{words}`", shown, "" if goal is None else f"{goal:g}", verdict))
    return table(("python -m hrf_ser.train ...", "seconds (quartiles)", "goal", "reached"), rows)


PART = Part("startup", "Start-up", measure, markdown)

if __name__ == "__main__":
    PART.main()
