"""``confusion.png``: the confusion matrix of the test split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from hrf_ser.files import new_file


def draw_confusion(path: Path, confusion: Tensor, labels: Sequence[str], title: str) -> None:
    """Draw recall per class with counts: ``confusion`` is ``(classes, classes)``, its rows labels, its columns predictions."""
    from matplotlib.figure import Figure

    share = confusion.double() / confusion.sum(1, keepdim=True).clamp(min=1)
    side = 2.6 + 0.62 * len(labels)
    figure = Figure(figsize=(side + 0.4, side), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    image = axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    axes.set_title(title, fontsize=10)
    for row, column in confusion.nonzero().tolist():
        color = "white" if share[row, column] > 0.55 else "#222222"
        text = f"{share[row, column]:.0%}\n{int(confusion[row, column])}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="recall", shrink=0.8)
    with new_file(path) as temporary:
        figure.savefig(temporary, format="png")
