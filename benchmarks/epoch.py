"""An epoch of the whole command against its bare steps: what loader, Lightning, loggers and checkpoints cost.

    python -m benchmarks.epoch --data ravdess --root /path/to/RAVDESS

``python -m hrf_ser.train`` runs as a user runs it, with one callback more (benchmarks/bare_steps.py), which takes every step
bare as well, right before the command takes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.part import Part, Result, Settings, ratio, table
from benchmarks.rounds import compare, spread

GOAL = 1.05
# Overrides of the command, of the first model; the others are measured as the last.
SETUPS = (("logger=none",), ("logger=none", "cache_on_device=true"), ("logger=wandb",))
PARTS = ("steps", "between steps", "evaluation", "end of epoch")
BARE = ("bare training", "bare evaluation")


def measure(settings: Settings) -> Result:
    """Every light model with the default logger; the first also without one, and then with features in memory as well."""
    found: Result = {"corpus": settings.data, "models": {}}
    for number, label in enumerate(settings.light):
        for overrides in SETUPS if number == 0 else SETUPS[-1:]:
            epochs = run(settings, label, overrides, 2 if settings.quick else 10)
            times = {part: [epoch[part] for epoch in epochs] for part in (*BARE, *PARTS)}
            for name, parts in (("bare", BARE), ("command", PARTS)):
                times[name] = [sum(epoch[part] for part in parts) for epoch in epochs]
            found["models"][", ".join((label, *overrides))] = {
                "epochs": len(epochs),
                "compared": compare({name: times[name] for name in ("bare", "command")}),
                "seconds": {name: spread(values) for name, values in times.items()},
            }
    return found


def run(settings: Settings, label: str, setup: Sequence[str], epochs: int) -> list[dict[str, float]]:
    """The command in a process of its own -> seconds by part of each measured epoch."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "epochs.json"
        overrides = [
            f"model={label}",
            *setup,
            f"data={settings.data}",
            f"data.root={settings.corpus}",
            f"cache_dir={settings.cache}",
            f"threads={settings.threads}",
            f"hydra.run.dir={name}/run",
            # The first epoch warms up, and the callback does not see the end of the last.
            f"trainer.max_epochs={epochs + 2}",
            "callbacks.early_stopping.patience=1000",
            "+callbacks.bare_steps._target_=benchmarks.bare_steps.BareSteps",
            f"+callbacks.bare_steps.path={path}",
            f"+callbacks.bare_steps.clock={settings.clock}",
        ]
        repository = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": str(settings.threads)}
        line = [sys.executable, "-m", "hrf_ser.train", *overrides]
        done = subprocess.run(line, cwd=name, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(line)} failed: {done.stderr[-2000:]}")
        found: list[dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def markdown(result: Result) -> str:
    rows = []
    for label, entry in result["models"].items():
        seconds = {name: f"{value['median']:.3f}" for name, value in entry["seconds"].items()}
        command = entry["compared"]["command"]
        rows.append(
            (
                label,
                ratio(command, 3),
                f"{GOAL:g}",
                "yes" if command["ratio"]["median"] <= GOAL else "no",
                seconds["command"],
                f"{seconds['bare training']} + {seconds['bare evaluation']}",
                *(seconds[part] for part in PARTS),
            )
        )
    columns = ("model", "epoch / bare (quartiles)", "goal", "reached", "epoch, s", "bare training + evaluation, s")
    return table((*columns, *(f"{part}, s" for part in PARTS)), rows)


PART = Part("epoch", "An epoch of the whole command against its bare steps", measure, markdown)

if __name__ == "__main__":
    PART.main()
