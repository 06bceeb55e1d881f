"""The picture of a run: its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from hrf_ser.files import new_file


def draw_confusion(path: Path, confusion: Tensor, labels: Sequence[str], title: str) -> None:
    """Draw recall per class with counts.

    Args:
        path: the PNG file.
        confusion: ``(classes, classes)`` counts; rows are labels, columns predictions.
        labels: class names.
        title: above the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    counts = confusion.double()
    share = counts / counts.sum(1, keepdim=True).clamp(min=1)
    side = 2.6 + 0.62 * len(labels)
    figure = Figure(figsize=(side + 0.4, side), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    image = axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    axes.set_title(title, fontsize=10)
    for row in range(len(labels)):
        for column in range(len(labels)):
            dark = share[row, column] > 0.55
            count = int(counts[row, column])
            if count:
                text = f"{share[row, column]:.0%}\n{count}"
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "#222222")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="recall", shrink=0.8)
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png")
