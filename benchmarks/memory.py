"""Peak memory of training and of inference, each in a process of its own.

    python -m benchmarks.memory

A child imports everything, notes how much memory that took, then takes two training steps or predicts one utterance; the rise
of its peak is what the model, its gradients, its optimizer and its activations need.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

from benchmarks.models import VARIANTS, inference_of, model_of, step_of, utterances
from benchmarks.part import Part, Result, Settings, table

OF_LIGHT = ("plain", "parametrized x4", "parametrized x8", "inserted x4", "inserted x8")
OF_LARGE = ("plain", "parametrized x4", "inserted x4")


def peak_mb() -> float:
    """The most memory that this process has held, MB."""
    try:
        # On Linux a child's getrusage begins with the size of the parent that it was forked from.
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def child(label: str, variant: str, batch: int, frames: int) -> dict[str, float]:
    """In the child: MB before, and what the work added to the peak. ``inference`` is one utterance without gradients."""
    import torch

    torch.set_num_threads(1)
    # Kernels of the first call stay in memory, whatever the model.
    step_of(model_of("conv_transformer", width=16, layers=1, heads=2, ffn=16))(*utterances(2, 32))
    before = peak_mb()
    if variant == "inference":
        inference_of(model_of(label))(*utterances(1, frames)[:2])
    else:
        step = step_of(model_of(label, VARIANTS[variant]))
        for _ in range(2):
            step(*utterances(batch, frames))
    return {"before_mb": before, "added_mb": peak_mb() - before}


def measure(settings: Settings) -> Result:
    """A child for every model and variant."""
    batch, frames = (4, 64) if settings.quick else (32, 215)
    found: Result = {"batch": batch, "frames": frames, "models": {}}
    for label in (*settings.light, *settings.large):
        variants: tuple[str, ...] = OF_LIGHT if label in settings.light else OF_LARGE
        if settings.quick:
            variants = variants[:2]
        found["models"][label] = {}
        for variant in (*variants, "inference"):
            words = [label, variant, str(batch), str(frames)]
            line = [sys.executable, "-m", "benchmarks.memory", "--child", *words]
            done = subprocess.run(line, check=True, capture_output=True, text=True)
            found["models"][label][variant] = json.loads(done.stdout.splitlines()[-1])
    return found


def markdown(result: Result) -> str:
    rows = []
    for label, variants in result["models"].items():
        plain = variants["plain"]["added_mb"]
        for variant, entry in variants.items():
            share = "" if variant == "inference" else f"{entry['added_mb'] / plain:.2f}"
            rows.append((label, variant, f"{entry['added_mb']:.0f}", share))
    base = next(iter(next(iter(result["models"].values())).values()))["before_mb"]
    head = (
        f"Above the {base:.0f} MB of Python and torch; steps on {result['batch']} x {result['frames']} frames, "
        "inference on one utterance.\n\n"
    )
    return head + table(("model", "variant", "MB added", "ratio to plain"), rows)


PART = Part("memory", "Peak memory", measure, markdown)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        parser = argparse.ArgumentParser()
        for name in ("label", "variant"):
            parser.add_argument(name)
        for name in ("batch", "frames"):
            parser.add_argument(name, type=int)
        print(json.dumps(child(**vars(parser.parse_args(sys.argv[2:])))))
    else:
        PART.main()


if __name__ == "__main__":
    main()
