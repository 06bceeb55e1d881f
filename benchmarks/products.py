"""The least that a training step can cost: its matrix products alone, of the same shapes, on random numbers.

    python -m benchmarks.products

A step of each light model is watched once, with attention written out, and every product that its forward and backward
passes really take is noted (a linear or convolution has three: forward, for its input, for its weight). Then the products alone
and the whole steps are interleaved. Depthwise convolutions are no matrix products and are left out of the bound.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.models import model_of, pass_of, step_of, utterances
from benchmarks.part import Part, Result, Settings, milliseconds, ratio, table
from benchmarks.rounds import compare

# (batch, m, k, n): batch products of (m, k) and (k, n)
Shape = tuple[int, int, int, int]


class ProductShapes(TorchDispatchMode):
    """Counts the matrix products that are taken inside it, convolutions as the products that they are."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[Shape] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._overloadpacket.__name__
        if name in ("mm", "addmm", "bmm", "baddbmm"):
            left, right = args[-2:] if name in ("mm", "bmm") else args[1:3]
            batch = left.shape[0] if left.dim() == 3 else 1
            self.counts[batch, left.shape[-2], left.shape[-1], right.shape[-1]] += 1
        out = function(*args, **(kwargs or {}))
        if name == "convolution":
            self._convolution(args[0], args[1], args[8], [True, False, False], out)
        elif name == "convolution_backward":
            self._convolution(args[1], args[2], args[9], [False, *args[10][:2]], args[0])
        return out

    def _convolution(self, x: Tensor, weight: Tensor, groups: int, wanted: list[bool], out: Tensor) -> None:
        if groups > 1:
            return
        rows, inner, channels = x.shape[0] * math.prod(out.shape[2:]), weight[0].numel(), weight.shape[0]
        forward, of_input, of_weight = (
            (1, rows, inner, channels),
            (1, rows, channels, inner),
            (1, inner, rows, channels),
        )
        for shape, one in zip((forward, of_input, of_weight), wanted, strict=True):
            self.counts[shape] += one


def shapes_of(step: Callable[[], object]) -> Counter[Shape]:
    """The matrix products of one call of ``step``, which runs forward and backward on this thread."""
    with sdpa_kernel(SDPBackend.MATH), ProductShapes() as shapes:
        step()
    counts: Counter[Shape] = shapes.counts
    return +counts


def products_alone(shapes: Counter[Shape]) -> Callable[[], None]:
    """A function that takes these products, with memory that is allocated once."""
    work = []
    for (batch, m, k, n), count in shapes.items():
        if batch == 1:
            operands = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
            work.append((torch.mm, *operands, count))
        else:
            operands = torch.randn(batch, m, k), torch.randn(batch, k, n), torch.empty(batch, m, n)
            work.append((torch.bmm, *operands, count))

    def run() -> None:
        for product, left, right, out, count in work:
            for _ in range(count):
                product(left, right, out=out)

    return run


def multiply_adds(shapes: Counter[Shape]) -> int:
    """Multiply-adds of all products."""
    return sum(math.prod(shape) * count for shape, count in shapes.items())


def measure(settings: Settings) -> Result:
    """For each light model: products alone, forward and backward, and the whole step, interleaved."""
    batch, frames = (4, 64) if settings.quick else (32, 215)
    features, lengths, labels = utterances(batch, frames)
    found: Result = {"batch": batch, "frames": frames, "models": {}}
    for label in settings.light:
        model = model_of(label)
        passed, step = pass_of(model), step_of(model)
        shapes = shapes_of(partial(passed, features, lengths, labels))
        candidates: dict[str, Callable[[], object]] = {
            "products alone": products_alone(shapes),
            "forward and backward": partial(passed, features, lengths, labels),
            "whole step": partial(step, features, lengths, labels),
        }
        found["models"][label] = {
            "multiply_adds": multiply_adds(shapes),
            "products": sum(shapes.values()),
            "candidates": compare(settings.interleave(candidates, 40)),
        }
    return found


def markdown(result: Result) -> str:
    rows = []
    for label, entry in result["models"].items():
        candidates = entry["candidates"]
        rows.append(
            (
                label,
                f"{entry['multiply_adds'] / 1e6:,.0f} M in {entry['products']}",
                milliseconds(candidates["products alone"]),
                ratio(candidates["forward and backward"]),
                ratio(candidates["whole step"]),
                milliseconds(candidates["whole step"]),
            )
        )
    columns = ("model", "multiply-adds in products", "products alone, ms", "forward and backward / products")
    head = f"Batch of {result['batch']} x {result['frames']} frames.\n\n"
    return head + table((*columns, "whole step / products", "whole step, ms"), rows)


PART = Part("products", "Against the matrix products alone", measure, markdown)

if __name__ == "__main__":
    PART.main()
