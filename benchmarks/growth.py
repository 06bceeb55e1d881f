"""How a step and a prediction grow with batch, length, width and rank, and where they bend.

    python -m benchmarks.growth

Along each axis the sizes are measured in an interleaved order. The slope between two neighbours in log-log is the local
exponent: 0 is a cost that is paid anyway, 1 grows with the size, 2 with its square.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.models import inference_of, model_of, step_of, utterances
from benchmarks.part import Part, Result, Settings, table
from benchmarks.rounds import compare

BATCH, FRAMES = 32, 215
AXES: dict[str, tuple[int, ...]] = {
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "frames": (32, 64, 128, 256, 512, 1024),
    "width": (32, 64, 128, 256),
    "rank": (1, 2, 4, 8, 16, 32),
    "frames of one utterance, inference": (64, 128, 256, 512, 1024, 2048, 4096),
}
# A bend is where the local exponent changes by more than this.
BEND = 0.35


def measure(settings: Settings) -> Result:
    """Milliseconds of every light model at every size."""
    found: Result = {"batch": BATCH, "frames": FRAMES, "models": {}}
    for label in settings.light:
        found["models"][label] = {}
        for axis, sizes in AXES.items():
            chosen = sizes[:3] if settings.quick else sizes
            candidates = {str(size): _candidate(label, axis, size) for size in chosen}
            times = settings.interleave(candidates, 40 if "inference" in axis else 9, 2)
            found["models"][label][axis] = {size: entry["ms"] for size, entry in compare(times).items()}
    return found


def _candidate(label: str, axis: str, size: int) -> Callable[[], None]:
    if "inference" in axis:
        features, lengths, _ = utterances(1, size)
        infer = inference_of(model_of(label))
        return lambda: infer(features, lengths)
    inputs: Sequence[Tensor] = utterances(
        size if axis == "batch" else BATCH, size if axis == "frames" else FRAMES, shortest=0.7
    )
    changed: dict[str, Any] = {}
    if axis == "width":
        changed = {"width": size} if label.startswith("speechformer") else {"width": size, "ffn": 2 * size}
    step = step_of(model_of(label, {"rank": size} if axis == "rank" else None, **changed))
    return lambda: step(*inputs)


def slopes(line: Mapping[str, Mapping[str, float]]) -> list[float]:
    """Local exponents between neighbouring sizes."""
    points = [(math.log(float(size)), math.log(entry["median"])) for size, entry in line.items()]
    return [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.pairwise(points)]


def bends(line: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Sizes at which the exponent changes by more than :data:`BEND`."""
    exponents, sizes = slopes(line), list(line)
    pairs = zip(exponents[:-1], exponents[1:], sizes[1:-1], strict=True)
    return [f"{size} ({before:.1f} to {after:.1f})" for before, after, size in pairs if abs(after - before) > BEND]


def markdown(result: Result) -> str:
    rows = []
    for axis in next(iter(result["models"].values())):
        for label, axes in result["models"].items():
            line = axes[axis]
            sizes = list(line)
            middle = " ".join(f"{slope:.2f}" for slope in slopes(line))
            ends = [f"{line[size]['median']:.3g}" for size in (sizes[0], sizes[-1])]
            ends_text = f"{ends[0]} to {ends[1]}"
            rows.append(
                (axis, label, f"{sizes[0]} to {sizes[-1]}", ends_text, middle, ", ".join(bends(line)) or "none")
            )
    columns = (
        "along",
        "model",
        "sizes, doubling",
        "ms",
        "exponent between neighbours",
        "bends at (exponent before, after)",
    )
    scope = f"Training steps on {result['batch']} x {result['frames']} frames unless said otherwise"
    head = f"{scope}; rank is parametrized HRF.\n\n"
    return head + table(columns, rows)


def plot(result: Result, path: Path) -> None:
    """All axes in one SVG, log-log."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # Text as text, and no dates or random names: the file changes only with the figures.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9})
    axes_of = next(iter(result["models"].values()))
    figure, grid = plt.subplots(1, len(axes_of), figsize=(15, 3.2), layout="constrained", squeeze=False)
    panels = grid[0]
    for panel, axis in zip(panels, axes_of, strict=True):
        for label, axes in result["models"].items():
            line = axes[axis]
            sizes = [int(size) for size in line]
            panel.plot(sizes, [line[str(size)]["median"] for size in sizes], marker="o", markersize=3, label=label)
        panel.set(
            xscale="log", yscale="log", xlabel=axis, title=axis.rpartition(", ")[2] if "," in axis else "training step"
        )
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("ms")
    panels[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


PART = Part("growth", "How the cost grows", measure, markdown)

if __name__ == "__main__":
    PART.main()
